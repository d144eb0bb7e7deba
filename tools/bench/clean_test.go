package main

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the engine makes late, for a client that was interrupted, is removed too; what belongs to others is not.
func TestCleanWaitsForWhatTurnsUpLate(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	lists := 0
	left := map[string]map[string]string{
		"1": {labelBench: "mine-bound"}, "2": {"sundog.dev/enclave": "mine-engine"}, "3": {"com.docker.compose.project": "yours"},
	}
	socket := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		rest := strings.TrimPrefix(r.URL.Path, apiVersion)
		switch {
		case rest == "/volumes":
			_, _ = w.Write([]byte(`{"Volumes": []}`))
		case rest == "/containers/json":
			if lists++; lists == 5 {
				left["4"] = map[string]string{labelBench: "mine-bound"}
			}
			listed := []object{}
			for id, labels := range left {
				if _, found := labels[labelOf(r)]; found {
					listed = append(listed, object{ID: id, Labels: labels})
				}
			}
			_ = json.NewEncoder(w).Encode(listed)
		case r.Method == http.MethodDelete:
			delete(left, strings.TrimPrefix(rest, "/containers/"))
		default:
			_, _ = w.Write([]byte(`[]`))
		}
	})}
	go func() { _ = server.Serve(listener) }() // it ends by Close
	t.Cleanup(func() { _ = server.Close() })
	if err := clean(t.Context(), newAPI(socket), "mine-", 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	var ids []string
	for id := range left {
		ids = append(ids, id)
	}
	if !slices.Equal(ids, []string{"3"}) {
		t.Errorf("there remain %q, want only what is somebody else's", ids)
	}
}

// labelOf reads the label that a list is asked for.
func labelOf(r *http.Request) string {
	var filters struct{ Label []string }
	if err := json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters); err != nil || len(filters.Label) != 1 {
		return ""
	}
	return filters.Label[0]
}
