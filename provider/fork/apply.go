package fork

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// before is what an update starts from.
type before struct {
	state  *forkModel
	memory *memory
}

// applied is what an apply leaves.
type applied = private.Applied[forkModel, memory]

// apply carries the plan out; it is the body of Create (where prior is nil) and Update.
func (r *forkResource) apply(ctx context.Context, verb string, planned *forkModel, prior *before) applied {
	var done applied
	var remembered *memory
	if prior != nil {
		remembered = prior.memory
	}
	b, diagnostics := r.blueprint(ctx, planned, remembered)
	done.Diagnostics.Append(diagnostics...)
	if done.Diagnostics.HasError() {
		return r.keepEarlier(ctx, done, planned, prior)
	}
	subject := diagnose.Subject{Verb: verb, Thing: "fork", Name: planned.Name.ValueString()}
	if b == nil {
		done.Diagnostics.Append(subject.Error(session.ErrUnknown))
		return r.keepEarlier(ctx, done, planned, prior)
	}
	memory, err := startMemory(prior)
	if err != nil {
		done.Diagnostics.Append(subject.Error(err))
		return r.keepEarlier(ctx, done, planned, prior)
	}
	result, err := r.carryOut(ctx, planned, b, prior)
	if err == nil {
		err = incomplete(b, result)
	}
	memory.Tags, memory.TagDigests = b.tags, b.tagDigests
	if err != nil {
		done.Diagnostics.Append(subject.Error(diagnose.Ending(ctx, err)))
		done.State = planned.afterFailure(result, prior)
		if done.State != nil {
			memory.note(b.plan, func(key string) bool { return asPlanned(b, result, key) })
			done.Memory = memory
		}
		return done
	}
	memory.note(b.plan, func(string) bool { return true })
	done.Memory = memory
	planned.afterSuccess(b, result)
	planned.ID = types.StringValue(forkID(result.AccountID, planned.Name.ValueString()))
	done.State = planned
	return done
}

func startMemory(prior *before) (*memory, error) {
	if prior != nil && prior.memory != nil {
		return &memory{Key: prior.memory.Key}, nil
	}
	key, err := private.NewKey()
	return &memory{Key: key}, err
}

// carryOut asks the forker, and takes the containers out of the enclave that the fork leaves.
func (r *forkResource) carryOut(ctx context.Context, planned *forkModel, b *blueprint, prior *before) (*forker.Result, error) {
	work := r.session.Work(ctx, value.Secrets{})
	carrier, err := work.Forker("production", "sandbox")
	if err != nil {
		return nil, err
	}
	if prior != nil && !prior.state.Enclave.IsNull() && !prior.state.Enclave.Equal(planned.Enclave) {
		if err := r.leave(ctx, prior.state); err != nil {
			return nil, fmt.Errorf("take the fork's containers out of the enclave %q: %w", prior.state.Enclave.ValueString(), err)
		}
	}
	runner, err := r.runner(ctx, planned)
	if err != nil {
		return nil, err
	}
	result, err := carrier.Apply(ctx, b.plan, runner)
	if owned, foreign := errors.AsType[*forker.OwnedError](err); foreign {
		return result, &diagnose.ImportableError{Type: "sundog_fork", ID: forkID(owned.AccountID, owned.Fork), Err: err}
	}
	return result, err
}

// leave removes a fork's containers from an enclave; an enclave that is gone has none.
func (r *forkResource) leave(ctx context.Context, state *forkModel) error {
	runner, err := r.runner(ctx, state)
	if err != nil || runner == nil {
		return err
	}
	if err := runner.Remove(ctx, state.Name.ValueString()); err != nil && !errors.Is(err, backend.ErrNotFound) {
		return err
	}
	return nil
}

// runner runs containers in the fork's enclave; nil where it has none.
func (r *forkResource) runner(ctx context.Context, m *forkModel) (forker.Runner, error) {
	if m.Enclave.IsNull() || m.Enclave.IsUnknown() {
		return nil, nil //nolint:nilnil // A fork without an enclave is an ordinary one.
	}
	name, err := r.session.EnclaveName(m.Enclave.ValueString())
	if err != nil {
		return nil, err
	}
	return r.session.Work(ctx, value.Secrets{}).Runner(name)
}

// asPlanned tells whether a resource has become what was planned, or was left out as its rule allows.
func asPlanned(b *blueprint, result *forker.Result, key string) bool {
	if result == nil {
		return false
	}
	state, found := result.Resources[key]
	return found && (b.tolerates(key) || state.Status == desiredStatus(b.plan.Resources[key].Strategy))
}

// incomplete is an error for resources of which nothing was heard although the forker saw no error.
func incomplete(b *blueprint, result *forker.Result) error {
	var failures []error
	for _, key := range slices.Sorted(maps.Keys(b.plan.Resources)) {
		if !asPlanned(b, result, key) {
			status := "nothing is known of it"
			if state, found := result.Resources[key]; found {
				status = state.Status
			}
			failures = append(failures, fmt.Errorf("%s: %s", key, status))
		}
	}
	return errors.Join(failures...)
}

// keepEarlier is for failures before the forker was asked. What an earlier, failed apply has left must stay in the state.
func (r *forkResource) keepEarlier(ctx context.Context, done applied, planned *forkModel, prior *before) applied {
	if prior != nil || planned.Name.IsUnknown() {
		return done
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	result, err := r.observe(ctx, planned)
	if err != nil {
		return done
	}
	done.State = planned.afterFailure(result, nil)
	return done
}

func (r *forkResource) observe(ctx context.Context, m *forkModel) (*forker.Result, error) {
	carrier, err := r.session.Work(ctx, value.Secrets{}).Forker("sandbox")
	if err != nil {
		return nil, err
	}
	runner, err := r.runner(ctx, m)
	if err != nil {
		return nil, err
	}
	return carrier.Observe(ctx, m.Name.ValueString(), runner)
}

// afterSuccess fills everything that was unknown in the plan.
func (m *forkModel) afterSuccess(b *blueprint, result *forker.Result) {
	entries := map[string]entry{}
	if m.Resources.IsUnknown() {
		for key, planned := range b.plan.Resources {
			entries[key] = foreseeEntry(planned, entry{}, false, b.tolerates(key))
		}
	} else {
		entries = readEntries(m.Resources)
	}
	for key, planned := range entries {
		entries[key] = settle(planned, stateEntry(result.Resources[key]))
	}
	m.Resources = entriesValue(entries)
	m.Status = types.StringValue(statusComplete)
	if m.Fidelity.IsUnknown() {
		m.Fidelity = fidelity(result)
	}
	if m.FindingsCount.IsUnknown() {
		m.FindingsCount = types.Int64Value(int64(len(result.Findings)))
	}
}

// fidelity as a decimal: 0.9, not the binary fraction nearest to it.
func fidelity(result *forker.Result) types.Number {
	float, _, err := big.ParseFloat(fmt.Sprintf("%.3f", result.Fidelity), 10, 512, big.ToNearestEven)
	if err != nil {
		return types.NumberNull()
	}
	return types.NumberValue(float)
}

// afterFailure is the state after a failure: whatever is known to be true, and nothing unknown. It is nil where nothing has
// been made.
func (m *forkModel) afterFailure(result *forker.Result, prior *before) *forkModel {
	if result == nil {
		return nil
	}
	state := *m
	if prior != nil {
		// What the configuration says holds only once it has been carried out; until then the difference must show. The
		// enclave is another matter: the containers are in the new one, if anywhere.
		state = *prior.state
		state.Enclave = m.Enclave
	}
	state.refresh(result)
	state.Status = types.StringValue(statusPartial)
	return &state
}

// refresh brings a state to what the forker reports.
func (m *forkModel) refresh(result *forker.Result) {
	entries := make(map[string]entry, len(result.Resources))
	for key, state := range result.Resources {
		e := stateEntry(state)
		if state.Strategy == forker.Skip {
			e.ARN, e.URL, e.Name = types.StringNull(), types.StringNull(), types.StringNull()
		}
		entries[key] = e
	}
	m.ID = types.StringValue(forkID(result.AccountID, m.Name.ValueString()))
	m.Resources = entriesValue(entries)
	m.Status = types.StringValue(result.Status)
	m.Fidelity = fidelity(result)
	m.FindingsCount = types.Int64Value(int64(len(result.Findings)))
}
