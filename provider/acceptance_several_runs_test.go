package provider

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/compare"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

// Its one service waits until the one of the other run answers. Two of it end well only side by side.
const meetingStar = `
def run(plan, image, me, other):
    plan.add_service(me, ServiceConfig(
        image = image, cmd = ["serve", "-http", "8080"],
        ports = {"http": PortSpec(number = 8080, transport_protocol = "TCP")},
    ))
    plan.wait(me, recipe = ExecRecipe(command = ["/service", "get", "http://%s:8080/" % other]), field = "code", assertion = "==", target_value = 0, timeout = "2m")
    met = plan.exec(me, recipe = ExecRecipe(command = ["/service", "get", "http://%s:8080/" % other]))
    return met["output"]
`

// TestAccPackageRun_sideBySide applies several runs in one enclave at the same time.
func TestAccPackageRun_sideBySide(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "meeting", map[string]string{"main.star": meetingStar})
	run := func(me, other string) string {
		return fmt.Sprintf("resource \"sundog_package_run\" %q {\n  enclave = sundog_enclave.test.id\n  name = %q\n  package = %q\n  args = { image = %q, me = %q, other = %q }\n}\n",
			me, me, folder, image, me, other)
	}
	head := w.Provider("") + w.Enclave()
	both := head + run("left", "right") + run("right", "left")
	digest := tfjsonpath.New("services").AtMapKey("left").AtMapKey("digest")
	same := statecheck.CompareValue(compare.ValuesSame())
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{Config: both, ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("sundog_package_run.left", tfjsonpath.New("output"), knownvalue.StringExact("right")),
				statecheck.ExpectKnownValue("sundog_package_run.right", tfjsonpath.New("output"), knownvalue.StringExact("left")),
				same.AddStateValue("sundog_package_run.left", digest),
			}},
			{Config: both, ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				// One goes, and the other does not notice.
				Config: head + run("left", "right"),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction("sundog_package_run.right", plancheck.ResourceActionDestroy),
					plancheck.ExpectResourceAction("sundog_package_run.left", plancheck.ResourceActionNoop),
				),
				ConfigStateChecks: []statecheck.StateCheck{same.AddStateValue("sundog_package_run.left", digest)},
			},
		},
	})
}
