package engine

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// aheadLimit bounds the work that is done ahead at the same time.
const aheadLimit = 8

// ahead does early, and in parallel, what nobody can observe: storing contents that the plan itself determines, and
// making containers without starting them.
type ahead struct {
	x       *execution
	initial map[string]bool // digests that were stored before
	pinned  map[string]bool // digests that the run's record held before
	running sync.WaitGroup
	context context.Context //nolint:containedctx // It is the life of what runs beside the instructions.
	cancel  context.CancelFunc

	mutex     sync.Mutex
	contents  map[string]*task // by digest
	creations map[string]*creation
}

// task is something under way.
type task struct {
	done chan struct{}
	err  error
}

func (t *task) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.done:
		return t.err
	}
}

// creation is a container that is made ahead.
type creation struct {
	task
	digest  string
	service *enclave.Service
}

func newAhead(ctx context.Context, x *execution, seen *observation) *ahead {
	a := &ahead{x: x, initial: map[string]bool{}, pinned: map[string]bool{}, contents: map[string]*task{}, creations: map[string]*creation{}}
	for _, digest := range seen.stored {
		a.initial[digest] = true
	}
	if seen.record != nil {
		a.pinned = seen.record.contents()
	}
	a.context, a.cancel = context.WithCancel(ctx)
	return a
}

// stop ends what is still under way and waits for it.
func (a *ahead) stop() {
	a.cancel()
	a.running.Wait()
}

// staticValues knows only what is certain beforehand: a service's host name is its name.
type staticValues struct{ order *itinerary }

// Lookup implements plan.Values.
func (v staticValues) Lookup(value plan.RuntimeValue) (any, error) {
	if v.order.last[value.Producer] != nil && value.Field == "hostname" {
		return value.Producer, nil
	}
	return nil, &unknownValueError{value, "it is known only while the plan is carried out"}
}

// begin finds out what can be done ahead, writes the intents down, and starts.
func (a *ahead) begin(ctx context.Context) error {
	trees, names := a.staticArtifacts()
	choices := a.staticServices(names)
	unpinned := map[string]*plan.FileTree{}
	for digest, tree := range trees {
		if !a.initial[digest] || !a.pinned[digest] {
			unpinned[digest] = tree
		}
	}
	intents := func(r *record) {
		for _, choice := range choices {
			r.Intents[choice.planned.key] = choice.wish.digest
		}
	}
	switch {
	case len(unpinned) > 0:
		if err := a.pin(ctx, sortedKeys(unpinned), intents); err != nil {
			return err
		}
	case len(choices) > 0:
		if err := a.x.store.now(ctx, intents); err != nil {
			return err
		}
	}
	var work []func()
	for _, digest := range sortedKeys(unpinned) {
		stored := a.register(digest)
		work = append(work, func() { a.put(a.context, stored, digest, unpinned[digest]) })
	}
	for _, choice := range choices {
		made := &creation{task: task{done: make(chan struct{})}, digest: choice.wish.digest}
		a.creations[choice.planned.key] = made
		work = append(work, func() { a.create(choice, made) })
	}
	// Submitting waits for a free place, so it must not hold up the instructions.
	a.running.Go(func() {
		var group errgroup.Group
		group.SetLimit(aheadLimit)
		for _, do := range work {
			group.Go(func() error {
				do()
				return nil
			})
		}
		_ = group.Wait() // None of them fails as a member: failures show where the things are needed.
	})
	return nil
}

func (a *ahead) create(choice *serviceChoice, made *creation) {
	defer close(made.done)
	if made.err = a.context.Err(); made.err == nil {
		made.service, made.err = a.x.makeContainer(a.context, choice)
	}
}

func (a *ahead) register(digest string) *task {
	stored := &task{done: make(chan struct{})}
	a.contents[digest] = stored
	return stored
}

// staticArtifacts gives the contents that need no runtime value, by digest, and the digests by artifact name. What
// cannot be rendered shows when its instruction is reached.
func (a *ahead) staticArtifacts() (trees map[string]*plan.FileTree, names map[string]string) {
	trees, names = map[string]*plan.FileTree{}, map[string]string{}
	for i := range a.x.plan.Instructions {
		switch operation := a.x.plan.Instructions[i].Operation.(type) {
		case *plan.UploadFiles, *plan.RenderTemplates:
			name, tree, err := artifactTree(operation, staticValues{a.x.order})
			if err != nil || tree == nil {
				continue
			}
			digest, err := a.x.decider.digests.content(tree, isSensitive(operation))
			if err != nil {
				continue
			}
			trees[digest], names[name] = tree, digest
		}
	}
	return trees, names
}

// staticServices gives the services that have no container yet and whose spec is certain beforehand.
func (a *ahead) staticServices(names map[string]string) []*serviceChoice {
	var choices []*serviceChoice
	artifact := func(name string) (string, bool) {
		digest, found := names[name]
		return digest, found
	}
	for i := range a.x.plan.Instructions {
		for _, planned := range a.x.order.added[i] {
			name := planned.spec.Name
			if a.x.order.repeated[name] || a.x.world.service(name) != nil || a.x.world.isHalfMade(name) {
				continue
			}
			choice, err := a.x.decider.wish(planned, staticValues{a.x.order}, artifact)
			if err != nil {
				continue // It is decided when it is reached.
			}
			choice.verdict = decideService(choice.wish, nil, choice.known, false)
			if choice.verdict.action == ActionCreate {
				choices = append(choices, choice)
			}
		}
	}
	return choices
}

// takeService gives the container that was made ahead, or nil if there is none or it is not what is wanted any more.
func (a *ahead) takeService(ctx context.Context, choice *serviceChoice) (*enclave.Service, error) {
	a.mutex.Lock()
	made := a.creations[choice.planned.key]
	// It is taken once only: a forced replacement needs another one.
	delete(a.creations, choice.planned.key)
	a.mutex.Unlock()
	if made == nil {
		return nil, nil //nolint:nilnil // Having made none is an ordinary answer.
	}
	err := made.wait(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case made.digest != choice.wish.digest:
		return nil, nil //nolint:nilnil // As above.
	case err != nil:
		return nil, err
	}
	return made.service, nil
}

// awaitArtifacts waits for contents that a service mounts and that are still being stored.
func (a *ahead) awaitArtifacts(ctx context.Context, artifacts map[string]string) error {
	for _, name := range sortedKeys(artifacts) {
		a.mutex.Lock()
		stored := a.contents[artifacts[name]]
		a.mutex.Unlock()
		if stored == nil {
			continue
		}
		if err := stored.wait(ctx); err != nil {
			return fmt.Errorf("files artifact %q: %w", name, err)
		}
	}
	return nil
}

// wasStored tells whether a content was stored before this apply.
func (a *ahead) wasStored(digest string) bool { return a.initial[digest] }

// artifact returns once a content is stored.
func (a *ahead) artifact(ctx context.Context, digest string, content func() (*plan.FileTree, error)) error {
	a.mutex.Lock()
	stored, under := a.contents[digest]
	if !under {
		stored = a.register(digest)
	}
	a.mutex.Unlock()
	if under {
		return stored.wait(ctx)
	}
	if a.initial[digest] && a.pinned[digest] {
		close(stored.done)
		return nil
	}
	tree, err := content()
	if err == nil {
		err = a.pin(ctx, []string{digest}, func(*record) {})
	}
	if err != nil {
		stored.err = err
		close(stored.done)
		return err
	}
	a.put(ctx, stored, digest, tree)
	return stored.err
}

func (a *ahead) put(ctx context.Context, stored *task, digest string, tree *plan.FileTree) {
	defer close(stored.done)
	if stored.err = ctx.Err(); stored.err != nil {
		return
	}
	ctx = enclave.WithImages(ctx, a.x.world.readyImages())
	if stored.err = a.x.engine.backend.PutArtifact(ctx, a.x.request.Enclave, digest, tree.WriteTar); stored.err == nil {
		a.x.world.setStored(digest)
	}
}

// lockArtifacts is the lock under which contents are claimed and unclaimed ones removed. Without it one run could remove
// what another one has just found to be there.
const lockArtifacts = "artifacts"

// pin claims contents for the run before they are stored.
func (a *ahead) pin(ctx context.Context, digests []string, further func(*record)) error {
	unlock, err := a.x.engine.lock(ctx, a.x.request.Enclave, lockArtifacts, a.x.request.Owner)
	if err != nil {
		return fmt.Errorf("claim files artifacts: %w", err)
	}
	defer unlock()
	return a.x.store.now(ctx, func(r *record) {
		r.Pending = append(r.Pending, digests...)
		further(r)
	})
}
