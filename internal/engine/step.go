package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// step is one imperative instruction, resolved.
type step struct {
	id        string
	service   string // empty if it works on none
	arguments any    // what its digest covers
	produces  []string
	// idle tells that it works on services that do not run, too.
	idle  bool
	rerun plan.Rerun
	// transition marks instructions that start or stop a service, which nobody can ask for by themselves.
	transition bool

	// What carrying it out needs, by kind.
	recipe    plan.Recipe
	condition plan.Condition
	source    string
	task      *taskRun
}

// describe resolves an imperative instruction.
func (d *decider) describe(operation plan.Operation) (*step, error) {
	s := &step{service: serviceOf(operation), produces: operation.Produces(), rerun: plan.RerunOf(operation)}
	var err error
	switch operation := operation.(type) {
	case *plan.Exec:
		s.id = operation.ID
		s.recipe, err = resolveRecipe(&operation.Recipe, d.world)
		s.arguments = []any{"exec", s.service, s.recipe, operation.Acceptance}
	case *plan.Request:
		s.id = operation.ID
		s.recipe, err = resolveRecipe(&operation.Recipe, d.world)
		s.arguments = []any{"request", s.service, s.recipe, operation.Acceptance}
	case *plan.Wait:
		s.id = operation.ID
		if s.recipe, err = resolveRecipe(operation.Recipe, d.world); err != nil {
			return nil, err
		}
		s.condition, err = resolveCondition(operation.Condition, d.world)
		s.arguments = []any{"wait", s.service, s.recipe, s.condition.Field, s.condition.Assertion, markFloats(s.condition.Target)}
	case *plan.StoreServiceFiles:
		s.id, s.idle = operation.ID, true
		s.source, err = plan.ResolveText(operation.Source, d.world)
		s.arguments = []any{"store", s.service, s.source, operation.Artifact}
	case *plan.RunTask:
		s.id = operation.ID
		if s.task, err = d.describeTask(operation); err != nil {
			return nil, &serviceError{operation.Name, err}
		}
		s.arguments = []any{"task", operation.Kind, s.task.digest, s.task.script, s.task.args, s.task.packages, s.task.store, operation.Acceptance}
	default:
		return nil, fmt.Errorf("%T is no imperative instruction", operation)
	}
	if err == nil && s.id == "" {
		err = errors.New("the instruction has no ID")
	}
	return s, err
}

// taskRun is one task, resolved.
type taskRun struct {
	operation *plan.RunTask
	spec      plan.ServiceSpec
	image     enclave.Image
	artifacts map[string]string
	script    string
	args      []string
	packages  []string
	store     []plan.StoreSpec
	digest    string
}

func (d *decider) describeTask(operation *plan.RunTask) (*taskRun, error) {
	run := &taskRun{operation: operation}
	var err error
	if run.spec, err = resolveSpec(&operation.Service, d.world); err != nil {
		return nil, err
	}
	if run.script, err = plan.ResolveText(operation.Script, d.world); err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	if run.args, err = resolveTexts(operation.Args, d.world); err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	if run.packages, err = resolveTexts(operation.Packages, d.world); err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	if run.store, err = resolveStore(operation.Store, d.world); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if run.artifacts, err = artifactsOf(&operation.Service, d.world.artifact); err != nil {
		return nil, err
	}
	run.image, _ = d.world.image(operation.Service.Image)
	// The name of the container says in which place the task stands among those of its name.
	run.spec.Name = ""
	run.digest, _, err = d.digests.service(run.spec, run.image, run.artifacts)
	run.spec.Name = operation.Name
	run.spec.Entrypoint, run.spec.Cmd = []string{shell, "-c"}, []string{stayAlive}
	return run, err
}

// resolveStore resolves the paths that a task stores.
func resolveStore(store []plan.StoreSpec, values plan.Values) ([]plan.StoreSpec, error) {
	resolved := slices.Clone(store)
	for i := range resolved {
		var err error
		if resolved[i].Source, err = plan.ResolveText(store[i].Source, values); err != nil {
			return nil, err
		}
	}
	return resolved, nil
}
