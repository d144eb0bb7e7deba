package forker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// retireChanged deletes copies that cannot become what the plan says: another strategy or name, or a field that cannot
// be changed.
func (a *applying) retireChanged(ctx context.Context) {
	var retired []entry
	for _, one := range a.record.all() {
		planned, wanted := a.plan.Resources[one.Key]
		if !wanted || one.Phase == phaseNone || one.Container || a.problem(one.Key) != nil {
			continue
		}
		if reason := a.whyReplace(one, planned); reason != "" {
			a.forker.event(a.plan.Fork, one.Key, "replace", "started", reason)
			retired = append(retired, one)
		}
	}
	a.deleteEntries(ctx, retired)
}

func (a *applying) whyReplace(one entry, planned Planned) string {
	switch {
	case one.Strategy != planned.Strategy:
		return fmt.Sprintf("strategy %s -> %s", one.Strategy, planned.Strategy)
	case one.Name != planned.Name:
		return fmt.Sprintf("name %s -> %s", one.Name, planned.Name)
	case one.SourceARN != planned.Resource.ARN:
		return "another resource has taken its key"
	case a.pinned(one.Key):
		return ""
	}
	kind, known := a.forker.catalog.Kind(one.Service, one.Type)
	if !known {
		return ""
	}
	before, _ := one.Config.(map[string]any)
	after, _ := a.normal(a.fresh[one.Key].config).(map[string]any)
	for _, field := range kind.Immutable {
		if !reflect.DeepEqual(before[field], after[field]) {
			return field + " cannot be changed"
		}
	}
	return ""
}

// normal gives a configuration in the form in which the record holds it.
func (a *applying) normal(config any) any {
	text, err := descriptor.Encode(config)
	if err != nil {
		return config
	}
	decoded, err := decodePlain(text)
	if err != nil {
		return config
	}
	return decoded
}

// removeForgotten deletes what the record holds and the plan does not.
func (a *applying) removeForgotten(ctx context.Context) {
	var forgotten []entry
	for _, one := range a.record.all() {
		if _, wanted := a.plan.Resources[one.Key]; !wanted {
			forgotten = append(forgotten, one)
		}
	}
	a.deleteEntries(ctx, forgotten)
}

// deleteEntries deletes copies in reverse order and takes them out of the record.
func (a *applying) deleteEntries(ctx context.Context, entries []entry) {
	for key, err := range a.forker.deleteAll(ctx, a.record, entries) {
		a.fail(ctx, key, err)
	}
}

// deleteAll deletes entries' copies, the last layer first, and takes those that are gone out of the record. It goes on
// after failures and returns them by key.
func (f *Forker) deleteAll(ctx context.Context, record *record, entries []entry) map[string]error {
	layer := func(one entry) int {
		kind, known := f.catalog.Kind(one.Service, one.Type)
		if !known {
			return descriptor.LayerWiring
		}
		return kind.Layer
	}
	slices.SortFunc(entries, func(x, y entry) int {
		if layer(x) != layer(y) {
			return layer(y) - layer(x)
		}
		return strings.Compare(y.Key, x.Key)
	})
	failures := make(map[string]error)
	var failed failureMap
	for start := 0; start < len(entries); {
		end := start
		for end < len(entries) && layer(entries[end]) == layer(entries[start]) {
			end++
		}
		each(ctx, f.options.Parallelism, entries[start:end], func(one entry) {
			if err := f.deleteOne(ctx, record, one); err != nil {
				failed.add(one.Key, err)
			}
		})
		start = end
	}
	maps.Copy(failures, failed.all())
	return failures
}

// deleteOne deletes a copy if it is in the record, in the sandbox account, and carries this fork's tags. All three are
// proved here and nowhere else.
func (f *Forker) deleteOne(ctx context.Context, record *record, one entry) error {
	if one.Phase == phaseNone || one.Container {
		return record.remove(ctx, one.Key)
	}
	f.event(record.meta.Fork, one.Key, "delete", "started", one.Name)
	writer, err := f.writer(ctx, one.Service, one.Type, one.Region)
	if err != nil {
		return err
	}
	target := f.target(record.meta.Fork, one)
	live, err := writer.Find(ctx, target)
	if errors.Is(err, descriptor.ErrGone) {
		return record.remove(ctx, one.Key)
	}
	if err != nil {
		return fmt.Errorf("look at the copy before deleting it: %w", err)
	}
	if one.ARN != "" && live.ARN != one.ARN {
		// Somebody has made another of the same name; the recorded one is gone.
		return record.remove(ctx, one.Key)
	}
	one.ARN = live.ARN
	if err := f.inSandbox(one); err != nil {
		return err
	}
	if one.Phase == phaseIntent && cutOff(one, live) {
		// The making is finished first, so that nothing is ever deleted that does not carry the fork's tags.
		if _, err := writer.Create(ctx, target); err != nil {
			return fmt.Errorf("tag the copy before deleting it: %w", err)
		}
		if live, err = writer.Find(ctx, target); err != nil {
			return fmt.Errorf("look at the copy before deleting it: %w", err)
		}
	}
	if !ours(live.Tags, target.Tags) {
		if one.Phase == phaseIntent {
			// It was in the way when the copy was to be made; nothing of ours is there.
			return record.remove(ctx, one.Key)
		}
		return fmt.Errorf("%w: %s does not carry the tags of fork %q and was left alone; tag it again or delete it yourself",
			ErrForeign, live.ARN, record.meta.Fork)
	}
	target.ARN, target.Values = live.ARN, live.Values
	if err := writer.Delete(ctx, target); err != nil && !errors.Is(err, descriptor.ErrGone) {
		return err
	}
	f.event(record.meta.Fork, one.Key, "delete", "done", one.Name)
	return record.remove(ctx, one.Key)
}
