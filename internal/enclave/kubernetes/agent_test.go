package kubernetes

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// mostOfConfigMap is how much a ConfigMap may hold.
const mostOfConfigMap = 1 << 20

// splitAgent builds the agent and puts its two files into a folder.
func splitAgent(t *testing.T, architecture string) (program string) {
	t.Helper()
	folder := t.TempDir()
	whole := filepath.Join(folder, "whole")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", whole, "./agent")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture, "GOFLAGS=")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v: %s", err, text)
	}
	content, err := os.ReadFile(whole)
	must(t, err)
	data := filepath.Join(folder, "data")
	code, rest, err := splitProgram(content, data)
	must(t, err)
	if len(code) > mostOfConfigMap || len(rest) > mostOfConfigMap {
		t.Errorf("the parts have %d and %d bytes, more than a ConfigMap holds", len(code), len(rest))
	}
	program = filepath.Join(folder, "agent")
	must(t, os.WriteFile(program, code, 0o700))
	must(t, os.WriteFile(data, rest, 0o700))
	return program
}

func TestAgentFitsIntoConfigMaps(t *testing.T) {
	t.Parallel()
	for _, architecture := range []string{"amd64", "arm64"} {
		splitAgent(t, architecture)
	}
}

func TestProgramsThatCannotBeSplit(t *testing.T) {
	t.Parallel()
	if _, _, err := splitProgram([]byte("#!/bin/sh"), "/data"); err == nil {
		t.Error("a script was split")
	}
}

// runAgent runs the agent on this machine; the program stands for what a pod runs.
func runAgent(t *testing.T, program string, arguments ...string) (output []byte, complaint string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return stdout.Bytes(), stderr.String(), ended.ExitCode()
	}
	must(t, err)
	return stdout.Bytes(), stderr.String(), 0
}

func TestAgentPacksAndUnpacks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the agent is a program for Linux")
	}
	program := splitAgent(t, runtime.GOARCH)
	long := strings.Repeat("very-long-name-", 12)
	tree, err := plan.NewFileTree([]plan.File{
		plan.TextFile("a.txt", 0o640, "alpha"), plan.TextFile("sub/"+long+"/"+long, 0o600, strings.Repeat("beta", 1<<16)), plan.TextFile("run.sh", 0o755, "x"),
		{Path: "link", Mode: fs.ModeSymlink | 0o777, Link: "sub/" + long + "/" + long},
	})
	must(t, err)
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	must(t, tree.WriteTar(zipped))
	must(t, zipped.Close())
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "into")
	for i, part := range [][]byte{packed.Bytes()[:100], packed.Bytes()[100:]} {
		must(t, os.WriteFile(filepath.Join(source, decimal(i)), part, 0o600))
	}
	if _, complaint, code := runAgent(t, program, "files", "folder", target, "unpack", source, target, "need", target+"/a.txt"); code != 0 {
		t.Fatalf("unpack ended with code %d: %s", code, complaint)
	}
	for path, want := range map[string]string{"a.txt": "alpha", "link": strings.Repeat("beta", 1<<16), "run.sh": "x"} {
		content, err := os.ReadFile(filepath.Join(target, path))
		must(t, err)
		if string(content) != want {
			t.Errorf("%s holds %d bytes, want %d", path, len(content), len(want))
		}
	}
	if info, err := os.Stat(filepath.Join(target, "a.txt")); err != nil || info.Mode() != 0o640 {
		t.Errorf("a.txt: %v, %v", info.Mode(), err)
	}
	// What is packed again is what it was.
	output, complaint, code := runAgent(t, program, "copy", target)
	if code != 0 {
		t.Fatalf("copy ended with code %d: %s", code, complaint)
	}
	names := map[string]int64{}
	archive := tar.NewReader(bytes.NewReader(output))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		names[header.Name] = header.Size
	}
	if len(names) != 6 || names["sub/"+long+"/"+long] != 4<<16 {
		t.Errorf("packed %v", names)
	}
	if _, complaint, code := runAgent(t, program, "copy", target+"/none"); code != agentNotFound || !strings.Contains(complaint, "none") {
		t.Errorf("a missing path: code %d, %q", code, complaint)
	}
}

func TestAgentKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the agent is a program for Linux")
	}
	program := splitAgent(t, runtime.GOARCH)
	image, volume := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(image, "a.txt"), []byte("of the image"), 0o600))
	data := filepath.Join(volume, "data")
	words := []string{"files", "fresh", data, "copy", image, data, "keep", data}
	for _, want := range []string{"of the image", "changed"} {
		if _, complaint, code := runAgent(t, program, words...); code != 0 {
			t.Fatalf("code %d: %s", code, complaint)
		}
		content, err := os.ReadFile(filepath.Join(data, "a.txt"))
		must(t, err)
		if string(content) != want {
			t.Errorf("a.txt holds %q, want %q", content, want)
		}
		must(t, os.WriteFile(filepath.Join(data, "a.txt"), []byte("changed"), 0o600))
	}
	if left, err := os.ReadDir(volume); err != nil || len(left) != 1 {
		t.Errorf("the volume holds %v, %v", left, err)
	}
}

func TestAgentRunsCommands(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the agent is a program for Linux")
	}
	program := splitAgent(t, runtime.GOARCH)
	output, _, code := runAgent(t, program, "exec", "/", "", "X=y z", "--", "sh", "-c", "pwd; echo $X; exit 7")
	if string(output) != "/\ny z\n" || code != 7 {
		t.Errorf("code %d, output %q", code, output)
	}
	if _, complaint, code := runAgent(t, program, "exec", "", "", "--", "no-such-command", "s3cret"); code != agentCannot || !strings.Contains(complaint, "no-such-command: no such file") || strings.Contains(complaint, "s3cret") {
		t.Errorf("code %d, %q", code, complaint)
	}
}
