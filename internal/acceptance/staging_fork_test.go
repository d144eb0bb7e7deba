package acceptance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAccStagingFork walks the main job: plan, apply, a request through the fork, an empty plan, drift, destroy.
func TestAccStagingFork(t *testing.T) {
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w := newWorld(t, cli)
		before := docker(t)
		undrifted := w.dump(productionAccount, "before")
		count := strings.TrimSpace(run(t, w.root, nil, "tools/aws", "count", w.state))

		w.terraform("apply", "-auto-approve", "-no-color")
		w.order()
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a second plan must be empty: %v", changes)
		}
		w.terraform("apply", "-auto-approve", "-no-color")
		w.restartHeals()

		// Production moves on; the fork follows, and touches nothing else. What production is now is what it must still be
		// at the end.
		ids := containerIDs(t)
		run(t, w.root, nil, w.python, "tools/account_dump.py", "compare", undrifted, w.dump(productionAccount, "unchanged"))
		t.Log(lastLine(run(t, w.root, nil, "tools/aws", "summary", w.state, productionAccount, count)))
		run(t, w.root, nil, w.python, "examples/staging-fork/seed.py", "--endpoint-url", w.endpoint, "--drift")
		production := w.dump(productionAccount, "drifted")
		count = strings.TrimSpace(run(t, w.root, nil, "tools/aws", "count", w.state))
		if diff := cmp.Diff(map[string][]string{"sundog_fork.staging": {"update"}}, w.plan()); diff != "" {
			t.Errorf("after drift: %s", diff)
		}
		w.terraform("apply", "-auto-approve", "-no-color", "test.tfplan")
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a plan after the drift was followed must be empty: %v", changes)
		}
		if diff := cmp.Diff(ids, containerIDs(t)); diff != "" {
			t.Errorf("drift of a queue and a bucket must touch no container: %s", diff)
		}

		w.terraform("destroy", "-auto-approve", "-no-color")
		w.nothingLeft(before, docker(t))
		run(t, w.root, nil, w.python, "tools/account_dump.py", "compare", production, w.dump(productionAccount, "after"))
		t.Log(lastLine(run(t, w.root, nil, "tools/aws", "summary", w.state, productionAccount, count)))
	})
}

// order sends one request all the way through the fork: HTTP, PostgreSQL, SQS, worker, DynamoDB, S3, answer. It gives the
// order's address.
func (w *world) order() string {
	w.t.Helper()
	address := w.output("storefront_url")
	var order struct{ ID any }
	placed := request(w.t, http.MethodPost, address+"/orders", `{"item":"tent","quantity":2,"email":"a@example.com"}`)
	if err := json.Unmarshal([]byte(placed), &order); err != nil || order.ID == nil {
		w.t.Fatalf("POST /orders: %s %v", placed, err)
	}
	placedAt := fmt.Sprintf("%s/orders/%v", address, order.ID)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		answer := request(w.t, http.MethodGet, placedAt, "")
		if strings.Contains(answer, "processed") && strings.Contains(answer, "receipt") {
			w.t.Logf("answer: %s", answer)
			return placedAt
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the order was not processed: %s", answer)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// restartHeals stops one container behind Sundog's back: the next plan names it, the next apply starts it.
func (w *world) restartHeals() {
	w.t.Helper()
	container := strings.TrimSpace(run(w.t, ".", nil, "docker", "ps", "--quiet", "--filter", enclaveLabel, "--filter", "label=sundog.dev/service=recommender"))
	run(w.t, ".", nil, "docker", "stop", "-t", "1", container)
	text := w.terraform("plan", "-no-color")
	if !strings.Contains(text, `"exited (`) && !strings.Contains(text, `"stopped"`) {
		w.t.Errorf("the plan must name the dead service's status:\n%s", text)
	}
	w.terraform("apply", "-auto-approve", "-no-color")
	if changes := w.plan(); len(changes) > 0 {
		w.t.Errorf("a healed enclave must need nothing: %v", changes)
	}
}

func containerIDs(t *testing.T) string {
	t.Helper()
	return run(t, ".", nil, "docker", "ps", "-a", "--format", "{{.Names}} {{.ID}}", "--filter", enclaveLabel)
}

// nothingLeft compares what the engine or cluster held with what it holds, and looks into the sandbox account.
func (w *world) nothingLeft(before, after []string) {
	w.t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		w.t.Errorf("objects are left: %s", diff)
	}
	output, err := try(w.t.Context(), w.root, nil, w.python, "tools/account_dump.py", "count", "--endpoint", w.endpoint,
		"--account", sandboxAccount, "--regions", "eu-west-1,eu-central-1", "--baseline", w.baseline, "--expect-zero")
	if err != nil {
		w.t.Errorf("resources are left in the sandbox account: %v\n%s", err, output)
	}
}

// atRest lists what is on the engine once that changes no more: an engine goes on with what a process asked for that was killed.
func atRest(t *testing.T) []string {
	t.Helper()
	for found := docker(t); ; {
		time.Sleep(300 * time.Millisecond)
		now := docker(t)
		if slices.Equal(found, now) {
			return now
		}
		found = now
	}
}

// TestAccStagingForkKilled kills the CLI and the provider at seeded random moments of the first apply. Applying again
// must end with the same containers and the same resources as an undisturbed apply.
func TestAccStagingForkKilled(t *testing.T) {
	const seed = 20261123
	const moments = 20
	oneCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w := newWorld(t, cli)
		before := docker(t)
		started := time.Now()
		w.terraform("apply", "-auto-approve", "-no-color")
		took := time.Since(started)
		wantDocker, wantCloud := docker(t), arns(t, w.dump(sandboxAccount, "undisturbed"))
		w.terraform("destroy", "-auto-approve", "-no-color")
		w.nothingLeft(before, docker(t))

		random := rand.New(rand.NewPCG(seed, seed))
		running := 0
		for index := range moments {
			after := time.Duration(random.Int64N(int64(took)))
			if w.killed(after, "apply", "-auto-approve", "-no-color") {
				running++
			}
			objects := len(atRest(t)) - len(before)
			w.terraform("apply", "-auto-approve", "-no-color")
			if diff := cmp.Diff(wantDocker, docker(t)); diff != "" {
				t.Errorf("kill %d after %s: other objects on the engine than undisturbed: %s", index, after, diff)
			}
			if diff := cmp.Diff(wantCloud, arns(t, w.dump(sandboxAccount, fmt.Sprint("killed-", index)))); diff != "" {
				t.Errorf("kill %d after %s: other resources in the sandbox account than undisturbed: %s", index, after, diff)
			}
			w.terraform("destroy", "-auto-approve", "-no-color")
			w.nothingLeft(before, docker(t))
			t.Logf("kill %d after %s with %d objects made: converged", index, after.Round(time.Millisecond), objects)
			if t.Failed() {
				return
			}
		}
		t.Logf("%d of %d kills hit a running apply, which took %s undisturbed", running, moments, took.Round(time.Millisecond))
	})
}
