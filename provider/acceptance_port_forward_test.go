package provider

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

const databaseStar = `
def run(plan, image, version):
    plan.add_service("db", ServiceConfig(
        image = image, cmd = ["serve", "-udp", "5353", "-tcp", "5432"], env_vars = {"VERSION": version},
        ports = {"dns": PortSpec(number = 5353, transport_protocol = "UDP", wait = None)},
    ))
`

// Another provider works through a forwarded port: in the apply that makes the enclave, when the state is refreshed, in an
// apply that replaces the service meanwhile, and in the destruction that takes it all away.
func TestAccPortForward(t *testing.T) {
	w := acctest.NewWorld(t)
	image := enclavetest.BuildImages(t, w.Backend).Service
	folder := w.Package(t, "database", map[string]string{"main.star": databaseStar})
	config := func(version, line string) string {
		return shopConfig(w, folder, image, fmt.Sprintf("version = %q", version)) + fmt.Sprintf(`
ephemeral "sundog_port_forward" "db" {
  enclave = sundog_enclave.test.id
  service = "db"
  port    = 5432 # which the package does not even declare
}
provider "probe" {
  host = ephemeral.sundog_port_forward.db.host
  port = ephemeral.sundog_port_forward.db.host_port
}
resource "probe_line" "test" {
  line       = %q
  depends_on = [sundog_package_run.test]
}
`, line)
	}
	both := factories()
	both["probe"] = providerserver.NewProtocol6WithError(acctest.NewProbe())
	answer := func(want string) []statecheck.StateCheck {
		return []statecheck.StateCheck{statecheck.ExpectKnownValue("probe_line.test", tfjsonpath.New("answer"), knownvalue.StringExact(want))}
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: both,
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{Config: config("1", "first"), ConfigStateChecks: answer("first")},
			{Config: config("1", "first"), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				Config: config("2", "second"), ConfigStateChecks: answer("second"),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionUpdate)),
			},
			{Config: config("2", "second"), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
		},
	})
}
