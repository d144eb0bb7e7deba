package forker

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/rewrite"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
	"github.com/sundog-dev/terraform-provider-sundog/forker/services"
	"github.com/sundog-dev/terraform-provider-sundog/forker/standin"
)

// ErrSameAccount tells that production and the sandbox are one account.
var ErrSameAccount = errors.New("production and the sandbox are the same account")

// Forker makes forks. It is safe for concurrent use.
type Forker struct {
	options    Options
	catalog    *descriptor.Catalog
	standIns   map[string]descriptor.StandIn
	logger     *slog.Logger
	production *session.Production
	sandbox    *session.Sandbox
}

// catalogOnce gathers the registered descriptors when they are first needed: a provider is started many times in one run
// of the CLI, and mostly does not fork.
var catalogOnce = sync.OnceValues(func() (*descriptor.Catalog, error) { return descriptor.NewCatalog(services.All()...) })

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// New makes a forker. It checks the options and makes no connection. An account without an id is one that is not
// configured: what needs it says so.
func New(options Options) (*Forker, error) {
	catalog := options.Catalog
	if catalog == nil {
		var err error
		if catalog, err = catalogOnce(); err != nil {
			return nil, fmt.Errorf("the descriptors are wrong, which is a mistake of Sundog: %w", err)
		}
	}
	if options.Parallelism <= 0 {
		options.Parallelism = 8
	}
	if options.Events == nil {
		options.Events = func(Event) {}
	}
	forker := &Forker{options: options, catalog: catalog, logger: options.Logger, standIns: map[string]descriptor.StandIn{}}
	if forker.logger == nil {
		forker.logger = slog.New(slog.DiscardHandler)
	}
	for _, standIn := range standin.All() {
		forker.standIns[standIn.Name] = standIn
	}
	if options.Production.AccountID != "" {
		if err := checkAccount("production", options.Production); err != nil {
			return nil, err
		}
		forker.production = session.NewProduction(access(options.Production), session.NewTable(catalog.Services()))
	}
	if options.Sandbox.AccountID != "" {
		if err := checkAccount("sandbox", options.Sandbox); err != nil {
			return nil, err
		}
		forker.sandbox = session.NewSandbox(access(options.Sandbox))
	}
	if options.Sandbox.AccountID != "" && options.Sandbox.AccountID == options.Production.AccountID {
		return nil, fmt.Errorf("%w: production.account_id and sandbox.account_id are both %q; a fork needs an account of its own",
			ErrSameAccount, options.Production.AccountID)
	}
	return forker, nil
}

func checkAccount(side string, account Account) error {
	if !accountPattern.MatchString(account.AccountID) {
		return fmt.Errorf("%s.account_id is %q; it has to be an account's 12 digits", side, account.AccountID)
	}
	if len(account.Regions) == 0 || slices.Contains(account.Regions, "") {
		return fmt.Errorf("%s has no region; name at least one", side)
	}
	return nil
}

func access(account Account) session.Access {
	result := session.Access{
		AccountID: account.AccountID, Region: account.Regions[0], Profile: account.Profile,
		AccessKey: account.AccessKey, SecretKey: account.SecretKey, Token: account.Token,
		SharedConfigFiles: account.SharedConfigFiles, EndpointURL: strings.TrimRight(account.EndpointURL, "/"),
	}
	if account.AssumeRole != nil {
		result.RoleARN = account.AssumeRole.RoleARN
		result.ExternalID = account.AssumeRole.ExternalID
		result.SessionName = account.AssumeRole.SessionName
	}
	return result
}

// needProduction tells how to configure production where it is missing.
func (f *Forker) needProduction() error {
	if f.production == nil {
		return errors.New("production is not configured; set production.account_id and production.regions")
	}
	return nil
}

// needSandbox tells how to configure the sandbox where it is missing.
func (f *Forker) needSandbox() error {
	if f.sandbox == nil {
		return errors.New("the sandbox is not configured; set sandbox.account_id and sandbox.region")
	}
	return nil
}

// scope is where production is read, in one region.
func (f *Forker) scope(region string) descriptor.Scope {
	production := f.options.Production
	return descriptor.Scope{
		AccountID: production.AccountID, Region: region, Partition: descriptor.PartitionOf(region),
		Bases: descriptor.EndpointSpellings(production.EndpointURL, production.EnclaveEndpointURL),
	}
}

// enclaveEndpoint is the sandbox's endpoint as containers see it; empty for real AWS.
func (f *Forker) enclaveEndpoint() string {
	if endpoint := f.options.Sandbox.EnclaveEndpointURL; endpoint != "" {
		return strings.TrimRight(endpoint, "/")
	}
	return descriptor.EnclaveEndpoint(f.options.Sandbox.EndpointURL)
}

// accounts tells the rewriter about both sides.
func (f *Forker) accounts() rewrite.Accounts {
	production, sandbox := f.options.Production, f.options.Sandbox
	accounts := rewrite.Accounts{
		Production: production.AccountID, Sandbox: sandbox.AccountID, Regions: map[string]string{},
		Bases:    descriptor.EndpointSpellings(production.EndpointURL, production.EnclaveEndpointURL),
		Endpoint: f.enclaveEndpoint(),
	}
	if accounts.Endpoint != "" {
		accounts.SandboxBases = descriptor.EndpointSpellings(sandbox.EndpointURL, accounts.Endpoint)
	}
	for _, region := range production.Regions {
		if target := f.targetRegion(region); target != region {
			accounts.Regions[region] = target
		}
	}
	return accounts
}

// targetRegion tells where in the sandbox the copies of a region's resources are made: the regions that are listed for
// both sides correspond in order, and every other region corresponds to itself, or to a region that is left where that
// one is taken. Two regions of production never share one of the sandbox, because names may be alike in both.
func (f *Forker) targetRegion(region string) string {
	production, sandbox := f.options.Production.Regions, f.options.Sandbox.Regions
	taken := map[string]bool{}
	targets := map[string]string{}
	for index, source := range production {
		if index < len(sandbox) {
			targets[source] = sandbox[index]
			taken[sandbox[index]] = true
		}
	}
	for _, source := range production {
		if targets[source] != "" {
			continue
		}
		target := source
		for _, candidate := range append([]string{source}, production...) {
			if !taken[candidate] {
				target = candidate
				break
			}
		}
		targets[source] = target
		taken[target] = true
	}
	if target := targets[region]; target != "" {
		return target
	}
	return region
}

// homeRegion of the sandbox holds the records.
func (f *Forker) homeRegion() string { return f.options.Sandbox.Regions[0] }

// key of a resource: "service/type/name", "@region" behind it outside the first region.
func (f *Forker) key(kind descriptor.KindTraits, name, region string) string {
	key := kind.Service + "/" + kind.Name + "/" + name
	if !kind.Global && region != f.options.Production.Regions[0] {
		key += "@" + region
	}
	return key
}

// event reports progress.
func (f *Forker) event(fork, key, step, status, message string) {
	f.options.Events(Event{Time: time.Now(), Fork: fork, Key: key, Step: step, Status: status, Message: message})
}
