package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoundsAreRead(t *testing.T) {
	t.Parallel()
	var got rounds
	if err := got.Set("1:8,50,200:0"); err != nil {
		t.Fatal(err)
	}
	if text := got.String(); text != "1:8,50:1,200:0" {
		t.Errorf("got %s", text)
	}
	for _, wrong := range []string{"", "x", "0:1", "5:-1", "5:x", "5:1,"} {
		if err := new(rounds).Set(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

// What is missing must be told before anything is made, with the remedy.
func TestCommandLineIsChecked(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	there := filepath.Join(folder, "there")
	if err := os.WriteFile(there, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	full := []string{"-sundog", there, "-compose", there, "-tofu", there, "-probe", there, "-state", folder}
	if _, err := parse(full); err != nil {
		t.Fatalf("everything is there: %v", err)
	}
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"-probe", there}, "-state is missing"},
		{append(full, "-sundog", filepath.Join(folder, "missing")), "make build"},
		{append(full, "-compose", folder), "tools/bench/run builds it"},
		{append(full, "-tofu", ""), "tools/setup tofu"},
		{append(full, "-peers", "bound,podman"), "bound, compose, sundog, tofu"},
		{append(full, "-repeat", "0"), "-repeat"},
		{append(full, "more"), "too much"},
	} {
		if _, err := parse(test.arguments); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want an error that mentions %q", test.arguments, err, test.want)
		}
	}
	// Who is not measured need not be there.
	if _, err := parse([]string{"-peers", "bound", "-probe", there, "-state", folder}); err != nil {
		t.Error(err)
	}
}

func TestOnlySocketsOfThisMachine(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"tcp://10.0.0.1:2375": "an engine on this machine", "unix:///nowhere/docker.sock": "there is no Docker Engine"} {
		if _, err := socketOf(host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that mentions %q", host, err, want)
		}
	}
}

func TestFolderIsLocked(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	unlock, err := lockFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFolder(folder); err == nil {
		t.Error("two benchmarks may run in one folder")
	}
	unlock()
	again, err := lockFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestPeakOf(t *testing.T) {
	t.Parallel()
	if got := peakOf("Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t   52120 kB\nVmRSS:\t 3 kB\n"); got != 52120*1024 {
		t.Errorf("got %d", got)
	}
	if got := peakOf("VmHWM: a lot\n"); got != 0 {
		t.Errorf("got %d of what cannot be read", got)
	}
}
