package provider

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

func clusterServer(t *testing.T, backend *memory.Backend) *acctest.Server {
	t.Helper()
	builders := acctest.Builders(backend, nil, nil)
	builders.Backend = func(session.Settings, *slog.Logger) (enclave.Backend, error) {
		return acctest.Backend{Backend: backend, Kind: "kubernetes"}, nil
	}
	folder := t.TempDir()
	server := acctest.NewServer(t, NewWith("test", builders, func(name string) string {
		if name == "TF_DATA_DIR" {
			return folder
		}
		return ""
	}))
	if text := server.Configure(t, acctest.Values{"owner": acctest.String("me"), "backend": acctest.String("kubernetes")}); text != "" {
		t.Fatal(text)
	}
	return server
}

// kubernetesConfig is the configuration of an enclave with these values of its attribute kubernetes.
func kubernetesConfig(t *testing.T, server *acctest.Server, values acctest.Values) acctest.Values {
	t.Helper()
	for _, attribute := range server.Schema(t, "sundog_enclave").Block.Attributes {
		if attribute.Name == "kubernetes" {
			return acctest.Values{"name": acctest.String("dev"), "kubernetes": acctest.Build(t, attribute.ValueType(), values)}
		}
	}
	t.Fatal("there is no attribute kubernetes")
	return nil
}

func textMap(values map[string]string) tftypes.Value {
	elements := map[string]tftypes.Value{}
	for key, text := range values {
		elements[key] = acctest.String(text)
	}
	return tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, elements)
}

func TestEnclavePolicyChangesInPlaceAndItsDriftIsSeen(t *testing.T) {
	backend := memory.New(memory.Hooks{})
	server := clusterServer(t, backend)
	config := kubernetesConfig(t, server, acctest.Values{
		"pod_security": acctest.String("restricted"), "resource_quota": textMap(map[string]string{"pods": "5"}), "pod_labels": textMap(nil),
	})
	state, diagnostics := server.Apply(t, "sundog_enclave", config, nil, server.Plan(t, "sundog_enclave", config, nil))
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	found, err := backend.Enclave(t.Context(), "dev")
	if err != nil || found.Policy.PodSecurity != "restricted" || found.Policy.Quota["pods"] != "5" || found.Policy.Open {
		t.Fatalf("the policy is %+v, %v", found.Policy, err)
	}
	refreshed, _ := server.Read(t, "sundog_enclave", state)
	if !refreshed.Value.Equal(state.Value) {
		t.Errorf("a refresh must change nothing: %s\n%s", refreshed.Value, state.Value)
	}

	// Somebody takes the quota away and opens the enclave.
	_, err = backend.UpdateEnclave(t.Context(), enclave.Spec{Name: "dev", Owner: "me", Policy: &enclave.Policy{PodSecurity: "restricted", Open: true}})
	if err != nil {
		t.Fatal(err)
	}
	drifted, _ := server.Read(t, "sundog_enclave", state)
	if got := acctest.At(t, drifted.Value, "kubernetes", "isolated"); !got.Equal(tftypes.NewValue(tftypes.Bool, false)) {
		t.Errorf("isolated is %s after the drift", got)
	}
	if got := acctest.Text(t, acctest.At(t, drifted.Value, "kubernetes", "pod_security")); got != "restricted" {
		t.Errorf("pod_security is %s after the drift", got)
	}
	if quota := acctest.At(t, drifted.Value, "kubernetes", "resource_quota"); !quota.IsNull() {
		t.Errorf("the quota is %s after the drift", quota)
	}
	planned := server.Plan(t, "sundog_enclave", config, drifted)
	if len(planned.Replace) != 0 || planned.Value.Equal(drifted.Value) {
		t.Errorf("drift must be an update in place: replace %v", planned.Replace)
	}
	healed, diagnostics := server.Apply(t, "sundog_enclave", config, drifted, planned)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	if found, _ := backend.Enclave(t.Context(), "dev"); found.Policy.Open || found.Policy.Quota["pods"] != "5" {
		t.Errorf("the policy is %+v after the update", found.Policy)
	}

	// Without the attribute an enclave is isolated, and has no other bounds.
	bare := acctest.Values{"name": acctest.String("dev")}
	_, diagnostics = server.Apply(t, "sundog_enclave", bare, healed, server.Plan(t, "sundog_enclave", bare, healed))
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	if found, _ := backend.Enclave(t.Context(), "dev"); !found.Policy.Equal(nil) {
		t.Errorf("the policy is %+v, want none", found.Policy)
	}
}

func TestEnclavePolicyThatNoClusterTakesIsRefused(t *testing.T) {
	server := clusterServer(t, memory.New(memory.Hooks{}))
	for want, values := range map[string]acctest.Values{
		`resource_quota["pods"]: "many" is no amount`:            {"resource_quota": textMap(map[string]string{"pods": "many"})},
		`node_selectors["a b"]`:                                  {"node_selectors": textMap(map[string]string{"a b": "c"})},
		`pod_labels["sundog.dev/run"]: keys under sundog.dev/`:   {"pod_labels": textMap(map[string]string{"sundog.dev/run": "x"})},
		`service_account: "Not OK" is no name`:                   {"service_account": acctest.String("Not OK")},
		`pod_security: "strict" is none of`:                      {"pod_security": acctest.String("strict")},
		`pod_annotations["sundog.dev/x"]: keys under sundog.dev`: {"pod_annotations": textMap(map[string]string{"sundog.dev/x": "x"})},
	} {
		text := acctest.Errors(server.Validate(t, "sundog_enclave", kubernetesConfig(t, server, values)))
		if !strings.Contains(text, want) || !strings.Contains(text, "kubernetes") {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}
