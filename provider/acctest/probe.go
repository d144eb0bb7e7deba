package acctest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Probe is another provider than ours, as one that configures databases is: its resource probe_line is made, read and
// deleted over a connection to the address in the provider block, where somebody must answer each line with a line.
type Probe struct{}

var (
	_ provider.Provider              = (*Probe)(nil)
	_ resource.ResourceWithConfigure = (*probeLine)(nil)
)

// NewProbe makes the provider.
func NewProbe() provider.Provider { return &Probe{} }

// Metadata implements provider.Provider.
func (*Probe) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "probe"
}

// Schema implements provider.Provider.
func (*Probe) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerschema.Schema{Attributes: map[string]providerschema.Attribute{
		"host": providerschema.StringAttribute{Optional: true}, "port": providerschema.Int64Attribute{Optional: true},
	}}
}

// Configure implements provider.Provider.
func (*Probe) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var config struct {
		Host types.String `tfsdk:"host"`
		Port types.Int64  `tfsdk:"port"`
	}
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	resp.ResourceData = net.JoinHostPort(config.Host.ValueString(), config.Port.String())
}

// Resources implements provider.Provider.
func (*Probe) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &probeLine{} }}
}

// DataSources implements provider.Provider.
func (*Probe) DataSources(context.Context) []func() datasource.DataSource { return nil }

type probeLine struct{ address string }

type probeModel struct {
	Line   types.String `tfsdk:"line"`
	Answer types.String `tfsdk:"answer"`
}

// Metadata implements resource.Resource.
func (*probeLine) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "probe_line"
}

// Schema implements resource.Resource.
func (*probeLine) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"line":   schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
		"answer": schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
	}}
}

// Configure implements resource.ResourceWithConfigure.
func (p *probeLine) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if address, ok := req.ProviderData.(string); ok {
		p.address = address
	}
}

func (p *probeLine) ask(ctx context.Context, line string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

// Create implements resource.Resource.
func (p *probeLine) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan probeModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	answer, err := p.ask(ctx, plan.Line.ValueString())
	if err != nil {
		resp.Diagnostics.AddError("No answer", err.Error())
		return
	}
	plan.Answer = types.StringValue(answer)
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
}

// Read implements resource.Resource.
func (p *probeLine) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state probeModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	answer, err := p.ask(ctx, state.Line.ValueString())
	if err != nil {
		resp.Diagnostics.AddError("No answer", err.Error())
		return
	}
	state.Answer = types.StringValue(answer)
	resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
}

// Update implements resource.Resource.
func (*probeLine) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

// Delete implements resource.Resource.
func (p *probeLine) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state probeModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if _, err := p.ask(ctx, state.Line.ValueString()); err != nil {
		resp.Diagnostics.AddError("No answer", err.Error())
	}
}
