package kubernetes

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func contextFor(t *testing.T, duration time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), duration)
}

func TestKubernetesGivesHostSettings(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Capabilities = []string{"NET_ADMIN"}
		request.Spec.BindMounts = map[string]string{"/proc/version": "/shared-version"}
		request.Spec.MaxCPU, request.Spec.MaxMemory = 500, 64
		request.Spec.HostPIDNamespace, request.Spec.TTY = true, true
		request.Spec.GPU = &plan.GPU{SharedMemoryMB: 32}
		request.Spec.Labels = map[string]string{"team": "shop", "not a label": "?"}
	})
	must(t, createAndStart(t.Context(), backend, name, request))
	if text := exec1(t, backend, name, "api", "cat", "/shared-version"); !strings.Contains(text, "Linux") {
		t.Errorf("the shared file holds %q", text)
	}
	if mounts := exec1(t, backend, name, "api", "cat", "/proc/mounts"); !strings.Contains(mounts, "/dev/shm") || !strings.Contains(mounts, "size=32768k") {
		t.Errorf("mounts are %s", mounts)
	}
	if first := exec1(t, backend, name, "api", "init"); first == "service" || first == "pause" {
		t.Errorf("the first process is %q, want the node's", first)
	}
	pod := podOf(t, backend, name, "api")
	container := pod.Spec.Containers[0]
	if container.SecurityContext.Capabilities == nil || container.SecurityContext.Capabilities.Add[0] != "NET_ADMIN" {
		t.Errorf("security is %+v", container.SecurityContext)
	}
	if cpu := container.Resources.Limits.Cpu().MilliValue(); cpu != 500 {
		t.Errorf("the limit is %d millicores", cpu)
	}
	if pod.Labels["team"] != "shop" || pod.Labels[enclave.LabelManagedBy] != enclave.ManagedBy {
		t.Errorf("labels are %v", pod.Labels)
	}
}

// A persistent directory begins with what the image has at its path, as on Docker.
func TestKubernetesStartsPersistentDirectoriesWithTheImagesFiles(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Files = map[string]plan.Mount{"/seed": {PersistentKey: "store", SizeMB: 10}}
	})
	must(t, createAndStart(t.Context(), backend, name, request))
	if text := exec1(t, backend, name, "api", "cat", "/seed/from-image"); text != "of the image" {
		t.Errorf("got %q, want the image's file", text)
	}
}

// Passwords stand in Secrets alone: many may look at pods.
func TestKubernetesKeepsSecretsInSecrets(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Env = map[string]string{"PASSWORD": "hunter2", "PRICE": "$(PASSWORD) $$5"}
		request.Spec.VolatileEnv = map[string]string{"TOKEN": "hunter2"}
	})
	must(t, createAndStart(t.Context(), backend, name, request))
	conn, err := backend.connect()
	must(t, err)
	for _, kind := range []objectKind{services, jobs, pods, configMaps} {
		var body map[string]any
		must(t, conn.do(t.Context(), call{verb: "GET", path: kind.path(namespaceName(name), "")}, &body))
		if text := string(mustMarshal(t, body)); strings.Contains(text, "hunter2") {
			t.Errorf("%s hold a secret", kind.plural)
		}
	}
	// What looks like a reference is a value like any other.
	if got := exec1(t, backend, name, "api", "env", "PRICE"); got != "$(PASSWORD) $$5" {
		t.Errorf("PRICE is %q", got)
	}
}

func TestKubernetesObservesWithAConstantNumberOfCalls(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	conn, err := backend.connect()
	must(t, err)
	counter := countRequests(conn)
	observe := func() int64 {
		before := counter.Load()
		_, err := backend.Observe(t.Context(), name)
		must(t, err)
		return counter.Load() - before
	}
	empty := observe()
	for _, service := range []string{"one", "two", "three"} {
		_, err := backend.CreateService(t.Context(), name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) { request.Spec.Name = service }))
		must(t, err)
	}
	observe() // The first look at published ports asks for the nodes.
	if full := observe(); full != empty || full > 5 {
		t.Errorf("observing took %d calls for no service and %d for three, want the same and at most 5", empty, full)
	}
}

// A namespace that somebody else has made is left alone.
func TestKubernetesLeavesForeignNamespacesAlone(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	conn, err := backend.connect()
	must(t, err)
	name := "foreign-" + newGeneration()
	namespace := &corev1.Namespace{TypeMeta: namespaces.typeMeta()}
	namespace.Name = namespaceName(name)
	_, err = create(t.Context(), conn, namespaces, "", namespace)
	must(t, err)
	defer func() { must(t, conn.remove(context.Background(), namespaces, "", namespace.Name, deletion{})) }()
	_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
	mentions(t, err, name, namespace.Name, "not made by Sundog")
	mentions(t, backend.RemoveEnclave(t.Context(), name), namespace.Name, "not made by Sundog")
}

// Who cannot be reached is named, and who has chosen it.
func TestClusterThatCannotBeReached(t *testing.T) {
	t.Parallel()
	backend := New(Options{Cluster: Cluster{Host: "https://127.0.0.1:1", Token: "s3cret"}})
	_, err := backend.ListEnclaves(t.Context())
	mentions(t, err, "https://127.0.0.1:1", "kubernetes.host")
	var unreachable *enclave.UnreachableError
	if !asError(err, &unreachable) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got error %v, want an UnreachableError without the token", err)
	}
	backend = New(Options{Cluster: Cluster{ConfigPath: filepath.Join(t.TempDir(), "none")}})
	_, err = backend.ListEnclaves(t.Context())
	mentions(t, err, "kubernetes.config_path", "none")
	broken := filepath.Join(t.TempDir(), "broken")
	must(t, os.WriteFile(broken, []byte("{"), 0o600))
	backend = New(Options{Cluster: Cluster{ConfigPaths: []string{broken}}})
	_, err = backend.ListEnclaves(t.Context())
	mentions(t, err, "kubernetes.config_paths", broken)
}
