package standins

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestToPlanKeepsOrderAndEverythingElse(t *testing.T) {
	gid := int64(70)
	p, err := toPlan("staging", []forker.Container{
		{
			Key: "rds/instance/orders", Name: "orders-db", Image: "postgres:16", Env: map[string]string{"POSTGRES_DB": "orders"},
			Ports:   []forker.ContainerPort{{ID: "postgres", Number: 5432, Transport: "TCP", Application: "postgresql"}},
			Aliases: []string{"orders.abc.eu-west-1.rds.example"}, Files: map[string]map[string]string{"/seed": {"seed.sql": "select 1;"}},
			Volumes: map[string]string{"/var/lib/data": "orders-data"}, Lasting: []string{"/var/lib/own"}, User: "70:70",
			Ready: []string{"pg_isready"}, ReadyTimeout: time.Minute,
			Steps: []forker.ContainerStep{{Command: []string{"psql", "-f", "/seed/seed.sql"}, Description: "Seeding"}},
		},
		{Key: "ecs/service/worker", Name: "worker", Image: "worker:1", VolatileEnv: map[string]string{"TOKEN": "t"}, CPU: 250, Memory: 512},
	})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, instruction := range p.Instructions {
		order = append(order, instruction.Name)
	}
	if diff := cmp.Diff([]string{"upload_files", "add_service", "exec", "add_service"}, order); diff != "" {
		t.Error(diff)
	}
	services := p.Services()
	want := &plan.ServiceSpec{
		Name: "orders-db", Image: plan.Image{Name: "postgres:16"}, Env: map[string]string{"POSTGRES_DB": "orders"},
		Aliases: []string{"orders.abc.eu-west-1.rds.example"}, User: &plan.User{UID: 70, GID: &gid},
		Ports: map[string]plan.Port{"postgres": {Number: 5432, Transport: "TCP", Application: "postgresql", Wait: portWait}},
		Files: map[string]plan.Mount{"/seed": {Artifacts: []string{"orders-db/seed"}}, "/var/lib/data": {PersistentKey: "orders-data"}, "/var/lib/own": {Lasting: true}},
		Ready: &plan.ReadyCondition{
			Recipe:    &plan.ExecRecipe{Command: []string{"pg_isready"}},
			Condition: plan.Condition{Field: "code", Assertion: "==", Target: int64(0), Interval: 500 * time.Millisecond, Timeout: time.Minute},
		},
	}
	if diff := cmp.Diff(want, services["orders-db"]); diff != "" {
		t.Error(diff)
	}
	if worker := services["worker"]; worker.VolatileEnv["TOKEN"] != "t" || worker.MaxCPU != 250 || worker.MaxMemory != 512 {
		t.Errorf("%+v", worker)
	}
}

func TestToPlanNamesTheContainerAtFault(t *testing.T) {
	_, err := toPlan("staging", []forker.Container{{Key: "ecs/service/worker", Name: "worker", User: "nobody"}})
	want := `container "worker" of ecs/service/worker: user "nobody" is no number: this version runs containers as users by number only`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestToStates(t *testing.T) {
	states := toStates(&engine.Result{Services: map[string]engine.Service{"web": {
		Status: "running",
		Service: enclave.Service{Hostname: "web", Ports: map[string]enclave.PublishedPort{
			"http": {Port: plan.Port{Number: 8080, Application: "http"}, Host: "127.0.0.1", HostPort: 20001},
			"raw":  {Port: plan.Port{Number: 9000}, Host: "127.0.0.1", HostPort: 20002},
			"udp":  {Port: plan.Port{Number: 53}},
		}},
	}}})
	want := map[string]forker.ContainerState{"web": {
		Status: "running", Hostname: "web",
		Addresses: map[string]string{"http": "127.0.0.1:20001", "raw": "127.0.0.1:20002"},
		URLs:      map[string]string{"http": "http://127.0.0.1:20001"},
	}}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
}
