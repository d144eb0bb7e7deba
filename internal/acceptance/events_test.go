package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enginedocker "github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// seenEvent is an event as `sundog events --format json` prints it.
type seenEvent struct {
	Enclave, Run, Step, Object, Status, Message, Position string
	at                                                    time.Time
}

// followEvents runs `sundog events -f` beside an apply. The function that it gives waits for an event.
func (w *workspace) followEvents() (await func(step, object, status string) seenEvent) {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), w.sundog(), "events", "-f", "--format", "json")
	command.Dir, command.Env = w.folder, append(os.Environ(), w.environment...)
	output, err := command.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	events := make(chan seenEvent, 1000)
	go func() {
		scanner := bufio.NewScanner(output)
		for scanner.Scan() {
			event := seenEvent{at: time.Now()}
			if json.Unmarshal(scanner.Bytes(), &event) == nil {
				events <- event
			}
		}
		close(events)
	}()
	w.t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	})
	return func(step, object, status string) seenEvent {
		w.t.Helper()
		late := time.After(2 * time.Minute)
		for {
			select {
			case event, more := <-events:
				if !more {
					w.t.Fatal("`sundog events -f` has ended")
				}
				if event.Step == step && event.Object == object && event.Status == status {
					return event
				}
			case <-late:
				w.t.Fatalf("no event tells that %s %s is %s", step, object, status)
			}
		}
	}
}

// sundog is the provider's binary, which is the companion command as well.
func (w *workspace) sundog() string {
	w.t.Helper()
	folder, err := provider()
	if err != nil {
		w.t.Fatal(err)
	}
	return filepath.Join(folder, "terraform-provider-sundog_v"+version)
}

// TestAccEventsShowAnApplyWhileItRuns follows an apply, and has the command wait for one that the CLI does.
func TestAccEventsShowAnApplyWhileItRuns(t *testing.T) {
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		plugins, err := provider()
		if err != nil {
			t.Fatal(err)
		}
		backend := enginedocker.New(enginedocker.Options{})
		t.Cleanup(func() { _ = backend.Close() })
		image := enclavetest.BuildImages(t, backend).Service
		name := fmt.Sprintf("events-%d-%d", os.Getpid(), time.Now().UnixNano()%100000)
		w := &workspace{t: t, root: repository(t), cli: cli, folder: t.TempDir(), environment: []string{
			"TF_CLI_CONFIG_FILE=" + filepath.Join(plugins, "cli.tfrc"), "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
			"SUNDOG_OWNER=events", "XDG_STATE_HOME=" + t.TempDir(),
		}}
		t.Cleanup(func() {
			_, _ = try(context.Background(), w.folder, w.environment, w.sundog(), "enclave", "rm", "--force", name)
		})
		if err := os.Mkdir(filepath.Join(w.folder, "shop"), 0o750); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{
			"main.tf": fmt.Sprintf(`terraform {
  required_providers {
    sundog = { source = "sundog-dev/sundog" }
  }
}

resource "sundog_enclave" "dev" {
  name = %q
}

resource "sundog_package_run" "shop" {
  enclave = sundog_enclave.dev.id
  package = "./shop"
}
`, name),
			"shop/kurtosis.yml": "name: github.com/acme/shop\n",
			"shop/main.star": fmt.Sprintf(`def run(plan):
    plan.add_service("web", ServiceConfig(image=%q, entrypoint=[%q], cmd=["serve"]))
    plan.exec("web", ExecRecipe(command=[%[2]q, "sleep", "6s"]))
`, image, enclavetest.ServiceProgram),
		} {
			if err := os.WriteFile(filepath.Join(w.folder, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.terraform("init", "-no-color")
		await := w.followEvents()
		applied := make(chan time.Time, 1)
		failure := make(chan error, 1)
		go func() {
			_, err := try(t.Context(), w.folder, w.environment, w.cli, "apply", "-auto-approve", "-no-color")
			applied <- time.Now()
			failure <- err
		}()
		await("apply", "shop", "started")
		step := await("exec", "web#1", "started")
		if step.Enclave != name || step.Run != "shop" || !strings.HasPrefix(step.Position, "main.star:3:") {
			t.Errorf("%+v", step)
		}
		// The command waits for the provider's apply, and says whose it is.
		waited := make(chan string, 1)
		go func() {
			command := exec.CommandContext(t.Context(), w.sundog(), "run", "./shop", "--enclave", name)
			command.Dir, command.Env = w.folder, append(os.Environ(), w.environment...)
			output, _ := command.CombinedOutput()
			waited <- string(output)
		}()
		last := await("apply", "shop", "done")
		if !strings.Contains(last.Message, "1 service (create 1)") {
			t.Errorf("%+v", last)
		}
		if end := <-applied; !step.at.Before(end) {
			t.Errorf("the step was shown at %s, and the apply had ended at %s", step.at, end)
		}
		if err := <-failure; err != nil {
			t.Fatal(err)
		}
		text := <-waited
		for _, want := range []string{`waiting for the run "shop": held by owner "events", `, "terraform-provider-sundog", "holds the run \"shop\": 1 service (keep 1)"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in:\n%s", want, text)
			}
		}
		runs := run(t, w.folder, w.environment, w.sundog(), "events", "--runs")
		if strings.Count(runs, name+"/shop") != 2 || strings.Count(runs, "done") != 2 {
			t.Errorf("both applies are listed:\n%s", runs)
		}
		w.terraform("destroy", "-auto-approve", "-no-color")
	})
}
