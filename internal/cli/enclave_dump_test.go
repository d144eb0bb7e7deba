package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
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
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	t.Chdir(t.TempDir())
	w.fails(ExitFailure, []string{"enclave", "dump", "dev"}, "the log of db is lost")
	content, err := os.ReadFile(filepath.Join("dev", "enclave.json"))
	if err != nil {
		t.Fatal(err)
	}
	if found := decodeInto[inspection](t, string(content)); found.ID != "memory/dev" || len(found.Services) != 2 {
		t.Errorf("%s", content)
	}
	if log, err := os.ReadFile(filepath.Join("dev", "logs", "web.log")); err != nil || !strings.HasSuffix(string(log), "Z web is up\n") {
		t.Errorf("%q %v", log, err)
	}
	w.fails(ExitFailure, []string{"enclave", "dump", "dev"}, "not empty")
	record, err := os.ReadFile(filepath.Join("dev", "records", "shop.json"))
	if err != nil || strings.Contains(string(record), "hunter22") {
		t.Errorf("%s %v", record, err)
	}
	contains(t, string(record), `"web#1"`, "not shown")
	events, err := os.ReadFile(filepath.Join("dev", "events", "2-shop.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(events), `"step":"apply"`, `"object":"web"`)
	images, err := os.ReadFile(filepath.Join("dev", "images.json"))
	if err != nil {
		t.Fatal(err)
	}
	if used := decodeInto[[]usedImage](t, string(images)); len(used) != 1 || used[0].Image != testImage || len(used[0].Services) != 2 {
		t.Errorf("%+v", used)
	}
	w.backend.Vanish("dev", "db")
	if output := w.ok("enclave", "dump", "dev", filepath.Join("a", "b")); output != filepath.Join("a", "b")+"\n" {
		t.Errorf("%q", output)
	}
	w.ok("enclave", "dump", "dev", "compared", "--package", folder)
	difference, err := os.ReadFile(filepath.Join("compared", "diff.json"))
	if err != nil {
		t.Fatal(err)
	}
	if document := decodeInto[diffDocument](t, string(difference)); !document.Exists || document.Changes == 0 {
		t.Errorf("db is gone: %+v", document)
	}
	w.fails(ExitFailure, []string{"enclave", "dump", "other", "c"}, `"other"`)
	if _, err := os.Stat("c"); err == nil {
		t.Error("no folder may be left for an enclave that is not there")
	}
}
