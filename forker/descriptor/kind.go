package descriptor

import (
	"context"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Service describes one AWS service. R is the narrow interface with which it reads production: every method must be an
// operation of the table. W is what it does in the sandbox account.
type Service[R, W any] struct {
	// Name begins the keys, for example "sqs".
	Name string
	// ID is the SDK's service id, for example "SQS".
	ID string
	// SigningName is the service's name in a request's signature; empty when it is Name.
	SigningName string
	// REST tells that operations cannot be read off a request's body or headers: the second guard then allows GET and
	// HEAD alone.
	REST bool
	// Global services are listed once, in the first region.
	Global bool
	// Operations is the table of reads.
	Operations []Operation
	Reader     func(aws.Config) R
	Writer     func(aws.Config) W
	Kinds      []Kind[R, W]
}

// Traits of a kind that need no client.
type Traits struct {
	// Name is the middle part of the keys, for example "queue".
	Name string
	// Layer orders creation; deletion goes the other way. See the constants.
	Layer int
	// WireLayer orders the second pass where it differs, for example for notifications, whose receivers must permit them
	// first. Zero: the same as Layer.
	WireLayer int
	// Naming says what copies may be called.
	Naming Naming
	// Default strategy, and a sentence that gives the reason for it.
	Default       Strategy
	DefaultReason string
	// Strategies that fit besides share and skip, which always do.
	Strategies []Strategy
	// DataModes that fit a clone or a substitute, besides none.
	DataModes []string
	// Hints are words in the names of fields and variables that speak of this kind, in lower case.
	Hints []string
	// Secret lists the paths of Config whose values may be secrets: dots between the steps, "*" for any step. Digests
	// hold keyed hashes of them, and no message shows them.
	Secret []string
	// Immutable lists top-level fields of Config that cannot be changed on a copy: when one moves, the copy is replaced.
	Immutable []string
	// AccountlessARN tells that ARNs of this kind hold no account id, so that Find itself must prove the copy's owner
	// account (ErrForeignAccount).
	AccountlessARN bool
}

// Layers of creation.
const (
	LayerKeys      = 1
	LayerNetwork   = 2
	LayerIdentity  = 3
	LayerLeaf      = 4
	LayerMessaging = 5
	LayerData      = 6
	LayerValues    = 7
	LayerCompute   = 8
	LayerWiring    = 9
)

// Kind describes one kind of resource of a service. Functions that a kind has no use for are nil.
type Kind[R, W any] struct {
	Traits
	// List streams the kind's resources of a scope, page by page. An item without Config is completed by Read, many at a
	// time. An error ends the listing.
	List func(ctx context.Context, client R, scope Scope) iter.Seq2[Item, error]
	// Read reads one resource whole, by the name and ARN of the given item. ErrGone: it is no more.
	Read func(ctx context.Context, client R, scope Scope, item Item) (Item, error)

	// Find looks for the copy of the given name in the sandbox. ErrGone: there is none.
	Find func(ctx context.Context, client W, target Target) (Live, error)
	// Create makes a shell: with its tags, in one call, and without any reference to another resource. Find was asked
	// before. Target.Config holds only what is safe to write.
	Create func(ctx context.Context, client W, target Target) (Made, error)
	// Wire brings an existing copy to Target.Config, references and policies included, whether it is new or production
	// has changed. It must be idempotent.
	Wire func(ctx context.Context, client W, target Target) error
	// Delete deletes the copy. Its tags and account were proved before. ErrGone is success.
	Delete func(ctx context.Context, client W, target Target) error

	// Values reads values that only data reads give, as further top-level fields of Config. It is asked during apply
	// only, when the rule's data mode is full.
	Values func(ctx context.Context, client R, scope Scope, item Item) (map[string]any, error)
	// Fake gives the same fields with values that are made up; generate derives one from the fork's own key, stable for
	// each label. It is asked where Values is not allowed.
	Fake func(item Item, generate func(label string) string) (map[string]any, []Note)
	// Value reads one value of a copy for a container; selector is what followed the identifier in the reference, for
	// example a field of a secret.
	Value func(ctx context.Context, client W, target Target, selector string) (string, error)

	// Export streams production's data, at most request.Limit records; Import writes them into the copy.
	Export func(ctx context.Context, client R, scope Scope, item Item, request DataRequest) iter.Seq2[any, error]
	Import func(ctx context.Context, client W, target Target, records iter.Seq2[any, error]) (count int, err error)

	// Tasks converts the resource into containers: itself as containers of the enclave (Substitute).
	Tasks func(item Item) ([]Task, []Note, error)
	// StandIn says which stand-in takes the resource's place (Substitute).
	StandIn func(item Item) (StandInRequest, error)
}

// DataRequest says how much data to copy.
type DataRequest struct {
	Mode  string // sample or full
	Limit int    // records at most; zero is the kind's own default for sample, and no limit for full
	// Mask changes the values of fields that the rule masks: it returns the value to write and whether to write one.
	Mask func(field, value string) (masked string, keep bool)
	// Masked tells whether a rule masks a field.
	Masked func(field string) bool
}

// Target says what to work on in the sandbox account.
type Target struct {
	Key string
	// Name, ARN and Values of the copy; ARN and Values are empty before it is made.
	Name   string
	ARN    string
	Values map[Form]string
	// SourceName is production's name of the resource.
	SourceName string
	AccountID  string
	Region     string
	Partition  string
	Fork       string
	// Tags to put on everything that is made.
	Tags map[string]string
	// Config is the configuration to write: every reference points into the fork.
	Config any
}

// BuildARN builds an ARN in the target's account and region.
func (t Target) BuildARN(service, resource string) string {
	return Scope{AccountID: t.AccountID, Region: t.Region, Partition: t.Partition}.ARN(service, resource)
}

// Made is a copy as it was made or found.
type Made struct {
	ARN string
	// Values are the copy's identifiers by form; the ARN and the name are added by themselves.
	Values map[Form]string
}

// Live is a copy as it is now.
type Live struct {
	Made
	Tags map[string]string
	// Status is "ready", or what is wrong or awaited, in words.
	Status string
}
