package session

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/forward"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/events"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// Session is a configured provider. It is safe for concurrent use and connects to nothing until asked.
type Session struct {
	settings Settings
	build    Builders
	logger   *slog.Logger
	backend  func() (enclave.Backend, error)
	owner    func() (string, error)
	key      func() (string, error)
	packages func() Packages
	views    views
	forwards forward.Set
}

// New makes a session. ctx gives the logger its place; its end does not matter.
func New(ctx context.Context, settings Settings, build Builders) *Session {
	s := &Session{settings: settings, build: build, logger: NewLogger(ctx, value.Secrets{})}
	s.backend = sync.OnceValues(func() (enclave.Backend, error) { return build.Backend(settings, s.logger) })
	s.owner = sync.OnceValues(func() (string, error) {
		if settings.Owner != "" {
			return settings.Owner, nil
		}
		return keptRandom(settings.DataDir, "owner", 10)
	})
	s.key = sync.OnceValues(func() (string, error) {
		if settings.DigestKey != "" {
			return settings.DigestKey, nil
		}
		return keptRandom(settings.DataDir, "digest-key", 32)
	})
	s.packages = sync.OnceValue(func() Packages { return build.Packages(settings, s.logger) })
	return s
}

// Settings gives a copy of the settings.
func (s *Session) Settings() Settings { return s.settings }

// Forwards are the ports that are forwarded at the moment.
func (s *Session) Forwards() *forward.Set { return &s.forwards }

// BackendName is the backend's kind, known without a connection; empty while it is unknown.
func (s *Session) BackendName() string {
	if s.unknown("backend") != nil {
		return ""
	}
	return s.settings.Backend
}

// unknown is an ErrUnknown that names the attributes if one of those given, or something inside it, is not known.
func (s *Session) unknown(names ...string) error {
	var found []string
	for _, name := range s.settings.Unknown {
		if slices.ContainsFunc(names, func(prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+".") }) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnknown, strings.Join(found, ", "))
}

// Backend gives the backend, which connects by itself when it is used.
func (s *Session) Backend() (enclave.Backend, error) {
	if err := s.unknown("backend", "docker", "kubernetes"); err != nil {
		return nil, err
	}
	return s.backend()
}

// Owner is the owner's id. Where none is configured a random one is made at the first call and kept in the CLI's data
// folder, so it is asked for only where something is about to be made.
func (s *Session) Owner() (string, error) {
	if err := s.unknown("owner"); err != nil {
		return "", err
	}
	return s.owner()
}

// Packages interprets packages; it needs no backend.
func (s *Session) Packages() Packages {
	if err := s.unknown("packages"); err != nil {
		return unknownPackages{err}
	}
	return s.packages()
}

// unknownPackages stand in while it is not known where packages come from.
type unknownPackages struct{ err error }

// Interpret implements Packages.
func (p unknownPackages) Interpret(context.Context, PackageRequest) (*plan.Plan, error) {
	return nil, p.err
}

// Parameters implements Packages.
func (p unknownPackages) Parameters(context.Context, PackageRequest) (*plan.Plan, error) {
	return nil, p.err
}

// Work is one call of a resource: its secrets are masked in everything that is logged, told or written meanwhile.
type Work struct {
	session *Session
	logger  *slog.Logger
	events  *events.Writer
	secrets value.Secrets
}

// Work starts a call.
func (s *Session) Work(ctx context.Context, secrets value.Secrets) *Work {
	return &Work{
		session: s, secrets: secrets, logger: NewLogger(ctx, secrets),
		events: events.NewWriter(s.settings.EventDir, secrets.Mask),
	}
}

// EventFile is where the progress of a run or fork is written.
func (w *Work) EventFile(group, name string) string { return w.events.Path(group, name) }

// Print notes what a package printed.
func (w *Work) Print(ctx context.Context, enclave, run string, messages []string) {
	for _, message := range messages {
		w.logger.InfoContext(ctx, "package printed", "enclave", enclave, "run", run, "message", message)
	}
}

func (w *Work) engineOptions() engine.Options {
	return engine.Options{Logger: w.logger, Events: func(event engine.Event) {
		w.events.Write(event.Enclave, event.Run, event)
	}}
}

// Engine gives an engine whose progress goes to the events file.
func (w *Work) Engine() (Engine, error) {
	backend, err := w.session.Backend()
	if err != nil {
		return nil, err
	}
	return w.session.build.Engine(backend, w.engineOptions()), nil
}

// Runner runs a fork's containers in an enclave.
func (w *Work) Runner(enclaveName string) (forker.Runner, error) {
	backend, err := w.session.Backend()
	if err != nil {
		return nil, err
	}
	owner, err := w.session.Owner()
	if err != nil {
		return nil, err
	}
	return w.session.build.Runner(backend, w.engineOptions(), enclaveName, owner), nil
}

// forkEvent writes a forker's progress in the form that an engine's has.
func (w *Work) forkEvent(event forker.Event) {
	w.events.Write("fork", event.Fork, struct {
		Time    time.Time `json:"time"`
		Fork    string    `json:"fork"`
		Step    string    `json:"step"`
		Object  string    `json:"object"`
		Status  string    `json:"status"`
		Message string    `json:"message,omitempty"`
	}{event.Time, event.Fork, event.Step, event.Key, event.Status, event.Message})
}

// Forker gives a forker. Need names the blocks of the provider configuration that must be there: "production",
// "sandbox" or both.
func (w *Work) Forker(need ...string) (Forker, error) {
	if err := w.session.unknown(append([]string{"owner", "digest_key"}, need...)...); err != nil {
		return nil, err
	}
	options := forker.Options{Logger: w.logger, Events: w.forkEvent}
	settings := w.session.settings
	for name, account := range map[string]*forker.Account{"production": settings.Production, "sandbox": settings.Sandbox} {
		if account == nil && slices.Contains(need, name) {
			return nil, &MissingBlockError{Block: name}
		}
	}
	if settings.Production != nil {
		options.Production = *settings.Production
	}
	if settings.Sandbox != nil {
		options.Sandbox = *settings.Sandbox
	}
	key, err := w.session.key()
	if err != nil {
		return nil, err
	}
	options.DigestKey = []byte(key)
	if slices.Contains(need, "sandbox") {
		if options.Owner, err = w.session.Owner(); err != nil {
			return nil, err
		}
	}
	return w.session.build.Forker(options)
}

// MissingBlockError tells that the provider block lacks what a resource needs.
type MissingBlockError struct{ Block string }

func (e *MissingBlockError) Error() string {
	return fmt.Sprintf("the provider block has no %q: add it with the account_id of that account", e.Block)
}

// EnclaveName is the name of an enclave, given by its id, which must be on this session's backend.
func (s *Session) EnclaveName(id string) (string, error) {
	kind, name, err := enclave.ParseID(id)
	if err != nil {
		return "", err
	}
	if configured := s.BackendName(); configured != "" && kind != configured {
		return "", fmt.Errorf("the enclave %q is on the backend %q, and this provider is configured for %q: use a provider block (alias) with backend = %q", id, kind, configured, kind)
	}
	return name, nil
}

// SandboxAccount is the number of the account that forks are written to; empty while it is unknown or not configured.
func (s *Session) SandboxAccount() string {
	if s.settings.Sandbox == nil {
		return ""
	}
	return s.settings.Sandbox.AccountID
}
