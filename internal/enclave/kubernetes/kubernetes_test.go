package kubernetes

import (
	"maps"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// different are the behaviours of Docker that Kubernetes cannot have, with the reason. What stands in their place is tested
// beside this file.
var different = map[string]string{
	"image that cannot be pulled is used with a warning if it is there":               "nodes pull images when a service starts, so nobody can tell before",
	"image that is nowhere is an error":                                               "as above: it is an error of the start (TestKubernetesExplainsStarts)",
	"image stays what it was resolved to":                                             "a built image is named by its digest, which never means another one (TestKubernetesPushesWhatItBuilds)",
	"image that was built goes with its enclave":                                      "it is the registry's, which others may pull it from",
	"service that was stopped has its files when it runs again":                       "a stopped service has no pod, and with a pod go the files outside of persistent directories",
	"paths are copied out of a service that was stopped":                              "as above",
	"service listens on its own address":                                              "a service's stable address is its Service's, which is no address of its pod",
	"service whose host port is taken gets another one":                               "node ports are the cluster's: it gives them, and no process can take them (TestKubernetesPinsPorts)",
	"service whose pinned port is taken says which":                                   "as above",
	"service that was stopped is not robbed of its files when its host port is taken": "as above",
	"service reaches a port of the engine's machine":                                  "services run on many machines, and none of them is the engine's",
	"service gets capabilities, devices, limits and host settings":                    "there are no devices and ulimits (TestKubernetesGivesHostSettings, TestKubernetesRefuses)",
}

func TestKubernetesConforms(t *testing.T) {
	t.Parallel()
	images := testImages(t)
	images.Base = dockerBase(t)
	backend, _ := builderWith(t, enclavetest.StartRegistry(t, enclavetest.NodeNetwork(t)), enclavetest.RegistryPassword)
	enclavetest.Run(t, backend, images, slices.Sorted(maps.Keys(different))...)
}
