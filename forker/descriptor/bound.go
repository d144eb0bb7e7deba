package descriptor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Descriptor is a Service whose client types are hidden: what the forker works with.
type Descriptor struct {
	Name        string
	ID          string
	SigningName string
	REST        bool
	Global      bool
	Operations  []Operation
	// Kinds in the order of the service's own list.
	Kinds []KindTraits
	// Reader and Writer bind the service's functions to a client.
	Reader func(aws.Config) map[string]KindReader
	Writer func(aws.Config) map[string]KindWriter
	// Copier copies data from production into the sandbox.
	Copier func(production, sandbox aws.Config) map[string]KindCopier
	// readMethods are the methods of the read interface, for the check at registration.
	readMethods []string
	readNarrow  bool
}

// KindTraits are a kind's traits with its functions that need no client.
type KindTraits struct {
	Traits
	Service string
	// Global kinds are read in the first region only and never carry a region in their key.
	Global  bool
	Fake    func(item Item, generate func(label string) string) (map[string]any, []Note)
	Tasks   func(item Item) ([]Task, []Note, error)
	StandIn func(item Item) (StandInRequest, error)
	// HasValues tells that the kind has values that only data reads give.
	HasValues bool
}

// KindReader reads one kind of production's resources.
type KindReader struct {
	List   func(ctx context.Context, scope Scope) iter.Seq2[Item, error]
	Read   func(ctx context.Context, scope Scope, item Item) (Item, error)
	Values func(ctx context.Context, scope Scope, item Item) (map[string]any, error)
}

// KindWriter works on one kind of the sandbox's resources.
type KindWriter struct {
	Find   func(ctx context.Context, target Target) (Live, error)
	Create func(ctx context.Context, target Target) (Made, error)
	Wire   func(ctx context.Context, target Target) error
	Delete func(ctx context.Context, target Target) error
	Value  func(ctx context.Context, target Target, selector string) (string, error)
}

// KindCopier copies the data of one kind.
type KindCopier struct {
	Copy func(ctx context.Context, scope Scope, item Item, target Target, request DataRequest) (count int, err error)
}

// Bind hides the client types of a service.
func Bind[R, W any](service Service[R, W]) Descriptor {
	descriptor := Descriptor{
		Name: service.Name, ID: service.ID, SigningName: service.SigningName, REST: service.REST, Global: service.Global,
		Operations: service.Operations,
	}
	if descriptor.SigningName == "" {
		descriptor.SigningName = service.Name
	}
	reads := reflect.TypeFor[R]()
	descriptor.readNarrow = reads.Kind() == reflect.Interface
	if descriptor.readNarrow {
		for method := range reads.Methods() {
			descriptor.readMethods = append(descriptor.readMethods, method.Name)
		}
	}
	for _, kind := range service.Kinds {
		descriptor.Kinds = append(descriptor.Kinds, KindTraits{
			Traits: kind.Traits, Service: service.Name, Global: service.Global,
			Fake: kind.Fake, Tasks: kind.Tasks, StandIn: kind.StandIn, HasValues: kind.Values != nil,
		})
	}
	descriptor.Reader = func(config aws.Config) map[string]KindReader {
		client := service.Reader(config)
		bound := make(map[string]KindReader, len(service.Kinds))
		for _, kind := range service.Kinds {
			bound[kind.Name] = bindReader(kind, client)
		}
		return bound
	}
	descriptor.Writer = func(config aws.Config) map[string]KindWriter {
		client := service.Writer(config)
		bound := make(map[string]KindWriter, len(service.Kinds))
		for _, kind := range service.Kinds {
			bound[kind.Name] = bindWriter(kind, client)
		}
		return bound
	}
	descriptor.Copier = func(production, sandbox aws.Config) map[string]KindCopier {
		reader, writer := service.Reader(production), service.Writer(sandbox)
		bound := make(map[string]KindCopier, len(service.Kinds))
		for _, kind := range service.Kinds {
			if kind.Export == nil || kind.Import == nil {
				continue
			}
			bound[kind.Name] = KindCopier{
				Copy: func(ctx context.Context, scope Scope, item Item, target Target, request DataRequest) (int, error) {
					return kind.Import(ctx, writer, target, kind.Export(ctx, reader, scope, item, request))
				},
			}
		}
		return bound
	}
	return descriptor
}

func bindReader[R, W any](kind Kind[R, W], client R) KindReader {
	bound := KindReader{
		List: func(ctx context.Context, scope Scope) iter.Seq2[Item, error] { return kind.List(ctx, client, scope) },
		Read: func(ctx context.Context, scope Scope, item Item) (Item, error) {
			return kind.Read(ctx, client, scope, item)
		},
	}
	if kind.Values != nil {
		bound.Values = func(ctx context.Context, scope Scope, item Item) (map[string]any, error) {
			return kind.Values(ctx, client, scope, item)
		}
	}
	return bound
}

func bindWriter[R, W any](kind Kind[R, W], client W) KindWriter {
	var bound KindWriter
	if kind.Find != nil {
		bound.Find = func(ctx context.Context, target Target) (Live, error) { return kind.Find(ctx, client, target) }
	}
	if kind.Create != nil {
		bound.Create = func(ctx context.Context, target Target) (Made, error) { return kind.Create(ctx, client, target) }
	}
	if kind.Wire != nil {
		bound.Wire = func(ctx context.Context, target Target) error { return kind.Wire(ctx, client, target) }
	}
	if kind.Delete != nil {
		bound.Delete = func(ctx context.Context, target Target) error { return kind.Delete(ctx, client, target) }
	}
	if kind.Value != nil {
		bound.Value = func(ctx context.Context, target Target, selector string) (string, error) {
			return kind.Value(ctx, client, target, selector)
		}
	}
	return bound
}

// Check finds the mistakes of a descriptor's author.
func (d Descriptor) Check() error {
	var problems []error
	problem := func(format string, values ...any) {
		problems = append(problems, fmt.Errorf("service %q: "+format, append([]any{d.Name}, values...)...))
	}
	if d.Name == "" || d.ID == "" || len(d.Kinds) == 0 {
		problem("a name, the SDK's service id and a kind are required")
	}
	if !d.readNarrow {
		problem("the reader is no interface, so it could write to production")
	}
	for _, method := range d.readMethods {
		if !slices.ContainsFunc(d.Operations, func(o Operation) bool { return o.Name == method }) {
			problem("the read interface has the method %s, which is not in the table of reads", method)
		}
	}
	for _, operation := range d.Operations {
		if operation.Class != Meta && operation.Class != Data || len(operation.Actions) == 0 {
			problem("operation %s lacks a class or its IAM actions", operation.Name)
		}
	}
	seen := map[string]bool{}
	for _, kind := range d.Kinds {
		if seen[kind.Name] {
			problem("kind %q is there twice", kind.Name)
		}
		seen[kind.Name] = true
		if kind.Default == "" || kind.DefaultReason == "" {
			problem("kind %q lacks its default strategy or the reason", kind.Name)
		}
		if !kind.Fits(kind.Default) {
			problem("kind %q: the default strategy %s is not among those that fit", kind.Name, kind.Default)
		}
		if kind.Fits(Substitute) && kind.Tasks == nil && kind.StandIn == nil {
			problem("kind %q: substitute fits, but neither tasks nor a stand-in are given", kind.Name)
		}
	}
	return errors.Join(problems...)
}

// Fits tells whether a strategy can be used for the kind.
func (t Traits) Fits(strategy Strategy) bool {
	return strategy == Skip || strategy == Share || slices.Contains(t.Strategies, strategy)
}
