package provider

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/compare"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

const runAddress = "sundog_package_run.test"

const shopStar = `
def run(plan, image, message = "hello", cmd = ["serve", "-http", "8080"], token = "", wait = "20s"):
    """Runs a small shop.

    Args:
        message (string): What api says.
    """
    db = plan.add_service("db", ServiceConfig(
        image = image, cmd = ["serve", "-tcp", "5432"],
        ports = {"sql": PortSpec(number = 5432, transport_protocol = "TCP")},
    ))
    api = plan.add_service("api", ServiceConfig(
        image = image, cmd = cmd,
        ports = {"http": PortSpec(number = 8080, transport_protocol = "TCP", application_protocol = "http", wait = wait)},
        env_vars = {"MESSAGE": message, "TOKEN": token, "DB": db.ip_address},
    ))
    plan.print("the shop is open")
    return {"api": api.hostname, "db_ip": db.ip_address, "sensitive": {"token": token}}
`

// shopConfig is an enclave with a run of the shop; args are further arguments in HCL.
func shopConfig(w *acctest.World, folder, image, args string) string {
	return w.Provider("") + w.Enclave() + fmt.Sprintf("resource \"sundog_package_run\" \"test\" {\n  enclave = sundog_enclave.test.id\n  package = %q\n  args = {\n    image = %q\n%s\n  }\n}\n",
		folder, image, args)
}

func runAt(path ...string) tfjsonpath.Path {
	at := tfjsonpath.New(path[0])
	for _, segment := range path[1:] {
		at = at.AtMapKey(segment)
	}
	return at
}

// fetch asks a service through the URL that the state names.
func fetch(path, want string) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		url := state.RootModule().Resources[runAddress].Primary.Attributes["services.api.ports.http.url"]
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if string(body) != want {
			return fmt.Errorf("%s%s answers %q, want %q", url, path, body, want)
		}
		return nil
	}
}

func TestAccPackageRun_lifeCycle(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	samePort := statecheck.CompareValue(compare.ValuesSame())
	sameAddress := statecheck.CompareValue(compare.ValuesSame())
	known := func(want string, path ...string) plancheck.PlanCheck {
		return plancheck.ExpectKnownValue(runAddress, runAt(path...), knownvalue.StringExact(want))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{
				Config: shopConfig(w, folder, image, ""),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionCreate),
					known("shop", "name"), known("github.com/acme/shop", "package_name"), known(image, "services", "api", "image"),
					known("running", "services", "db", "status"), known("http", "services", "api", "ports", "http", "application_protocol"),
					plancheck.ExpectUnknownValue(runAddress, runAt("services", "api", "ports", "http", "host_port")),
				),
				ConfigStateChecks: []statecheck.StateCheck{
					samePort.AddStateValue(runAddress, runAt("services", "api", "ports", "http", "host_port")),
					sameAddress.AddStateValue(runAddress, runAt("services", "api", "ip_address")),
					statecheck.ExpectKnownValue(runAddress, runAt("id"), knownvalue.StringExact("docker/"+w.Name+"/shop")),
					statecheck.ExpectKnownValue(runAddress, runAt("output", "api"), knownvalue.StringExact("api")),
					statecheck.ExpectKnownValue(runAddress, runAt("output", "db_ip"), knownvalue.StringRegexp(regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`))),
					statecheck.ExpectKnownValue(runAddress, runAt("files", "main.star"), knownvalue.StringRegexp(regexp.MustCompile(`^[0-9a-f]{64}$`))),
				},
				Check: fetch("/env/MESSAGE", "hello"),
			},
			{Config: shopConfig(w, folder, image, ""), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				ResourceName: runAddress, ImportState: true, ImportStateVerify: true,
				// What the user wrote is not known to the engine, nor what was sensitive in it.
				ImportStateVerifyIgnore: []string{
					"args", "package", "main_file", "main_function", "parallelism", "image_download", "files", "package_name",
					"package_digest", "output", "sensitive_output", "services.api.digest", "services.db.digest",
				},
			},
			{
				Config: shopConfig(w, folder, image, `message = "changed"`),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionUpdate),
					known("running", "services", "api", "status"),
				),
				ConfigStateChecks: []statecheck.StateCheck{
					samePort.AddStateValue(runAddress, runAt("services", "api", "ports", "http", "host_port")),
					sameAddress.AddStateValue(runAddress, runAt("services", "api", "ip_address")),
				},
				Check: fetch("/env/MESSAGE", "changed"),
			},
			{
				// A service that was stopped by hand is started again.
				PreConfig: func() {
					if err := w.Backend.StopService(t.Context(), w.Name, "db"); err != nil {
						t.Fatal(err)
					}
				},
				Config: shopConfig(w, folder, image, `message = "changed"`),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionUpdate),
					known("running", "services", "db", "status"),
				),
			},
			{Config: shopConfig(w, folder, image, `message = "changed"`), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				Config:           strings.Replace(shopConfig(w, folder, image, ""), "args = {", "name = \"other\"\n  args = {", 1),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionDestroyBeforeCreate)),
				Check:            fetch("/env/MESSAGE", "hello"),
			},
		},
	})
}

// An enclave that is replaced by one of the same name takes its runs along, in the same apply.
func TestAccPackageRun_followsItsEnclave(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{Config: shopConfig(w, folder, image, "")},
			{
				Taint:  []string{"sundog_enclave.test"},
				Config: shopConfig(w, folder, image, ""),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction("sundog_enclave.test", plancheck.ResourceActionDestroyBeforeCreate),
					plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionDestroyBeforeCreate),
				),
				Check: fetch("/env/MESSAGE", "hello"),
			},
			{Config: shopConfig(w, folder, image, ""), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				// A complete run that is replaced on purpose is made anew.
				Taint:            []string{runAddress},
				Config:           shopConfig(w, folder, image, ""),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionDestroyBeforeCreate)),
				Check:            fetch("/env/MESSAGE", "hello"),
			},
		},
	})
}

// Each step with an error is followed by one with the mend, which must converge, and by an empty plan.
func mended(w *acctest.World, broken, want, mend string, more ...resource.TestStep) resource.TestCase {
	steps := append([]resource.TestStep{{Config: broken, ExpectError: spaced(want)}}, more...)
	return resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: append(steps,
			resource.TestStep{Config: mend},
			resource.TestStep{Config: mend, ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
		),
	}
}

func TestAccBadInput_serviceExits(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	var before string
	container := func() string {
		found, err := w.Backend.Service(t.Context(), w.Name, "db")
		if err != nil {
			t.Fatal(err)
		}
		return found.ID
	}
	test := mended(w, shopConfig(w, folder, image, `cmd = ["serve", "-lines", "cannot find the config", "-after", "1ms", "-exit", "3"]`),
		`(?s)Cannot create package run.*main\.star:12:\d+.*api.*code 3.*cannot find the config`, shopConfig(w, folder, image, ""))
	test.Steps[1].PreConfig = func() { before = container() }
	test.Steps[1].Check = func(*terraform.State) error {
		if after := container(); after != before {
			return fmt.Errorf("db had succeeded and must be the same container: %s, now %s", before, after)
		}
		return nil
	}
	resource.Test(t, test)
}

func TestAccBadInput_portNeverOpens(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	resource.Test(t, mended(w, shopConfig(w, folder, image, "cmd = [\"serve\", \"-http\", \"9999\", \"-lines\", \"listening elsewhere\"]\n    wait = \"2s\""),
		`(?s)Cannot create package run.*main\.star:12:\d+.*api.*8080.*listening elsewhere`, shopConfig(w, folder, image, "")))
}

func TestAccBadInput_missingImage(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	resource.Test(t, mended(w, strings.Replace(shopConfig(w, folder, "sundog-test/no-such-image:1", ""), "args = {", "image_download = \"never\"\n  args = {", 1),
		`(?s)Cannot create package run.*sundog-test/no-such-image:1.*docker pull sundog-test/no-such-image:1`, shopConfig(w, folder, image, "")))
}

func TestAccBadInput_starlark(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	good := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	for name, test := range map[string]struct{ star, args, want string }{
		"syntax":           {"def run(plan, image):\n    if True\n", "", `(?s)Cannot interpret package.*line \d+.*package = .*main\.star:3:`},
		"unknown name":     {"def run(plan, image):\n    plan.add_servise(\"x\")\n", "", `(?s)Cannot interpret package.*main\.star:2:.*add_service`},
		"fail":             {"def run(plan, image):\n    check(image)\n\ndef check(image):\n    fail(\"give me more\")\n", "", `(?s)Cannot interpret package.*main\.star:5:.*give me more.*main\.star:2:`},
		"unknown argument": {"def run(plan, image):\n    pass\n", "colour = \"red\"", `(?s)Cannot interpret package.*line \d+.*args = .*colour`},
		"bad service":      {"def run(plan, image):\n    plan.add_service(\"Bad Name\", ServiceConfig(image = image))\n", "", `(?s)Cannot interpret package.*main\.star:2:.*Bad Name`},
	} {
		t.Run(name, func(t *testing.T) {
			folder := w.Package(t, "broken-"+strings.ReplaceAll(name, " ", "-"), map[string]string{"main.star": test.star})
			resource.Test(t, resource.TestCase{
				ProtoV6ProviderFactories: factories(),
				CheckDestroy:             w.CheckDestroyed,
				Steps:                    []resource.TestStep{{Config: shopConfig(w, folder, image, test.args), ExpectError: spaced(test.want)}},
			})
		})
	}
	t.Run("mended", func(t *testing.T) {
		broken := w.Package(t, "broken", map[string]string{"main.star": "def run(plan, image):\n    oops\n"})
		resource.Test(t, mended(w, shopConfig(w, broken, image, ""), `(?s)main\.star:2:5.*oops`, shopConfig(w, good, image, "")))
	})
}

func TestAccBadInput_unknownPackage(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	resource.Test(t, mended(w, shopConfig(w, folder+"-not-here", image, ""),
		`(?s)Cannot interpret package.*line \d+.*package = .*no folder.*-not-here`, shopConfig(w, folder, image, "")))
}

func TestAccPackageData(t *testing.T) {
	w := acctest.NewWorld(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	at := func(path string) tfjsonpath.Path { return tfjsonpath.New(path) }
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		Steps: []resource.TestStep{
			{
				Config: w.Provider("") + fmt.Sprintf("data \"sundog_package\" \"test\" {\n  package = %q\n}", folder),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.sundog_package.test", at("name"), knownvalue.StringExact("github.com/acme/shop")),
					statecheck.ExpectKnownValue("data.sundog_package.test", at("parameters").AtSliceIndex(0).AtMapKey("required"), knownvalue.Bool(true)),
					statecheck.ExpectKnownValue("data.sundog_package.test", at("parameters").AtSliceIndex(1).AtMapKey("default_json"), knownvalue.StringExact(`"hello"`)),
					statecheck.ExpectKnownValue("data.sundog_package.test", at("services"), knownvalue.Null()),
				},
			},
			{
				Config: w.Provider("") + fmt.Sprintf("data \"sundog_package\" \"test\" {\n  package = %q\n  args = { image = \"x:1\" }\n}", folder),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.sundog_package.test", at("services").AtMapKey("api").AtMapKey("ports").AtMapKey("http").AtMapKey("number"), knownvalue.Int64Exact(8080)),
					statecheck.ExpectKnownValue("data.sundog_package.test", at("instructions").AtSliceIndex(0).AtMapKey("name"), knownvalue.StringExact("add_service")),
					statecheck.ExpectKnownValue("data.sundog_package.test", at("instructions").AtSliceIndex(0).AtMapKey("position"), knownvalue.StringRegexp(regexp.MustCompile(`^main\.star:8:\d+$`))),
				},
			},
		},
	})
}
