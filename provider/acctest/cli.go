package acctest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary is the folder with the provider's own binary, built once for a test process.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "sundog-provider-*")
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "terraform-provider-sundog"), ".") //nolint:gosec // The go command, on this repository.
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the provider: %w: %s", err, output)
	}
	return folder, nil
})

// RemoveBinary removes what CLI has built; it is for TestMain.
func RemoveBinary() {
	if os.Getenv("TF_ACC") == "" {
		return
	}
	if folder, err := binary(); err == nil {
		_ = os.RemoveAll(folder)
	}
}

func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("there is no go.mod above %s", folder)
		}
		folder = parent
	}
}

// ModuleRoot is the folder of this repository.
func ModuleRoot(t *testing.T) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// CLI runs a real CLI with the provider's real binary, in a folder of its own. It is for what terraform-plugin-testing
// does not show: the state file itself, saved plans, and an environment with next to nothing in it.
type CLI struct {
	t *testing.T
	// Folder holds the configuration, the state and whatever else the CLI writes.
	Folder      string
	program     string
	Environment []string
}

// NewCLI makes a folder with a configuration. The CLI is the one that acceptance tests run with.
func NewCLI(t *testing.T, config string) *CLI {
	t.Helper()
	program := os.Getenv("TF_ACC_TERRAFORM_PATH")
	if os.Getenv("TF_ACC") == "" || program == "" {
		t.Skip("TF_ACC and TF_ACC_TERRAFORM_PATH are not both set")
	}
	folder, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := &CLI{t: t, Folder: t.TempDir(), program: program}
	settings := filepath.Join(c.Folder, "cli.tfrc")
	c.Write("cli.tfrc", fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"sundog-dev/sundog\" = %q\n  }\n}\n", folder))
	c.Write("main.tf", "terraform {\n  required_providers {\n    sundog = {\n      source = \"sundog-dev/sundog\"\n    }\n  }\n}\n\n"+config)
	c.Environment = []string{"TF_CLI_CONFIG_FILE=" + settings, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "PATH=" + os.Getenv("PATH")}
	return c
}

// Write writes a file of the folder.
func (c *CLI) Write(name, text string) {
	c.t.Helper()
	file := filepath.Join(c.Folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// Read reads a file of the folder; one that is not there is empty.
func (c *CLI) Read(name string) string {
	c.t.Helper()
	content, err := os.ReadFile(filepath.Join(c.Folder, name))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return string(content)
}

// Run runs the CLI and gives everything that it printed, without colours. The environment holds nothing but what the CLI
// needs: no HOME, no Docker and AWS settings.
func (c *CLI) Run(arguments ...string) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.program, append(arguments, "-no-color")...) //nolint:gosec // The CLI under test.
	command.Dir = c.Folder
	command.Env = c.Environment
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	return output.String(), err
}

// Interrupt runs the CLI and sends it one interrupt, as Ctrl-C does, once ready says so. It gives what the CLI printed and
// how long it took to end after the interrupt.
func (c *CLI) Interrupt(ready func() bool, arguments ...string) (string, time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.program, append(arguments, "-no-color")...) //nolint:gosec // The CLI under test.
	command.Dir, command.Env = c.Folder, c.Environment
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	for !ready() && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
	}
	interrupted := time.Now()
	if err := command.Process.Signal(os.Interrupt); err != nil {
		c.t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		c.t.Errorf("an interrupted apply must fail: %s", output.String())
	}
	return output.String(), time.Since(interrupted)
}

// Must runs the CLI and fails the test if the CLI does.
func (c *CLI) Must(arguments ...string) string {
	c.t.Helper()
	output, err := c.Run(arguments...)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return output
}

// Fails runs the CLI, which must fail, and gives what it printed with every run of blanks as one.
func (c *CLI) Fails(arguments ...string) string {
	c.t.Helper()
	output, err := c.Run(arguments...)
	if err == nil {
		c.t.Fatalf("%s must fail\n%s", strings.Join(arguments, " "), output)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(output, "│", " ")), " ")
}

// Sundog runs the same binary as the companion command and gives what it wrote to its output.
func (c *CLI) Sundog(arguments ...string) string {
	c.t.Helper()
	folder, err := binary()
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(folder, "terraform-provider-sundog"), arguments...) //nolint:gosec // The binary under test.
	command.Dir, command.Env = c.Folder, c.Environment
	var output, problems bytes.Buffer
	command.Stdout, command.Stderr = &output, &problems
	if err := command.Run(); err != nil {
		c.t.Fatalf("sundog %s: %v\n%s", strings.Join(arguments, " "), err, problems.String())
	}
	return output.String()
}

// Secrets checks that no file of the folder holds any of the given texts.
func (c *CLI) Secrets(texts ...string) {
	c.t.Helper()
	err := filepath.WalkDir(c.Folder, func(file string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(file, ".tf") {
			return err
		}
		content, err := os.ReadFile(file) //nolint:gosec // A file of the test's own.
		if err != nil {
			return err
		}
		for _, text := range texts {
			if bytes.Contains(content, []byte(text)) {
				c.t.Errorf("%s holds the secret %q", filepath.Base(file), text)
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
