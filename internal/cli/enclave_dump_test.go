package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestEnclaveDump(t *testing.T) {
	w := newWorld(t, memory.Hooks{
		Logs: func(_, service string) string { return service + " is up\n" },
		Before: func(_ context.Context, call memory.Call) error {
			if call.Method == "Logs" && call.Object == "db" {
				return errors.New("the log of db is lost")
			}
			return nil
		},
	})
	w.ok("run", webshop(t), "--enclave", "dev")
	t.Chdir(t.TempDir())
	w.fails(ExitFailure, []string{"enclave", "dump", "dev"}, "the log of db is lost")
	content, err := os.ReadFile(filepath.Join("dev", "enclave.json"))
	if err != nil {
		t.Fatal(err)
	}
	if found := decodeInto[inspection](t, string(content)); found.ID != "memory/dev" || len(found.Services) != 2 {
		t.Errorf("%s", content)
	}
	if log, err := os.ReadFile(filepath.Join("dev", "logs", "web.log")); err != nil || string(log) != "web is up\n" {
		t.Errorf("%q %v", log, err)
	}
	w.fails(ExitFailure, []string{"enclave", "dump", "dev"}, "not empty")
	w.backend.Vanish("dev", "db")
	if output := w.ok("enclave", "dump", "dev", filepath.Join("a", "b")); output != filepath.Join("a", "b")+"\n" {
		t.Errorf("%q", output)
	}
	w.fails(ExitFailure, []string{"enclave", "dump", "other", "c"}, `"other"`)
	if _, err := os.Stat("c"); err == nil {
		t.Error("no folder may be left for an enclave that is not there")
	}
}
