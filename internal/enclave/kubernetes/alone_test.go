package kubernetes

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// alone skips a test that changes the cluster for all who use it, unless it is run when the others are done (see
// tools/test-kubernetes), or has no way into the network of its node. The variable names the component that it needs.
func alone(t *testing.T, variable, component string) (path string) {
	t.Helper()
	needCluster(t)
	if os.Getenv("SUNDOG_TEST_KUBERNETES_ALONE") != "1" {
		t.Skip("it changes the cluster for all who use it: SUNDOG_TEST_KUBERNETES_ALONE=1 tells that no other test does; tools/test-kubernetes -run KubernetesAlone sets it, and all else")
	}
	if enclavetest.NodeNetwork(t); os.Geteuid() != 0 {
		t.Skip("only root may run programs in the network of the cluster's node")
	}
	if path = os.Getenv(variable); path == "" {
		t.Skipf("%s says where %s is, which tools/test-kubernetes brings from a Go module where it can", variable, component)
	}
	return path
}

// inNode runs a program in the network of the cluster's only node, as pods with the node's network do, until the test ends or
// is killed. The shell that starts it waits for the end of its input. What the program says is shown if the test fails.
func inNode(t *testing.T, folder string, environment []string, command ...string) {
	t.Helper()
	const script = `"$@" </dev/null & cat >/dev/null; kill $!; wait $!`
	inNodeByScript(t, folder, environment, append([]string{"sh", "-c", script, "sh"}, command...)...)
}

// inNodeByScript runs a script that ends when its input does.
func inNodeByScript(t *testing.T, folder string, environment []string, command ...string) {
	t.Helper()
	// It is not killed when the test ends: the shell has to end what it started.
	run := exec.CommandContext(context.WithoutCancel(t.Context()), "nsenter", append([]string{"--net=" + enclavetest.NodeNetwork(t)}, command...)...)
	run.Dir, run.Env = folder, append(os.Environ(), environment...)
	var output bytes.Buffer
	run.Stdout, run.Stderr = &output, &output
	life, err := run.StdinPipe()
	must(t, err)
	must(t, run.Start())
	t.Cleanup(func() {
		_ = life.Close()
		_ = run.Wait() // It is ended by a signal.
		if t.Failed() {
			t.Logf("%v:\n%s", command, output.String())
		}
	})
}
