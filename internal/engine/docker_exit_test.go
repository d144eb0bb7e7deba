package engine_test

import (
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// What Compose files need beyond upstream's language: the end of a process, other host names, another folder to start in,
// and single files at their exact places.
func TestDockerWhatComposeFilesNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("app.conf", 0o644, "mine")})
	w.must(nil, err)
	ends := func(s *plan.ServiceSpec) { s.Ports = nil }
	end := &plan.Wait{
		ID: "migrate#1", Service: "migrate", Recipe: &plan.ExitRecipe{},
		Condition: plan.Condition{Field: "code", Assertion: "==", Target: int64(0), Timeout: time.Minute},
	}
	operations := func(code string) []plan.Operation {
		return []plan.Operation{
			&plan.UploadFiles{Artifact: "conf", Tree: tree},
			w.add("migrate", ends, cmd("serve", "-lines", "migrating", "-after", "700ms", "-exit", code)),
			end,
			w.add("api", func(s *plan.ServiceSpec) {
				s.Aliases, s.WorkingDir = []string{"old_api"}, "/place"
				s.Files = map[string]plan.Mount{"/.sundog/conf": {Artifacts: []string{"conf"}}, "/place/cache": {PersistentKey: "cache"}}
				s.FilesToBeMoved = map[string]string{"/.sundog/conf/app.conf": "/place/app.conf"}
			}),
			step("read", "api", "cat", "app.conf"),
			&plan.Verify{Value: value("read", "output"), Assertion: "==", Target: "mine"},
		}
	}
	w.fails(operations("3"), `service "migrate" exited with code 3`, "| migrating")
	if _, found := w.containers()["api"]; found {
		if service, err := w.backend.Service(w.ctx, w.enclave, "api"); err != nil || service.State != "created" {
			t.Errorf("api is %+v (%v) although the migration failed", service, err)
		}
	}
	done := w.apply(operations("0")...)
	if status := done.Services["migrate"].Status; status != "completed" {
		t.Errorf("migrate is %s", status)
	}
	again := w.apply(operations("0")...)
	for _, decision := range again.Decisions {
		if decision.Action != "keep" {
			t.Errorf("%s %s: %s", decision.Action, decision.Object, decision.Reason)
		}
	}
}
