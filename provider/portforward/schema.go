package portforward

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/forward"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
)

// Schema implements ephemeral.EphemeralResource.
func (r *portForward) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Makes one port of a service reachable on the machine that plans or applies, for as long as that takes: so that other " +
			"providers can work inside of an enclave, in the same apply that makes it. The port need not be published, and on Kubernetes " +
			"nothing but the API server has to be reached. Every connection looks for the service anew, so that it may be replaced meanwhile.",
		Attributes: map[string]schema.Attribute{
			"enclave": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Id of the enclave, for example `docker/dev`. Refer to the enclave (`sundog_enclave.dev.id`), and have the other provider's resources depend on the run that makes the service.",
				Validators: []validator.String{check.String("an enclave's id, such as docker/dev", func(id string) error {
					_, _, err := enclave.ParseID(id)
					return err
				})},
			},
			"service": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the service.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"port": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The port's id, or its number inside of the enclave; `/udp` behind it for one of UDP. It need be neither declared nor published.",
				Validators:          []validator.String{check.String("a port's id or number, such as http, 5432 or 53/udp", forward.CheckPort)},
			},
			"timeout": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "How long to wait for the port to accept, and how long every connection waits for a service that is away. Default `1m`. " +
					"A service that is not there yet, as in a plan whose apply is to make it, is waited for only when somebody connects.",
				Validators: []validator.String{check.String("a positive duration such as 30s or 2m", checkTimeout)},
			},
			"host_port": schema.Int64Attribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Port of this machine to listen on. Default: one that is free.",
				Validators:          []validator.Int64{int64validator.Between(1, 65535)},
			},
			"host": schema.StringAttribute{
				Computed: true, MarkdownDescription: "Address of this machine that is listened on: `127.0.0.1`.",
			},
			"url": schema.StringAttribute{
				Computed: true, MarkdownDescription: "How the port is reached, after its application protocol or the URL that the package gives it; null where it has neither, and while the service is not there yet.",
			},
		},
	}
}

func checkTimeout(text string) error {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	if duration <= 0 {
		return errors.New("it must be positive")
	}
	return nil
}
