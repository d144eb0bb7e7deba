package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Diff tells what an apply would do and why, and does nothing. Images are taken to be what they were resolved to
// before, as asking for them could pull; one whose build has other input by now counts as another image. What depends on
// values that only an apply can tell is "later".
func (e *Engine) Diff(ctx context.Context, request Request) ([]Decision, error) {
	if err := checkNames(request); err != nil {
		return nil, err
	}
	seen, err := e.observe(ctx, request.Enclave, request.Run)
	if err != nil {
		return nil, fmt.Errorf("compare run %q in enclave %q: %w", request.Run, request.Enclave, err)
	}
	if err := seen.checkOwner(request.Run, request.Owner); err != nil {
		return nil, err
	}
	others, err := e.otherRecords(ctx, request.Enclave, request.Run)
	if err != nil {
		return nil, err
	}
	return diff(request, seen, others)
}

// diff is pure: it follows the plan on what was observed and takes the same decisions as an apply, by the same rules.
func diff(request Request, seen *observation, others []*record) ([]Decision, error) {
	if others == nil {
		others = []*record{}
	}
	return decisionsOf(request, &View{run: request.Run, seen: seen, others: others})
}

// decisionsOf is diff also where other runs were not looked at: what they may have is then decided later.
func decisionsOf(request Request, view *View) ([]Decision, error) {
	seen := view.seen
	p, run := request.Plan, request.Run
	order, err := itineraryOf(p)
	if err != nil {
		return nil, err
	}
	asked, err := demandsOf(request, order)
	if err != nil {
		return nil, err
	}
	known := seen.recordFor(run, request.Owner, seen.snapshot.Enclave.CreatedAt)
	w := newWorld(run, seen)
	for _, other := range view.others {
		maps.Copy(w.borrowed, other.Artifacts)
	}
	for _, needed := range neededImages(p, enclave.ImageAlways) {
		key, err := digester{seen.snapshot.Enclave.Key}.image(needed.image)
		if err != nil {
			return nil, instructionError(&p.Instructions[needed.instruction], &serviceError{needed.service, err})
		}
		image := seen.observedImage(run, key, needed.image)
		if view.newer[needed.image.Name] && needed.policy == enclave.ImageAlways {
			image.ID = "an image that is to be pulled"
		}
		w.setImage(needed.image, image)
	}
	d := &differ{
		plan: p, order: order, world: w, record: known,
		decider:          newDecider(p, order, w, seen.snapshot.Enclave.Key, asked, recalledFrom(known)),
		unknownArtifacts: map[string]bool{}, made: map[string]bool{}, alone: view.others == nil,
	}
	for i := range p.Instructions {
		if err := d.follow(i); err != nil {
			return nil, instructionError(&p.Instructions[i], err)
		}
	}
	d.leftovers()
	return d.decisions, nil
}

// recalledFrom is what one record says.
func recalledFrom(known *record) recalled {
	return recalled{
		services:  func(key string) *serviceRecord { return known.Services[key] },
		steps:     func(id string) *stepRecord { return known.Steps[id] },
		once:      func(key string) *stepRecord { return known.Once[key] },
		verified:  func(digest string) bool { return slices.Contains(known.Verified, digest) },
		namesakes: namesakesIn(known),
	}
}

// differ follows a plan without carrying it out.
type differ struct {
	plan             *plan.Plan
	order            *itinerary
	world            *world
	record           *record
	decider          *decider
	decisions        []Decision
	unknownArtifacts map[string]bool
	made             map[string]bool // services that would be new containers
	alone            bool            // other runs were not looked at
}

func (d *differ) note(i int, kind, object string, taken verdict) {
	decision := Decision{Instruction: i, Kind: kind, Object: object, Action: taken.action, Reason: taken.reason}
	if i >= 0 {
		decision.Position = d.plan.Instructions[i].Position
	}
	d.decisions = append(d.decisions, decision)
}

// follow decides about one instruction and takes it as carried out.
func (d *differ) follow(i int) error {
	switch operation := d.plan.Instructions[i].Operation.(type) {
	case *plan.AddServices:
		for _, planned := range d.order.added[i] {
			if err := d.service(i, planned); err != nil {
				return err
			}
		}
		return nil
	case *plan.RemoveService:
		if d.world.service(operation.Service) != nil {
			d.note(i, kindService, operation.Service, verdict{ActionRemove, "the plan removes it"})
			d.world.setService(operation.Service, nil)
		}
		return nil
	case *plan.StartService:
		return d.transition(i, operation.Service, fateRunning, ActionStart, enclave.StateRunning)
	case *plan.StopService:
		return d.transition(i, operation.Service, fateStopped, ActionStop, enclave.StateStopped)
	case *plan.RenderTemplates, *plan.UploadFiles:
		return d.artifact(i, operation)
	case plan.Imperative:
		return d.step(i, operation)
	case *plan.Verify:
		return d.check(i, operation)
	default:
		return nil
	}
}

// later notes what cannot be told yet, with the reason; any other error stays one.
func (d *differ) later(i int, kind, object string, err error) error {
	unknown, ok := errors.AsType[*unknownValueError](err)
	if !ok {
		return err
	}
	d.note(i, kind, object, verdict{ActionLater, "it depends on " + plan.ReadableRuntimeValues(unknown.value.String()) + ", which is known during the apply"})
	return nil
}

func (d *differ) service(i int, planned *plannedService) error {
	name := planned.spec.Name
	for _, artifact := range mountedArtifacts(planned.spec) {
		_, known := d.world.artifact(artifact)
		if d.unknownArtifacts[artifact] || !known && d.alone {
			d.note(i, kindService, name, verdict{ActionLater, fmt.Sprintf("it mounts files artifact %q, whose content is known during the apply", artifact)})
			d.uncertain(name)
			return nil
		}
	}
	choice, err := d.decider.service(planned)
	if err != nil {
		d.uncertain(name)
		return d.later(i, kindService, name, err)
	}
	d.note(i, kindService, name, choice.verdict)
	switch choice.verdict.action {
	case ActionCreate, ActionReplace:
		d.renew(name)
	case ActionStart, ActionUpdate:
		d.setState(name, enclave.StateRunning)
	case ActionKeep:
		if d.world.service(name) == nil {
			d.world.skip(name, choice.known)
		}
	case ActionStop, ActionRemove, ActionRun, ActionLater:
	}
	return nil
}

// uncertain keeps a service as it is, or as if it were there, until an apply tells.
func (d *differ) uncertain(name string) {
	if d.world.service(name) == nil {
		d.renew(name)
	}
}

// renew takes a service as a new container. Host name and address survive a replacement.
func (d *differ) renew(name string) {
	renewed := enclave.Service{Name: name, Run: d.world.run, Hostname: name, State: enclave.StateRunning, ID: "a container that is to be made"}
	if before := d.world.service(name); before != nil {
		renewed.Hostname, renewed.IPAddress = before.Hostname, before.IPAddress
	}
	d.world.setService(name, &renewed)
	d.made[name] = true
}

func (d *differ) setState(name string, state enclave.State) {
	if before := d.world.service(name); before != nil {
		changed := *before
		changed.State = state
		d.world.setService(name, &changed)
	}
}

func (d *differ) transition(i int, name string, target fate, action Action, state enclave.State) error {
	_, taken, err := d.decider.transition(i, name, target)
	if err != nil {
		return err
	}
	if taken.action != ActionKeep {
		taken.action = action
		d.setState(name, state)
	}
	d.note(i, kindStep, d.order.steps[i], taken)
	return nil
}

func (d *differ) artifact(i int, operation plan.Operation) error {
	object := strings.Join(operation.Produces(), ", ")
	name, tree, err := artifactTree(operation, d.world)
	if err != nil {
		d.unknownArtifacts[object] = true
		return d.later(i, kindArtifact, object, err)
	}
	digest, err := d.decider.digests.content(tree, isSensitive(operation))
	if err != nil {
		return err
	}
	d.note(i, kindArtifact, name, decideArtifact(digest, d.record.Artifacts[name], d.world.isStored(digest)))
	d.world.setArtifact(name, digest)
	return nil
}

func (d *differ) step(i int, operation plan.Operation) error {
	id := stepID(operation)
	s, err := d.decider.describe(operation)
	if err == nil {
		var taken verdict
		var wish stepWish
		if wish, taken, err = d.decider.step(i, s); err == nil {
			d.note(i, kindStep, id, taken)
			if taken.action == ActionKeep {
				d.keep(id, wish.known)
				return nil
			}
		}
	}
	if known := d.decider.ranOnce(i, operation.Produces()); err != nil && known != nil {
		// What it would get now does not matter any more.
		d.note(i, kindStep, id, verdict{ActionKeep, onlyOnce})
		d.keep(id, known)
		return nil
	}
	d.world.setUnknown(id)
	for _, name := range operation.Produces() {
		d.unknownArtifacts[name] = true
	}
	if err != nil {
		return d.later(i, kindStep, id, err)
	}
	return nil
}

// keep makes what a step returned before known to later instructions.
func (d *differ) keep(id string, known *stepRecord) {
	d.world.setResults(id, known.fields())
	for name, digest := range known.Artifacts {
		d.world.setArtifact(name, digest)
	}
}

// check decides about a comparison.
func (d *differ) check(i int, operation *plan.Verify) error {
	value, err := plan.ResolveTyped(operation.Value, d.world)
	if err != nil {
		return d.later(i, kindStep, d.order.checks[i], err)
	}
	target, err := plan.ResolveAny(operation.Target, d.world, true)
	if err != nil {
		return d.later(i, kindStep, d.order.checks[i], err)
	}
	_, taken, err := d.decider.check(operation, value, target)
	if err == nil {
		d.note(i, kindStep, d.order.checks[i], taken)
	}
	return err
}

// stepID is the ID of an imperative instruction; empty for any other.
func stepID(operation plan.Operation) string {
	if imperative, ok := operation.(plan.Imperative); ok {
		return imperative.StepID()
	}
	return ""
}

func (d *differ) leftovers() {
	names := leftovers(d.world, d.order)
	for _, name := range sortedKeys(names) {
		if service := d.world.service(name); service == nil || !service.Task {
			d.note(-1, kindService, name, verdict{ActionRemove, names[name]})
		}
	}
}
