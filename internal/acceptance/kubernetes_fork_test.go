package acceptance

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAccKubernetesStagingFork walks the main job on a cluster: the same configuration as on Docker, with another backend.
func TestAccKubernetesStagingFork(t *testing.T) {
	onKubernetes(t)
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		machine := os.Getenv("SUNDOG_TEST_KUBERNETES_MACHINE")
		w := newWorldAt(t, cli, machine)
		w.environment = append(w.environment, "TF_VAR_backend=kubernetes", "TF_VAR_machine="+machine)
		loadImages(t, "sundog-example/storefront:1.0", "sundog-example/worker:1.0", "sundog-example/recommender:feature", "sundog-example/postgres:15")
		before := inCluster(t)
		production := w.dump(productionAccount, "before")
		count := strings.TrimSpace(run(t, w.root, nil, "tools/aws", "count", w.state))

		w.terraform("apply", "-auto-approve", "-no-color")
		order := w.order()
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a second plan must be empty: %v", changes)
		}

		// An eviction is nobody's business: the cluster makes the pods again, and the stand-in has kept its data.
		first := pods(t)
		kubectl(t, "--namespace="+namespace, "delete", "pod", "--selector=sundog.dev/service in (orders-db, worker)", "--wait=true")
		w.returns("orders-db", first["orders-db"], order)
		w.returns("worker", first["worker"], order)
		w.order()
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a plan after a pod was made again must be empty: %v", changes)
		}
		run(t, w.root, nil, w.python, "tools/account_dump.py", "compare", production, w.dump(productionAccount, "unchanged"))
		t.Log(lastLine(run(t, w.root, nil, "tools/aws", "summary", w.state, productionAccount, count)))

		// Production moves on; the fork follows, and touches no pod.
		running := pods(t)
		run(t, w.root, nil, w.python, "examples/staging-fork/seed.py", "--endpoint-url", w.endpoint, "--drift")
		production = w.dump(productionAccount, "drifted")
		count = strings.TrimSpace(run(t, w.root, nil, "tools/aws", "count", w.state))
		if diff := cmp.Diff(map[string][]string{"sundog_fork.staging": {"update"}}, w.plan()); diff != "" {
			t.Errorf("after drift: %s", diff)
		}
		w.terraform("apply", "-auto-approve", "-no-color", "test.tfplan")
		if diff := cmp.Diff(running, pods(t)); diff != "" {
			t.Errorf("drift of a queue and a bucket must touch no pod: %s", diff)
		}

		w.terraform("destroy", "-auto-approve", "-no-color")
		w.nothingLeft(before, leftInCluster(t, before))
		run(t, w.root, nil, w.python, "tools/account_dump.py", "compare", production, w.dump(productionAccount, "after"))
		t.Log(lastLine(run(t, w.root, nil, "tools/aws", "summary", w.state, productionAccount, count)))
	})
}

// returns waits until a service has another pod, and what is asked for is answered again.
func (w *world) returns(service, former, address string) {
	w.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		answer, err := ask(w.t.Context(), &http.Client{Timeout: 5 * time.Second}, http.MethodGet, address, "")
		now := pods(w.t)[service]
		if err == nil && now != "" && now != former {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s has not come back: its pod is %q, was %q, and %s gives %q, %v", service, now, former, address, answer, err)
		}
		time.Sleep(300 * time.Millisecond)
	}
}
