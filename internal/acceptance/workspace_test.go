package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// workspace is a copy of an example's configuration, and the CLI that works on it.
type workspace struct {
	t           *testing.T
	root        string
	cli         string
	folder      string
	environment []string
}

func newWorkspace(t *testing.T, cli, example string) *workspace {
	t.Helper()
	return newWorkspaceOf(t, cli, "examples/"+example)
}

// newWorkspaceOf copies the configuration in a folder of the repository.
func newWorkspaceOf(t *testing.T, cli, source string) *workspace {
	t.Helper()
	plugins, err := provider()
	if err != nil {
		t.Fatal(err)
	}
	w := &workspace{t: t, root: repository(t), cli: cli, folder: filepath.Join(t.TempDir(), filepath.Base(source))}
	run(t, w.root, nil, "cp", "-r", source, w.folder)
	for _, leftover := range []string{".terraform", "terraform.tfstate", ".terraform.lock.hcl", "terraform.d"} {
		if err := os.RemoveAll(filepath.Join(w.folder, leftover)); err != nil {
			t.Fatal(err)
		}
	}
	w.environment = []string{
		"TF_CLI_CONFIG_FILE=" + filepath.Join(plugins, "cli.tfrc"), "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
	}
	// Whatever a failed test leaves would be in the way of the next.
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = try(context.Background(), w.folder, w.environment, w.cli, "destroy", "-auto-approve", "-no-color")
		}
	})
	return w
}

// terraform runs the CLI in the workspace.
func (w *workspace) terraform(arguments ...string) string {
	w.t.Helper()
	return run(w.t, w.folder, w.environment, w.cli, arguments...)
}

// plan gives the actions of a plan by address, "no-op" and reads left out.
func (w *workspace) plan() map[string][]string {
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
func (w *workspace) output(name string) string {
	w.t.Helper()
	return strings.TrimSpace(w.terraform("output", "-raw", name))
}

// killed runs the CLI in a process group of its own and kills the whole group after a while, as a power cut would. It
// tells whether the command was still running then.
func (w *workspace) killed(after time.Duration, arguments ...string) bool {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), w.cli, arguments...)
	command.Dir, command.Env = w.folder, append(os.Environ(), w.environment...)
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

// enclaveLabel finds what belongs to the example's enclave; other tests use the same engine.
const enclaveLabel = "label=sundog.dev/enclave=acceptance"

// generation is the part of a volume's name that is drawn anew for each container, or hangs on the enclave's key and on a note's
// version.
var generation = regexp.MustCompile(`\.[0-9a-f]{8}\.|[0-9a-f]{16}\.[0-9a-f]{12}$`)

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

// request asks over HTTP and gives the body of a good answer; anything else ends the test.
func request(t *testing.T, method, address, body string) string {
	t.Helper()
	return send(t, http.DefaultClient, method, address, body)
}

func send(t *testing.T, client *http.Client, method, address, body string) string {
	t.Helper()
	answer, err := ask(t.Context(), client, method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// ask is for those who can do with an error.
func ask(ctx context.Context, client *http.Client, method, address, body string) (string, error) {
	asked, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	asked.Header.Set("Content-Type", "application/json")
	response, err := client.Do(asked)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s %s", method, address, response.Status, answer)
	}
	return string(answer), nil
}
