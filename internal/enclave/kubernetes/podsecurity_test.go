package kubernetes

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Everything that a package may have without root works where the cluster enforces the strictest level, guard, agent and the
// filling of mounts included.
func TestKubernetesKeepsTheRestrictedLevel(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makePolicedEnclave(t, backend, &enclave.Policy{PodSecurity: enclave.PodSecurityRestricted})
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("a.txt", 0o644, "alpha")})
	must(t, err)
	must(t, backend.PutArtifact(t.Context(), name, "d1", tree.WriteTar))
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.User = &plan.User{UID: 4711}
		request.Spec.Capabilities = []string{"NET_BIND_SERVICE"}
		request.Spec.Files = map[string]plan.Mount{
			"/data": {Artifacts: []string{"d1"}}, "/mine": {Artifacts: []string{"d1"}, Owner: &plan.User{UID: 4711}},
		}
		request.Artifacts = map[string]string{"d1": "d1"}
	})
	must(t, createAndStart(t.Context(), backend, name, request))
	for _, path := range []string{"/data/a.txt", "/mine/a.txt"} {
		if got := exec1(t, backend, name, "api", "cat", path); got != "alpha" {
			t.Errorf("%s holds %q", path, got)
		}
	}
	eventually(t, "the port", func() (bool, string) {
		conn, err := backend.Dial(t.Context(), name, "api", "tcp", 8080)
		if err != nil {
			return false, err.Error()
		}
		return conn.Close() == nil, ""
	})
	if pod := podOf(t, backend, name, "api"); len(pod.Spec.Containers) != 2 || len(pod.Spec.InitContainers) != 2 {
		t.Errorf("the pod has %d containers and %d for its files, want 2 of both", len(pod.Spec.Containers), len(pod.Spec.InitContainers))
	}
	// What an image says about its user only the node sees, and it is told with what to do.
	for service, image := range map[string]string{"root": images.Service, "named": images.Unprivileged} {
		err = createAndStart(t.Context(), backend, name, serviceRequest(t, backend, image, func(request *enclave.ServiceRequest) { request.Spec.Name = service }))
		mentions(t, err, service, "runAsNonRoot", "user = User(uid = 1000)", "kubernetes.pod_security")
	}
}

// nodeVolume makes a volume of a folder of a node, and gives the storage class by which it is had. A local one can be given
// to a group; others of that kind cannot.
func nodeVolume(t *testing.T, backend *Backend, images enclavetest.Images, local bool) string {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	class := "sundog-test-" + newGeneration()
	const parent = "/var/tmp"
	folder := parent + "/" + class
	name := makeEnclave(t, backend)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.BindMounts = map[string]string{parent: parent}
	})))
	exec1(t, backend, name, "api", "folder", folder)
	node := podOf(t, backend, name, "api").Spec.NodeName
	volumes := objectKind{"/api/v1", "PersistentVolume", "persistentvolumes", "v1"}
	volume := &corev1.PersistentVolume{TypeMeta: volumes.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: class}, Spec: corev1.PersistentVolumeSpec{
		Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("2G")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		StorageClassName: class, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: folder}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/hostname", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}}},
	}}
	if local {
		volume.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}}
	}
	_, err = create(t.Context(), conn, volumes, "", volume)
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.remove(context.Background(), volumes, "", class, deletion{}))
		command := []string{enclavetest.ServiceProgram, "remove", folder}
		if result, err := backend.Exec(context.Background(), name, "api", enclave.ExecRequest{Command: command}); err != nil || result.Code != 0 {
			t.Errorf("the folder %s is left: %+v, %v", folder, result, err)
		}
	})
	return class
}

// A persistent directory belongs to the service's user by the volume's group, as nothing may run as root that could give it
// away. A service that was drained finds its data there again.
func TestKubernetesKeepsDataUnderTheRestrictedLevel(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	images := testImages(t)
	request := serviceRequest(t, full, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.User = &plan.User{UID: 4711}
		request.Spec.Files = map[string]plan.Mount{"/keep": {PersistentKey: "store"}}
	})
	backend := New(Options{StorageClass: nodeVolume(t, full, images, true)})
	t.Cleanup(func() { must(t, backend.Close()) })
	name := makePolicedEnclave(t, backend, &enclave.Policy{PodSecurity: enclave.PodSecurityRestricted})
	must(t, createAndStart(t.Context(), backend, name, request))
	exec1(t, backend, name, "api", "write", "/keep/note", "kept")
	pod := podOf(t, backend, name, "api")
	evict(t, backend, pod)
	eventually(t, "another pod", func() (bool, string) {
		found, err := backend.Service(t.Context(), name, "api")
		must(t, err)
		return found.State == enclave.StateRunning && podOf(t, backend, name, "api").Name != pod.Name, string(found.State)
	})
	if got := exec1(t, backend, name, "api", "cat", "/keep/note"); got != "kept" {
		t.Errorf("the persistent directory holds %q", got)
	}

	fixed := New(Options{StorageClass: nodeVolume(t, full, images, false)})
	t.Cleanup(func() { must(t, fixed.Close()) })
	name = makePolicedEnclave(t, fixed, &enclave.Policy{PodSecurity: enclave.PodSecurityRestricted})
	mentions(t, createAndStart(t.Context(), fixed, name, request), `"api"`, "permission denied", "fsGroup", "storage_class", "kubernetes.pod_security")
}

// What a level does not allow is told before anything is made.
func TestKubernetesRefusesWhatALevelDoesNotAllow(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	for level, asked := range map[string]map[string]plan.ServiceSpec{
		enclave.PodSecurityBaseline: {
			"the capability NET_ADMIN":       {Name: "one", Capabilities: []string{"NET_ADMIN"}},
			"bind_mounts of the node's /x":   {Name: "one", BindMounts: map[string]string{"/x": "/y"}},
			"privileged; host_pid_namespace": {Name: "one", Privileged: true, HostPIDNamespace: true},
			"the capability CAP_SYS_ADMIN":   {Name: "one", Capabilities: []string{"CAP_SYS_ADMIN", "CHOWN"}},
			"gpu.count = -1":                 {Name: "one", GPU: &plan.GPU{Count: -1}},
			"":                               {Name: "one", User: &plan.User{}, Capabilities: []string{"SETUID"}, Files: map[string]plan.Mount{"/x": {Owner: &plan.User{UID: 3}}}},
		},
		enclave.PodSecurityRestricted: {
			"the capability CHOWN":                  {Name: "one", Capabilities: []string{"CHOWN"}},
			"the user 0 (root)":                     {Name: "one", User: &plan.User{}},
			"files at /x that belong to the user 3": {Name: "one", User: &plan.User{UID: 4}, Files: map[string]plan.Mount{"/x": {Owner: &plan.User{UID: 3}}}},
			"":                                      {Name: "one", Files: map[string]plan.Mount{"/x": {PersistentKey: "x"}}},
		},
		enclave.PodSecurityPrivileged: {"": {Name: "one", User: &plan.User{}, Capabilities: []string{"NET_ADMIN"}}},
	} {
		name := makePolicedEnclave(t, backend, &enclave.Policy{PodSecurity: level})
		for want, spec := range asked {
			refusals, err := backend.Admit(t.Context(), name, []plan.ServiceSpec{{Name: "harmless"}, spec})
			must(t, err)
			if refusals[0] != nil {
				t.Errorf("%s: a harmless service is refused: %v", level, refusals[0])
			}
			if want == "" {
				must(t, refusals[1])
				continue
			}
			mentions(t, refusals[1], want)
			if want != "gpu.count = -1" {
				mentions(t, refusals[1], level, "kubernetes.pod_security")
			}
		}
	}
	_, err := backend.Admit(t.Context(), "p"+newGeneration(), []plan.ServiceSpec{{Name: "one"}})
	if !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// A level that somebody else has put on the namespace counts as well.
func TestKubernetesKeepsALevelThatTheNamespaceHas(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	conn, err := backend.connect()
	must(t, err)
	must(t, conn.do(t.Context(), call{
		verb: "PATCH", path: namespaces.path("", namespaceName(name)), mediaType: "application/merge-patch+json",
		body: map[string]any{"metadata": map[string]any{"labels": map[string]any{labelPodSecurity: enclave.PodSecurityRestricted}}},
	}, nil))
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Unprivileged, func(request *enclave.ServiceRequest) {
		request.Spec.User = &plan.User{UID: 1000}
	})))
}
