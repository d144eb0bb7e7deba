package provider

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

func enclaveServer(t *testing.T, backend *memory.Backend) *acctest.Server {
	t.Helper()
	server := acctest.NewServer(t, withFakes(t, backend, nil, nil))
	if text := server.Configure(t, acctest.Values{"owner": acctest.String("me")}); text != "" {
		t.Fatal(text)
	}
	return server
}

func TestEnclaveLifeCycle(t *testing.T) {
	backend := memory.New(memory.Hooks{})
	server := enclaveServer(t, backend)
	config := acctest.Values{"name": acctest.String("dev"), "ttl": acctest.String("480m")}

	planned := server.Plan(t, "sundog_enclave", config, nil)
	for attribute, want := range map[string]string{"id": "(unknown)", "backend": "docker", "expires_at": "(unknown)", "network": "(unknown)"} {
		if got := acctest.Text(t, acctest.At(t, planned.Value, attribute)); got != want {
			t.Errorf("planned %s is %s, want %s", attribute, got, want)
		}
	}
	state, diagnostics := server.Apply(t, "sundog_enclave", config, nil, planned)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	if got := acctest.Text(t, acctest.At(t, state.Value, "id")); got != "docker/dev" {
		t.Errorf("id is %s", got)
	}
	created, err := time.Parse(time.RFC3339, acctest.Text(t, acctest.At(t, state.Value, "created_at")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := acctest.Text(t, acctest.At(t, state.Value, "expires_at")), created.Add(8*time.Hour).Format(time.RFC3339); got != want {
		t.Errorf("expires_at is %s, want %s", got, want)
	}
	refreshed, diagnostics := server.Read(t, "sundog_enclave", state)
	if acctest.Errors(diagnostics) != "" || !refreshed.Value.Equal(state.Value) {
		t.Errorf("a refresh must change nothing: %s\n%s", refreshed.Value, state.Value)
	}
	// The same duration in other words is no change.
	if again := server.Plan(t, "sundog_enclave", config, refreshed); !again.Value.Equal(state.Value) {
		t.Error("the second plan must be empty")
	}

	longer := acctest.Values{"name": acctest.String("dev"), "ttl": acctest.String("9h")}
	planned = server.Plan(t, "sundog_enclave", longer, refreshed)
	if got, want := acctest.Text(t, acctest.At(t, planned.Value, "expires_at")), created.Add(9*time.Hour).Format(time.RFC3339); got != want || len(planned.Replace) != 0 {
		t.Errorf("a longer life is an update whose end is known: %s, want %s, replace %v", got, want, planned.Replace)
	}
	updated, diagnostics := server.Apply(t, "sundog_enclave", longer, refreshed, planned)
	if text := acctest.Errors(diagnostics); text != "" || !updated.Value.Equal(planned.Value) {
		t.Errorf("%s %s", text, updated.Value)
	}
	renamed := server.Plan(t, "sundog_enclave", acctest.Values{"name": acctest.String("other")}, updated)
	if len(renamed.Replace) == 0 {
		t.Error("another name must replace the enclave")
	}
	if text := acctest.Errors(server.Destroy(t, "sundog_enclave", updated, nil)); text != "" {
		t.Fatal(text)
	}
	if _, err := backend.Enclave(t.Context(), "dev"); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("the enclave must be gone: %v", err)
	}
	if gone, diagnostics := server.Read(t, "sundog_enclave", updated); gone != nil || acctest.Errors(diagnostics) != "" {
		t.Error("an enclave that is gone must leave the state")
	}
	if text := acctest.Errors(server.Destroy(t, "sundog_enclave", updated, nil)); text != "" {
		t.Errorf("deleting what is gone must succeed: %s", text)
	}
}

func TestEnclaveIsAdoptedByItsOwner(t *testing.T) {
	backend := memory.New(memory.Hooks{})
	if _, err := acctest.Docker(backend).CreateEnclave(t.Context(), enclave.Spec{Name: "dev", Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	server := enclaveServer(t, backend)
	config := acctest.Values{"name": acctest.String("dev"), "labels": tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"team": acctest.String("shop")})}
	_, diagnostics := server.Apply(t, "sundog_enclave", config, nil, server.Plan(t, "sundog_enclave", config, nil))
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	found, err := backend.Enclave(t.Context(), "dev")
	if err != nil || found.Labels["team"] != "shop" {
		t.Errorf("adopting must bring the labels: %+v, %v", found, err)
	}
}

func TestEnclaveOfAnotherOwnerNamesTheWayOut(t *testing.T) {
	backend := memory.New(memory.Hooks{})
	if _, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: "dev", Owner: "ci"}); err != nil {
		t.Fatal(err)
	}
	server := enclaveServer(t, backend)
	config := acctest.Values{"name": acctest.String("dev")}
	state, diagnostics := server.Apply(t, "sundog_enclave", config, nil, server.Plan(t, "sundog_enclave", config, nil))
	text := acctest.Errors(diagnostics)
	for _, want := range []string{`Cannot create enclave "dev"`, `"ci"`, "seconds old", "tofu import sundog_enclave.EXAMPLE docker/dev"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if state != nil {
		t.Error("somebody else's enclave must not enter the state")
	}
}

func TestUnreachableEngineKeepsTheState(t *testing.T) {
	away := false
	backend := memory.New(memory.Hooks{Before: func(context.Context, memory.Call) error {
		if away {
			return &enclave.UnreachableError{Endpoint: "unix:///x.sock", Chosen: "DOCKER_HOST", Err: errors.New("connection refused")}
		}
		return nil
	}})
	server := enclaveServer(t, backend)
	config := acctest.Values{"name": acctest.String("dev")}
	state, _ := server.Apply(t, "sundog_enclave", config, nil, server.Plan(t, "sundog_enclave", config, nil))
	away = true
	for what, diagnostics := range map[string]string{
		"read":   func() string { _, d := server.Read(t, "sundog_enclave", state); return acctest.Errors(d) }(),
		"delete": acctest.Errors(server.Destroy(t, "sundog_enclave", state, nil)),
	} {
		for _, want := range []string{"Cannot " + what + " enclave", "unix:///x.sock", "DOCKER_HOST", "Start the engine"} {
			if !strings.Contains(diagnostics, want) {
				t.Errorf("%s: %q lacks %q", what, diagnostics, want)
			}
		}
	}
	// Planning asks nobody.
	if planned := server.Plan(t, "sundog_enclave", config, state); acctest.Errors(planned.Diagnostics) != "" || !planned.Value.Equal(state.Value) {
		t.Error("planning must work while the engine is away")
	}
}

func TestEnclaveValidation(t *testing.T) {
	server := acctest.NewServer(t, withFakes(t, memory.New(memory.Hooks{}), nil, nil))
	labels := tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"sundog.dev/x": acctest.String("y")})
	for want, values := range map[string]acctest.Values{
		"no valid name":         {"name": acctest.String("No Good")},
		"invalid duration":      {"name": acctest.String("dev"), "ttl": acctest.String("soon")},
		"at least one second":   {"name": acctest.String("dev"), "ttl": acctest.String("-3h")},
		"choose another prefix": {"name": acctest.String("dev"), "labels": labels},
	} {
		if got := acctest.Errors(server.Validate(t, "sundog_enclave", values)); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, values := range []acctest.Values{
		{"name": acctest.Unknown(tftypes.String), "ttl": acctest.Unknown(tftypes.String), "labels": acctest.Unknown(tftypes.Map{ElementType: tftypes.String})},
	} {
		if got := acctest.Errors(server.Validate(t, "sundog_enclave", values)); got != "" {
			t.Error(got)
		}
	}
}
