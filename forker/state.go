package forker

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// Values of Result.Status.
const (
	statusComplete = "complete"
	statusPartial  = "partial"
)

// Observe tells what a fork is now. ErrNotFound: there is none. A runner is asked only for forks with containers.
func (f *Forker) Observe(ctx context.Context, fork string, runner Runner) (*Result, error) {
	if err := f.needSandbox(); err != nil {
		return nil, err
	}
	if err := f.sandbox.Check(ctx); err != nil {
		return nil, err
	}
	record, err := f.loadRecord(ctx, fork)
	if err != nil {
		return nil, err
	}
	entries := record.all()
	states := map[string]ContainerState{}
	if runner != nil && slices.ContainsFunc(entries, func(one entry) bool { return one.Container }) {
		if states, err = runner.Observe(ctx, fork); err != nil {
			return nil, err
		}
	}
	var failed failureMap
	var live statusMap
	each(ctx, 2*f.options.Parallelism, entries, func(one entry) {
		status, err := f.observeOne(ctx, fork, one)
		if err != nil {
			failed.add(one.Key, err)
			return
		}
		live.set(one.Key, status)
	})
	if err := errors.Join(ctx.Err(), joinByKey(failed.all())); err != nil {
		return nil, err
	}
	return f.resultOf(record, states, live.all()), nil
}

// observeOne looks at one copy. The empty status says that there is nothing to look at.
func (f *Forker) observeOne(ctx context.Context, fork string, one entry) (string, error) {
	if one.Phase == phaseNone || one.Container {
		return "", nil
	}
	writer, err := f.writer(ctx, one.Service, one.Type, one.Region)
	if err != nil {
		return "", err
	}
	target := f.target(fork, one)
	live, err := writer.Find(ctx, target)
	switch {
	case errors.Is(err, descriptor.ErrGone):
		return "missing", nil
	case err != nil:
		return "", err
	case !ours(live.Tags, target.Tags):
		return "not this fork's", nil
	case one.Phase != phaseReady:
		return "unfinished", nil
	default:
		return live.Status, nil
	}
}

// resultOf builds a result from the record. Live statuses are those that were looked at; nil after an apply, which has
// just made everything what the record says.
func (f *Forker) resultOf(record *record, states map[string]ContainerState, live map[string]string) *Result {
	result := &Result{
		Fork: record.meta.Fork, AccountID: f.options.Sandbox.AccountID, Status: statusComplete, Resources: map[string]State{},
	}
	total, counted := 0.0, 0
	for _, one := range record.all() {
		state := State{
			Strategy: one.Strategy, Reason: one.Reason, SourceARN: one.SourceARN, Digest: one.SourceDigest,
			ARN: one.ARN, Name: one.Name, URL: one.Values[descriptor.URL], Status: statusOf(one, live),
		}
		if one.Container {
			found, there := states[one.Name]
			state.Status, state.URL = "missing", reachedAt(found)
			if there {
				state.Status = found.Status
			}
		}
		if one.Problem != "" {
			if state.Status == "ready" || !one.Container && one.Phase != phaseReady {
				state.Status = "failed: " + one.Problem
			}
			if !tolerated(one) {
				result.Status = statusPartial
			}
		}
		result.Resources[one.Key] = state
		result.Findings = append(result.Findings, one.Findings...)
		if kind, known := f.catalog.Kind(one.Service, one.Type); known && len(kind.Strategies) == 0 && one.Strategy == Skip {
			// The enclave takes its place: nothing is missing without it.
			continue
		}
		total += fidelity(one)
		counted++
	}
	if counted > 0 {
		result.Fidelity = float64(int(total/float64(counted)*1000+0.5)) / 1000
	}
	slices.SortStableFunc(result.Findings, func(a, b Finding) int { return strings.Compare(a.Key, b.Key) })
	return result
}

// tolerated tells whether an entry's failure is one that its rule allows.
func tolerated(one entry) bool {
	return !slices.ContainsFunc(one.Findings, func(finding Finding) bool {
		return finding.Kind == findingFailed && finding.Severity == "error"
	})
}

func statusOf(one entry, live map[string]string) string {
	switch one.Strategy {
	case Share:
		return "shared"
	case Skip:
		return "skipped"
	}
	if status := live[one.Key]; status != "" {
		return status
	}
	if one.Phase == phaseReady {
		return "ready"
	}
	return "unfinished"
}

// reachedAt gives where users reach a container: a URL if one is known, else an address, that of the first port by id.
func reachedAt(state ContainerState) string {
	for _, addresses := range []map[string]string{state.URLs, state.Addresses} {
		first := ""
		for id := range addresses {
			if first == "" || id < first {
				first = id
			}
		}
		if first != "" {
			return addresses[first]
		}
	}
	return ""
}

// fidelity says how much of a resource the fork stands for.
func fidelity(one entry) float64 {
	if one.Problem != "" {
		return 0
	}
	switch one.Strategy {
	case Clone, Share:
		return 1
	case Substitute:
		return 0.9
	case Stub:
		return 0.5
	default:
		return 0
	}
}
