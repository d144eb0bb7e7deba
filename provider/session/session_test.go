package session

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-log/tflogtest"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

func TestEverybodyGetsTheSameKeptText(t *testing.T) {
	folder := t.TempDir()
	texts := make([]string, 16)
	var group sync.WaitGroup
	for i := range texts {
		group.Go(func() {
			text, err := keptRandom(folder, "owner", 10)
			if err != nil {
				t.Error(err)
			}
			texts[i] = text
		})
	}
	group.Wait()
	for _, text := range texts {
		if text != texts[0] || len(text) != 20 {
			t.Errorf("%q and %q", text, texts[0])
		}
	}
	left, err := os.ReadDir(filepath.Join(folder, "sundog"))
	if err != nil || len(left) != 1 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func TestOwnerIsMadeAtFirstNeed(t *testing.T) {
	folder := t.TempDir()
	session := New(t.Context(), Settings{DataDir: folder}, Builders{})
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("nothing may be made before it is needed: %v, %v", left, err)
	}
	owner, err := session.Owner()
	if err != nil || owner == "" {
		t.Fatal(owner, err)
	}
	again, err := New(t.Context(), Settings{DataDir: folder}, Builders{}).Owner()
	if err != nil || again != owner {
		t.Errorf("%q, then %q: %v", owner, again, err)
	}
	if named, err := New(t.Context(), Settings{DataDir: folder, Owner: "ci"}, Builders{}).Owner(); err != nil || named != "ci" {
		t.Error(named, err)
	}
}

func TestUnknownConfigurationIsNamed(t *testing.T) {
	session := New(t.Context(), Settings{Backend: "docker", Unknown: []string{"docker.host", "sandbox.account_id", "owner"}}, Builders{})
	_, backend := session.Backend()
	_, owner := session.Owner()
	_, sandbox := session.Work(t.Context(), value.Secrets{}).Forker("sandbox")
	for want, err := range map[string]error{"docker.host": backend, "owner": owner, "sandbox.account_id": sandbox} {
		if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if session.BackendName() != "docker" {
		t.Error("the backend's kind is known")
	}
}

func TestMissingBlockIsNamed(t *testing.T) {
	session := New(t.Context(), Settings{Production: &forker.Account{AccountID: "1"}}, Builders{})
	_, err := session.Work(t.Context(), value.Secrets{}).Forker("production", "sandbox")
	var missing *MissingBlockError
	if !errors.As(err, &missing) || missing.Block != "sandbox" {
		t.Errorf("got %v", err)
	}
}

func TestEventsAreLinesWithoutSecrets(t *testing.T) {
	folder := t.TempDir()
	session := New(t.Context(), Settings{EventDir: folder}, Builders{})
	work := session.Work(t.Context(), value.NewSecrets("hunter22"))
	options := work.engineOptions()
	options.Events(engine.Event{Enclave: "dev", Run: "fork/staging", Step: "start", Object: "api", Message: "with hunter22"})
	options.Events(engine.Event{Enclave: "dev", Run: "fork/staging", Step: "start", Object: "db"})
	content, err := os.ReadFile(filepath.Join(folder, "dev", "fork-staging.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(content); strings.Count(text, "\n") != 2 || strings.Contains(text, "hunter22") || !strings.Contains(text, value.Masked) {
		t.Error(text)
	}
}

func TestLogsReachTheCLIWithoutSecrets(t *testing.T) {
	var output bytes.Buffer
	ctx := tflogtest.RootLogger(context.Background(), &output)
	logger := NewLogger(ctx, value.NewSecrets("hunter22")).With("enclave", "dev").WithGroup("g")
	logger.Info("token hunter22", "key", "x hunter22", slog.Group("inner", "n", 1))
	lines, err := tflogtest.MultilineJSONDecode(&output)
	if err != nil || len(lines) != 1 {
		t.Fatal(lines, err)
	}
	for field, want := range map[string]string{"@message": "token (sensitive)", "enclave": "dev", "g.key": "x (sensitive)", "g.inner.n": "1"} {
		if lines[0][field] != want {
			t.Errorf("%s is %v, want %s", field, lines[0][field], want)
		}
	}
}
