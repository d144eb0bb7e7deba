package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

func TestCallName(t *testing.T) {
	for path, want := range map[string]string{
		"/v1.41/containers/json":                   "GET /containers/json",
		"/containers/4f1e/json":                    "GET /containers/{id}/json",
		"/v1.41/containers/create":                 "GET /containers/create",
		"/v1.41/containers/sundog-a_store/archive": "GET /containers/{id}/archive",
		"/v1.41/networks":                          "GET /networks",
		"/v1.41/networks/abc":                      "GET /networks/{id}",
		"/v1.41/images/a/b:1/json":                 "GET /images/{id}/json",
		"/v1.41/images/host/a/b/c:1/json":          "GET /images/{id}/json",
		"/v1.41/images/sundog/empty:1":             "GET /images/{id}",
		"/_ping":                                   "GET /_ping",
	} {
		if got := callName(http.MethodGet, path); got != want {
			t.Errorf("callName(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestCounterPassesOnAndCounts(t *testing.T) {
	folder := t.TempDir()
	engine := filepath.Join(folder, "engine.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", engine)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			http.Error(w, `{"message": "no such container"}`, http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`[{"Id": "1"}]`))
	})}
	go func() { _ = server.Serve(listener) }() // it ends by Close
	t.Cleanup(func() { _ = server.Close() })

	count, err := newCounter(t.Context(), folder, place{socket: engine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := count.close(); err != nil {
			t.Error(err)
		}
	})
	client := newAPI(count.at.socket)
	found, err := client.containers(context.WithoutCancel(t.Context()), labelBench)
	if err != nil || len(found) != 1 || found[0].ID != "1" {
		t.Fatalf("containers = %v, %v", found, err)
	}
	if err := client.removeContainer(t.Context(), "1"); err != nil {
		t.Fatalf("a container that is gone is removed: %v", err)
	}
	if err := client.call(t.Context(), http.MethodDelete, "/networks/x", nil, nil); err == nil {
		t.Fatal("a failure must arrive")
	}
	calls := count.take()
	if total(calls) != 3 || calls["GET /containers/json"] != 1 || calls["DELETE /containers/{id}"] != 1 {
		t.Errorf("calls = %v", calls)
	}
	if total(count.take()) != 0 {
		t.Error("calls were counted twice")
	}
}
