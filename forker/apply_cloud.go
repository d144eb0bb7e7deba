package forker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/rewrite"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
)

// ErrForeign tells that something in the sandbox has the name of a copy but was not made by this fork.
var ErrForeign = errors.New("it was not made by this fork")

// ErrResidual tells that something about to be written points at production.
var ErrResidual = errors.New("it would point at production")

// writer binds a kind to the sandbox.
func (f *Forker) writer(ctx context.Context, service, kind, region string) (descriptor.KindWriter, error) {
	described, known := f.catalog.Service(service)
	if !known {
		return descriptor.KindWriter{}, fmt.Errorf("the record names the service %q, which this Sundog does not know; use the version that made the fork", service)
	}
	writers, err := session.Write(ctx, f.sandbox, region, func(config aws.Config) map[string]descriptor.KindWriter {
		return described.Writer(config)
	})
	return writers[kind], err
}

// writer binds a kind to the sandbox, once for all resources of an apply.
func (a *applying) writer(ctx context.Context, service, kind, region string) (descriptor.KindWriter, error) {
	a.mutex.Lock()
	bound, known := a.writers[place2{service, region}][kind]
	a.mutex.Unlock()
	if known {
		return bound, nil
	}
	bound, err := a.forker.writer(ctx, service, kind, region)
	if err != nil {
		return bound, err
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.writers[place2{service, region}] == nil {
		a.writers[place2{service, region}] = map[string]descriptor.KindWriter{}
	}
	a.writers[place2{service, region}][kind] = bound
	return bound, nil
}

// target says what to work on, for an entry of the record.
func (f *Forker) target(fork string, one entry) descriptor.Target {
	values := maps.Clone(one.Values)
	if values == nil {
		values = map[descriptor.Form]string{}
	}
	return descriptor.Target{
		Key: one.Key, Name: one.Name, ARN: one.ARN, Values: values, SourceName: one.SourceName,
		AccountID: f.options.Sandbox.AccountID, Region: one.Region, Partition: descriptor.PartitionOf(one.Region),
		Fork: fork, Tags: f.tags(fork, one.SourceARN),
	}
}

// shell makes a copy that refers to nothing yet, or adopts the one that an earlier apply made.
func (a *applying) shell(ctx context.Context, key string) error {
	planned := a.plan.Resources[key]
	source := a.reads[key]
	one, recorded := a.record.get(key)
	if recorded && (one.Phase == phaseMade || one.Phase == phaseReady) {
		there, err := a.stillThere(ctx, key, &one)
		if there || err != nil {
			return err
		}
	}
	before := one
	one = entry{
		Key: key, Service: planned.Resource.Service, Type: planned.Resource.Type, SourceName: planned.Resource.Name,
		SourceARN: planned.Resource.ARN, Strategy: planned.Strategy, Reason: planned.Reason, Phase: phaseIntent,
		Name: planned.Name, Region: a.forker.targetRegion(source.region), SourceDigest: a.fresh[key].digest, Config: a.fresh[key].config,
	}
	writer, err := a.writer(ctx, one.Service, one.Type, one.Region)
	if err != nil {
		return err
	}
	target := a.forker.target(a.plan.Fork, one)
	live, err := writer.Find(ctx, target)
	unfinished := recorded && before.Name == one.Name && err == nil && cutOff(before, live)
	one.Absent = unfinished || errors.Is(err, descriptor.ErrGone)
	if err := a.record.put(ctx, one); err != nil {
		return err
	}
	if err := a.point(ctx, "intent", key); err != nil {
		return err
	}
	a.forker.event(a.plan.Fork, key, "create", "started", one.Name)
	switch {
	case err == nil && !unfinished && !ours(live.Tags, target.Tags):
		return fmt.Errorf("%w: %s exists in the sandbox account %s without the tags of fork %q; remove it, or give the fork another name",
			ErrForeign, live.ARN, target.AccountID, a.plan.Fork)
	case err == nil && !unfinished:
		one.ARN, one.Values = live.ARN, live.Values
	case err != nil && !errors.Is(err, descriptor.ErrGone):
		return err
	default:
		origin := rewrite.Origin{Key: key, Region: source.region}
		config, _ := a.rewriter.Rewrite(source.item.Config, origin)
		target.Config = a.rewriter.Scrub(config, origin)
		made, err := writer.Create(ctx, target)
		if err != nil {
			return err
		}
		if err := a.point(ctx, "created", key); err != nil {
			return err
		}
		one.ARN, one.Values = made.ARN, made.Values
	}
	if err := a.forker.inSandbox(one); err != nil {
		return err
	}
	if err := a.copyData(ctx, key, source, &one); err != nil {
		return err
	}
	one.Phase = phaseMade
	if err := a.record.put(ctx, one); err != nil {
		return err
	}
	a.know(one)
	return a.point(ctx, "made", key)
}

// cutOff recognises a copy whose making ended between creating and tagging, where a service cannot do both in one call. It
// is known by the intent: the name was free when that was written.
func cutOff(one entry, live descriptor.Live) bool { return one.Absent && len(live.Tags) == 0 }

// inSandbox proves by its ARN that a copy belongs to the sandbox account.
func (f *Forker) inSandbox(one entry) error {
	parsed, err := arn.Parse(one.ARN)
	if err != nil {
		return fmt.Errorf("the ARN %q of the copy cannot be read: %w", one.ARN, err)
	}
	kind, known := f.catalog.Kind(one.Service, one.Type)
	if parsed.AccountID == f.options.Sandbox.AccountID || parsed.AccountID == "" && known && kind.AccountlessARN {
		return nil
	}
	return fmt.Errorf("%w: %s is in account %q, not in the sandbox %q", descriptor.ErrForeignAccount, one.ARN, parsed.AccountID, f.options.Sandbox.AccountID)
}

// wire brings a copy to its configuration, if that is not what was written last.
func (a *applying) wire(ctx context.Context, key string) error {
	one, recorded := a.record.get(key)
	if !recorded || one.ARN == "" {
		return errors.New("it was not made")
	}
	source := a.reads[key]
	origin := rewrite.Origin{Key: key, Region: source.region}
	config, err := a.wholeConfig(ctx, key, source)
	if err != nil {
		return err
	}
	config, report := a.rewriter.Rewrite(config, origin)
	a.keepLogins(report.Logins)
	if a.pinned(key) {
		return nil
	}
	if err := a.residual(config, origin); err != nil {
		return err
	}
	text, err := descriptor.Encode(config)
	if err != nil {
		return err
	}
	written := keyedHash(a.record.meta.Key, text)
	if one.Phase != phaseReady || one.Written != written {
		writer, err := a.writer(ctx, one.Service, one.Type, one.Region)
		if err != nil {
			return err
		}
		target := a.forker.target(a.plan.Fork, one)
		target.Config = config
		a.forker.event(a.plan.Fork, key, "wire", "started", "")
		if writer.Wire != nil {
			if err := writer.Wire(ctx, target); err != nil {
				return err
			}
		}
		if err := a.point(ctx, "wired", key); err != nil {
			return err
		}
		a.forker.event(a.plan.Fork, key, "wire", "done", "")
	}
	one.Phase, one.Written = phaseReady, written
	one.SourceDigest, one.Config, one.Reason = a.fresh[key].digest, a.fresh[key].config, a.plan.Resources[key].Reason
	return a.record.put(ctx, one)
}

// stillThere looks at a copy that was made before. One that somebody has deleted is made anew.
func (a *applying) stillThere(ctx context.Context, key string, one *entry) (bool, error) {
	writer, err := a.writer(ctx, one.Service, one.Type, one.Region)
	if err != nil {
		return false, err
	}
	target := a.forker.target(a.plan.Fork, *one)
	live, err := writer.Find(ctx, target)
	if errors.Is(err, descriptor.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the copy: %w", err)
	}
	if !ours(live.Tags, target.Tags) {
		return false, fmt.Errorf("%w: %s does not carry the tags of fork %q any more; tag it again or delete it yourself",
			ErrForeign, live.ARN, a.plan.Fork)
	}
	if live.ARN != one.ARN {
		// Another of the same name, with our tags: whoever made it, it has not been wired.
		one.ARN, one.Values, one.Phase, one.Data = live.ARN, live.Values, phaseMade, ""
	}
	before := one.Data
	if err := a.copyData(ctx, key, a.reads[key], one); err != nil {
		return true, err
	}
	if one.Data != before || one.Phase == phaseMade {
		if err := a.record.put(ctx, *one); err != nil {
			return true, err
		}
	}
	a.know(*one)
	return true, nil
}

// wholeConfig adds the values that only data reads give, or made-up ones.
func (a *applying) wholeConfig(ctx context.Context, key string, source read) (any, error) {
	if !source.kind.HasValues && source.kind.Fake == nil {
		return source.item.Config, nil
	}
	planned, data := a.plan.Resources[key], a.plan.data(key)
	var values map[string]any
	if planned.Strategy == Clone && data.Mode == descriptor.DataFull && source.kind.HasValues {
		readers, err := session.Read(ctx, a.forker.production, source.region, func(config aws.Config) map[string]descriptor.KindReader {
			service, _ := a.forker.catalog.Service(source.kind.Service)
			return service.Reader(config)
		})
		if err != nil {
			return nil, err
		}
		values, err = readers[source.kind.Name].Values(session.AllowData(ctx), a.forker.scope(source.region), source.item)
		if err != nil {
			return nil, fmt.Errorf("read its value in production: %w", err)
		}
	} else if source.kind.Fake != nil {
		var notes []descriptor.Note
		values, notes = source.kind.Fake(withStub(source.item, planned.Strategy == Stub), func(label string) string {
			return a.record.derive("fake\x00" + key + "\x00" + label)
		})
		a.findNotes(key, notes)
	}
	if len(values) == 0 {
		return source.item.Config, nil
	}
	object, ok := source.item.Config.(map[string]any)
	if !ok {
		return nil, errors.New("its configuration is no object, which is a mistake of Sundog's descriptor")
	}
	merged := maps.Clone(object)
	maps.Copy(merged, values)
	return merged, nil
}

// withStub tells Fake whether everything is to be faked, not only what was not read.
func withStub(item descriptor.Item, stub bool) descriptor.Item {
	item.Stub = stub
	return item
}

// residual refuses what points at production, and says what to do about it.
func (a *applying) residual(config any, origin rewrite.Origin) error {
	hits := a.rewriter.Residual(config, origin)
	if len(hits) == 0 {
		return nil
	}
	var reasons []string
	for _, hit := range hits {
		text := hit.What
		if hit.Path != "" {
			text = hit.Path + " names " + text
		}
		if hit.Key != "" {
			text += " (" + a.whyMissing(hit.Key) + ")"
		}
		reasons = append(reasons, text)
	}
	return fmt.Errorf("%w: %s", ErrResidual, strings.Join(reasons, "; "))
}

// whyMissing says why the fork has nothing in the place of a resource.
func (a *applying) whyMissing(key string) string {
	planned, ok := a.plan.Resources[key]
	if !ok {
		return key + " is not a part of the fork"
	}
	if err := a.problem(key); err != nil {
		return key + " failed"
	}
	if planned.Strategy == Skip {
		return key + " is skipped; clone, substitute, stub or share it"
	}
	return key + " has no counterpart of this form"
}

// copyData copies production's data into a copy, once for each way in which the rule asks for it.
func (a *applying) copyData(ctx context.Context, key string, source read, one *entry) error {
	data := a.plan.data(key)
	if one.Strategy != Clone || data.Mode != descriptor.DataSample && data.Mode != descriptor.DataFull || source.kind.HasValues || a.pinned(key) {
		return nil
	}
	asked, err := descriptor.Encode(map[string]any{"mode": data.Mode, "limit": data.Limit, "mask": data.Mask})
	if err != nil || one.Data == asked {
		return err
	}
	service, _ := a.forker.catalog.Service(source.kind.Service)
	copiers, err := session.Copy(ctx, a.forker.production, source.region, a.forker.sandbox, one.Region,
		func(production, sandbox aws.Config) map[string]descriptor.KindCopier {
			return service.Copier(production, sandbox)
		})
	if err != nil {
		return err
	}
	copier, has := copiers[source.kind.Name]
	if !has {
		return fmt.Errorf("the data of %s/%s cannot be copied, although its descriptor says so", source.kind.Service, source.kind.Name)
	}
	a.forker.event(a.plan.Fork, key, "data", "started", data.Mode)
	count, err := copier.Copy(session.AllowData(ctx), a.forker.scope(source.region), source.item, a.forker.target(a.plan.Fork, *one), a.dataRequest(data))
	if err != nil {
		return fmt.Errorf("copy its data: %w", err)
	}
	one.Data = asked
	a.forker.event(a.plan.Fork, key, "data", "done", fmt.Sprintf("%d copied", count))
	return a.point(ctx, "copied", key)
}

// dataRequest turns a rule's words into what a kind can carry out.
func (a *applying) dataRequest(data Data) descriptor.DataRequest {
	return descriptor.DataRequest{
		Mode: data.Mode, Limit: data.Limit,
		Masked: func(field string) bool { return data.Mask[field] != "" },
		Mask: func(field, value string) (string, bool) {
			switch data.Mask[field] {
			case "hash":
				return a.record.derive("mask\x00" + value)[:16], true
			case "null":
				return "", false
			case "fixed":
				return "masked", true
			default:
				return value, true
			}
		},
	}
}
