package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// decider takes the decisions of one comparison or one apply. What depends on runtime values is decided when it is
// reached, from resolved values; so a producer that ran again and yields the same changes nothing further on. It does
// nothing itself.
type decider struct {
	plan      *plan.Plan
	itinerary *itinerary
	world     *world
	digests   digester
	demands   *demands
	recalled

	mutex sync.Mutex
	// forced are additions whose service a later instruction turned out to need, by key.
	forced map[string]bool
	chains map[string][]link
	// done are the digests of imperative instructions that this apply has carried out, by ID: going back to where a service
	// is added must not run them twice.
	done map[string]string
}

// recalled gives what is recorded of a run.
type recalled struct {
	services func(key string) *serviceRecord
	steps    func(id string) *stepRecord
	once     func(key string) *stepRecord
	verified func(digest string) bool
	// namesakes are the tasks on record before the apply.
	namesakes map[namesake]*stepRecord
}

// namesake finds a task by the name that it shares with others, and its digest.
type namesake struct{ name, digest string }

// namesakesIn gives the tasks of a record.
func namesakesIn(known *record) map[namesake]*stepRecord {
	tasks := map[namesake]*stepRecord{}
	for id, made := range known.Steps {
		if strings.HasPrefix(id, taskPrefix) {
			tasks[namesake{taskName(id), made.Digest}] = made
		}
	}
	return tasks
}

const taskPrefix = "task."

// taskName is a task's ID without the number that tells it from others of its name.
func taskName(id string) string {
	if cut := strings.LastIndex(id, "-"); cut > 0 {
		if _, err := strconv.Atoi(id[cut+1:]); err == nil {
			return id[:cut]
		}
	}
	return id
}

// link is one imperative instruction in the chain of those on the same service.
type link struct {
	instruction int
	digest      string
}

func newDecider(p *plan.Plan, order *itinerary, w *world, key []byte, asked *demands, known recalled) *decider {
	return &decider{
		plan: p, itinerary: order, world: w, digests: digester{key}, demands: asked, recalled: known,
		forced: map[string]bool{}, chains: map[string][]link{}, done: map[string]string{},
	}
}

// serviceChoice is a decision about a service with all that is needed to carry it out.
type serviceChoice struct {
	planned   *plannedService
	spec      plan.ServiceSpec
	image     enclave.Image
	artifacts map[string]string
	wish      serviceWish
	known     *serviceRecord
	verdict   verdict
}

// service decides about one added service.
func (d *decider) service(planned *plannedService) (*serviceChoice, error) {
	name := planned.spec.Name
	choice, err := d.wish(planned, d.world, d.world.artifact)
	if err != nil {
		return nil, &serviceError{name, err}
	}
	have := d.world.service(name)
	if have != nil && have.Run != d.world.run {
		return nil, &serviceError{name, &enclave.OwnedError{Kind: "service", Name: name, Owner: have.Owner, Run: have.Run, CreatedAt: have.CreatedAt}}
	}
	choice.verdict = decideService(choice.wish, have, choice.known, d.world.isHalfMade(name))
	return choice, nil
}

// wish resolves what a plan asks of one service, and its digests, from the given values and artifacts.
func (d *decider) wish(planned *plannedService, values plan.Values, artifact func(string) (string, bool)) (*serviceChoice, error) {
	choice := &serviceChoice{planned: planned, known: d.services(planned.key)}
	var err error
	if choice.spec, err = resolveSpec(planned.spec, values); err != nil {
		return nil, err
	}
	var ready bool
	if choice.image, ready = d.world.image(planned.spec.Image); !ready {
		return nil, fmt.Errorf("image %q is not ready", planned.spec.Image.Name)
	}
	if choice.artifacts, err = artifactsOf(planned.spec, artifact); err != nil {
		return nil, err
	}
	choice.wish.fate = planned.fate
	if choice.wish.digest, choice.wish.parts, err = d.digests.service(choice.spec, choice.image, choice.artifacts); err != nil {
		return nil, err
	}
	if choice.wish.readiness, err = d.digests.readiness(choice.spec); err != nil {
		return nil, err
	}
	switch {
	case planned.force:
		choice.wish.force = "force_update is set"
	case d.demands.services[planned.key] && !d.isDone("service:"+planned.key, choice.wish.digest):
		choice.wish.force = "a new container was asked for"
	case d.isForced(planned.key):
		choice.wish.force = "a later instruction on it has to run"
	}
	return choice, nil
}

func (d *decider) force(key string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.forced[key] = true
}

func (d *decider) isForced(key string) bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.forced[key]
}

// step decides about one imperative instruction.
func (d *decider) step(instruction int, s *step) (stepWish, verdict, error) {
	wish := stepWish{parts: map[string]string{}}
	var err error
	if wish.parts[partArguments], err = d.digests.short(s.arguments); err != nil {
		return wish, verdict{}, err
	}
	if wish.once, err = d.onceKey(instruction); err != nil {
		return wish, verdict{}, err
	}
	if s.service != "" {
		identity, err := d.world.identity(s.service)
		if err != nil {
			return wish, verdict{}, err
		}
		if wish.parts[partService], err = d.digests.short(identity); err != nil {
			return wish, verdict{}, err
		}
		if wish.parts[partEarlier], err = d.extend(instruction, s.service, d.lastingArguments(s, wish)); err != nil {
			return wish, verdict{}, err
		}
	}
	if wish.digest, err = d.digests.of(map[string]any{"version": digestVersion, "parts": wish.parts}); err != nil {
		return wish, verdict{}, err
	}
	wish.known = d.find(s, wish)
	return wish, d.judge(s, wish), nil
}

// find gives what is recorded of an instruction, or nil.
func (d *decider) find(s *step, wish stepWish) *stepRecord {
	if wish.once != "" {
		return d.remembered(s, wish)
	}
	known := d.steps(s.id)
	if s.task == nil || known != nil && known.Digest == wish.digest {
		return known
	}
	// Tasks may share a name, and are numbered then: one that was put before others must not make strangers of them.
	if other := d.namesakes[namesake{taskName(s.id), wish.digest}]; other != nil {
		return other
	}
	return known
}

// judge compares an imperative instruction with what is recorded and with what was asked for.
func (d *decider) judge(s *step, wish stepWish) verdict {
	taken := decideStep(wish, s.service, wish.known, s.produces, d.world.isStored)
	if wish.once != "" {
		taken = decideOnce(wish.known, s.produces, d.world.isStored)
	}
	if taken.action != ActionKeep || d.isDone(s.id, wish.digest) {
		return taken
	}
	if reason, wanted := d.demands.wanted(s, wish.known); wanted {
		return verdict{ActionRun, reason}
	}
	return taken
}

// check decides about a comparison, from resolved values.
func (d *decider) check(operation *plan.Verify, value, target any) (digest string, taken verdict, err error) {
	digest, err = d.digests.short([]any{"verify", markFloats(value), operation.Assertion, markFloats(target)})
	return digest, decideCheck(err == nil && d.verified(digest)), err
}

// did notes what this apply has carried out.
func (d *decider) did(id, digest string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.done[id] = digest
}

func (d *decider) isDone(id, digest string) bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.done[id] == digest && digest != ""
}

// transition decides about an instruction that starts or stops a service.
func (d *decider) transition(instruction int, name string, target fate) (stepWish, verdict, error) {
	wish, taken, err := d.step(instruction, &step{id: d.itinerary.steps[instruction], service: name, arguments: string(target), transition: true})
	if err != nil {
		return wish, taken, err
	}
	planned, service := d.itinerary.targets[instruction], d.world.service(name)
	final := planned == nil || planned.transition == instruction && planned.fate != fateRemoved
	if taken.action == ActionKeep && final && service != nil && isRunning(service) != (target == fateRunning) {
		taken = verdict{ActionRun, "the service is " + statusOf(service)}
	}
	return wish, taken, nil
}

// extend adds an instruction to the chain of its service and gives the digest of those before it. Links of this and
// later instructions go first: an apply may go back to where a service is added.
func (d *decider) extend(instruction int, service, arguments string) (before string, err error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	// Each addition of a name has a chain of its own.
	name := service
	if target := d.itinerary.targets[instruction]; target != nil {
		name = target.key
	}
	chain := slices.DeleteFunc(d.chains[name], func(l link) bool { return l.instruction >= instruction })
	if len(chain) > 0 {
		before = chain[len(chain)-1].digest
	}
	digest, err := d.digests.short([]string{before, arguments})
	if err != nil {
		return "", err
	}
	d.chains[name] = append(chain, link{instruction, digest})
	return before, nil
}
