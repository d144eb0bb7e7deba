package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// childVariable makes this test program carry out one apply and end, in place of running tests: it is killed meanwhile.
const childVariable = "SUNDOG_TEST_CHILD"

// childJob is the apply that a child carries out.
type childJob struct{ Enclave, Image, Level string }

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var job childJob
	err := json.Unmarshal([]byte(text), &job)
	if err == nil {
		w := &world{enclave: job.Enclave, image: job.Image}
		_, err = engine.New(docker.New(docker.Options{}), engine.Options{}).Apply(context.Background(), w.request(w.killed(job.Level)...))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// killed is the plan that is killed: services alone and in a batch, artifacts of all kinds, imperative instructions.
func (w *world) killed(level string) []plan.Operation {
	return []plan.Operation{
		&plan.RenderTemplates{Artifact: "conf", Templates: []plan.Template{{Path: "level", Text: "{{.level}}", Data: map[string]any{"level": level}}}},
		w.add("db", cmd("serve", "-http", "8080", "-write", "/data/seed="+level)),
		step("id", "db", "echo", level),
		&plan.StoreServiceFiles{ID: "dump", Artifact: "dump", Service: "db", Source: "/data"},
		&plan.AddServices{Batch: true, Services: []plan.ServiceSpec{
			w.spec("a", set("ID", value("id", "output"))),
			w.spec("b", func(s *plan.ServiceSpec) {
				s.Files = map[string]plan.Mount{"/conf": {Artifacts: []string{"conf", "dump"}}}
			}),
			w.spec("c"),
		}},
		w.add("stopped"),
		step("late", "b", "cat", "/conf/level"),
		&plan.StopService{Service: "stopped"},
	}
}

// state is everything of a run that an undisturbed apply and one after a kill must agree about.
type state struct {
	Services  map[string]string
	Extra     int
	Records   []string
	Artifacts int
	Output    any
}

func (w *world) state() state {
	w.Helper()
	snapshot, err := w.backend.Observe(w.ctx, w.enclave)
	w.must(nil, err)
	seen := state{Services: map[string]string{}, Extra: len(snapshot.Extra)}
	for name, service := range snapshot.Services {
		seen.Services[name] = fmt.Sprintf("%s %s %s %s", service.Digest, service.State, service.Run, service.Owner)
	}
	seen.Records, err = w.backend.ListRecords(w.ctx, w.enclave, "")
	w.must(nil, err)
	stored, err := w.backend.ListArtifacts(w.ctx, w.enclave)
	w.must(nil, err)
	seen.Artifacts = len(stored)
	return seen
}

func TestDockerConvergesAfterKills(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := map[string]state{}
	for _, level := range []string{"1", "2"} {
		w.apply(w.killed(level)...)
		want[level] = w.state()
	}
	if len(want["1"].Services) != 5 || want["1"].Artifacts != 2 || want["1"].Extra != 0 {
		t.Fatalf("the undisturbed state is %+v", want["1"])
	}
	w.must(nil, w.engine.Remove(w.ctx, w.enclave, run))
	begin := time.Now()
	w.child("1", time.Hour)
	usual := time.Since(begin)
	w.must(nil, w.engine.Remove(w.ctx, w.enclave, run))

	random := rand.New(rand.NewPCG(20, 7))
	interrupted := 0
	for round := range 12 {
		// Rounds come in pairs: a first apply is killed, then one that changes everything.
		level := []string{"1", "2"}[round%2]
		moment := time.Duration(random.Float64() * float64(usual))
		if w.child(level, moment) {
			interrupted++
		}
		w.apply(w.killed(level)...)
		if diff := cmp.Diff(want[level], w.state()); diff != "" {
			t.Errorf("round %d, killed after %s of %s: %s", round, moment, usual, diff)
		}
		again := w.apply(w.killed(level)...)
		for _, decision := range again.Decisions {
			if decision.Action != engine.ActionKeep {
				t.Errorf("round %d: %s %s: %s", round, decision.Action, decision.Object, decision.Reason)
			}
		}
		if round%2 == 0 {
			continue
		}
		w.must(nil, w.engine.Remove(w.ctx, w.enclave, run))
		if left := w.state(); len(left.Services)+left.Extra+len(left.Records)+left.Artifacts != 0 {
			t.Errorf("round %d: something is left: %+v", round, left)
		}
	}
	t.Logf("%d of 12 applies were killed before their end (undisturbed: %s)", interrupted, usual)
	if interrupted < 8 {
		t.Errorf("only %d of 12 applies were killed before their end", interrupted)
	}
}

// child carries an apply out in a process of its own and kills that after a time; it tells whether the process was still
// there.
func (w *world) child(level string, life time.Duration) (killed bool) {
	w.Helper()
	text, err := json.Marshal(childJob{Enclave: w.enclave, Image: w.image, Level: level})
	w.must(nil, err)
	ctx, cancel := context.WithTimeout(w.ctx, life)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	output, err := command.CombinedOutput()
	if ctx.Err() == nil && err != nil {
		w.Fatalf("the child failed: %v\n%s", err, output)
	}
	return ctx.Err() != nil
}
