package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestDetailedExitStatus(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	status := func(args ...string) int {
		t.Helper()
		root := newRoot("1.2.3", w.tools)
		root.SetOut(&bytes.Buffer{})
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(args)
		command, err := root.ExecuteContextC(t.Context())
		if code := exitStatus(command, err); code != ExitChanges || errors.Is(err, errChanges) {
			return code
		}
		return -1
	}
	diff := []string{"enclave", "diff", "dev", folder, "--detailed-exitcode"}
	dry := []string{"run", folder, "--enclave", "dev", "--dry-run", "--detailed-exitcode"}
	for _, args := range [][]string{diff, dry} {
		if code := status(args...); code != ExitChanges {
			t.Errorf("%v without an enclave: %d", args, code)
		}
	}
	if w.exists("dev") {
		t.Fatal("a dry run makes nothing")
	}
	w.ok("run", folder, "--enclave", "dev")
	for _, args := range [][]string{diff, dry} {
		if code := status(args...); code != 0 {
			t.Errorf("%v without changes: %d", args, code)
		}
		if code := status(append(args, "--args", `{"tag": "two"}`)...); code != ExitChanges {
			t.Errorf("%v with changes: %d", args, code)
		}
		if code := status(append(args, "--format", "xml")...); code != ExitFailure {
			t.Errorf("%v called wrongly: %d, but 2 means changes", args, code)
		}
	}
	if code := status("enclave", "diff", "dev", folder, "--args", `{"tag": "two"}`); code != 0 {
		t.Errorf("without the flag: %d", code)
	}
	document := decodeInto[diffDocument](t, w.ok("run", folder, "--enclave", "dev", "--dry-run", "--args", `{"tag": "two"}`, "--format", "json"))
	if document.Changes != 3 || len(document.Decisions) != 4 {
		t.Errorf("%+v", document)
	}
}

func TestErrorsAreJSONWhereJSONWasAskedFor(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	for _, test := range []struct {
		args []string
		want bool
	}{
		{[]string{"enclave", "inspect", "dev", "--format", "json"}, true},
		{[]string{"enclave", "inspect", "dev", "--format=json", "--unknown"}, true},
		{[]string{"enclave", "inspect", "dev"}, false},
		{[]string{"exec", "dev", "db", "--", "tool", "--format", "json"}, false},
	} {
		root := newRoot("1.2.3", w.tools)
		root.SetArgs(test.args)
		command, err := root.ExecuteContextC(t.Context())
		if err == nil {
			t.Fatal(test.args)
		}
		if got := wantsJSON(command, test.args); got != test.want {
			t.Errorf("%v: %t", test.args, got)
		}
	}
	var out bytes.Buffer
	writeError(&out, usage("so <not>"), ExitUsage, true)
	if document := decodeInto[errorDocument](t, out.String()); document.Error.Message != "so <not>" || document.Error.ExitCode != ExitUsage {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	writeError(&out, errChanges, ExitChanges, true)
	if out.Len() != 0 {
		t.Errorf("all has been said: %s", out.String())
	}
}

func TestWhatMayHaveBeenMeant(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.provide("staging", "somebody", webshop(t))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"enclav"}, `"enclave"`},
		{[]string{"enclave", "isnpect"}, `"inspect"`},
		{[]string{"files", "gte"}, `"get"`},
		{[]string{"package", "plna"}, `"plan"`},
		{[]string{"run", "--enclve", "x"}, "--enclave"},
		{[]string{"enclave", "inspect", "stagign"}, `"staging"`},
		{[]string{"logs", "staging", "wbe"}, `"web"`},
		{[]string{"port", "staging", "web", "htpp"}, `"http"`},
		{[]string{"files", "ls", "staging", "confg"}, `"config"`},
	} {
		result := w.run(test.args...)
		if result.code == 0 {
			t.Errorf("%v must fail", test.args)
		}
		contains(t, result.message, "did you mean "+test.want)
	}
	if best := nearest("zzz", []string{"web", "db"}); best != "" {
		t.Errorf("nothing is near: %q", best)
	}
}

func TestInterruptionIsRemembered(t *testing.T) {
	ctx, received, stop := untilSignal(context.Background())
	defer stop()
	if received() != nil {
		t.Error("there was none yet")
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the context goes on")
	}
	if signal := received(); signal != syscall.SIGTERM {
		t.Errorf("%v", signal)
	}
}
