package packagerun

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// lineagePlan is a cache and a database, a task that asks the database and stores a file, a page of what the task said,
// and services that use all of that.
func lineagePlan() *plan.Plan {
	service := func(name, image string) plan.ServiceSpec {
		return plan.ServiceSpec{Name: name, Image: plan.Image{Name: image}}
	}
	web, reader, told := service("web", "nginx"), service("reader", "busybox"), service("told", "busybox")
	web.Files = map[string]plan.Mount{"/html": {Artifacts: []string{"page"}}}
	reader.Files = map[string]plan.Mount{"/in": {Artifacts: []string{"stored"}}}
	told.Env = map[string]string{"VERSION": "{{sundog:db#1:output}}", "DB": "{{sundog:db:ip_address}}"}
	task := service("ask", "psql")
	task.Env = map[string]string{"GREETING": "hello"}
	operations := []plan.Operation{
		&plan.AddServices{Services: []plan.ServiceSpec{service("cache", "redis"), service("db", "postgres")}},
		&plan.Exec{ID: "db#1", Service: "db", Recipe: plan.ExecRecipe{Command: []string{"version"}}},
		&plan.RunTask{ID: "task.ask", Name: "ask", Service: task, Store: []plan.StoreSpec{{Source: "/out", Artifact: "stored"}}},
		&plan.RenderTemplates{Artifact: "page", Templates: []plan.Template{{Path: "index.html", Text: "{{.A}}", Data: map[string]any{"A": "{{sundog:task.ask:output}}"}}}},
		&plan.AddServices{Services: []plan.ServiceSpec{web, reader, told}},
	}
	made := &plan.Plan{}
	for _, operation := range operations {
		made.Instructions = append(made.Instructions, plan.Instruction{Operation: operation})
	}
	return made
}

// lineages writes down what everything in a plan is made from.
func lineages(t *testing.T, made *plan.Plan) map[string]string {
	t.Helper()
	l, err := trace(made, func(part any) (string, error) {
		text, err := json.Marshal(part)
		return string(text), err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name, inputs := range l.artifacts {
		all["artifact "+name] = inputs
	}
	for name, spec := range made.Services() {
		if all["service "+name], err = l.service(spec); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestLineageFollowsWhatInstructionsTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(made *plan.Plan)
		want   []string
	}{
		{"nothing", func(*plan.Plan) {}, nil},
		{
			"what a task is given", func(made *plan.Plan) { operation[*plan.RunTask](t, made, 2).Service.Env["GREETING"] = "goodbye" },
			[]string{"artifact page", "artifact stored", "service reader", "service web"},
		},
		{
			"a command", func(made *plan.Plan) { operation[*plan.Exec](t, made, 1).Recipe.Command[0] = "help" },
			[]string{"service told"},
		},
		{
			"the service that a command runs in", func(made *plan.Plan) { operation[*plan.AddServices](t, made, 0).Services[1].Image.Name = "postgres:2" },
			[]string{"service db", "service told"},
		},
		{
			"a service that nobody asks", func(made *plan.Plan) { operation[*plan.AddServices](t, made, 0).Services[0].Image.Name = "redis:2" },
			[]string{"service cache"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := lineagePlan()
			c.change(changed)
			before, after := lineages(t, lineagePlan()), lineages(t, changed)
			var got []string
			for name := range before {
				if before[name] != after[name] {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func operation[T plan.Operation](t *testing.T, made *plan.Plan, index int) T {
	t.Helper()
	found, ok := made.Instructions[index].Operation.(T)
	if !ok {
		t.Fatalf("instruction %d is a %T", index, made.Instructions[index].Operation)
	}
	return found
}
