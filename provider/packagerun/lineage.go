package packagerun

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// lineage tells what the things of a plan are made from: texts that change whenever something does that could change the
// thing. A runtime value counts by the inputs of the instruction that will tell it, since a task with other inputs may
// tell something else. What a service tells, its name and address, it keeps when it is replaced, so that does not count.
type lineage struct {
	// text writes down a part of the plan, with the secrets replaced that must not count.
	text func(part any) (string, error)
	// artifacts by name.
	artifacts map[string]string
	// steps are digests of imperative instructions by the name under which their results are referred to.
	steps map[string]string
	// chains are digests of everything that was asked of a service so far: its instructions are carried out again from
	// the first one that changed.
	chains map[string]string
}

// trace follows a plan from its first instruction to its last.
func trace(made *plan.Plan, text func(part any) (string, error)) (*lineage, error) {
	l := &lineage{text: text, artifacts: map[string]string{}, steps: map[string]string{}, chains: map[string]string{}}
	for i := range made.Instructions {
		if err := l.instruction(made.Instructions[i].Operation); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *lineage) instruction(operation plan.Operation) error {
	if added, ok := operation.(*plan.AddServices); ok {
		for i := range added.Services {
			inputs, err := l.service(&added.Services[i])
			if err != nil {
				return err
			}
			l.chains[added.Services[i].Name] = sum(inputs)
		}
		return nil
	}
	inputs, err := l.text(operation)
	if err != nil {
		return fmt.Errorf("describe %T: %w", operation, err)
	}
	inputs = l.follow(inputs)
	switch operation := operation.(type) {
	case *plan.Exec:
		l.step(operation.ID, operation.Service, inputs)
	case *plan.Request:
		l.step(operation.ID, operation.Service, inputs)
	case *plan.Wait:
		l.step(operation.ID, operation.Service, inputs)
	case *plan.StoreServiceFiles:
		inputs += "\n" + l.chains[operation.Service]
		l.step(operation.ID, operation.Service, inputs)
	case *plan.RunTask:
		mounted, err := l.text(l.mounted(&operation.Service))
		if err != nil {
			return fmt.Errorf("describe the task %q: %w", operation.Name, err)
		}
		inputs += "\n" + mounted
		l.steps[operation.ID] = sum(inputs)
	}
	for _, name := range operation.Produces() {
		l.artifacts[name] = inputs
	}
	return nil
}

// step notes an imperative instruction on a service.
func (l *lineage) step(id, service, inputs string) {
	l.chains[service] = sum(l.chains[service] + "\n" + inputs)
	l.steps[id] = l.chains[service]
}

// service gives what a service is made from.
func (l *lineage) service(spec *plan.ServiceSpec) (string, error) {
	inputs, err := l.text([]any{spec, l.mounted(spec)})
	if err != nil {
		return "", fmt.Errorf("describe the service %q: %w", spec.Name, err)
	}
	return l.follow(inputs), nil
}

// mounted gives what the artifacts are made from that a service mounts. Those of other runs are not known here.
func (l *lineage) mounted(spec *plan.ServiceSpec) map[string]string {
	mounted := map[string]string{}
	for _, mount := range spec.Files {
		for _, artifact := range mount.Artifacts {
			// A digest, since texts within texts grow beyond all bounds where tasks work on what tasks have made.
			mounted[artifact] = sum(l.artifacts[artifact])
		}
	}
	return mounted
}

// follow adds to a text the inputs of the instructions whose results it refers to.
func (l *lineage) follow(text string) string {
	var followed []string
	for _, value := range plan.FindRuntimeValues(text) {
		if step, ok := l.steps[value.Producer]; ok && !slices.Contains(followed, value.Producer) {
			followed = append(followed, value.Producer)
			text += "\n" + step
		}
	}
	return text
}

func sum(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:])
}
