// Package portforward is the ephemeral resource sundog_port_forward.
package portforward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/forward"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var (
	_ ephemeral.EphemeralResource              = (*portForward)(nil)
	_ ephemeral.EphemeralResourceWithConfigure = (*portForward)(nil)
	_ ephemeral.EphemeralResourceWithClose     = (*portForward)(nil)
)

const (
	// host is what is listened on: whoever else is on the network has no business with it.
	host = "127.0.0.1"
	// defaultTimeout is how long a service is waited for.
	defaultTimeout = time.Minute
	// lookPause lies between two tries to reach a port that does not accept yet.
	lookPause = 250 * time.Millisecond
	// privateKey is where Close finds which forwarding it is about.
	privateKey = "forward"
)

type portForward struct{ session *session.Session }

// New makes the ephemeral resource sundog_port_forward.
func New() ephemeral.EphemeralResource { return &portForward{} }

// Metadata implements ephemeral.EphemeralResource.
func (r *portForward) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_port_forward"
}

// Configure implements ephemeral.EphemeralResourceWithConfigure.
func (r *portForward) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	r.session = session.From(req.ProviderData, &resp.Diagnostics)
}

type model struct {
	Enclave  types.String `tfsdk:"enclave"`
	Service  types.String `tfsdk:"service"`
	Port     types.String `tfsdk:"port"`
	Timeout  types.String `tfsdk:"timeout"`
	HostPort types.Int64  `tfsdk:"host_port"`
	Host     types.String `tfsdk:"host"`
	URL      types.String `tfsdk:"url"`
}

// timeout is how long to wait; the validator has seen it.
func (m *model) timeout() time.Duration {
	if timeout, err := time.ParseDuration(m.Timeout.ValueString()); err == nil {
		return timeout
	}
	return defaultTimeout
}

// Open implements ephemeral.EphemeralResource. It also runs in plans, whose apply may be about to make the service or to
// mend it, and in applies that have yet to do so: what is not there yet must not fail them.
func (r *portForward) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var config model
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	subject := diagnose.Subject{Verb: "forward", Thing: "port", Name: config.Service.ValueString() + ":" + config.Port.ValueString()}
	backend, err := r.session.Backend()
	if err != nil {
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	name, err := r.session.EnclaveName(config.Enclave.ValueString())
	if err != nil {
		resp.Diagnostics.Append(subject.At(path.Root("enclave"), err))
		return
	}
	to := &destination{backend: backend, enclave: name, service: config.Service.ValueString(), port: config.Port.ValueString()}
	found, err := to.ready(ctx, config.timeout())
	switch {
	case errors.Is(err, errAway):
		// Whoever connects waits for it; Close tells if that was in vain.
	case errors.Is(err, enclave.ErrNotFound):
		resp.Diagnostics.Append(subject.At(path.Root("enclave"), err))
		return
	case err != nil:
		resp.Diagnostics.Append(subject.At(path.Root("port"), diagnose.Ending(ctx, err)))
		return
	}
	opened, err := r.session.Forwards().Open(ctx, to.forwarder(config.timeout()), to.transport(), net.JoinHostPort(host, strconv.FormatInt(config.HostPort.ValueInt64(), 10)))
	if err != nil {
		other := "choose another host_port, or leave it out for any that is free"
		resp.Diagnostics.Append(subject.At(path.Root("host_port"), forward.ListenError(err, host, int(config.HostPort.ValueInt64()), other)))
		return
	}
	config.Host, config.HostPort = types.StringValue(host), types.Int64Value(int64(opened.Port))
	config.URL = types.StringNull()
	if found != nil {
		config.URL = value.StringOrNull(found.URLAt(net.JoinHostPort(host, strconv.Itoa(opened.Port))))
	}
	resp.Diagnostics.Append(resp.Result.Set(ctx, &config)...)
	text, err := json.Marshal(opened.ID)
	if err != nil {
		resp.Diagnostics.Append(diagnose.Bug(err.Error()))
		return
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, privateKey, text)...)
}

// Close implements ephemeral.EphemeralResourceWithClose. What went wrong with connections is told here: whoever made
// them has only seen them end.
func (r *portForward) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	text, diagnostics := req.Private.GetKey(ctx, privateKey)
	resp.Diagnostics.Append(diagnostics...)
	var id string
	if err := json.Unmarshal(text, &id); err != nil || resp.Diagnostics.HasError() {
		return // It was never opened.
	}
	if failure := r.session.Forwards().Close(id); failure != nil {
		resp.Diagnostics.AddWarning("A forwarded connection failed", fmt.Sprintf("%v.\n\nThe program that made it has only seen it end.", failure))
	}
}
