package standins

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

func TestRunnerOnMemory(t *testing.T) {
	t.Parallel()
	var execs []string
	backend := memory.New(memory.Hooks{
		Exec: func(_ context.Context, _, service string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
			execs = append(execs, service+" "+request.Command[0])
			if request.Command[0] == "broken" {
				return &enclave.ExecResult{Code: 1, Output: "no such table, password is swordfish"}, nil
			}
			return &enclave.ExecResult{}, nil
		},
	})
	backend.AddImage("db:1")
	ctx := t.Context()
	if _, err := backend.CreateEnclave(ctx, enclave.Spec{Name: "dev", Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	runner := NewRunner(engine.New(backend, engine.Options{}), "dev", "me")
	if states, err := runner.Observe(ctx, "staging"); err != nil || len(states) != 0 {
		t.Errorf("no containers are no error; got %v, %v", states, err)
	}
	containers := func(step, token string) []forker.Container {
		return []forker.Container{
			{
				Key: "rds/instance/orders", Name: "orders", Image: "db:1", Ready: []string{"ready"}, Steps: []forker.ContainerStep{{Command: []string{"seed"}, Description: "Seeding"}},
				Ports: []forker.ContainerPort{{ID: "sql", Number: 5432, Transport: "TCP", Application: "postgresql"}},
				Files: map[string]map[string]string{"/seed": {"seed.sql": "select 1"}},
			},
			{Key: "ecs/service/worker", Name: "worker", Image: "db:1", VolatileEnv: map[string]string{"TOKEN": token}, Steps: []forker.ContainerStep{{Command: []string{step}, Description: "Step"}}},
		}
	}
	states, err := runner.Apply(ctx, "staging", containers("fine", "one-token"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(execs, []string{"orders ready", "orders seed", "worker fine"}) {
		t.Errorf("commands are %q", execs)
	}
	if orders := states["orders"]; orders.Status != "running" || orders.URLs["sql"] != "postgresql://"+orders.Addresses["sql"] || !strings.HasPrefix(orders.Addresses["sql"], "127.0.0.1:") {
		t.Errorf("orders is %+v", orders)
	}
	changes := len(backend.Changes())
	if _, err := runner.Apply(ctx, "staging", containers("fine", "another-token")); err != nil {
		t.Fatal(err)
	}
	if after := backend.Changes(); len(after) != changes {
		t.Errorf("other credentials must change nothing: %q", after[changes:])
	}
	_, err = runner.Apply(ctx, "staging", containers("broken", "swordfish"))
	failure, ok := errors.AsType[*ContainerError](err)
	if !ok || failure.ResourceKey() != "ecs/service/worker" || failure.Container != "worker" || !strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got error %v", err)
	}
	backend.Kill("dev", "worker", 2)
	if states, err := runner.Observe(ctx, "staging"); err != nil || states["worker"].Status != "exited (2)" || states["orders"].Status != "running" {
		t.Errorf("got %v, %v", states, err)
	}
	for range 2 {
		if err := runner.Remove(ctx, "staging"); err != nil {
			t.Error(err)
		}
	}
	if states, err := runner.Observe(ctx, "staging"); err != nil || len(states) != 0 {
		t.Errorf("got %v, %v", states, err)
	}
}

func TestDockerRunner(t *testing.T) {
	t.Parallel()
	if os.Getenv("SUNDOG_TEST_DOCKER") != "1" {
		t.Skip("SUNDOG_TEST_DOCKER=1 runs the tests that need a Docker Engine")
	}
	backend := docker.New(docker.Options{})
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	image := enclavetest.BuildImages(t, backend).Service
	name := enclavetest.ReserveEnclave(t, backend)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := backend.CreateEnclave(ctx, enclave.Spec{Name: name, Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	runner := NewRunner(engine.New(backend, engine.Options{}), name, "me")
	const program = enclavetest.ServiceProgram
	containers := []forker.Container{
		{
			Key: "s3/bucket/receipts", Name: "store", Image: image, Command: []string{"serve", "-http", "9000"}, Aliases: []string{"s3.eu-west-1.example"},
			Ports: []forker.ContainerPort{{ID: "http", Number: 9000, Transport: "TCP", Application: "http"}},
			Files: map[string]map[string]string{"/seed": {"a/b.txt": "beta"}}, Volumes: map[string]string{"/data": "receipts"}, User: "0:0",
			Ready: []string{program, "get", "http://127.0.0.1:9000/file/seed/a/b.txt"}, ReadyTimeout: 30 * time.Second,
			Steps: []forker.ContainerStep{{Command: []string{program, "write", "/data/x", "kept"}, Description: "Filling"}},
		},
		{
			Key: "ecs/service/web", Name: "web", Image: image, Command: []string{"serve", "-http", "8080"}, VolatileEnv: map[string]string{"TOKEN": "t-1"},
			Ports: []forker.ContainerPort{{ID: "http", Number: 8080, Application: "http", Transport: "TCP"}},
			Steps: []forker.ContainerStep{{Command: []string{program, "get", "http://s3.eu-west-1.example:9000/file/data/x"}, Description: "Asking"}},
		},
	}
	states, err := runner.Apply(ctx, "staging", containers)
	if err != nil {
		t.Fatal(err)
	}
	if states["store"].Status != "running" || states["web"].URLs["http"] == "" {
		t.Errorf("got %+v", states)
	}
	if err := runner.Remove(ctx, "staging"); err != nil {
		t.Fatal(err)
	}
	if snapshot, err := backend.Observe(ctx, name); err != nil || len(snapshot.Services)+len(snapshot.Extra) != 0 {
		t.Errorf("left: %+v, %v", snapshot, err)
	}
}
