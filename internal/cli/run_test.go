package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestRunMakesAnEnclaveAndTouchesOnlyWhatChanged(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	first := w.run("run", folder, "--enclave", "dev", "--ttl", "2h", "--label", "team=red", "--label", "stage=test")
	if first.code != 0 {
		t.Fatal(first.message)
	}
	if lines := strings.SplitN(first.output, "\n", 2); lines[0] != "migrated one" {
		t.Errorf("what was printed comes first: %s", first.output)
	}
	contains(t, first.output, `"code": 0`, "(sensitive")
	if strings.Contains(first.output, "hunter22") {
		t.Errorf("a terminal shows what the package calls sensitive: %s", first.output)
	}
	contains(t, first.notice, "create db ...: it does not exist yet\n", "start web ...\n", "start web done", "The enclave memory/dev holds the run \"shop\": 2 services (create 2).")
	found, err := w.backend.Enclave(t.Context(), "dev")
	if err != nil || found.Owner != testOwner || found.Labels["team"] != "red" || found.Labels["stage"] != "test" || found.ExpiresAt.Sub(found.CreatedAt.Truncate(time.Second)) != 2*time.Hour {
		t.Fatal(found, err)
	}

	before := len(w.backend.Changes())
	again := w.run("run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`)
	if again.code != 0 {
		t.Fatal(again.message)
	}
	if changes := w.backend.Changes()[before:]; !slices.Equal(changes, []string{"CreateService dev/web", "StartService dev/web"}) {
		t.Errorf("only the service that mounts the artifact changes: %v", changes)
	}
	contains(t, again.output, "migrated two")
	contains(t, again.notice, "keep 1", "replace 1")
	unchanged, err := w.backend.Enclave(t.Context(), "dev")
	if err != nil || !unchanged.ExpiresAt.Equal(found.ExpiresAt) || unchanged.Labels["team"] != "red" {
		t.Error("what the flags do not say must stay", unchanged, err)
	}
	w.ok("run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`, "--ttl", "4h", "--label", "team=blue")
	changed, err := w.backend.Enclave(t.Context(), "dev")
	if err != nil || changed.ExpiresAt.Sub(found.ExpiresAt) != 2*time.Hour || len(changed.Labels) != 1 || changed.Labels["team"] != "blue" {
		t.Error(changed, err)
	}
}

func TestRunBoundsItsEnclave(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev", "--pod-security", "baseline", "--quota", "pods=5", "--quota", "requests.cpu=2", "--isolated=false")
	policy := func() *enclave.Policy {
		t.Helper()
		found, err := w.backend.Enclave(t.Context(), "dev")
		if err != nil {
			t.Fatal(err)
		}
		return found.Policy
	}
	want := &enclave.Policy{Open: true, PodSecurity: "baseline", Quota: map[string]string{"pods": "5", "requests.cpu": "2"}}
	if got := policy(); !got.Equal(want) {
		t.Errorf("the policy is %+v", got)
	}
	before := len(w.backend.Changes())
	w.ok("run", folder, "--enclave", "dev")
	if got := policy(); !got.Equal(want) || len(w.backend.Changes()) != before {
		t.Errorf("what the flags do not say must stay: %+v, %v", got, w.backend.Changes()[before:])
	}
	w.ok("run", folder, "--enclave", "dev", "--isolated", "--service-account", "shop", "--node-selector", "pool=dev")
	want.Open, want.ServiceAccount, want.NodeSelectors = false, "shop", map[string]string{"pool": "dev"}
	if got := policy(); !got.Equal(want) {
		t.Errorf("the policy is %+v", got)
	}
}

func TestRunIsQuietWhenAsked(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	if result := w.run("run", webshop(t), "--enclave", "dev", "--quiet"); result.code != 0 || result.notice != "" {
		t.Error(result)
	}
}

func TestRunAsJSON(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	document := decodeInto[runResult](t, w.ok("run", webshop(t), "--enclave", "dev", "--name", "mine", "--format", "json"))
	if !document.OK || !document.Complete || document.Error != nil || document.Run != "mine" || document.Enclave != "memory/dev" || document.Owner != testOwner {
		t.Errorf("%+v", document)
	}
	output, _ := document.Output.(map[string]any)
	if sensitive, _ := output["sensitive"].(map[string]any); output["code"] != 0.0 || sensitive["password"] != "hunter22" {
		t.Errorf("output %v", document.Output)
	}
	if len(document.Services) != 2 || len(document.Artifacts) != 1 || !slices.Equal(document.Messages, []string{"migrated one"}) || document.Operations["create"] != 2 {
		t.Errorf("%+v", document)
	}
	if len(document.Decisions) == 0 || document.Decisions[0].Kind != "artifact" || document.Decisions[0].Name != "render_templates" || document.Decisions[0].Reason == "" {
		t.Errorf("%+v", document.Decisions)
	}
}

func TestRunTellsWhatFailed(t *testing.T) {
	hooks := memory.Hooks{
		Start: func(_ string, request enclave.ServiceRequest) memory.Outcome {
			return memory.Outcome{Exited: request.Spec.Name == "web", Code: 3}
		},
		Logs: func(string, string) string { return "loading\npanic: no license\n" },
	}
	w := newWorld(t, hooks)
	folder := webshop(t)
	result := w.fails(ExitFailure, []string{"run", folder, "--enclave", "dev"}, "main.star:4:", "web", "3", "panic: no license", "goes on from there")
	contains(t, result.notice, "start db done")
	if strings.Contains(result.notice, "holds the run") {
		t.Error(result.notice)
	}
	if _, found := w.backend.Request("dev", "db"); !found {
		t.Error("what succeeded must stay")
	}
	failed := w.run("run", folder, "--enclave", "dev", "--format", "json")
	document := decodeInto[runResult](t, failed.output)
	if failed.code != ExitFailure || document.OK || document.Complete || document.Error == nil || document.Error.Service != "web" || document.Error.Instruction != "add_service" || document.Error.Position == "" {
		t.Errorf("%+v %+v", failed.code, document.Error)
	}
	if len(document.Services) != 2 {
		t.Errorf("services %+v", document.Services)
	}
}

func TestRunLeavesOthersAlone(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.provide("dev", "provider-1", folder)
	before := len(w.backend.Changes())
	w.fails(ExitFailure, []string{"run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`}, `"provider-1"`, "--owner provider-1")
	if changes := w.backend.Changes()[before:]; len(changes) != 0 {
		t.Error(changes)
	}
	// Whoever says that it is theirs takes it up.
	w.ok("run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`, "--owner", "provider-1")
}

func TestRunRefusesWhatMakesNoSense(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	for _, test := range []struct {
		args     []string
		mentions string
	}{
		{[]string{"run", folder}, "enclave"},
		{[]string{"run", folder, "--enclave", "Dev"}, "lower-case"},
		{[]string{"run", folder, "--enclave", "dev", "--ttl", "1ms"}, "--ttl"},
		{[]string{"run", folder, "--enclave", "dev", "--label", "sundog.dev/x=1"}, "sundog.dev/x"},
		{[]string{"run", folder, "--enclave", "dev", "--pod-security", "strict"}, "none of privileged, baseline and restricted"},
		{[]string{"run", folder, "--enclave", "dev", "--quota", "pods=many"}, `["pods"]: "many" is no amount`},
		{[]string{"run", folder, "--enclave", "dev", "--name", "a/b"}, "--name"},
		{[]string{"run", folder, "--enclave", "dev", "--owner", "a b"}, "--owner"},
		{[]string{"run", folder, "--enclave", "dev", "--image-download", "sometimes"}, "sometimes"},
		{[]string{"run", folder, "--enclave", "dev", "--parallelism", "-1"}, "--parallelism"},
		{[]string{"run", folder, "--enclave", "dev", "--args", "{"}, "--args"},
	} {
		w.fails(ExitUsage, test.args, test.mentions)
	}
	w.fails(ExitFailure, []string{"run", folder, "--enclave", "dev", "--args", `{"unknown": 1}`}, "unknown")
	if calls := w.backend.Calls(); len(calls) != 0 {
		t.Errorf("nothing may be made for a package that is wrong: %v", calls)
	}
}

func TestInterruptedRunKeepsWhatWasDone(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	w := newWorld(t, memory.Hooks{Exec: func(ctx context.Context, _, _ string, _ enclave.ExecRequest) (*enclave.ExecResult, error) {
		interrupt()
		<-ctx.Done()
		return nil, errors.New("the connection was closed")
	}})
	folder := webshop(t)
	result := w.start(ctx, "", "run", folder, "--enclave", "dev")
	if result.code != ExitFailure {
		t.Error(result)
	}
	contains(t, result.message, "interrupted", "goes on from there")
	found := decodeInto[inspection](t, w.ok("enclave", "inspect", "dev", "--format", "json"))
	if len(found.Services) != 2 || !found.Services[0].Holds || !found.Services[1].Holds || found.Runs[0].Complete {
		t.Errorf("%+v", found)
	}
}
