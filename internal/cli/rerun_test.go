package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

// starPackage writes a package with nothing but its main file.
func starPackage(t *testing.T, name, star string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	for file, text := range map[string]string{"kurtosis.yml": "name: github.com/acme/" + name + "\n", "main.star": star} {
		if err := os.MkdirAll(folder, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestRunAgainWhatNobodyChanged(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	changes := func(args ...string) map[string]string {
		diff := decodeInto[diffDocument](t, w.ok(append([]string{"enclave", "diff", "dev", folder, "--format", "json"}, args...)...))
		ran := decodeInto[runResult](t, w.ok(append([]string{"run", folder, "--enclave", "dev", "--format", "json"}, args...)...))
		done, foreseen := map[string]string{}, map[string]string{}
		for _, decision := range ran.Decisions {
			if decision.Action != "keep" {
				done[decision.Object] = decision.Action + ": " + decision.Reason
			}
		}
		for _, decision := range diff.Decisions {
			if decision.Action != "keep" {
				foreseen[decision.Object] = decision.Action + ": " + decision.Reason
			}
		}
		for object, said := range foreseen {
			if done[object] != said {
				t.Errorf("%v: the diff says of %s %q, the run %q", args, object, said, done[object])
			}
		}
		return done
	}
	if done := changes(); len(done) != 0 {
		t.Errorf("nothing was asked for: %v", done)
	}
	if done := changes("--rerun", "web#1"); len(done) != 1 || done["web#1"] != "run: it was asked for again" {
		t.Errorf("one instruction: %v", done)
	}
	if done := changes("--rerun", "all"); done["web#1"] != "run: all were asked for again" {
		t.Errorf("all instructions: %v", done)
	}
	if done := changes("--recreate", "web"); done["web"] != "replace: a new container was asked for" || done["web#1"] != `run: service "web" was replaced` {
		t.Errorf("a service: %v", done)
	}
	w.fails(ExitFailure, []string{"run", folder, "--enclave", "dev", "--rerun", "nothing"}, `"nothing"`, `"web#1"`)
	w.fails(ExitFailure, []string{"enclave", "diff", "dev", folder, "--recreate", "nothing"}, `"nothing"`, `"web"`)
}

// A package finds the services of another run with their ports, and is told at once of what nobody has.
func TestServicesOfAnotherRunAreKnown(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	base := starPackage(t, "base", `
def run(plan):
    plan.add_service("db", ServiceConfig("`+testImage+`", ports = {"sql": PortSpec(5432)}))
    plan.render_templates({"a": struct(template = "x", data = {})}, name = "conf")
`)
	shop := starPackage(t, "shop", `
def run(plan, wanted = "db"):
    db = plan.get_service(wanted)
    plan.get_files_artifact("conf")
    plan.add_service("api", ServiceConfig("`+testImage+`", env_vars = {"DB": "{}:{}".format(db.ip_address, db.ports["sql"].number)}))
    return [service.name for service in plan.get_services()]
`)
	w.fails(ExitFailure, []string{"run", shop, "--enclave", "dev"}, "main.star:3:", "service 'db' is not known at this place")
	w.ok("run", base, "--enclave", "dev")
	document := decodeInto[runResult](t, w.ok("run", shop, "--enclave", "dev", "--format", "json"))
	if names, ok := document.Output.([]any); !ok || !slices.Equal(names, []any{"db", "api"}) {
		t.Errorf("the services are %v", document.Output)
	}
	request, _ := w.backend.Request("dev", "api")
	if found, err := w.backend.Service(t.Context(), "dev", "db"); err != nil || request.Spec.Env["DB"] != found.IPAddress+":5432" {
		t.Errorf("api has %v, %v", request.Spec.Env, err)
	}
	w.fails(ExitFailure, []string{"run", shop, "--enclave", "dev", "--args", `{"wanted": "dbb"}`}, "service 'dbb' is not known at this place")
}
