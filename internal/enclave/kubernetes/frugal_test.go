package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// ledger notes requests by what they do and to what kind of object.
type ledger struct {
	http.RoundTripper
	mutex sync.Mutex
	calls map[string]int
}

// RoundTrip implements http.RoundTripper.
func (l *ledger) RoundTrip(request *http.Request) (*http.Response, error) {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	verb := request.Method
	if request.Method == http.MethodGet && (len(parts) < 2 || strings.HasSuffix(parts[len(parts)-1], "s") && !strings.HasPrefix(parts[len(parts)-1], "sundog")) {
		verb = "LIST"
	}
	if request.URL.Query().Get("watch") != "" {
		verb = "WATCH"
	}
	l.mutex.Lock()
	l.calls[verb]++
	l.mutex.Unlock()
	return l.RoundTripper.RoundTrip(request)
}

func (l *ledger) take() map[string]int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	taken := l.calls
	l.calls = map[string]int{}
	return taken
}

func keepLedger(t *testing.T, backend *Backend) *ledger {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	kept := &ledger{RoundTripper: conn.http.Transport, calls: map[string]int{}}
	conn.rest.Client = &http.Client{Transport: kept}
	return kept
}

func totalOf(calls map[string]int) int {
	sum := 0
	for _, count := range calls {
		sum += count
	}
	return sum
}

// fill makes services, all at the same time.
func fill(t *testing.T, backend *Backend, name, image string, first, count int, start bool) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	for i := range count {
		request := serviceRequest(t, backend, image, func(request *enclave.ServiceRequest) { request.Spec.Name = "s" + strconv.Itoa(first+i) })
		group.Go(func() error {
			if start {
				return createAndStart(ctx, backend, name, request)
			}
			_, err := backend.CreateService(ctx, name, request)
			return err
		})
	}
	must(t, group.Wait())
}

// However many services an enclave has, it is observed by the same calls.
func TestKubernetesObservesByAConstantNumberOfCalls(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	name := makeEnclave(t, backend)
	image := testImages(t).Service
	calls := keepLedger(t, backend)
	var seen []int
	made := 0
	for _, services := range []int{5, 50} {
		fill(t, backend, name, image, made, services-made, false)
		made = services
		calls.take()
		snapshot, err := backend.Observe(t.Context(), name)
		must(t, err)
		if len(snapshot.Services) != services {
			t.Errorf("%d services are seen, want %d", len(snapshot.Services), services)
		}
		seen = append(seen, totalOf(calls.take()))
	}
	if seen[0] != seen[1] || seen[0] > 5 {
		t.Errorf("5 and 50 services are observed by %v calls", seen)
	}
}

// A service costs the calls that make its objects. Whether it may be made, what it starts from and when it has started is
// asked for all at once.
func TestKubernetesStartsServicesByFewCalls(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	image := testImages(t).Service
	calls := keepLedger(t, backend)
	taken := map[int]map[string]int{}
	for _, services := range []int{3, 12} {
		name := makeEnclave(t, backend)
		calls.take()
		fill(t, backend, name, image, 0, services, true)
		taken[services] = calls.take()
		must(t, backend.RemoveEnclave(t.Context(), name))
	}
	const more = 9
	for verb, most := range map[string]int{
		// Each is looked at once before it is made, and what the enclave asks of its pods is asked for all; a second change
		// publishes the port, and a third lets traffic to it, as the enclave is isolated.
		http.MethodGet: 2*more - 1, http.MethodPatch: 3 * more, http.MethodPost: 2 * more, http.MethodPut: 0, http.MethodDelete: 0, "WATCH": 0,
		// Without sharing they would be seven for each.
		"LIST": 3 * more,
	} {
		if grown := taken[12][verb] - taken[3][verb]; grown > most {
			t.Errorf("%d services more cost %d calls more that %s, at most %d: %v and %v", more, grown, verb, most, taken[3], taken[12])
		}
	}
	if taken[12]["WATCH"] != 1 {
		t.Errorf("12 services were waited for by %d watches", taken[12]["WATCH"])
	}
}

// stubCluster answers in the place of an API server.
func stubCluster(t *testing.T, answer http.HandlerFunc) *connection {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	conn, err := newConnection(Cluster{Host: server.URL})
	must(t, err)
	return conn
}

// What the server's priority and fairness turns away comes again when it says, and no sooner.
func TestTooManyRequestsAreSentAgainWhenTheServerSays(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	var first, second time.Time
	conn := stubCluster(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if asked.Add(1) == 1 {
			first = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": 429}`)
			return
		}
		second = time.Now()
		if r.Method != http.MethodPost {
			t.Errorf("it is asked by %s", r.Method)
		}
		fmt.Fprint(w, `{"metadata": {"name": "made"}}`)
	})
	made, err := create(t.Context(), conn, configMaps, "n", &corev1.ConfigMap{})
	must(t, err)
	if made.Name != "made" || asked.Load() != 2 {
		t.Errorf("%q after %d requests", made.Name, asked.Load())
	}
	if waited := second.Sub(first); waited < time.Second {
		t.Errorf("it was sent again after %s, although the server asked for a second", waited)
	}
}

// A list comes in pages, and is whole.
func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	conn := stubCluster(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if limit := r.URL.Query().Get("limit"); limit != strconv.Itoa(pageSize) {
			t.Errorf("a page of %s is asked for", limit)
		}
		switch r.URL.Query().Get("continue") {
		case "":
			fmt.Fprint(w, `{"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{"metadata": {"name": "a"}}]}`)
		case "more":
			fmt.Fprint(w, `{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]}`)
		}
	})
	found, version, err := listVersion[corev1.Pod](t.Context(), conn, pods, "n", map[string]string{"labelSelector": ofSundog()})
	must(t, err)
	if len(found) != 2 || found[1].Name != "b" || version != "7" {
		t.Errorf("%d pods of version %s", len(found), version)
	}
}

// Who waits for a pod rides out a restart of the API server, and is told when that does not come back.
func TestALookoutRidesOutARestart(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	conn := stubCluster(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch count := asked.Add(1); {
		case count <= 2:
			// As a server that ends.
			panic(http.ErrAbortHandler)
		case r.URL.Query().Get("watch") != "":
			<-r.Context().Done()
		default:
			fmt.Fprint(w, `{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a", "uid": "u", "ownerReferences": [{"uid": "job"}]}}]}`)
		}
	})
	conn.rest.Client = &http.Client{Transport: http.DefaultTransport}
	var all lookouts
	t.Cleanup(all.close)
	out := all.join(conn, "n")
	defer all.leave(out)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		pod, changed, err := out.podOf("job")
		must(t, err)
		if pod != nil {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the pod was not seen after %d requests", asked.Load())
		}
	}
}
