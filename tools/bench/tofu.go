package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// The configurations of the benchmark. The second one is the floor of every apply with this provider: the same binary,
// started as often, for one resource that has nothing in it.
const (
	tofuHead = `terraform {
  required_providers {
    sundog = { source = "sundog-dev/sundog" }
  }
}

provider "sundog" {
  owner = "bench"
}

resource "sundog_enclave" "bench" {
  name = %q
}
`
	tofuRun = `
variable "services" { type = number }
variable "code_version" { type = string }

resource "sundog_package_run" "bench" {
  enclave     = sundog_enclave.bench.id
  package     = "${path.module}/package"
  parallelism = %s
  args        = { image = %q, services = var.services, version = var.code_version }
}
`
)

// mirrorVersion is the version under which the provider stands in the mirror.
const mirrorVersion = "0.0.1"

// tofu is the provider, driven by a Terraform CLI.
type tofu struct {
	program
	cli, provider  string
	at             place
	enclave, image string
	script         string
	// empty leaves the package run out.
	empty bool
	// last is what was applied last: a destruction plans with it.
	last workload
}

// mirrorOf is where the CLI starts the provider from.
func mirrorOf(folder string) string { return filepath.Join(folder, "mirror") }

func (t *tofu) prepare(ctx context.Context, folder string) error {
	t.folder = folder
	t.environment = isolated(folder, t.at, "TF_CLI_CONFIG_FILE="+filepath.Join(folder, "cli.tfrc"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	if err := writePackage(filepath.Join(folder, "package"), t.script); err != nil {
		return err
	}
	// A short address means another registry to each CLI.
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		target := filepath.Join(mirrorOf(folder), host, "sundog-dev", "sundog", mirrorVersion, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(target, 0o700); err != nil {
			return err
		}
		if err := link(t.provider, filepath.Join(target, "terraform-provider-sundog_v"+mirrorVersion)); err != nil {
			return err
		}
	}
	document := fmt.Sprintf(tofuHead, t.enclave)
	if !t.empty {
		// On Kubernetes as many start at the same time as the backend likes.
		parallelism := "null"
		if t.at.kubeconfig == "" {
			parallelism = strconv.Itoa(atOnce)
		}
		document += fmt.Sprintf(tofuRun, parallelism, t.image)
	}
	if err := os.WriteFile(filepath.Join(folder, "main.tf"), []byte(document), 0o600); err != nil {
		return err
	}
	mirror := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirrorOf(folder))
	if err := os.WriteFile(filepath.Join(folder, "cli.tfrc"), []byte(mirror), 0o600); err != nil {
		return err
	}
	return t.run(ctx, t.cli, "init", "-no-color", "-input=false")
}

// link gives a file a second name; one that is there from an earlier round is replaced.
func link(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return fmt.Errorf("put the provider into a mirror (the binary and -state must be on one file system): %w", err)
	}
	return nil
}

func (t *tofu) variables(w workload) []string {
	if t.empty {
		return nil
	}
	return []string{fmt.Sprintf("-var=services=%d", w.services), fmt.Sprintf("-var=code_version=%d", w.version)}
}

func (t *tofu) apply(ctx context.Context, w workload) error {
	t.last = w
	return t.run(ctx, t.cli, append([]string{"apply", "-no-color", "-input=false", "-auto-approve"}, t.variables(w)...)...)
}

// isEmptyPlan is an error if what was applied last would do anything now.
func (t *tofu) isEmptyPlan(ctx context.Context) error {
	return t.run(ctx, t.cli, append([]string{"plan", "-no-color", "-input=false", "-detailed-exitcode"}, t.variables(t.last)...)...)
}

func (t *tofu) destroy(ctx context.Context) error {
	return t.run(ctx, t.cli, append([]string{"destroy", "-no-color", "-input=false", "-auto-approve"}, t.variables(t.last)...)...)
}
