package enclave

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

type enclaveModel struct {
	Name       types.String   `tfsdk:"name"`
	TTL        types.String   `tfsdk:"ttl"`
	Labels     types.Map      `tfsdk:"labels"`
	Kubernetes types.Object   `tfsdk:"kubernetes"`
	Timeouts   timeouts.Value `tfsdk:"timeouts"`
	ID         types.String   `tfsdk:"id"`
	Backend    types.String   `tfsdk:"backend"`
	Network    types.String   `tfsdk:"network"`
	CreatedAt  types.String   `tfsdk:"created_at"`
	ExpiresAt  types.String   `tfsdk:"expires_at"`
}

// ttl is zero where there is none. The validator has seen the text already.
func (m *enclaveModel) ttl() (time.Duration, error) {
	if m.TTL.IsNull() {
		return 0, nil
	}
	duration, err := time.ParseDuration(m.TTL.ValueString())
	if err != nil {
		return 0, fmt.Errorf("ttl: %w", err)
	}
	return duration, nil
}

// observed fills the computed attributes with what the engine reports.
func (m *enclaveModel) observed(found *backend.Enclave) {
	m.ID = types.StringValue(found.ID())
	m.Backend = types.StringValue(found.Backend)
	m.Network = value.StringOrNull(found.Network)
	m.CreatedAt = stamp(found.CreatedAt)
	m.ExpiresAt = stamp(found.ExpiresAt)
}

// refreshed also takes over what the user configured, as it is on the engine: differences are drift.
func (m *enclaveModel) refreshed(found *backend.Enclave) error {
	m.observed(found)
	m.Name = types.StringValue(found.Name)
	if len(found.Labels) > 0 || !m.Labels.IsNull() {
		m.Labels = value.StringMap(found.Labels)
	}
	m.refreshKubernetes(found)
	if found.ExpiresAt.IsZero() {
		m.TTL = types.StringNull()
		return nil
	}
	actual := found.ExpiresAt.Truncate(time.Second).Sub(found.CreatedAt.Truncate(time.Second))
	known, err := m.ttl()
	if err != nil {
		return err
	}
	// The configuration's own spelling stays as long as it means the same: 480m is 8h.
	if known.Truncate(time.Second) != actual {
		m.TTL = types.StringValue(spell(actual))
	}
	return nil
}

// expiry is when an enclave of that age ends; zero for never. The engine keeps whole seconds.
func expiry(created time.Time, ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return created.UTC().Truncate(time.Second).Add(ttl.Truncate(time.Second))
}

func stamp(at time.Time) types.String {
	if at.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(at.UTC().Format(time.RFC3339))
}

// spell writes a duration as people do: 8h, not 8h0m0s.
func spell(duration time.Duration) string {
	text := duration.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
