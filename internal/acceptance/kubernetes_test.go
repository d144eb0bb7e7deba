package acceptance

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// onKubernetes skips a test where there is no cluster for it. `make test-kubernetes` sets what it takes: KUBECONFIG, and
// the variables that tools/lib/kubernetes.sh explains.
func onKubernetes(t *testing.T) {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names (make test-kubernetes)")
	}
	for _, name := range []string{"SUNDOG_TEST_KUBERNETES_LOAD", "SUNDOG_TEST_KUBERNETES_MACHINE", "SUNDOG_TEST_KUBECTL"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: tools/lib/kubernetes.sh says what it is", name)
		}
	}
}

// kubectl asks the cluster, without Sundog.
func kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	return run(t, ".", nil, os.Getenv("SUNDOG_TEST_KUBECTL"), arguments...)
}

// loadImages brings images of the Docker Engine into the cluster's nodes.
func loadImages(t *testing.T, images ...string) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "images.tar")
	run(t, ".", nil, "docker", append([]string{"save", "--output", archive}, images...)...)
	load := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_LOAD"))
	run(t, ".", nil, load[0], append(load[1:], archive)...)
	if err := os.Remove(archive); err != nil {
		t.Error(err)
	}
	unload := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_UNLOAD"))
	if len(unload) == 0 {
		return
	}
	for _, image := range images {
		unload = append(unload, fullName(image))
	}
	t.Cleanup(func() {
		// Another test that ended meanwhile may have taken the same image away.
		_, _ = try(context.Background(), ".", nil, unload[0], unload[1:]...)
	})
}

// fullName is what a name of an image means where it is not Docker that reads it.
func fullName(image string) string {
	first, _, both := strings.Cut(image, "/")
	switch {
	case !both:
		return "docker.io/library/" + image
	case strings.ContainsAny(first, ".:") || first == "localhost":
		return image
	default:
		return "docker.io/" + image
	}
}

// namespace is where the examples' enclave lies in these tests.
const namespace = "sundog-acceptance"

// inCluster lists what belongs to the examples' enclave, as "kind name" lines, sorted: the namespace with what is in it, and
// the volumes that claims of it have.
func inCluster(t *testing.T) []string {
	t.Helper()
	objects := strings.Fields(kubectl(t, "get", "namespace", namespace, "--ignore-not-found", "--output=name"))
	if len(objects) > 0 {
		objects = append(objects, strings.Fields(kubectl(t, "--namespace="+namespace, "get",
			"services,jobs,pods,secrets,persistentvolumeclaims,leases", "--output=name"))...)
	}
	volumes := kubectl(t, "get", "persistentvolumes", "--output=jsonpath={range .items[?(@.spec.claimRef.namespace==\""+namespace+"\")]}volume/{.metadata.name}{\"\\n\"}{end}")
	objects = append(objects, strings.Fields(volumes)...)
	slices.Sort(objects)
	return objects
}

// leftInCluster lists what inCluster does, after a destroy. It gives volumes a minute to go: the cluster's provisioner takes
// them away by itself after their claims, and a user who may use namespaces only cannot watch it.
func leftInCluster(t *testing.T, before []string) []string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		after := inCluster(t)
		stays := func(object string) bool {
			return strings.HasPrefix(object, "volume/") && !slices.Contains(before, object)
		}
		if !slices.ContainsFunc(after, stays) || time.Now().After(deadline) {
			return after
		}
	}
}

// pods gives the ids of the services' pods by service.
func pods(t *testing.T) map[string]string {
	t.Helper()
	ids := map[string]string{}
	output := kubectl(t, "--namespace="+namespace, "get", "pods", "--selector=sundog.dev/service",
		`--output=jsonpath={range .items[*]}{.metadata.labels.sundog\.dev/service} {.metadata.uid}{"\n"}{end}`)
	for line := range strings.Lines(output) {
		service, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		ids[service] = id
	}
	return ids
}
