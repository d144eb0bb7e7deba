package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

const baseStar = `
def run(plan, image, program, content = "one", tune = "0"):
    plan.render_templates({"app.conf": struct(template = content, data = {})}, name = "conf")
    plan.add_service("db", ServiceConfig(image, entrypoint = [program], cmd = ["serve", "-tcp", "5432"], env_vars = {"TUNE": tune},
        ports = {"sql": PortSpec(5432, application_protocol = "postgresql")}))
`

const manyStar = `
def run(plan, image, program, message = "hello", after = "15s"):
    db = plan.get_service("db")
    plan.exec("db", ExecRecipe([program, "echo", "granted"]))
    serve = lambda name, cmd, env = {}, files = {}: plan.add_service(name, ServiceConfig(image, entrypoint = [program], cmd = cmd, env_vars = env, files = files))
    serve("api", ["serve"], {"MESSAGE": message, "DB": "%s:%d" % (db.ip_address, db.ports["sql"].number)})
    plan.exec("api", ExecRecipe([program, "echo", "warm"]))
    serve("cache", ["serve"])
    serve("web", ["serve"], files = {"/conf": "conf"})
    # The last one, so that the apply is over before it ends by itself.
    serve("worker", ["serve", "-after", after, "-exit", "4"])
`

// TestAccCLI_plansSayWhatTheEngineSays plans with the provider's binary and compares what the plan says with what
// "sundog enclave diff" says, in words.
func TestAccCLI_plansSayWhatTheEngineSays(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	base, many := w.Package(t, "base", map[string]string{"main.star": baseStar}), w.Package(t, "many", map[string]string{"main.star": manyStar})
	args := map[string]map[string]string{"base": {}, "many": {}}
	for _, one := range args {
		one["image"], one["program"] = image, enclavetest.ServiceProgram
	}
	more := ""
	config := func() string {
		text := func(one map[string]string) string {
			encoded, err := json.Marshal(one)
			if err != nil {
				t.Fatal(err)
			}
			return string(encoded)
		}
		return w.Provider("") + w.Enclave() + fmt.Sprintf(`
resource "sundog_package_run" "base" {
  enclave = sundog_enclave.test.id
  package = %q
  args    = jsondecode(%q)
}

resource "sundog_package_run" "many" {
  enclave           = sundog_enclave.test.id
  package           = %q
  args              = jsondecode(%q)
  existing_services = sundog_package_run.base.services
  depends_on        = [sundog_package_run.base]
%s
}
`, base, text(args["base"]), many, text(args["many"]), more)
	}
	c := acctest.NewCLI(t, config())
	c.Environment = append(c.Environment, "SUNDOG_OWNER="+w.Owner)
	head := strings.TrimSuffix(c.Read("main.tf"), config())
	defer func() { _, _ = c.Run("destroy", "-auto-approve") }()
	c.Must("apply", "-auto-approve")

	lines := func(run string) (said []string) {
		encoded, err := json.Marshal(args[run])
		if err != nil {
			t.Fatal(err)
		}
		var diff struct {
			Decisions []struct{ Kind, Object, Action, Reason, Position string }
		}
		text := c.Sundog("enclave", "diff", w.Name, map[string]string{"base": base, "many": many}[run], "--args", string(encoded), "--format", "json")
		if err := json.Unmarshal([]byte(text), &diff); err != nil {
			t.Fatal(err)
		}
		for _, decision := range diff.Decisions {
			if decision.Action != "keep" {
				said = append(said, fmt.Sprintf("%s %s %s: %s", decision.Action, decision.Kind, decision.Object, decision.Reason))
			}
		}
		return said
	}
	flat := func(text string) string {
		return strings.Join(strings.Fields(strings.ReplaceAll(text, "│", " ")), " ")
	}
	// says plans, and checks that the plan says what the diff says, and that the diff says what is wanted.
	says := func(what, run string, want []string, mentions ...string) {
		t.Helper()
		c.Write("main.tf", head+config())
		said := lines(run)
		if strings.Join(said, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: the diff says %q, want %q", what, said, want)
		}
		output := flat(c.Must("plan"))
		for _, line := range append(said, mentions...) {
			if !strings.Contains(output, flat(line)) {
				t.Errorf("%s: the plan does not say %q:\n%s", what, line, output)
			}
		}
	}
	settled := func(what string) {
		t.Helper()
		c.Must("apply", "-auto-approve")
		output, err := c.Run("plan", "-detailed-exitcode")
		if err != nil || !strings.Contains(output, "No changes") || strings.Contains(output, "What an apply will do") {
			t.Errorf("%s: afterwards there is nothing to do, and nothing to say: %v\n%s", what, err, output)
		}
	}

	deadline := time.Now().Add(time.Minute)
	for {
		worker, err := w.Backend.Service(t.Context(), w.Name, "worker")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("worker is %+v, %v", worker, err)
		}
		if worker.State == enclave.StateExited {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := w.Backend.RemoveService(t.Context(), w.Name, "cache"); err != nil {
		t.Fatal(err)
	}
	if err := w.Backend.StopService(t.Context(), w.Name, "api"); err != nil {
		t.Fatal(err)
	}
	says("drift", "many", []string{
		"start service api: it is stopped", "create service cache: it is missing: something else removed it", "start service worker: it is exited (4)",
	}, `"exited (4)" -> "running"`, `"missing" -> "running"`, `"stopped" -> "running"`)

	args["many"]["after"] = "0s"
	says("drift and a change", "many", []string{
		"start service api: it is stopped", "create service cache: it is missing: something else removed it", "replace service worker: command changed",
	})
	settled("drift")

	args["many"]["message"] = "changed"
	says("a change", "many", []string{"replace service api: environment variable MESSAGE changed", `run step api#1: service "api" was replaced`}, "main.star:5:", "main.star:7:")
	settled("a change")

	// A trigger runs instructions again and touches no service.
	more = `  triggers = { seed = "2" }`
	c.Write("main.tf", head+config())
	if output := flat(c.Must("plan")); !strings.Contains(output, "run step api#1: the triggers changed") || strings.Contains(output, "replace service") {
		t.Errorf("a trigger: %s", output)
	}
	settled("a trigger")

	// What another run has replaced is known in the same plan; what it has put into an artifact in the next one.
	args["base"]["tune"] = "1"
	says("another run's service", "base", []string{"replace service db: environment variable TUNE changed"}, "2 to change")
	settled("another run's service")
	args["base"]["content"] = "two"
	c.Write("main.tf", head+config())
	c.Must("apply", "-auto-approve", "-target", "sundog_package_run.base")
	says("another run's artifact", "many", []string{"replace service web: files at /conf changed"}, `"outdated" -> "complete"`)
	settled("another run's artifact")
	c.Must("destroy", "-auto-approve")
}
