package provider

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

// broken is a backend whose enclave has lost a part of itself, as long as left is set.
type broken struct {
	acctest.Backend
	left    *enclave.Orphan
	removed []string
}

func (b *broken) Enclave(ctx context.Context, name string) (*enclave.Enclave, error) {
	if b.left != nil {
		return nil, fmt.Errorf("enclave %q: %w", name, enclave.ErrNotFound)
	}
	return b.Backend.Enclave(ctx, name)
}

// CreateEnclave makes it whole.
func (b *broken) CreateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	b.left = nil
	return b.Backend.CreateEnclave(ctx, spec)
}

func (b *broken) RemoveEnclave(ctx context.Context, name string) error {
	b.left, b.removed = nil, append(b.removed, name)
	return b.Backend.RemoveEnclave(ctx, name)
}

func (b *broken) Remains(context.Context, string) (*enclave.Orphan, error) { return b.left, nil }

func TestEnclaveThatLacksAPartOfItself(t *testing.T) {
	backend := &broken{Backend: acctest.Docker(memory.New(memory.Hooks{}))}
	builders := acctest.Builders(backend.Backend.Backend, nil, nil)
	builders.Backend = func(session.Settings, *slog.Logger) (enclave.Backend, error) { return backend, nil }
	server := acctest.NewServer(t, NewWith("test", builders, noEnvironment))
	if text := server.Configure(t, acctest.Values{"owner": acctest.String("me")}); text != "" {
		t.Fatal(text)
	}
	config := acctest.Values{"name": acctest.String("dev"), "ttl": acctest.String("8h")}
	made, diagnostics := server.Apply(t, "sundog_enclave", config, nil, server.Plan(t, "sundog_enclave", config, nil))
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}

	backend.left = &enclave.Orphan{Name: "dev", Owner: "me", Objects: []string{"container sundog-dev_store"}}
	read, diagnostics := server.Read(t, "sundog_enclave", made)
	if text := acctest.Errors(diagnostics); text != "" || read == nil {
		t.Fatalf("what is left of an enclave must stay in the state: %s", text)
	}
	planned := server.Plan(t, "sundog_enclave", config, read)
	for _, attribute := range []string{"network", "created_at", "expires_at"} {
		if got := acctest.Text(t, acctest.At(t, planned.Value, attribute)); got != "(unknown)" {
			t.Errorf("planned %s is %s: the enclave is to be made whole", attribute, got)
		}
	}
	if len(planned.Replace) != 0 {
		t.Errorf("it must not be replaced, as it may hold data: %v", planned.Replace)
	}
	whole, diagnostics := server.Apply(t, "sundog_enclave", config, read, planned)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	if again := server.Plan(t, "sundog_enclave", config, whole); !again.Value.Equal(whole.Value) {
		t.Error("the plan after it must be empty")
	}

	backend.left = &enclave.Orphan{Name: "dev", Objects: []string{"container sundog-dev_store"}}
	if text := acctest.Errors(server.Destroy(t, "sundog_enclave", read, nil)); text != "" {
		t.Fatal(text)
	}
	if !slices.Equal(backend.removed, []string{"dev"}) {
		t.Errorf("removed were %v, want what was left of dev", backend.removed)
	}

	backend.left = &enclave.Orphan{Name: "dev", Owner: "somebody", Objects: []string{"network sundog-dev"}}
	if gone, _ := server.Read(t, "sundog_enclave", made); gone != nil {
		t.Error("what somebody else has left is none of ours")
	}
}
