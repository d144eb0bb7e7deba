package kubernetes

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// In a pod the service account is enough: nobody says where the cluster is.
func TestKubernetesIsFoundFromInside(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	program := filepath.Join(t.TempDir(), "inside")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "./testdata/inside")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	content, err := os.ReadFile(program)
	must(t, err)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("inside", 0o755, string(content))})
	must(t, err)

	name := makePolicedEnclave(t, backend, &enclave.Policy{ServiceAccount: "looker"})
	conn, err := backend.connect()
	must(t, err)
	accounts := objectKind{"/api/v1", "ServiceAccount", "serviceaccounts", "v1"}
	_, err = create(t.Context(), conn, accounts, namespaceName(name), &corev1.ServiceAccount{TypeMeta: accounts.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: "looker"}})
	must(t, err)
	const group = "rbac.authorization.k8s.io"
	roles := objectKind{"/apis/" + group + "/v1", "ClusterRole", "clusterroles", group + "/v1"}
	bindings := objectKind{"/apis/" + group + "/v1", "ClusterRoleBinding", "clusterrolebindings", group + "/v1"}
	role := documentedRole(t, "sundog")
	role.Name = "sundog-test-" + newGeneration()
	t.Cleanup(func() {
		must(t, conn.remove(context.Background(), bindings, "", role.Name, deletion{}))
		must(t, conn.remove(context.Background(), roles, "", role.Name, deletion{}))
	})
	_, err = create(t.Context(), conn, roles, "", role)
	must(t, err)
	_, err = create(t.Context(), conn, bindings, "", &rbacv1.ClusterRoleBinding{
		TypeMeta: bindings.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: rbacv1.RoleRef{APIGroup: group, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "looker", Namespace: namespaceName(name)}},
	})
	must(t, err)

	must(t, backend.PutArtifact(t.Context(), name, "d1", tree.WriteTar))
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Files, request.Artifacts = map[string]plan.Mount{"/tool": {Artifacts: []string{"d1"}}}, map[string]string{"d1": "d1"}
	})))
	result, err := backend.Exec(t.Context(), name, "api", enclave.ExecRequest{Command: []string{"/tool/inside"}})
	must(t, err)
	if result.Code != 0 || !strings.Contains(result.Output, name) {
		t.Errorf("it ended with code %d: %s", result.Code, result.Output)
	}
}
