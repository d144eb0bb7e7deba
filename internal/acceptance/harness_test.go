package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
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
	*workspace
	endpoint string
	state    string // the emulator's folder
	python   string
	// baseline is a dump of the sandbox account before anything was forked into it.
	baseline string
}

func newWorld(t *testing.T, cli string) *world {
	t.Helper()
	return newWorldAt(t, cli)
}

// newWorldAt is a world whose AWS listens on further addresses of this machine.
func newWorldAt(t *testing.T, cli string, addresses ...string) *world {
	t.Helper()
	root := repository(t)
	w := &world{state: filepath.Join(t.TempDir(), "aws")}
	w.endpoint = strings.TrimSpace(run(t, root, nil, "tools/aws", append([]string{"start", w.state, "0"}, addresses...)...))
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

	w.workspace = newWorkspace(t, cli, "staging-fork")
	w.renameEnclave()
	w.environment = append(w.environment, "TF_VAR_aws_endpoint_url="+w.endpoint, "TF_VAR_postgres_image="+postgres)
	w.baseline = w.dump(sandboxAccount, "sandbox-before")
	w.terraform("init", "-no-color")
	return w
}

// renameEnclave gives the copy an enclave of its own: the demo may be running on the same engine.
func (w *world) renameEnclave() {
	w.t.Helper()
	file := filepath.Join(w.folder, "main.tf")
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
