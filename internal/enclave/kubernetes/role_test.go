package kubernetes

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// documentedRole is the role of that name in the guide.
func documentedRole(t *testing.T, name string) *rbacv1.ClusterRole {
	t.Helper()
	guide, err := os.ReadFile("../../../templates/guides/kubernetes.md.tmpl")
	must(t, err)
	rest := string(guide)
	for {
		_, after, found := strings.Cut(rest, "```yaml\n")
		text, following, closed := strings.Cut(after, "```")
		if !found || !closed {
			t.Fatalf("the guide holds no manifest of %s", name)
		}
		var role rbacv1.ClusterRole
		if err := yaml.UnmarshalStrict([]byte(text), &role); err == nil && role.Name == name {
			return &role
		}
		rest = following
	}
}

// restricted is a backend for somebody who has only these of the documented roles.
func restricted(t *testing.T, full *Backend, documented ...string) *Backend {
	t.Helper()
	return restrictedTo(t, full, "", documented...)
}

// restrictedTo is one for somebody who has them in one namespace alone; in all without one.
func restrictedTo(t *testing.T, full *Backend, namespace string, documented ...string) *Backend {
	t.Helper()
	conn, err := full.connect()
	must(t, err)
	name := "sundog-test-" + newGeneration()
	accounts := objectKind{"/api/v1", "ServiceAccount", "serviceaccounts", "v1"}
	roles := objectKind{"/apis/rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "rbac.authorization.k8s.io/v1"}
	bindings := objectKind{"/apis/rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", "rbac.authorization.k8s.io/v1"}
	if namespace != "" {
		bindings = objectKind{bindings.prefix, "RoleBinding", "rolebindings", bindings.version}
	}
	role := &rbacv1.ClusterRole{TypeMeta: roles.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, part := range documented {
		role.Rules = append(role.Rules, documentedRole(t, part).Rules...)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		must(t, conn.remove(ctx, bindings, namespace, name, deletion{}))
		must(t, conn.remove(ctx, roles, "", name, deletion{}))
		must(t, conn.remove(ctx, accounts, "default", name, deletion{}))
	})
	account := map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": name}}
	_, err = create(t.Context(), conn, accounts, "default", &account)
	must(t, err)
	_, err = create(t.Context(), conn, roles, "", role)
	must(t, err)
	_, err = create(t.Context(), conn, bindings, namespace, &rbacv1.ClusterRoleBinding{
		TypeMeta: bindings.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "default"}},
	})
	must(t, err)
	var answer struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	must(t, conn.do(t.Context(), call{
		verb: http.MethodPost, path: accounts.path("default", name) + "/token",
		body: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{}},
	}, &answer))
	authority := conn.config.CAData
	if len(authority) == 0 {
		authority, err = os.ReadFile(conn.config.CAFile)
		must(t, err)
	}
	backend := New(Options{Cluster: Cluster{Host: conn.config.Host, Token: answer.Status.Token, ClusterCACertificate: string(authority)}})
	t.Cleanup(func() { must(t, backend.Close()) })
	return backend
}

// Whoever has the role that the guide names can do everything, and needs no kubeconfig.
func TestKubernetesNeedsNoMoreThanItsRole(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	images := testImages(t)
	backend := restricted(t, full, "sundog")
	name := makeEnclave(t, backend)
	ctx := t.Context()
	_, err := backend.ListEnclaves(ctx)
	must(t, err)
	_, err = backend.UpdateEnclave(ctx, enclave.Spec{Name: name, Owner: testOwner, Labels: map[string]string{"team": "shop"}})
	must(t, err)
	unlock, err := backend.Lock(ctx, name, "run/shop", "a test")
	must(t, err)
	_, _, err = backend.LockHolder(ctx, name, "run/shop")
	must(t, err)
	unlock()
	must(t, backend.WriteRecord(ctx, name, "run/shop", []byte("first")))
	must(t, backend.WriteRecord(ctx, name, "run/shop", []byte("second")))
	_, err = backend.ListRecords(ctx, name, "")
	must(t, err)
	must(t, backend.RemoveRecord(ctx, name, "run/shop"))
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("a.txt", 0o644, "alpha")})
	must(t, err)
	must(t, backend.PutArtifact(ctx, name, "d1", tree.WriteTar))
	backend.partsKept = 0
	stored := putFile(t, backend, images.Service, name, "beta")
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Files = map[string]plan.Mount{"/keep": {PersistentKey: "store"}, "/data": {Artifacts: []string{"d1"}}, "/large": {Artifacts: []string{"d2"}}}
		request.Artifacts = map[string]string{"d1": "d1", "d2": stored}
		request.Spec.Aliases = []string{"legacy", "db.example.com"}
	})
	must(t, createAndStart(ctx, backend, name, request))
	if got := exec1(t, backend, name, "api", "cat", "/data/a.txt"); got != "alpha" {
		t.Errorf("the file holds %q", got)
	}
	eventually(t, "the port", func() (bool, string) {
		conn, err := backend.Dial(ctx, name, "api", "tcp", 8080)
		if err != nil {
			return false, err.Error()
		}
		return conn.Close() == nil, ""
	})
	logs, err := backend.Logs(ctx, name, "api", enclave.LogOptions{})
	must(t, err)
	must(t, logs.Close())
	files, err := backend.CopyFrom(ctx, name, "api", "/data")
	must(t, err)
	_, err = io.Copy(io.Discard, files)
	must(t, err)
	must(t, files.Close())
	must(t, createAndStart(ctx, backend, name, request))
	must(t, backend.StopService(ctx, name, "api"))
	_, err = backend.StartService(ctx, name, "api")
	must(t, err)
	// A start that fails looks at events.
	broken := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Name, request.Spec.Entrypoint = "broken", []string{"/no/such/program"}
	})
	mentions(t, createAndStart(ctx, backend, name, broken), "/no/such/program")
	_, err = backend.Observe(ctx, name)
	must(t, err)
	must(t, backend.RemoveService(ctx, name, "api"))
	must(t, backend.RemoveArtifacts(ctx, name, []string{"d1", stored}))
	must(t, backend.RemoveEnclave(ctx, name))
}

// What needs more than the role has a role of its own, and whoever lacks it is told what to do.
func TestKubernetesNeedsARoleForQuotas(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	images := testImages(t)
	lacking := restricted(t, full, "sundog")
	wanted := somePolicy()
	name := "p" + newGeneration()
	t.Cleanup(func() { must(t, full.RemoveEnclave(context.Background(), name)) })
	_, err := lacking.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: wanted})
	mentions(t, err, name, "forbidden", "kubernetes.", "leave the attribute out", "guide")

	// The same enclave is completed by whoever has both roles.
	backend := restricted(t, full, "sundog", "sundog-quotas")
	_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: wanted})
	must(t, err)
	found, err := backend.Enclave(t.Context(), name)
	must(t, err)
	if !found.Policy.Equal(wanted) {
		t.Errorf("the policy is %s", mustMarshal(t, found.Policy))
	}
	refusals, err := backend.Admit(t.Context(), name, []plan.ServiceSpec{{Name: "api"}})
	must(t, err)
	must(t, refusals[0])
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, nil)))
	exec1(t, backend, name, "api", "env", "HOME")
	_, err = backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: &enclave.Policy{Open: true}})
	must(t, err)
	must(t, backend.RemoveEnclave(t.Context(), name))

	// Isolation is a part of the role that can be done without.
	base := documentedRole(t, "sundog")
	last := base.Rules[len(base.Rules)-1]
	if last.Resources[0] != networkPolicies.plural {
		t.Errorf("the guide says that the last rule can be left out, and that is about %v", last.Resources)
	}
}

// Whoever may make no namespaces works in one that was made beforehand, and leaves it empty.
func TestKubernetesWorksInANamespaceMadeBeforehand(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	images := testImages(t)
	conn, err := full.connect()
	must(t, err)
	name := "p" + newGeneration()
	namespace := namespaceName(name)
	_, err = create(t.Context(), conn, namespaces, "", &corev1.Namespace{TypeMeta: namespaces.typeMeta(), ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{enclave.LabelManagedBy: enclave.ManagedBy, enclave.LabelEnclave: name},
	}})
	must(t, err)
	t.Cleanup(func() { must(t, conn.remove(context.Background(), namespaces, "", namespace, deletion{})) })
	backend := restrictedTo(t, full, namespace, "sundog-in-namespace")
	ctx := t.Context()
	_, err = backend.CreateEnclave(ctx, enclave.Spec{Name: name + "x", Owner: testOwner})
	mentions(t, err, name+"x", "forbidden")

	for _, owner := range []string{testOwner, "another"} {
		_, err = backend.CreateEnclave(ctx, enclave.Spec{Name: name, Owner: owner})
		must(t, err)
		_, err = backend.UpdateEnclave(ctx, enclave.Spec{Name: name, Owner: owner, Labels: map[string]string{"team": "shop"}})
		must(t, err)
		if _, err := backend.CreateEnclave(ctx, enclave.Spec{Name: name, Owner: "a third one"}); err == nil {
			t.Error("an enclave that is owned was taken over")
		}
		tree, err := plan.NewFileTree([]plan.File{plan.TextFile("a.txt", 0o644, "alpha")})
		must(t, err)
		must(t, backend.PutArtifact(ctx, name, "d1", tree.WriteTar))
		must(t, backend.WriteRecord(ctx, name, "run/shop", []byte("first")))
		must(t, createAndStart(ctx, backend, name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
			request.Spec.Files = map[string]plan.Mount{"/keep": {PersistentKey: "store"}, "/data": {Artifacts: []string{"d1"}}}
			request.Artifacts = map[string]string{"d1": "d1"}
			request.Spec.Aliases = []string{"legacy"}
		})))
		if got := exec1(t, backend, name, "api", "cat", "/data/a.txt"); got != "alpha" {
			t.Errorf("the file holds %q", got)
		}
		must(t, backend.RemoveEnclave(ctx, name))
		if _, err := backend.Enclave(ctx, name); !errors.Is(err, enclave.ErrNotFound) {
			t.Errorf("got error %v, want ErrNotFound", err)
		}
		for _, kind := range enclaveKinds {
			left, err := listAs[metav1.PartialObjectMetadata](ctx, conn, kind, namespace, map[string]string{"labelSelector": ofSundog()}, metadataOnly)
			must(t, ignoreMissing(err))
			if len(left) > 0 {
				t.Errorf("%s are left: %s", kind.plural, left[0].Name)
			}
		}
	}
}
