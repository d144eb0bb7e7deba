package kubernetes

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// A lasting directory is there after an eviction, and no volume of it is left when its service is replaced or removed.
func TestKubernetesLastingDirectoriesGoWithTheirService(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	conn, err := backend.connect()
	must(t, err)
	volumes := func(want int) {
		eventually(t, fmt.Sprint(want, " volumes"), func() (bool, string) {
			found, err := list[corev1.PersistentVolumeClaim](t.Context(), conn, claims, namespaceName(name), "")
			must(t, err)
			return len(found) == want, strconv.Itoa(len(found))
		})
	}
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Files = map[string]plan.Mount{"/own": {Lasting: true}}
	})
	must(t, createAndStart(t.Context(), backend, name, request))
	exec1(t, backend, name, "api", "write", "/own/a.txt", "kept")
	pod := podOf(t, backend, name, "api")
	evict(t, backend, pod)
	awaitOther(t, backend, name, "api", pod)
	if got := exec1(t, backend, name, "api", "cat", "/own/a.txt"); got != "kept" {
		t.Errorf("after an eviction the file holds %q", got)
	}
	volumes(1)
	must(t, createAndStart(t.Context(), backend, name, request))
	volumes(1)
	if files := exec1(t, backend, name, "api", "list", "/own"); strings.Contains(files, "a.txt") {
		t.Errorf("what has replaced the service has its files: %s", files)
	}
	must(t, backend.RemoveService(t.Context(), name, "api"))
	volumes(0)
}
