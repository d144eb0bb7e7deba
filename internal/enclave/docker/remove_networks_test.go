package docker

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// busyNetwork is an engine with one network that still counts who is connected to it.
type busyNetwork struct {
	mutex     sync.Mutex
	connected map[string]string // names by container
	labels    map[string]string // those of each container as JSON; a container that has none is gone
	refusals  int               // how often it refuses although nobody is connected
	calls     []string          // what changes something
}

func (n *busyNetwork) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	w.Header().Set("Api-Version", "1.41")
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		n.calls = append(n.calls, r.Method+" "+path)
	}
	switch id := strings.TrimSuffix(strings.TrimPrefix(path, "containers/"), "/json"); {
	case path == "networks":
		_, _ = w.Write([]byte(`[{"Name": "sundog-dev", "Id": "x"}]`))
	case r.Method == http.MethodDelete && path == "networks/x":
		if len(n.connected) == 0 && n.refusals == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if len(n.connected) == 0 {
			n.refusals--
		}
		http.Error(w, `{"message": "network x has active endpoints"}`, http.StatusForbidden)
	case path == "networks/x":
		var endpoints []string
		for id, name := range n.connected {
			endpoints = append(endpoints, fmt.Sprintf(`%q: {"Name": %q}`, id, name))
		}
		_, _ = fmt.Fprintf(w, `{"Name": "sundog-dev", "Id": "x", "Containers": {%s}}`, strings.Join(endpoints, ","))
	case path == "networks/x/disconnect":
		clear(n.connected)
	case r.Method == http.MethodDelete:
		delete(n.connected, id)
	case n.labels[id] != "":
		_, _ = fmt.Fprintf(w, `{"Id": %q, "Config": {"Labels": %s}}`, id, n.labels[id])
	default:
		http.Error(w, `{"message": "No such container"}`, http.StatusNotFound)
	}
}

// A network is removed as soon as the engine lets it; where that is never, the error says who has to do what.
func TestRemoveNetworks(t *testing.T) {
	t.Parallel()
	const own, foreign = `{"sundog.dev/enclave": "dev", "sundog.dev/role": "service"}`, `{"sundog.dev/enclave": "other", "sundog.dev/role": "service"}`
	for title, test := range map[string]struct {
		network *busyNetwork
		calls   []string
		error   []string
	}{
		"free": {network: &busyNetwork{}, calls: []string{"DELETE networks/x"}},
		"counted for a while": {
			network: &busyNetwork{refusals: 2},
			calls:   []string{"DELETE networks/x", "DELETE networks/x", "DELETE networks/x"},
		},
		"counted for ever": {
			network: &busyNetwork{refusals: 1000},
			calls:   slices.Repeat([]string{"DELETE networks/x"}, detachAttempts),
			error:   []string{"remove network sundog-dev", "active endpoints", "restart the engine"},
		},
		"container that is gone": {
			network: &busyNetwork{connected: map[string]string{"ep-1": "web"}},
			calls:   []string{"DELETE networks/x", "POST networks/x/disconnect", "DELETE networks/x"},
		},
		"service that came late": {
			network: &busyNetwork{connected: map[string]string{"1": "web"}, labels: map[string]string{"1": own}},
			calls:   []string{"DELETE networks/x", "DELETE containers/1", "DELETE networks/x"},
		},
		"containers of others": {
			network: &busyNetwork{connected: map[string]string{"1": "web", "2": "db"}, labels: map[string]string{"1": foreign, "2": "{}"}},
			calls:   []string{"DELETE networks/x"},
			error:   []string{"remove network sundog-dev", "active endpoints", "(db, web); disconnect them"},
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.network)
			t.Cleanup(server.Close)
			backend := New(Options{Host: "tcp://" + server.Listener.Addr().String()})
			t.Cleanup(func() { must(t, backend.Close()) })
			err := connectionOf(t, backend).removeNetworks(t.Context(), "dev")
			if test.error == nil {
				must(t, err)
			} else {
				mentions(t, err, test.error...)
			}
			if got := errors.Is(err, enclave.ErrRestartEngine); got != (title == "counted for ever") {
				t.Errorf("a restart of the engine is asked for: %t", got)
			}
			test.network.mutex.Lock()
			defer test.network.mutex.Unlock()
			if !slices.Equal(test.network.calls, test.calls) {
				t.Errorf("the calls were %q, want %q", test.network.calls, test.calls)
			}
		})
	}
}

// A container that comes into an enclave's network while the enclave is removed keeps neither itself nor the network.
func TestDockerRemovesAnEnclaveIntoWhichAServiceComesLate(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	image := enclavetest.BuildImages(t, direct).Service
	name := makeEnclave(t, direct)
	late := sync.OnceFunc(func() {
		conn := connectionOf(t, direct)
		created, err := conn.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Name: name + "-late", Config: &container.Config{Image: image, Cmd: []string{"serve"}, Labels: objectLabels(name, roleService)},
			HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(networkName(name))},
		})
		if err == nil {
			_, err = conn.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{})
		}
		if err != nil {
			t.Error(err)
		}
	})
	between := newGate(t, direct, 0, nil)
	between.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/networks/") {
			late()
		}
		return false
	}
	backend := New(Options{Host: between.Host})
	t.Cleanup(func() { must(t, backend.Close()) })
	must(t, backend.RemoveEnclave(t.Context(), name))
	if _, err := direct.Enclave(t.Context(), name); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got %v, want that the enclave is gone", err)
	}
}
