package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
)

// kubernetesWorld is the command on the cluster that the tests were given (see tools/test-kubernetes), with the name of an
// enclave for one test.
func kubernetesWorld(t *testing.T) (w *world, backend *kubernetes.Backend, name, args string) {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names")
	}
	image := os.Getenv("SUNDOG_TEST_KUBERNETES_IMAGE")
	if load := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_LOAD")); image == "" {
		if len(load) == 0 {
			t.Fatal("say by SUNDOG_TEST_KUBERNETES_LOAD which command loads an image archive into the nodes, or by SUNDOG_TEST_KUBERNETES_IMAGE where the test image is")
		}
		image = "sundog-test/service:cli"
		archive := enclavetest.SaveImages(t, image, "sundog-test/unprivileged:cli")
		if text, err := exec.CommandContext(t.Context(), load[0], append(load[1:], archive)...).CombinedOutput(); err != nil {
			t.Fatalf("load the test image: %v: %s", err, text)
		}
	}
	backend = kubernetes.New(kubernetes.Options{})
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	var random [5]byte
	if _, err := rand.Read(random[:]); err != nil {
		t.Fatal(err)
	}
	name = "c" + hex.EncodeToString(random[:])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := backend.RemoveEnclave(ctx, name); err != nil {
			t.Errorf("remove enclave %s: %v", name, err)
		}
	})
	t.Setenv("SUNDOG_OWNER", testOwner)
	t.Setenv("SUNDOG_BACKEND", "kubernetes")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	encoded, err := json.Marshal(map[string]string{"image": image, "program": enclavetest.ServiceProgram})
	if err != nil {
		t.Fatal(err)
	}
	return &world{T: t, tools: realTools(), clock: time.Now()}, backend, name, string(encoded)
}

func inService(t *testing.T, backend *kubernetes.Backend, name, service string, arguments ...string) string {
	t.Helper()
	result, err := backend.Exec(t.Context(), name, service, enclave.ExecRequest{Command: append([]string{enclavetest.ServiceProgram}, arguments...)})
	if err != nil || result.Code != 0 {
		t.Fatalf("%v: %v %+v", arguments, err, result)
	}
	return result.Output
}

// kubectl does what somebody else does in the cluster.
func kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("SUNDOG_TEST_KUBECTL"), "kubectl"), arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// TestKubernetesLargeArtifact uploads an artifact of 1 GiB, mounts it in two services, stores what one of them has changed,
// and fetches that: never may any of it be held in memory as a whole, here or in a pod. A service that is evicted then gets
// its files without us.
func TestKubernetesLargeArtifact(t *testing.T) {
	w, backend, name, args := kubernetesWorld(t)
	sum := w.passLargeArtifact(name, args)
	owned := inService(t, backend, name, "two", "list", "/data")
	for _, want := range []string{"/data dr-xr-x--- 42:0\n", "/data/big -r--r----- 42:0\n", "/data/small.txt -r--r----- 42:0\n"} {
		if !strings.Contains(owned, want) {
			t.Errorf("service two: no %q among\n%s", want, owned)
		}
	}
	begun := time.Now()
	first, err := backend.Service(t.Context(), name, "two")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "delete", "pod", "--namespace", "sundog-"+name, "--selector", enclave.LabelService+"=two", "--wait=false")
	for {
		again, err := backend.Service(t.Context(), name, "two")
		if err != nil {
			t.Fatal(err)
		}
		if again.State == enclave.StateRunning && again.StartedAt.After(first.StartedAt) {
			break
		}
		if time.Since(begun) > 5*time.Minute {
			t.Fatalf("the service does not come back: it is %s", again.State)
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Logf("the pod was there again, with its files, after %s", time.Since(begun).Round(100*time.Millisecond))
	if got := inService(t, backend, name, "two", "sum", "/data/big"); got != sum {
		t.Errorf("the pod that was made again has a file with the sum %s, want %s", got, sum)
	}
	begun = time.Now()
	w.ok("enclave", "rm", name)
	t.Logf("enclave rm: %s", time.Since(begun).Round(100*time.Millisecond))
}
