package packagerun

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
)

const memoryKey = "memory"

// memory is what a run remembers in Terraform's private state from one apply to the next.
type memory struct {
	// Key is random; the digests of services are keyed with it.
	Key []byte `json:"key"`
	// Artifacts maps the names of artifacts to the keyed hash of what they were made from.
	Artifacts map[string]string `json:"artifacts"`
}

// readMemory gives nil where there is none: before the first apply, and after an import.
func readMemory(ctx context.Context, from private.Reader) (*memory, diag.Diagnostics) {
	kept, diagnostics := private.Read[memory](ctx, from, memoryKey)
	if kept != nil && len(kept.Key) == 0 {
		kept = nil
	}
	return kept, diagnostics
}

// note remembers what the artifacts are made from.
func (m *memory) note(d *desired) {
	m.Artifacts = make(map[string]string, len(d.artifacts))
	for name, artifact := range d.artifacts {
		m.Artifacts[name] = private.Hash(m.Key, artifact.inputs)
	}
}
