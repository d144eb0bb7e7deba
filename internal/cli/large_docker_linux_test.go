package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// largeBytes is the size of the artifact that TestDockerLargeArtifact works with.
	largeBytes = 1 << 30
	// memoryBytes bounds the memory of a command that handles it, at its peak: generous, and far from the artifact's size.
	memoryBytes = 200 << 20
)

// largePackage mounts the artifact in two services, and stores what one of them has changed.
const largePackage = `def run(plan, image, program):
    data = plan.upload_files("./data", name="data")
    for name in ["one", "two"]:
        plan.add_service(name, ServiceConfig(image=image, entrypoint=[program], cmd=["serve"], files={
            "/data": data if name == "one" else Directory(artifact_names=[data], user=User(uid=42), mode="0440"),
        }))
    plan.exec("one", ExecRecipe(command=[program, "write", "/data/small.txt", "changed"]))
    plan.store_service_files("one", "/data", name="stored")
    sums = [plan.exec(name, ExecRecipe(command=[program, "sum", "/data/big"]))["output"] for name in ["one", "two"]]
    return sums + [plan.exec("two", ExecRecipe(command=[program, "cat", "/data/small.txt"]))["output"]]
`

// randomFile writes a file that cannot be compressed and gives its SHA-256.
func randomFile(t *testing.T, name string, size int64) string {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, hash), rand.NewChaCha8([32]byte{7}), size)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func fileSum(t *testing.T, name string) string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// command runs the real program and gives what it prints, after checking how much memory it took.
func command(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	var output, problems bytes.Buffer
	run := exec.CommandContext(t.Context(), program, arguments...)
	run.Stdout, run.Stderr = &output, &problems
	begun := time.Now()
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	peak := make(chan int64, 1)
	ended := make(chan struct{})
	go func() { peak <- watchMemory(run.Process.Pid, ended) }()
	err := run.Wait()
	close(ended)
	most := <-peak
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", arguments, err, &output, &problems)
	}
	if most == 0 {
		t.Fatal("the system does not tell how much memory a process takes")
	}
	t.Logf("%s: %s, peak memory %d MiB", strings.Join(arguments[:2], " "), time.Since(begun).Round(100*time.Millisecond), most>>20)
	if most > memoryBytes {
		t.Errorf("%v took %d MiB of memory, want at most %d", arguments, most>>20, memoryBytes>>20)
	}
	return output.String()
}

// watchMemory gives the most memory, in bytes, that a process was seen with. What the system tells at its end will not do:
// that begins with the memory of this process, from which the other one was forked.
func watchMemory(pid int, ended <-chan struct{}) (most int64) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-ticker.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			var kilobytes int64
			if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
				most = max(most, kilobytes<<10)
			}
		}
	}
}

// passLargeArtifact runs a package that uploads an artifact of 1 GiB, mounts it in two services and stores what one of them has
// changed; then it fetches that. All of it is done by a process of its own, whose memory is bounded (see command). It gives the sum of
// the large file.
func (w *world) passLargeArtifact(name, args string) (sum string) {
	w.Helper()
	program := filepath.Join(w.TempDir(), "sundog")
	if text, err := exec.CommandContext(w.Context(), "go", "build", "-o", program, "github.com/sundog-dev/terraform-provider-sundog").CombinedOutput(); err != nil {
		w.Fatalf("%v: %s", err, text)
	}
	folder := writeFiles(w.T, map[string]string{
		"kurtosis.yml":   "name: github.com/acme/large\n",
		"data/small.txt": "small",
		"main.star":      largePackage,
	})
	sum = randomFile(w.T, filepath.Join(folder, "data", "big"), largeBytes)
	output := command(w.T, program, "run", folder, "--enclave", name, "--args", args)
	if want := fmt.Sprintf("[%q,%q,%q]\n", sum, sum, "small"); strings.Join(strings.Fields(output), "")+"\n" != want {
		w.Errorf("the run gives %s, want %s", output, want)
	}
	before := w.containers(name)
	command(w.T, program, "run", folder, "--enclave", name, "--args", args)
	if after := w.containers(name); after["one"] != before["one"] || after["two"] != before["two"] {
		w.Errorf("containers %v, want still %v", after, before)
	}
	target := filepath.Join(w.TempDir(), "stored")
	command(w.T, program, "files", "get", name, "stored", target)
	if got := fileSum(w.T, filepath.Join(target, "big")); got != sum {
		w.Errorf("the file that was fetched has the sum %s, want %s", got, sum)
	}
	if content, err := os.ReadFile(filepath.Join(target, "small.txt")); err != nil || string(content) != "changed" {
		w.Errorf("%q %v", content, err)
	}
	return sum
}

// TestDockerLargeArtifact uploads an artifact of 1 GiB, mounts it in two services, stores what one of them has changed,
// and fetches that: never may any of it be held in memory as a whole.
func TestDockerLargeArtifact(t *testing.T) {
	w, name, args := dockerWorld(t)
	w.passLargeArtifact(name, args)
	begun := time.Now()
	w.ok("enclave", "rm", name)
	t.Logf("enclave rm: %s", time.Since(begun).Round(100*time.Millisecond))
}
