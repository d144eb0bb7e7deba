package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed packages
var packages embed.FS

const (
	enclaveName = "chaos"
	version     = "0.0.1"
	// commandTime bounds every command. None takes as long, however slow the machine; one that does hangs.
	commandTime = 3 * time.Minute
)

// face is one way to use Sundog: the companion command, or the provider under one CLI.
type face struct {
	name   string
	folder string
	sundog string
	cli    string // empty for the companion command
	env    []string
	builds bool // images can be built
}

const configuration = `
terraform {
  required_providers {
    sundog = { source = "sundog-dev/sundog" }
  }
}

variable "level" { type = string }

resource "sundog_enclave" "chaos" {
  name = "chaos"
}

resource "sundog_package_run" "main" {
  enclave = sundog_enclave.chaos.id
  package = "${path.module}/main"
  name    = "main"
  args    = { level = var.level, build = %t }
}

resource "sundog_package_run" "side" {
  enclave = sundog_enclave.chaos.id
  package = "${path.module}/side"
  name    = "side"
}

output "main" { value = sundog_package_run.main.output }

# Without the status: that of a process which ends by itself is known to the CLI only after the next refresh.
output "services" {
  value = { for name, service in merge(sundog_package_run.main.services, sundog_package_run.side.services) :
    name => [service.image, service.hostname, service.ip_address, service.ports]
  }
}
`

// newFace makes a folder to work in, with the packages and, for a CLI, with a configuration and the provider.
func newFace(ctx context.Context, folder, cli string, programs programs, in world) (*face, error) {
	f := &face{name: "command", folder: folder, sundog: programs.sundog, cli: cli, builds: in.builds()}
	if cli != "" {
		f.name = filepath.Base(cli)
	}
	sub, err := fs.Sub(packages, "packages")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(folder, sub); err != nil {
		return nil, err
	}
	home := filepath.Join(folder, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	f.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}, in.environment()...)
	if cli == "" {
		return f, nil
	}
	mirror := filepath.Join(folder, "mirror")
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		target := filepath.Join(mirror, host, "sundog-dev", "sundog", version, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(target, 0o700); err != nil {
			return nil, err
		}
		if err := os.Symlink(programs.provider, filepath.Join(target, "terraform-provider-sundog_v"+version)); err != nil {
			return nil, err
		}
	}
	settings := filepath.Join(folder, "cli.tfrc")
	f.env = append(f.env, "TF_CLI_CONFIG_FILE="+settings, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1")
	err = errors.Join(
		os.WriteFile(filepath.Join(folder, "main.tf"), fmt.Appendf(nil, configuration, f.builds), 0o600),
		os.WriteFile(settings, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror), 0o600),
		f.level("1"),
	)
	if err != nil {
		return nil, err
	}
	if output, err := f.command(ctx, cli, "init", "-no-color").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s init: %w\n%s", cli, err, output)
	}
	return f, nil
}

// level changes a file of the package's build context, as an edit would.
func (f *face) level(level string) error {
	return os.WriteFile(filepath.Join(f.folder, "main", "image", "level"), []byte("level "+level+"\n"), 0o600)
}

func (f *face) command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // It is what was to be tested.
	command.Dir, command.Env = f.folder, f.env
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

// apply gives the commands that bring the enclave to a level. They run at the same time: with the companion command these
// are two on one enclave.
func (f *face) apply(ctx context.Context, level string) ([]*exec.Cmd, error) {
	if err := f.level(level); err != nil {
		return nil, err
	}
	if f.cli == "" {
		return []*exec.Cmd{
			f.command(ctx, f.sundog, "run", "./main", "--name", "main", "--enclave", enclaveName, "--format", "json", "--args", fmt.Sprintf(`{"level":%q,"build":%t}`, level, f.builds)),
			f.command(ctx, f.sundog, "run", "./side", "--name", "side", "--enclave", enclaveName, "--format", "json"),
		}, nil
	}
	return []*exec.Cmd{f.command(ctx, f.cli, "apply", "-auto-approve", "-no-color", "-var", "level="+level)}, nil
}

func (f *face) destroy(ctx context.Context) []*exec.Cmd {
	if f.cli == "" {
		return []*exec.Cmd{f.command(ctx, f.sundog, "enclave", "rm", enclaveName)}
	}
	return []*exec.Cmd{f.command(ctx, f.cli, "destroy", "-auto-approve", "-no-color", "-var", "level=1")}
}

// outputs are what the run told its user, without what is drawn at random on any backend.
func (f *face) outputs(ctx context.Context, printed string) (string, error) {
	if f.cli != "" {
		output, err := f.command(ctx, f.cli, "output", "-json").Output()
		return normaliseCluster(string(output)), err
	}
	var document struct {
		OK       bool
		Output   any
		Services []map[string]any
		Warnings []string
	}
	// The first document is that of the first command.
	if err := json.NewDecoder(strings.NewReader(printed)).Decode(&document); err != nil {
		return "", fmt.Errorf("read what the command printed: %w", err)
	}
	for _, service := range document.Services {
		for _, volatile := range []string{"id", "digest", "created_at", "started_at", "owner"} {
			delete(service, volatile)
		}
	}
	text, err := json.Marshal(document)
	return normaliseCluster(string(text)), err
}

// settled tells what another apply would still do, which must be nothing.
func (f *face) settled(ctx context.Context, level string) (string, error) {
	if f.cli != "" {
		output, err := f.command(ctx, f.cli, "plan", "-no-color", "-detailed-exitcode", "-var", "level="+level).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%v\n%s", err, output), nil
		}
		return "", nil
	}
	commands, err := f.apply(ctx, level)
	if err != nil {
		return "", err
	}
	var left []string
	for _, command := range commands {
		output, err := command.Output()
		if err != nil {
			return fmt.Sprintf("%v\n%s", err, output), nil
		}
		var document struct {
			Decisions []struct{ Action, Object, Reason string }
		}
		if err := json.Unmarshal(output, &document); err != nil {
			return "", err
		}
		for _, decision := range document.Decisions {
			if decision.Action != "keep" {
				left = append(left, fmt.Sprintf("%s %s: %s", decision.Action, decision.Object, decision.Reason))
			}
		}
	}
	return strings.Join(left, "; "), nil
}

// forget has a CLI know nothing any more, after a failure was cleaned up.
func (f *face) forget() error {
	entries, err := filepath.Glob(filepath.Join(f.folder, "*terraform.tfstate*"))
	if err != nil {
		return err
	}
	hidden, err := filepath.Glob(filepath.Join(f.folder, ".terraform.tfstate*"))
	for _, entry := range slices.Concat(entries, hidden) {
		err = errors.Join(err, os.Remove(entry))
	}
	return err
}
