package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
)

// cleanEnvironment takes away all that chooses an engine, and gives a folder for the CLI's configuration.
func cleanEnvironment(t *testing.T) (folder string) {
	t.Helper()
	for _, variable := range []string{client.EnvOverrideHost, client.EnvOverrideCertPath, client.EnvTLSVerify, client.EnvOverrideAPIVersion, "DOCKER_CONTEXT"} {
		t.Setenv(variable, "")
	}
	folder = t.TempDir()
	t.Setenv("DOCKER_CONFIG", folder)
	return folder
}

func writeFile(t *testing.T, content string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// writeContext writes a context as the Docker CLI does, and gives the folder for its certificates.
func writeContext(t *testing.T, folder, name, host string) (certificates string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	text, err := json.Marshal(map[string]any{"Name": name, "Metadata": map[string]any{}, "Endpoints": map[string]any{"docker": map[string]any{"Host": host, "SkipTLSVerify": true}}})
	must(t, err)
	writeFile(t, string(text), folder, "contexts", "meta", id, "meta.json")
	return filepath.Join(folder, "contexts", "tls", id, "docker")
}

func TestEndpointIsChosenLikeTheCLIDoes(t *testing.T) {
	folder := cleanEnvironment(t)
	check := func(configured, host, chosen string) {
		t.Helper()
		got, err := chooseEndpoint(configured, "")
		must(t, err)
		if got.Host != host || !strings.Contains(got.Chosen, chosen) {
			t.Errorf("got %+v, want %s chosen by %s", got, host, chosen)
		}
	}
	check("", client.DefaultDockerHost, "default")
	writeContext(t, folder, "remote", "tcp://10.0.0.1:2376")
	writeContext(t, folder, "other", "ssh://me@build")
	writeFile(t, `{"currentContext": "remote", "auths": {}}`, folder, "config.json")
	check("", "tcp://10.0.0.1:2376", `current context "remote"`)
	t.Setenv("DOCKER_CONTEXT", "other")
	check("", "ssh://me@build", "DOCKER_CONTEXT=other")
	t.Setenv("DOCKER_CONTEXT", "default")
	check("", client.DefaultDockerHost, "default")
	t.Setenv("DOCKER_HOST", "tcp://10.0.0.2:2375")
	check("", "tcp://10.0.0.2:2375", "DOCKER_HOST")
	check("unix:///tmp/mine.sock", "unix:///tmp/mine.sock", "docker.host")
}

func TestEndpointThatCannotBeChosenSaysWhy(t *testing.T) {
	folder := cleanEnvironment(t)
	fails := func(texts ...string) {
		t.Helper()
		_, err := New(Options{}).ListEnclaves(t.Context())
		if _, ok := errors.AsType[*enclave.UnreachableError](err); !ok {
			t.Fatalf("got error %v, want an UnreachableError", err)
		}
		mentions(t, err, texts...)
	}
	t.Setenv("DOCKER_CONTEXT", "gone")
	fails("gone", "docker context ls", "DOCKER_CONTEXT")
	t.Setenv("DOCKER_CONTEXT", "")
	writeFile(t, "{", folder, "config.json")
	fails("config.json")
	writeContext(t, folder, "empty", "")
	writeFile(t, `{"currentContext": "empty"}`, folder, "config.json")
	fails("empty", "no endpoint for Docker")
	t.Setenv("DOCKER_HOST", "nonsense")
	fails("nonsense", "DOCKER_HOST")
}

func TestEndpointNeedsNoHome(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("HOME", "")
	got, err := chooseEndpoint("", "")
	must(t, err)
	if got.Host != client.DefaultDockerHost {
		t.Errorf("got %+v", got)
	}
	if found, err := (registry.Logins{}).All(); err != nil || len(found) != 0 {
		t.Errorf("got %v, %v, want no credentials", found, err)
	}
}

func TestUnreachableIsNotGone(t *testing.T) {
	cleanEnvironment(t)
	missing := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	t.Setenv("DOCKER_HOST", missing)
	backend := New(Options{})
	ctx := t.Context()
	for call, ask := range map[string]func() error{
		"Enclave":       func() error { _, err := backend.Enclave(ctx, "dev"); return err },
		"ListEnclaves":  func() error { _, err := backend.ListEnclaves(ctx); return err },
		"CreateEnclave": func() error { _, err := backend.CreateEnclave(ctx, enclave.Spec{Name: "dev"}); return err },
		"RemoveEnclave": func() error { return backend.RemoveEnclave(ctx, "dev") },
		"Observe":       func() error { _, err := backend.Observe(ctx, "dev"); return err },
		"Service":       func() error { _, err := backend.Service(ctx, "dev", "api"); return err },
		"RemoveService": func() error { return backend.RemoveService(ctx, "dev", "api") },
		"Exec": func() error {
			_, err := backend.Exec(ctx, "dev", "api", enclave.ExecRequest{Command: []string{"x"}})
			return err
		},
		"Record":   func() error { _, err := backend.Record(ctx, "dev", "r"); return err },
		"Artifact": func() error { _, err := backend.Artifact(ctx, "dev", "d"); return err },
		"Lock":     func() error { _, err := backend.Lock(ctx, "dev", "l", "me"); return err },
	} {
		err := ask()
		var unreachable *enclave.UnreachableError
		if !errors.As(err, &unreachable) || errors.Is(err, enclave.ErrNotFound) {
			t.Errorf("%s: got error %v, want an UnreachableError", call, err)
			continue
		}
		if unreachable.Endpoint != missing || unreachable.Chosen != "DOCKER_HOST" {
			t.Errorf("%s: got %+v", call, unreachable)
		}
	}
	must(t, backend.Close())
}

func TestEndpointOverTLSIsVerified(t *testing.T) {
	folder := cleanEnvironment(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		fmt.Fprint(w, "[]")
	}))
	defer server.Close()
	host := "tcp://" + server.Listener.Addr().String()
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	certificates := writeContext(t, folder, "secure", host)
	t.Setenv("DOCKER_CONTEXT", "secure")
	writeFile(t, certificate, certificates, "ca.pem")
	if _, err := New(Options{}).ListEnclaves(t.Context()); err != nil {
		t.Errorf("with the right authority: %v", err)
	}
	// Without the authority the server is a stranger, even though the context says that this be ignored.
	must(t, os.Remove(filepath.Join(certificates, "ca.pem")))
	_, err := New(Options{}).ListEnclaves(t.Context())
	if _, ok := errors.AsType[*enclave.UnreachableError](err); !ok {
		t.Errorf("with an unknown authority: got error %v, want an UnreachableError", err)
	}
	writeFile(t, "no certificate", certificates, "ca.pem")
	_, err = New(Options{}).ListEnclaves(t.Context())
	mentions(t, err, "ca.pem")
	t.Setenv("DOCKER_CONTEXT", "")
	t.Setenv("DOCKER_HOST", host)
	t.Setenv("DOCKER_CERT_PATH", filepath.Dir(writeFile(t, certificate, t.TempDir(), "ca.pem")))
	if _, err := New(Options{}).ListEnclaves(t.Context()); err != nil {
		t.Errorf("with certificates of the environment: %v", err)
	}
}

// TestDockerOverSSH lets this very program stand for ssh, which joins us with the engine's socket.
func TestDockerOverSSH(t *testing.T) {
	backend := dockerBackend(t)
	host := connectionOf(t, backend).endpoint.Host
	socket, found := strings.CutPrefix(host, "unix://")
	if !found || runtime.GOOS == "windows" {
		t.Skipf("the engine is at %s, not at a socket of this machine", host)
	}
	job, err := json.Marshal(childJob{Kind: "bridge", Socket: socket})
	must(t, err)
	folder := t.TempDir()
	script := "#!/bin/sh\n" + childVariable + "='" + string(job) + "' exec " + os.Args[0] + "\n"
	must(t, os.WriteFile(filepath.Join(folder, "ssh"), []byte(script), 0o700))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	remote := New(Options{Host: "ssh://me@build.example.com"})
	if _, err := remote.ListEnclaves(t.Context()); err != nil {
		t.Fatal(err)
	}
	if hostname := connectionOf(t, remote).endpoint.hostname(); hostname != "build.example.com" {
		t.Errorf("ports are published on %q", hostname)
	}
	must(t, remote.Close())
}
