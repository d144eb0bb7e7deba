package engine

import (
	"context"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// doing carries one imperative instruction out. Fields are kept even if it fails, where they are given.
type doing func(ctx context.Context, s *step) (fields map[string]any, artifacts map[string]string, err error)

// carry runs an imperative instruction, or takes what it returned before.
func (x *execution) carry(ctx context.Context, i int, do doing) error {
	s, err := x.decider.describe(x.plan.Instructions[i].Operation)
	if err != nil {
		return err
	}
	wish, taken, err := x.decider.step(i, s)
	if err != nil {
		return err
	}
	if taken.action == ActionKeep {
		x.note(i, kindStep, s.id, taken)
		x.keepStep(ctx, s, wish)
		return nil
	}
	if s.service != "" && (!s.idle || x.world.isSkipped(s.service)) {
		if err := x.makeRunning(ctx, i, s.service); err != nil {
			return err
		}
	}
	x.note(i, kindStep, s.id, taken)
	done := x.event(x.plan.Instructions[i].Name, s.id, taken.reason)
	fields, artifacts, err := do(ctx, s)
	done(err)
	if err != nil {
		return err
	}
	made := &stepRecord{Digest: wish.digest, Parts: wish.parts, Values: map[string]typedValue{}, Artifacts: artifacts, Trigger: x.decider.demands.trigger}
	for field, value := range fields {
		made.Values[field] = typedValue{value}
	}
	x.reuse(s.id, made)
	x.decider.did(s.id, wish.digest)
	// What ran cannot be undone, so it is on record before anything else happens.
	return x.store.now(ctx, func(r *record) {
		for _, earlier := range []*stepRecord{r.Steps[s.id], r.Once[wish.once]} {
			if earlier == nil {
				continue
			}
			for _, name := range sortedKeys(earlier.Artifacts) {
				r.outdate(earlier.Artifacts[name])
			}
		}
		r.Steps[s.id] = made
		if wish.once != "" {
			r.Once[wish.once] = made
		}
	})
}

// keepStep takes what an imperative instruction returned before.
func (x *execution) keepStep(ctx context.Context, s *step, wish stepWish) {
	made := wish.known
	x.reuse(s.id, made)
	switch {
	case wish.once != "" && x.store.once(wish.once) == nil:
		x.store.later(ctx, func(r *record) { r.Once[wish.once] = made })
	case wish.once == "" && x.store.step(s.id) != made:
		x.store.later(ctx, func(r *record) { r.Steps[s.id] = made })
	}
}

// reuse makes what a step returned known to later instructions.
func (x *execution) reuse(id string, made *stepRecord) {
	x.world.setResults(id, made.fields())
	for name, digest := range made.Artifacts {
		x.keepArtifact(name, digest)
	}
}

// exec runs a command in a service.
func (x *execution) exec(ctx context.Context, i int, operation *plan.Exec) error {
	return x.carry(ctx, i, func(ctx context.Context, s *step) (map[string]any, map[string]string, error) {
		fields, err := x.engine.ask(ctx, x.request.Enclave, x.world, s.service, s.recipe)
		return fields, nil, x.judge(ctx, s.service, operation.Acceptance, fields, err, "the command ended with exit code", fieldOutput)
	})
}

// sendRequest sends one HTTP request to a service.
func (x *execution) sendRequest(ctx context.Context, i int, operation *plan.Request) error {
	return x.carry(ctx, i, func(ctx context.Context, s *step) (map[string]any, map[string]string, error) {
		fields, err := x.engine.ask(ctx, x.request.Enclave, x.world, s.service, s.recipe)
		return fields, nil, x.judge(ctx, s.service, operation.Acceptance, fields, err, "the answer has status code", fieldBody)
	})
}

// judge turns a code that is not acceptable, or a failed question, into an error. The code comes first: it says more
// than that nothing could be extracted from an error page.
func (x *execution) judge(ctx context.Context, service string, acceptance plan.Acceptance, fields map[string]any, failure error, what, textField string) error {
	code, answered := fields[fieldCode].(int64)
	text, _ := fields[textField].(string)
	switch {
	case answered && !checkCode(acceptance, code):
		return &serviceError{service, fmt.Errorf("%s %d, and %s%s", what, code, codesText(acceptance.Codes), outputText(text))}
	case failure == nil:
		return nil
	case answered:
		return &serviceError{service, fmt.Errorf("%w%s", failure, outputText(text))}
	}
	if ended := x.ended(ctx, service); ended != nil {
		return x.explain(ctx, service, fmt.Errorf("%w (service %q %s)", failure, service, endedHow(ended)))
	}
	return &serviceError{service, failure}
}

// wait repeats a recipe until a condition holds.
func (x *execution) wait(ctx context.Context, i int) error {
	return x.carry(ctx, i, func(ctx context.Context, s *step) (map[string]any, map[string]string, error) {
		fields, err := x.await(ctx, s.service, s.recipe, s.condition)
		if planned := x.order.targets[i]; err == nil && planned != nil && isExit(s.recipe) && fields[fieldCode] == int64(0) {
			// It is on record with the wait itself: a service that did its work does it only once, also when the apply ends here.
			x.store.change(func(r *record) {
				if known := r.Services[planned.key]; known != nil {
					known.Completed = true
				}
			})
		}
		return fields, nil, err
	})
}

// verify compares, unless these very values compared well before.
func (x *execution) verify(ctx context.Context, i int, operation *plan.Verify) error {
	value, err := plan.ResolveTyped(operation.Value, x.world)
	if err != nil {
		return err
	}
	target, err := plan.ResolveAny(operation.Target, x.world, true)
	if err != nil {
		return err
	}
	digest, taken, err := x.decider.check(operation, value, target)
	if err != nil {
		return err
	}
	x.note(i, kindStep, x.order.checks[i], taken)
	x.compared = append(x.compared, digest)
	if taken.action == ActionKeep {
		return nil
	}
	ok, err := holdsTrue(value, operation.Assertion, target)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("verification failed: %s %s %s does not hold", shorten(shown(value)), operation.Assertion, shorten(shown(target)))
	}
	x.store.later(ctx, func(r *record) { r.Verified = append(r.Verified, digest) })
	return nil
}

// print keeps a message for the result.
func (x *execution) print(i int, operation *plan.Print) error {
	message, err := plan.ResolveText(operation.Message, x.world)
	if err != nil {
		return err
	}
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.messages[i] = message
	return nil
}
