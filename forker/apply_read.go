package forker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/rewrite"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
)

// readProduction reads the configuration of every planned resource, and compares its digest with the plan's.
func (a *applying) readProduction(ctx context.Context) {
	each(ctx, 2*a.forker.options.Parallelism, slices.Sorted(maps.Keys(a.plan.Resources)), func(key string) {
		if err := a.readOne(ctx, key); err != nil {
			a.fail(ctx, key, err)
		}
	})
	for _, key := range slices.Sorted(maps.Keys(a.plan.Resources)) {
		resource := a.plan.Resources[key].Resource
		if one, whole := a.reads[key]; whole {
			a.index.Add(key, one.region, one.kind.Hints, one.identifiers())
		} else if resource.ARN != "" {
			// What is skipped, or could not be read, must not be named in anything that is written.
			a.index.Add(key, resource.Region, nil, []descriptor.Identifier{{Form: descriptor.ARN, Value: resource.ARN}})
		}
	}
}

func (a *applying) readOne(ctx context.Context, key string) error {
	planned := a.plan.Resources[key]
	made := planned.Strategy != Skip && planned.Strategy != Share
	kind, known := a.forker.catalog.Kind(planned.Resource.Service, planned.Resource.Type)
	if !known {
		return nil
	}
	one, err := a.forker.readResource(ctx, key, kind, planned.Resource)
	if err != nil {
		switch {
		case !made:
			// Its further spellings would only have sharpened the residual check.
			a.forker.logger.Debug("cannot read a resource that nothing is made of", "key", key, "reason", descriptor.Reason(err))
			return nil
		case errors.Is(err, descriptor.ErrGone):
			return errors.New("production does not have it any more; plan again")
		default:
			return fmt.Errorf("read it in production: %w", err)
		}
	}
	config, sum, err := a.forker.digestItem(kind, one.item)
	if err != nil {
		return err
	}
	a.mutex.Lock()
	a.reads[key] = one
	a.fresh[key] = fresh{config: config, digest: sum}
	a.mutex.Unlock()
	if !made {
		return nil
	}
	a.findNotes(key, one.item.Notes)
	if planned.Resource.Digest != "" && sum != planned.Resource.Digest && !a.pinned(key) {
		return fmt.Errorf("%w since the inventory was read (then %s, now %s); plan again to see and follow the change",
			ErrChanged, shortDigest(planned.Resource.Digest), shortDigest(sum))
	}
	return nil
}

// ErrChanged tells that production's configuration is not the planned one.
var ErrChanged = errors.New("production has changed it")

func shortDigest(sum string) string {
	if len(sum) > 19 {
		return sum[:19]
	}
	return sum
}

// readResource reads one resource of production whole.
func (f *Forker) readResource(ctx context.Context, key string, kind descriptor.KindTraits, resource Resource) (read, error) {
	service, _ := f.catalog.Service(kind.Service)
	region := resource.Region
	if region == "" {
		region = f.options.Production.Regions[0]
	}
	readers, err := session.Read(ctx, f.production, region, func(config aws.Config) map[string]descriptor.KindReader {
		return service.Reader(config)
	})
	if err != nil {
		return read{}, err
	}
	item, err := readers[kind.Name].Read(ctx, f.scope(region), descriptor.Item{Kind: kind.Name, Name: resource.Name, ARN: resource.ARN})
	if err != nil {
		return read{}, err
	}
	return read{key: key, region: region, kind: kind, item: item}, nil
}

// Tags reads the tags of production's resources, by key as the forker builds them. It is for rules that match tags when
// the resources came without.
func (f *Forker) Tags(ctx context.Context, resources []Resource) (map[string]map[string]string, error) {
	if err := f.needProduction(); err != nil {
		return nil, err
	}
	type result struct {
		key  string
		tags map[string]string
		err  error
	}
	results := make(chan result, len(resources))
	each(ctx, f.options.Parallelism, resources, func(resource Resource) {
		kind, known := f.catalog.Kind(resource.Service, resource.Type)
		if !known {
			return
		}
		key := f.key(kind, resource.Name, resource.Region)
		one, err := f.readResource(ctx, key, kind, resource)
		results <- result{key: key, tags: one.item.Tags, err: err}
	})
	close(results)
	tags := map[string]map[string]string{}
	var failures []error
	for one := range results {
		if one.err != nil {
			failures = append(failures, fmt.Errorf("read the tags of %s: %w", one.key, one.err))
			continue
		}
		tags[one.key] = one.tags
	}
	return tags, errors.Join(append(failures, ctx.Err())...)
}

// pinned tells whether a resource stays as it was forked.
func (a *applying) pinned(key string) bool {
	rule := a.plan.rule(key)
	one, recorded := a.record.get(key)
	return rule != nil && rule.Pin && recorded && one.Phase == phaseReady
}

// knowCounterparts tells the rewriter about what the fork has already, what is shared, and the stand-ins to come, whose
// names and ports are known before they run.
func (a *applying) knowCounterparts(ctx context.Context) {
	for _, one := range a.record.all() {
		// A copy that the plan does not want any more is about to go: nothing may refer to it.
		if planned := a.plan.Resources[one.Key]; one.ARN != "" && (planned.Strategy == Clone || planned.Strategy == Stub) {
			a.know(one)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.plan.Resources)) {
		planned := a.plan.Resources[key]
		switch planned.Strategy {
		case Share:
			a.rewriter.Set(key, rewrite.Counterpart{Shared: true})
		case Skip:
			// Where nothing can ever be made, because the enclave takes its place, policies may still name it.
			if kind, known := a.forker.catalog.Kind(planned.Resource.Service, planned.Resource.Type); known && len(kind.Strategies) == 0 {
				a.rewriter.Set(key, a.placeholder(planned.Resource.ARN))
			}
		case Substitute:
			one, whole := a.reads[key]
			if !whole || one.kind.StandIn == nil {
				a.rewriter.Set(key, a.placeholder(planned.Resource.ARN))
				continue
			}
			request, standIn, err := a.forker.standInOf(one)
			if err != nil {
				a.fail(ctx, key, err)
				continue
			}
			user := request.User
			a.rewriter.Set(key, rewrite.Counterpart{
				Values: map[descriptor.Form]string{
					descriptor.ARN: a.forker.placeholderARN(planned.Resource.ARN), descriptor.Host: planned.Name, descriptor.ID: planned.Name,
				},
				Port: standIn.Port, User: user,
				Password: func(user string) string { return a.password(key, user) },
			})
		}
	}
}

// placeholder is the counterpart of what has no copy in the sandbox account: policies that name it name its like there,
// which does not exist.
func (a *applying) placeholder(sourceARN string) rewrite.Counterpart {
	return rewrite.Counterpart{Values: map[descriptor.Form]string{descriptor.ARN: a.forker.placeholderARN(sourceARN)}}
}

// placeholderARN moves an ARN of production into the sandbox account.
func (f *Forker) placeholderARN(sourceARN string) string {
	parsed, err := arn.Parse(sourceARN)
	if err != nil {
		return ""
	}
	parsed.AccountID = f.options.Sandbox.AccountID
	if parsed.Region != "" {
		parsed.Region = f.targetRegion(parsed.Region)
	}
	return parsed.String()
}

// know tells the rewriter about a copy.
func (a *applying) know(one entry) {
	values := maps.Clone(one.Values)
	if values == nil {
		values = map[descriptor.Form]string{}
	}
	values[descriptor.ARN] = one.ARN
	if values[descriptor.Name] == "" {
		values[descriptor.Name] = one.Name
	}
	a.rewriter.Set(one.Key, rewrite.Counterpart{Values: values})
}

// standInOf finds the stand-in for a resource.
func (f *Forker) standInOf(one read) (descriptor.StandInRequest, descriptor.StandIn, error) {
	request, err := one.kind.StandIn(one.item)
	if err != nil {
		return request, descriptor.StandIn{}, err
	}
	standIn, known := f.standIns[request.StandIn]
	if !known {
		return request, descriptor.StandIn{}, fmt.Errorf("there is no stand-in %q; use the strategy skip or share for it", request.StandIn)
	}
	return request, standIn, nil
}
