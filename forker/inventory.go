package forker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/rewrite"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
)

// read is one resource of production as it was read.
type read struct {
	key    string
	region string
	kind   descriptor.KindTraits
	item   descriptor.Item
}

// identifiers of the resource. Its own come first: they may say more about its ARN.
func (r read) identifiers() []descriptor.Identifier {
	return append(slices.Clone(r.item.Identifiers), descriptor.Identifier{Form: descriptor.ARN, Value: r.item.ARN})
}

// Inventory reads what production holds, strictly read-only. What may not be read is named in Uncovered; any other
// failure is an error, because an inventory that is silently short makes a wrong fork.
func (f *Forker) Inventory(ctx context.Context, selection Selection) (*Inventory, error) {
	include, err := compileGlobs("include", selection.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := compileGlobs("exclude", selection.Exclude)
	if err != nil {
		return nil, err
	}
	if err := f.needProduction(); err != nil {
		return nil, err
	}
	if err := f.production.Check(ctx); err != nil {
		return nil, err
	}
	gather := &gathering{forker: f, selected: func(key string) bool {
		matches := func(g glob) bool { return g.matches(key) }
		return (len(include) == 0 || slices.ContainsFunc(include, matches)) && !slices.ContainsFunc(exclude, matches)
	}, tags: selection.Tags, include: selection.Include}
	if err := gather.run(ctx); err != nil {
		return nil, err
	}
	return f.inventoryOf(gather.found, gather.uncovered)
}

// inventoryOf digests what was read and finds who refers to whom.
func (f *Forker) inventoryOf(found []read, uncovered []Uncovered) (*Inventory, error) {
	inventory := &Inventory{
		AccountID: f.options.Production.AccountID, Resources: make(map[string]Resource, len(found)), Uncovered: uncovered,
	}
	index := rewrite.NewIndex()
	slices.SortFunc(found, func(a, b read) int { return strings.Compare(a.key, b.key) })
	for _, resource := range found {
		index.Add(resource.key, resource.region, resource.kind.Hints, resource.identifiers())
	}
	for _, resource := range found {
		_, sum, err := f.digestItem(resource.kind, resource.item)
		if err != nil {
			return nil, fmt.Errorf("digest %s: %w", resource.key, err)
		}
		if _, twice := inventory.Resources[resource.key]; twice {
			return nil, fmt.Errorf("two resources have the key %q, which is a mistake of Sundog's descriptor", resource.key)
		}
		inventory.Resources[resource.key] = Resource{
			Service: resource.kind.Service, Type: resource.kind.Name, Name: resource.item.Name, ARN: resource.item.ARN,
			Region: resource.region, Digest: sum, Tags: resource.item.Tags,
			References: index.References(resource.item.Config, rewrite.Origin{Key: resource.key, Region: resource.region}),
		}
	}
	slices.SortFunc(inventory.Uncovered, func(a, b Uncovered) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.Reason, b.Reason))
	})
	return inventory, nil
}

// gathering reads all services in all regions at the same time.
type gathering struct {
	forker   *Forker
	selected func(key string) bool
	include  []string
	tags     map[string]string

	mutex     sync.Mutex
	found     []read
	uncovered []Uncovered
	failures  []error
}

type place struct {
	service descriptor.Descriptor
	region  string
}

func (g *gathering) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var places []place
	for _, service := range g.forker.catalog.Services() {
		if !mayMatch(g.include, service.Name) {
			continue
		}
		for index, region := range g.forker.options.Production.Regions {
			if index == 0 || !service.Global {
				places = append(places, place{service: service, region: region})
			}
		}
	}
	each(ctx, len(places), places, func(p place) {
		if err := g.place(ctx, p); err != nil {
			g.fail(err)
			cancel()
		}
	})
	if err := errors.Join(withoutCancellations(g.failures)...); err != nil {
		return err
	}
	return ctx.Err()
}

// withoutCancellations leaves out what failed only because something else did.
func withoutCancellations(failures []error) []error {
	causes := slices.DeleteFunc(slices.Clone(failures), func(err error) bool { return errors.Is(err, context.Canceled) })
	if len(causes) == 0 {
		return failures
	}
	return causes
}

// mayMatch tells whether any glob could match keys of a service, so that the others are not even asked.
func mayMatch(include []string, service string) bool {
	return len(include) == 0 || slices.ContainsFunc(include, func(pattern string) bool {
		literal := pattern[:strings.IndexAny(pattern+"*", `*?[\`)]
		prefix := service + "/"
		return strings.HasPrefix(prefix, literal) || strings.HasPrefix(literal, prefix)
	})
}

func (g *gathering) place(ctx context.Context, p place) error {
	readers, err := session.Read(ctx, g.forker.production, p.region, func(config aws.Config) map[string]descriptor.KindReader {
		return p.service.Reader(config)
	})
	if err != nil {
		return err
	}
	for _, kind := range p.service.Kinds {
		if !mayMatch(g.include, p.service.Name+"/"+kind.Name) {
			continue
		}
		if err := g.kind(ctx, p, kind, readers[kind.Name]); err != nil {
			return err
		}
	}
	return nil
}

// kind streams one kind of one region; resources are read whole while further pages are listed.
func (g *gathering) kind(ctx context.Context, p place, kind descriptor.KindTraits, reader descriptor.KindReader) error {
	scope := g.forker.scope(p.region)
	subject := p.service.Name + "/" + kind.Name
	if !kind.Global {
		subject += "@" + p.region
	}
	items := make(chan descriptor.Item)
	var readers sync.WaitGroup
	for range g.forker.options.Parallelism {
		readers.Go(func() {
			for item := range items {
				if err := g.item(ctx, p, kind, reader, scope, item); err != nil {
					g.fail(err)
				}
			}
		})
	}
	var failure error
	for item, err := range reader.List(ctx, scope) {
		if err != nil {
			if descriptor.IsDenied(err) {
				g.uncover(subject, err)
			} else {
				failure = fmt.Errorf("list %s: %w", subject, err)
			}
			break
		}
		if g.selected(g.forker.key(kind, item.Name, p.region)) {
			items <- item
		}
	}
	close(items)
	readers.Wait()
	return failure
}

func (g *gathering) item(ctx context.Context, p place, kind descriptor.KindTraits, reader descriptor.KindReader,
	scope descriptor.Scope, item descriptor.Item,
) error {
	key := g.forker.key(kind, item.Name, p.region)
	if item.Config == nil {
		whole, err := reader.Read(ctx, scope, item)
		switch {
		case errors.Is(err, descriptor.ErrGone):
			return nil
		case descriptor.IsDenied(err):
			g.uncover(key, err)
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", key, err)
		}
		item = whole
	}
	for name, value := range g.tags {
		if got, tagged := item.Tags[name]; !tagged || got != value {
			return nil
		}
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.found = append(g.found, read{key: key, region: p.region, kind: kind, item: item})
	return nil
}

func (g *gathering) fail(err error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.failures = append(g.failures, err)
}

func (g *gathering) uncover(subject string, err error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.uncovered = append(g.uncovered, Uncovered{Subject: subject, Reason: descriptor.Reason(err)})
}
