package locator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childVariable makes this test's program open a package and end, as a process of its own.
const childVariable = "SUNDOG_TEST_LOCATOR_CHILD"

func TestMain(m *testing.M) {
	if locator := os.Getenv(childVariable); locator != "" {
		opened, err := New(Options{CacheDir: os.Getenv(childVariable + "_CACHE")}).Open(context.Background(), locator, "")
		if err == nil {
			_, err = opened.Main("main.star")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, locator, cache string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program)
	command.Env = append(os.Environ(), childVariable+"="+locator, childVariable+"_CACHE="+cache)
	return command
}

func TestProcessesShareACache(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": "x", "big": strings.Repeat("x", 1<<20)})
	cache := t.TempDir()
	var children []*exec.Cmd
	var outputs []*strings.Builder
	for range 8 {
		command, output := child(t, repository, cache), &strings.Builder{}
		command.Stdout, command.Stderr = output, output
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		children, outputs = append(children, command), append(outputs, output)
	}
	for i, command := range children {
		if err := command.Wait(); err != nil {
			t.Errorf("%v: %s", err, outputs[i])
		}
	}
	// What they left is whole and nothing else.
	base := filepath.Join(cache, "git", "github.com", "o", "r")
	if left, err := filepath.Glob(filepath.Join(base, workPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if commits, err := os.ReadDir(filepath.Join(base, "commits")); err != nil || len(commits) != 1 {
		t.Errorf("commits %v, %v", commits, err)
	}
	t.Setenv("PATH", t.TempDir())
	if got, _ := text(t, New(Options{CacheDir: cache, Offline: true}), repository); got != "x" {
		t.Errorf("%q", got)
	}
}

func TestKilledProcessLeavesNoHalfRepository(t *testing.T) {
	h := newHost(t)
	h.commit("git.example.com/o/r", map[string]string{"kurtosis.yml": "name: git.example.com/o/r\n", "main.star": "x"})
	// SSH that answers the question and then hangs in the middle of the fetch.
	folder := t.TempDir()
	asked := filepath.Join(folder, "asked")
	script := "#!/bin/sh\nif [ -e " + asked + " ]; then sleep 600; fi\ntouch " + asked + "\nfor last; do :; done\ncd " + h.root + "/git.example.com\nunset GIT_CONFIG_COUNT\neval \"$last\"\n"
	if err := os.WriteFile(filepath.Join(folder, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_COUNT", "0")
	t.Setenv("GIT_SSH_COMMAND", filepath.Join(folder, "ssh"))
	cache := t.TempDir()
	base := filepath.Join(cache, "git", "git.example.com", "o", "r")
	command := child(t, "git@git.example.com:o/r", cache)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if left, _ = filepath.Glob(filepath.Join(base, workPrefix+"*", "store", "HEAD")); len(left) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the process never fetched")
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	if commits, err := os.ReadDir(filepath.Join(base, "commits")); err != nil || len(commits) != 0 {
		t.Errorf("commits %v, %v", commits, err)
	}
	// The next one is not disturbed; what is old is swept away, and what may be in use is not.
	if err := os.Remove(asked); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "ssh"), []byte(strings.Replace(script, "sleep 600", "true", 1)), 0o700); err != nil {
		t.Fatal(err)
	}
	work := filepath.Dir(filepath.Dir(left[0]))
	if got, _ := text(t, New(Options{CacheDir: cache}), "git@git.example.com:o/r"); got != "x" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(work); err != nil {
		t.Errorf("somebody may still work there: %v", err)
	}
	old := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(work, old, old); err != nil {
		t.Fatal(err)
	}
	h.commit("git.example.com/o/r", map[string]string{"main.star": "y"})
	if got, _ := text(t, New(Options{CacheDir: cache}), "git@git.example.com:o/r"); got != "y" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(work); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestCancellingStopsWhatGitStarted(t *testing.T) {
	folder := t.TempDir()
	pidFile := filepath.Join(folder, "pid")
	script := "#!/bin/sh\necho $$ > " + pidFile + "\nexec sleep 600\n"
	if err := os.WriteFile(filepath.Join(folder, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH_COMMAND", filepath.Join(folder, "ssh"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := New(Options{CacheDir: t.TempDir()}).Open(ctx, "git@git.example.com:o/r", "")
		done <- err
	}()
	var pid int
	for deadline := time.Now().Add(20 * time.Second); pid == 0; time.Sleep(10 * time.Millisecond) {
		if content, err := os.ReadFile(pidFile); err == nil {
			fmt.Sscan(string(content), &pid)
		}
		if time.Now().After(deadline) {
			t.Fatal("git never called SSH")
		}
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(4 * time.Second):
		t.Fatal("cancelling takes too long")
	}
	if !gone(t, pid) {
		t.Errorf("process %d still runs", pid)
	}
}

// gone tells whether a process ends within a moment.
func gone(t *testing.T, pid int) bool {
	t.Helper()
	for range 100 {
		if exec.CommandContext(t.Context(), "kill", "-0", strconv.Itoa(pid)).Run() != nil {
			return true
		}
		// A process that nobody waits for stays in the table.
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(status), ") Z ") {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

func TestCacheThatCannotBeWrittenTo(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	commit := h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": "x"})
	blocked := filepath.Join(write(t, t.TempDir(), map[string]string{"file": ""}), "file")
	_, err := New(Options{CacheDir: blocked}).Open(context.Background(), repository, "")
	if !errors.Is(err, ErrCache) || !strings.Contains(err.Error(), blocked) || !strings.Contains(err.Error(), "give another one") {
		t.Errorf("%v", err)
	}
	// What is in it can be used, although what a branch means cannot be noted.
	cache := t.TempDir()
	text(t, New(Options{CacheDir: cache}), repository+"@"+commit)
	base := filepath.Join(cache, "git", repository)
	if err := os.RemoveAll(filepath.Join(base, "refs")); err != nil {
		t.Fatal(err)
	}
	write(t, base, map[string]string{"refs": ""})
	for _, version := range []string{"", "@main", "@" + commit} {
		if got, _ := text(t, New(Options{CacheDir: cache}), repository+version); got != "x" {
			t.Errorf("%q: %q", version, got)
		}
	}
}
