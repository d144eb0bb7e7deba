package acctest

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/internal/standins"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

// Interpreter stands for the language in tests that are not about it.
type Interpreter func(request session.PackageRequest) (*plan.Plan, error)

// Interpret implements session.Packages.
func (i Interpreter) Interpret(_ context.Context, request session.PackageRequest) (*plan.Plan, error) {
	return i(request)
}

// Parameters implements session.Packages.
func (i Interpreter) Parameters(_ context.Context, request session.PackageRequest) (*plan.Plan, error) {
	interpreted, err := i(request)
	if err != nil {
		return nil, err
	}
	return &plan.Plan{PackageName: interpreted.PackageName, Description: interpreted.Description, Parameters: interpreted.Parameters}, nil
}

// Builders make a session whose backend is in memory, with a real engine on it.
func Builders(backend *memory.Backend, interpreter Interpreter, fake session.Forker) session.Builders {
	return session.Builders{
		Backend:  func(session.Settings, *slog.Logger) (enclave.Backend, error) { return Docker(backend), nil },
		Engine:   func(b enclave.Backend, options engine.Options) session.Engine { return engine.New(b, options) },
		Forker:   func(forker.Options) (session.Forker, error) { return fake, nil },
		Packages: func(session.Settings, *slog.Logger) session.Packages { return interpreter },
		Runner: func(b enclave.Backend, options engine.Options, name, owner string) forker.Runner {
			return standins.NewRunner(engine.New(b, options), name, owner)
		},
	}
}

// Backend is a backend in memory that bears the name of a real one, as only those can be named in a provider block.
type Backend struct {
	*memory.Backend

	Kind string
}

// Docker is one that says it is Docker.
func Docker(backend *memory.Backend) Backend { return Backend{backend, "docker"} }

// Name implements enclave.Backend.
func (b Backend) Name() string { return b.Kind }

func (b Backend) named(found *enclave.Enclave, err error) (*enclave.Enclave, error) {
	if found != nil {
		found.Backend = b.Kind
	}
	return found, err
}

// CreateEnclave implements enclave.Backend.
func (b Backend) CreateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	return b.named(b.Backend.CreateEnclave(ctx, spec))
}

// UpdateEnclave implements enclave.Backend.
func (b Backend) UpdateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	return b.named(b.Backend.UpdateEnclave(ctx, spec))
}

// Enclave implements enclave.Backend.
func (b Backend) Enclave(ctx context.Context, name string) (*enclave.Enclave, error) {
	return b.named(b.Backend.Enclave(ctx, name))
}

// Forker is a forker in memory: it makes of every planned resource what the plan says, unless Fail names it.
type Forker struct {
	Account string
	// Fail maps keys to what goes wrong with them.
	Fail map[string]error
	// Inventories is what production holds.
	Inventories *forker.Inventory
	// AllTags of production by key.
	AllTags map[string]map[string]string
	// Owned is the error of an apply of somebody else's fork.
	Owned error

	lock  sync.Mutex
	forks map[string]map[string]forker.State
	// TagCalls counts the resources whose tags were asked for.
	TagCalls int
	Applied  int
}

// Inventory implements session.Forker.
func (f *Forker) Inventory(context.Context, forker.Selection) (*forker.Inventory, error) {
	return f.Inventories, nil
}

// Tags implements session.Forker.
func (f *Forker) Tags(_ context.Context, resources []forker.Resource) (map[string]map[string]string, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.TagCalls += len(resources)
	found := map[string]map[string]string{}
	for _, one := range resources {
		found[one.ARN] = f.AllTags[one.ARN]
	}
	return found, nil
}

// Apply implements session.Forker.
func (f *Forker) Apply(_ context.Context, plan *forker.Plan, _ forker.Runner) (*forker.Result, error) {
	if f.Owned != nil {
		return nil, f.Owned
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	f.Applied++
	states := map[string]forker.State{}
	var failure error
	for key, planned := range plan.Resources {
		state := forker.State{
			Strategy: planned.Strategy, Reason: planned.Reason, SourceARN: planned.Resource.ARN, Digest: planned.Resource.Digest,
			Name: planned.Name, Status: "ready",
		}
		switch planned.Strategy {
		case forker.Skip:
			state.Status = "skipped"
		case forker.Share:
			state.Status, state.ARN = "shared", planned.Resource.ARN
		case forker.Substitute:
			state.Status, state.URL = "running", "tcp://127.0.0.1:5432"
		default:
			state.ARN, state.URL = "arn:copy:"+planned.Name, "http://"+planned.Name
		}
		if err := f.Fail[key]; err != nil {
			state.ARN, state.URL, state.Status = "", "", "failed: "+err.Error()
			if rule, found := plan.Rule(key); !found || rule.OnError != "skip" {
				failure = err
			}
		}
		states[key] = state
	}
	if f.forks == nil {
		f.forks = map[string]map[string]forker.State{}
	}
	f.forks[plan.Fork] = states
	return f.result(plan.Fork, failure != nil), failure
}

func (f *Forker) result(fork string, failed bool) *forker.Result {
	result := &forker.Result{Fork: fork, AccountID: f.Account, Status: "complete", Fidelity: 0.9, Resources: maps.Clone(f.forks[fork])}
	if failed {
		result.Status = "partial"
	}
	return result
}

// Break changes the status of a resource, as if something had happened to it.
func (f *Forker) Break(fork, key, status string) {
	f.lock.Lock()
	defer f.lock.Unlock()
	state := f.forks[fork][key]
	state.Status = status
	f.forks[fork][key] = state
}

// Exists tells whether a fork is there.
func (f *Forker) Exists(fork string) bool {
	f.lock.Lock()
	defer f.lock.Unlock()
	_, found := f.forks[fork]
	return found
}

// Observe implements session.Forker.
func (f *Forker) Observe(_ context.Context, fork string, _ forker.Runner) (*forker.Result, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if _, found := f.forks[fork]; !found {
		return nil, forker.ErrNotFound
	}
	return f.result(fork, false), nil
}

// Destroy implements session.Forker.
func (f *Forker) Destroy(_ context.Context, fork string, _ forker.Runner) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	if _, found := f.forks[fork]; !found {
		return forker.ErrNotFound
	}
	delete(f.forks, fork)
	return nil
}
