// Package forker makes forks of a production AWS account: it reads the account's inventory, strictly read-only, and
// clones what it finds into a sandbox account or has stand-ins for it run in an enclave. It is usable as a library.
//
// It refuses to write to production, to touch an account other than those named, to leave a reference to production in
// anything it writes, and to delete what it did not make.
package forker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// ErrNotFound tells that a fork is not there, as opposed to "could not ask".
var ErrNotFound = errors.New("not found")

// Account says how to reach one side: production, which is only ever read, or the sandbox, which forks are written to.
type Account struct {
	// AccountID is required: every call is refused if the credentials belong elsewhere.
	AccountID string
	// Regions to read; of the sandbox, the first is the one to write to by default.
	Regions           []string
	Profile           string
	AccessKey         string
	SecretKey         string
	Token             string
	SharedConfigFiles []string
	AssumeRole        *AssumeRole
	// EndpointURL replaces the services' own endpoints (emulators).
	EndpointURL string
	// EnclaveEndpointURL is the same endpoint as containers see it. Derived from EndpointURL where that is a loopback
	// address.
	EnclaveEndpointURL string
}

// AssumeRole names a role that is assumed with the account's base credentials.
type AssumeRole struct {
	RoleARN     string
	ExternalID  string
	SessionName string
}

// Options of a forker. Connections are made lazily.
type Options struct {
	Production Account
	Sandbox    Account
	// Owner may adopt what it finds without state.
	Owner string
	// DigestKey keys the hashes of configuration values that may be secret.
	DigestKey []byte
	Logger    *slog.Logger
	// Events receives progress; it must not block.
	Events func(Event)
	// Parallelism bounds how many calls run at the same time in each account; 0 means 8.
	Parallelism int
	// Catalog limits the services to work with, for tests; nil means every registered one.
	Catalog *descriptor.Catalog
}

// Event is one step of progress.
type Event struct {
	Time    time.Time
	Fork    string
	Key     string // resource key
	Step    string // "read", "create", "wait", "data", "delete", ...
	Status  string // "started", "done" or "failed"
	Message string
}

// Selection says what of production an inventory holds. Globs match keys; * also matches "/".
type Selection struct {
	Include []string // empty: all that is supported
	Exclude []string
	Tags    map[string]string // all must match
}

// Inventory is what a production account holds: digests and references, not configurations.
type Inventory struct {
	AccountID string
	Resources map[string]Resource // by key
	// Uncovered names what was not read, with the reason: denied calls, unsupported kinds.
	Uncovered []Uncovered
}

// Uncovered is a gap in an inventory.
type Uncovered struct {
	Subject string // service, kind or key, with the region
	Reason  string
}

// Resource is one resource of production.
type Resource struct {
	Service string // for example "sqs"
	Type    string // for example "queue"
	Name    string
	ARN     string
	Region  string
	// Digest of the normalised configuration, values that may be secret as keyed hashes.
	Digest string
	Tags   map[string]string
	// References are the keys of resources that the configuration refers to, sorted.
	References []string
}

// Strategy says what a fork does with a resource.
type Strategy = descriptor.Strategy

// The strategies.
const (
	Clone      = descriptor.Clone      // a new resource in the sandbox account
	Substitute = descriptor.Substitute // a stand-in, or the service's own container, in the enclave
	Share      = descriptor.Share      // production's own, read
	Stub       = descriptor.Stub       // the same shape with a fake value
	Skip       = descriptor.Skip       // nothing, with a reason
)

// Rule chooses a strategy for the resources that it matches; the first match wins.
type Rule struct {
	// Match is a glob over keys; * also matches "/". Empty matches everything (with MatchTags).
	Match     string
	MatchTags map[string]string
	// Strategy is empty to keep the default.
	Strategy Strategy
	Data     *Data
	Seed     *Seed
	// Image of a stand-in, where the default is not to be had.
	Image string
	// OnError is "fail" (default) or "skip": leave the resource out with a finding.
	OnError string
	// Pin keeps the resource as it was forked, whatever production does.
	Pin bool
}

// Data says how much data a clone or a stand-in gets.
type Data struct {
	Mode  string            // none, schema, sample or full
	Limit int               // items or objects for sample
	Mask  map[string]string // field name -> hash, null or fixed
}

// Seed fills a stand-in.
type Seed struct {
	// SQL is the text of a script, read by the caller from its file.
	SQL string
	// Source is the file's name, for messages.
	Source string
}

// PlanRequest asks what a fork would be.
type PlanRequest struct {
	Fork string
	// Resources as the inventory gave them; tags may be missing when no rule matches tags.
	Resources map[string]Resource
	Rules     []Rule
}

// Plan says for every resource what the fork makes of it. It is a pure function of its request.
type Plan struct {
	Fork      string
	Resources map[string]Planned
	// Warnings, for example a rule that matches nothing or that earlier rules cover.
	Warnings []string
	// rules are those that chose; resources without one have the defaults.
	rules map[string]*Rule
}

// Planned is what a fork will make of one resource.
type Planned struct {
	Resource Resource
	Strategy Strategy
	// Reason is a sentence that a person can read.
	Reason string
	// Name that the copy gets; empty where nothing is made.
	Name string
}

// Result is a fork as it is after an apply or an observation.
type Result struct {
	Fork      string
	AccountID string // the sandbox's
	// Status is "complete" or "partial".
	Status string
	// Fidelity is between 0 and 1: how much of the inventory the fork stands for.
	Fidelity  float64
	Findings  []Finding
	Resources map[string]State
}

// State is what became of one resource.
type State struct {
	Strategy  Strategy
	Reason    string
	SourceARN string
	// Digest of production's configuration that the copy was made from.
	Digest string
	ARN    string
	Name   string
	URL    string // where users and other configurations reach it; empty where it has none
	// Status is "ready" for cloud resources, "running" for containers, "shared", "skipped", or what is wrong in words.
	Status string
}

// Finding is something that a user of the fork should know about a resource.
type Finding struct {
	Key      string
	Severity string // "info", "warning" or "error"
	// Kind is for example "not-copied", "hazard", "denied", "changed".
	Kind    string
	Message string
}

// Runner runs a fork's containers in an enclave. The forker only says what they should be.
type Runner interface {
	// Apply brings the fork's containers to exactly the given ones, in order: one is started only after those before
	// it are ready and their steps are done. Unchanged containers are kept. Reached maps names to how users reach them.
	Apply(ctx context.Context, fork string, containers []Container) (reached map[string]ContainerState, err error)
	// Observe tells about the fork's containers; none is not an error.
	Observe(ctx context.Context, fork string) (map[string]ContainerState, error)
	// Remove removes them all; none is success.
	Remove(ctx context.Context, fork string) error
}

// Container is a stand-in or one of production's own services as a container.
type Container = descriptor.Container

// ContainerPort is one port of a container.
type ContainerPort = descriptor.ContainerPort

// ContainerStep is one command inside a container.
type ContainerStep = descriptor.ContainerStep

// ContainerState is a container as it is.
type ContainerState struct {
	// Status in words: "running", "exited (1)", "missing".
	Status   string
	Hostname string
	// Addresses maps a port's id to host:port as users reach it.
	Addresses map[string]string
	// URLs maps a port's id to a URL as users reach it, where the application protocol is known.
	URLs map[string]string
}
