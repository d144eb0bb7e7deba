// Package session holds what the provider block configures: one immutable Session, shared by all resources and data
// sources of a provider process. It refuses to connect to anything before something asks for it.
package session

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// ErrUnknown tells that the provider's configuration is not known yet, because it comes from something that this very
// apply makes.
var ErrUnknown = errors.New("the provider's configuration is not known until apply")

// Settings is the provider block with environment variables and defaults filled in.
type Settings struct {
	// Backend is "docker" or "kubernetes".
	Backend    string
	DockerHost string // empty: the Docker CLI's own choice
	Kubernetes kubernetes.Options
	// SubnetPool and SubnetSize say where enclaves' networks get their subnets from; empty and 0: the engine's own pools.
	SubnetPool string
	SubnetSize int64
	Owner      string // empty: a random one, kept in DataDir
	DigestKey  string // empty: a random one, kept in DataDir
	EventDir   string
	// DataDir is the CLI's data folder, .terraform or TF_DATA_DIR; WorkDir is what relative folders start from.
	DataDir  string
	WorkDir  string
	Packages PackageSettings
	// Production and Sandbox are nil where the provider block does not have them.
	Production *forker.Account
	Sandbox    *forker.Account
	// Unknown names the attributes of the provider block whose values are not known yet.
	Unknown []string
}

// PackageSettings say where packages come from and what they may do. Relative folders start from the working folder.
type PackageSettings struct {
	VendorDir, LockFile, CacheDir string
	Locked, Offline               bool
	// AllowPrivileged lets services have power over the machine they run on.
	AllowPrivileged bool
	// Limits of one interpretation; zero means the default.
	Limits language.Limits
}

// Engine carries plans out; *engine.Engine is the real one.
type Engine interface {
	Apply(ctx context.Context, request engine.Request) (*engine.Result, error)
	View(ctx context.Context, enclave, run string) (*engine.View, error)
	ViewNewerImages(ctx context.Context, enclave, run string) (*engine.View, error)
	Remove(ctx context.Context, enclave, run string) error
}

// Forker makes forks; *forker.Forker is the real one.
type Forker interface {
	Inventory(ctx context.Context, selection forker.Selection) (*forker.Inventory, error)
	Tags(ctx context.Context, resources []forker.Resource) (map[string]map[string]string, error)
	Apply(ctx context.Context, plan *forker.Plan, runner forker.Runner) (*forker.Result, error)
	Observe(ctx context.Context, fork string, runner forker.Runner) (*forker.Result, error)
	Destroy(ctx context.Context, fork string, runner forker.Runner) error
}

// PackageRequest asks to interpret a package.
type PackageRequest struct {
	// Package is a folder or a locator; folders are relative to BaseDir.
	Package      string
	BaseDir      string
	Args         map[string]any
	MainFile     string
	MainFunction string
	Backend      string
	// SharedEnclave tells that the package runs beside others, whose services and files artifacts it may use.
	SharedEnclave bool
	// Existing are services of others whose ports are known.
	Existing map[string]map[string]plan.Port
}

// Packages opens and interprets packages.
type Packages interface {
	Interpret(ctx context.Context, request PackageRequest) (*plan.Plan, error)
	// Parameters tells about a package without running its function: its plan has only name, description and parameters.
	Parameters(ctx context.Context, request PackageRequest) (*plan.Plan, error)
}

// Builders make the engines' parts. Tests put fakes in their place.
type Builders struct {
	Backend  func(settings Settings, logger *slog.Logger) (enclave.Backend, error)
	Engine   func(backend enclave.Backend, options engine.Options) Engine
	Runner   func(backend enclave.Backend, options engine.Options, enclave, owner string) forker.Runner
	Forker   func(options forker.Options) (Forker, error)
	Packages func(settings Settings, logger *slog.Logger) Packages
}
