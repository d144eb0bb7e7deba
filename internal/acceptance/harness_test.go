package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	productionAccount = "111111111111"
	sandboxAccount    = "222222222222"
	version           = "0.0.1"
)

// repository is the root of the checkout.
func repository(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// run carries out a command and gives its standard output; a failure ends the test with all that it printed.
func run(t *testing.T, directory string, environment []string, name string, arguments ...string) string {
	t.Helper()
	output, err := try(t.Context(), directory, environment, name, arguments...)
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(arguments, " "), err)
	}
	return output
}

func try(ctx context.Context, directory string, environment []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), environment...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w\n%s\n%s", err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// provider is the folder with the provider's binary, built once for all tests.
var provider = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "sundog-acceptance-*")
	if err != nil {
		return "", err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "terraform-provider-sundog_v"+version)
	_, err = try(context.Background(), root, []string{"CGO_ENABLED=0"}, "go", "build", "-o", binary, ".")
	if err != nil {
		return "", err
	}
	// A short address means another registry to each CLI.
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		target := filepath.Join(folder, "mirror", host, "sundog-dev", "sundog", version, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return "", err
		}
		if err := os.Link(binary, filepath.Join(target, filepath.Base(binary))); err != nil {
			return "", err
		}
	}
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", filepath.Join(folder, "mirror"))
	return folder, os.WriteFile(filepath.Join(folder, "cli.tfrc"), []byte(config), 0o600)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if folder, err := provider(); err == nil && os.Getenv("TF_ACC") != "" {
		_ = os.RemoveAll(folder)
	}
	os.Exit(code)
}

// eachCLI runs a test with every CLI that SUNDOG_TEST_CLIS names, paths joined by commas; `make test` sets it.
func eachCLI(t *testing.T, test func(t *testing.T, cli string)) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("TF_ACC is not set")
	}
	clis := strings.Split(os.Getenv("SUNDOG_TEST_CLIS"), ",")
	if clis[0] == "" {
		t.Fatal("SUNDOG_TEST_CLIS must name the CLIs to test with, as paths joined by commas")
	}
	for _, cli := range clis {
		t.Run(filepath.Base(cli), func(t *testing.T) { test(t, cli) })
	}
}

// oneCLI runs a long test with the first CLI alone, with all of them where SUNDOG_TEST_ALL=1 says so.
func oneCLI(t *testing.T, test func(t *testing.T, cli string)) {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_ALL") == "" {
		first, _, _ := strings.Cut(os.Getenv("SUNDOG_TEST_CLIS"), ",")
		t.Setenv("SUNDOG_TEST_CLIS", first)
	}
	eachCLI(t, test)
}

// world is an AWS of its own with production seeded, and the example's images.
type world struct {
	t        *testing.T
	root     string
	cli      string
	endpoint string
	state    string // the emulator's folder
	python   string
	// workspace holds a copy of the example's configuration.
	workspace   string
	environment []string
	// baseline is a dump of the sandbox account before anything was forked into it.
	baseline string
}

func newWorld(t *testing.T, cli string) *world {
	t.Helper()
	root := repository(t)
	folder, err := provider()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, root: root, cli: cli, state: filepath.Join(t.TempDir(), "aws"), workspace: filepath.Join(t.TempDir(), "staging-fork")}
	w.endpoint = strings.TrimSpace(run(t, root, nil, "tools/aws", "start", w.state))
	t.Cleanup(func() {
		_, err := try(context.Background(), root, nil, "tools/aws", "stop", w.state)
		if err != nil {
			t.Error(err)
		}
	})
	w.python = lastLine(run(t, root, nil, "tools/setup", "python"))
	run(t, root, nil, w.python, "examples/staging-fork/seed.py", "--endpoint-url", w.endpoint)
	run(t, root, nil, "examples/staging-fork/images/apps.sh")
	postgres := lastLine(run(t, root, nil, "examples/staging-fork/images/postgres.sh"))

	run(t, root, nil, "cp", "-r", "examples/staging-fork", w.workspace)
	for _, leftover := range []string{".terraform", "terraform.tfstate", ".terraform.lock.hcl", "terraform.d"} {
		if err := os.RemoveAll(filepath.Join(w.workspace, leftover)); err != nil {
			t.Fatal(err)
		}
	}
	w.renameEnclave()
	w.environment = []string{
		"TF_CLI_CONFIG_FILE=" + filepath.Join(folder, "cli.tfrc"), "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
		"TF_VAR_aws_endpoint_url=" + w.endpoint, "TF_VAR_postgres_image=" + postgres,
	}
	w.baseline = w.dump(sandboxAccount, "sandbox-before")
	w.terraform("init", "-no-color")
	// Whatever a failed test leaves would be in the way of the next.
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = try(context.Background(), w.workspace, w.environment, w.cli, "destroy", "-auto-approve", "-no-color")
		}
	})
	return w
}

// renameEnclave gives the copy an enclave of its own: the demo may be running on the same engine.
func (w *world) renameEnclave() {
	w.t.Helper()
	file := filepath.Join(w.workspace, "main.tf")
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	renamed := strings.Replace(string(text), `resource "sundog_enclave" "staging" {`+"\n  name   = \"staging\"", `resource "sundog_enclave" "staging" {`+"\n  name   = \"acceptance\"", 1)
	if renamed == string(text) {
		w.t.Fatal("the example's enclave is not called staging any more")
	}
	if err := os.WriteFile(file, []byte(renamed), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// terraform runs the CLI in the workspace.
func (w *world) terraform(arguments ...string) string {
	w.t.Helper()
	return run(w.t, w.workspace, w.environment, w.cli, arguments...)
}

// plan gives the actions of a plan by address, "no-op" and reads left out.
func (w *world) plan() map[string][]string {
	w.t.Helper()
	w.terraform("plan", "-no-color", "-out", "test.tfplan")
	var plan struct {
		ResourceChanges []struct {
			Address string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(w.terraform("show", "-json", "test.tfplan")), &plan); err != nil {
		w.t.Fatal(err)
	}
	changes := map[string][]string{}
	for _, change := range plan.ResourceChanges {
		if !slices.Equal(change.Change.Actions, []string{"no-op"}) && !slices.Equal(change.Change.Actions, []string{"read"}) {
			changes[change.Address] = change.Change.Actions
		}
	}
	return changes
}

// output reads one output value.
func (w *world) output(name string) string {
	w.t.Helper()
	return strings.TrimSpace(w.terraform("output", "-raw", name))
}

// dump writes the whole state of an account, as a tool that is not the forker sees it, and gives the file.
func (w *world) dump(account, name string) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), name+".json")
	run(w.t, w.root, nil, w.python, "tools/account_dump.py", "dump", "--endpoint", w.endpoint, "--account", account,
		"--regions", "eu-west-1,eu-central-1", "--output", file)
	return file
}

// arns gives all ARNs of a dump, sorted. Suffixes that AWS draws at random are cut off.
func arns(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	collectARNs(tree, found)
	list := make([]string, 0, len(found))
	for arn := range found {
		list = append(list, arn)
	}
	slices.Sort(list)
	return list
}

func collectARNs(tree any, found map[string]bool) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, value := range tree {
			collectARNs(key, found)
			collectARNs(value, found)
		}
	case []any:
		for _, value := range tree {
			collectARNs(value, found)
		}
	case string:
		if strings.HasPrefix(tree, "arn:aws:") && strings.Count(tree, ":") >= 5 && !strings.ContainsAny(tree, " {\"") {
			found[withoutRandomSuffix(tree)] = true
		}
	}
}

func withoutRandomSuffix(arn string) string {
	service := strings.Split(arn, ":")[2]
	switch {
	case service == "secretsmanager" && len(arn) > 7:
		return arn[:len(arn)-7]
	case service == "sns" && strings.Count(arn, ":") == 6: // a subscription
		return arn[:strings.LastIndex(arn, ":")]
	case service == "dynamodb" && strings.Contains(arn, "/stream/"):
		return arn[:strings.LastIndex(arn, "/")]
	default:
		return arn
	}
}

// enclaveLabel finds what belongs to the example's enclave; other tests use the same engine.
const enclaveLabel = "label=sundog.dev/enclave=acceptance"

// generation is the part of a volume's name that is drawn anew for each container.
var generation = regexp.MustCompile(`\.[0-9a-f]{8}\.`)

// docker lists what belongs to the example's enclave, as "kind name" lines, sorted.
func docker(t *testing.T) []string {
	t.Helper()
	var objects []string
	for kind, arguments := range map[string][]string{
		"container": {"ps", "-a", "--format", "{{.Names}}"},
		"network":   {"network", "ls", "--format", "{{.Name}}"},
		"volume":    {"volume", "ls", "--format", "{{.Name}}"},
	} {
		output := run(t, ".", nil, "docker", append(arguments, "--filter", enclaveLabel)...)
		for name := range strings.FieldsSeq(output) {
			objects = append(objects, kind+" "+generation.ReplaceAllString(name, ".*."))
		}
	}
	slices.Sort(objects)
	return objects
}

// killed runs the CLI in a process group of its own and kills the whole group after a while, as a power cut would. It
// tells whether the command was still running then.
func (w *world) killed(after time.Duration, arguments ...string) bool {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), w.cli, arguments...)
	command.Dir, command.Env = w.workspace, append(os.Environ(), w.environment...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-ended:
		return false
	case <-time.After(after):
		if err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatal(err)
		}
		<-ended
		return true
	}
}
