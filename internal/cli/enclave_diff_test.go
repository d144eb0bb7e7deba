package cli

import (
	"errors"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// actions gives what a diff says of each object, as "action object".
func (d *diffDocument) actions() map[string]string {
	actions := map[string]string{}
	for _, decision := range d.Decisions {
		actions[decision.Kind+" "+decision.Object] = decision.Action
	}
	return actions
}

func TestEnclaveDiff(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	fresh := decodeInto[diffDocument](t, w.ok("enclave", "diff", "dev", folder, "--format", "json"))
	if fresh.Exists || fresh.Enclave != "memory/dev" || fresh.Run != "shop" || fresh.Changes != len(fresh.Decisions) || fresh.actions()["service db"] != "create" || fresh.actions()["service web"] != "later" {
		t.Errorf("%+v", fresh)
	}
	if w.exists("dev") {
		t.Fatal("a diff makes nothing")
	}
	contains(t, w.ok("enclave", "diff", "dev", folder), "+ create", "service db", "it does not exist yet", "main.star:3:", "would be made")

	w.ok("run", folder, "--enclave", "dev")
	same := decodeInto[diffDocument](t, w.ok("enclave", "diff", "dev", folder, "--format", "json"))
	if !same.Exists || same.Changes != 0 || len(same.Decisions) == 0 {
		t.Errorf("%+v", same)
	}
	contains(t, w.ok("enclave", "diff", "dev", folder), "nothing would change")

	w.backend.Kill("dev", "db", 1)
	before := len(w.backend.Changes())
	changed := decodeInto[diffDocument](t, w.ok("enclave", "diff", "dev", folder, "--args", `{"tag": "two"}`, "--format", "json"))
	actions := changed.actions()
	if actions["artifact config"] != "update" || actions["service db"] != "start" || actions["service web"] != "replace" || actions["step web#1"] != "run" {
		t.Errorf("%v", actions)
	}
	text := w.ok("enclave", "diff", "dev", folder, "--args", `{"tag": "two"}`)
	contains(t, text, "it is exited (1)", "files at /etc/app changed", "~ replace")
	if changes := w.backend.Changes()[before:]; len(changes) != 0 {
		t.Errorf("a diff does nothing: %v", changes)
	}

	// What a run then does is what the diff has told, for the same reasons.
	ran := decodeInto[runResult](t, w.ok("run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`, "--format", "json"))
	done := diffDocument{Decisions: ran.Decisions}
	for object, action := range actions {
		if done.actions()[object] != action {
			t.Errorf("%s: the run did %q, the diff said %q", object, done.actions()[object], action)
		}
	}
}

func TestEnclaveDiffRefusesWhatARunWould(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.provide("dev", "provider-1", folder)
	w.fails(ExitFailure, []string{"enclave", "diff", "dev", folder}, `"provider-1"`, "--owner provider-1")
	contains(t, w.ok("enclave", "diff", "dev", folder, "--owner", "provider-1"), "nothing would change")
	w.fails(ExitUsage, []string{"enclave", "diff", "dev"}, "2 arg")
	w.fails(ExitFailure, []string{"enclave", "diff", "dev", folder, "--args", `{"unknown": 1}`}, "unknown")
}

// buildless is a backend that has no way to built images.
type buildless struct{ enclave.Backend }

// CheckImage implements enclave.ImageChecker.
func (buildless) CheckImage(image plan.Image) error {
	if image.Build == nil {
		return nil
	}
	return &enclave.ImageError{Image: image.Name, Action: "build", Err: errors.New("there is no registry")}
}

// What a backend has no way to is told before an enclave is made.
func TestBuildsWithoutAWayAreRefusedFirst(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	memoryTools := w.tools.backend
	w.tools.backend = func(f backendFlag) (enclave.Backend, error) {
		backend, err := memoryTools(f)
		return buildless{backend}, err
	}
	folder := writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/built\n", "app/Dockerfile": "FROM scratch\n",
		"main.star": "def run(plan):\n    plan.add_service(\"web\", ServiceConfig(image = ImageBuildSpec(image_name = \"acme/web\", build_context_dir = \"./app\")))\n",
	})
	for _, arguments := range [][]string{{"enclave", "diff", "dev", folder}, {"run", folder, "--enclave", "dev"}, {"run", folder, "--enclave", "dev", "--dry-run"}} {
		w.fails(ExitFailure, arguments, "acme/web", "there is no registry", "main.star:2")
	}
	if w.exists("dev") {
		t.Error("an enclave was made")
	}
}
