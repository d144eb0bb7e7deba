package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/moby/api/types/build"
	"google.golang.org/grpc"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
)

// errNoSession tells that an engine does not take sessions, and so has no BuildKit.
var errNoSession = errors.New("the engine takes no build session")

// buildWithBuildKit builds by the BuildKit that is part of the engine. It fetches what it needs through a session that
// it opens to us: files of the context and credentials of registries. The image ends in the engine's own store.
func (c *connection) buildWithBuildKit(ctx context.Context, job *buildJob) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var unreadable atomic.Pointer[error]
	err := c.buildInSession(ctx, job, func(err error) {
		unreadable.CompareAndSwap(nil, &err)
		cancel(err)
	})
	// Without the file there is no telling what was built, if anything was.
	if cause := unreadable.Load(); cause != nil {
		return *cause
	}
	return err
}

// buildInSession opens the session and builds. A file of the context that cannot be read is told to fail.
func (c *connection) buildInSession(ctx context.Context, job *buildJob, fail func(error)) error {
	// The key says which contexts may be taken for earlier versions of each other. BuildKit tells versions apart by size
	// and time alone, and the files of a file tree have no times, so only equal contexts may.
	opened, err := session.NewSession(ctx, job.digest)
	if err != nil {
		return fmt.Errorf("open a build session: %w", err)
	}
	opened.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{
		"context": newBuildFiles(job.visible.Files, fail),
		// Of this BuildKit fetches the build file alone, which may be ignored, and what a link in its place leads to.
		"dockerfile": newBuildFiles(job.spec.Context.Files, fail),
	}))
	opened.Allow(registryCredentials{logins: job.logins})
	connected := make(chan error, 1)
	go func() {
		err := opened.Run(ctx, func(ctx context.Context, protocol string, meta map[string][]string) (net.Conn, error) {
			dialled, err := c.DialHijack(ctx, "/session", protocol, meta)
			connected <- err
			return dialled, err
		})
		if err != nil {
			// The dialler has told the same before, unless it was never called.
			select {
			case connected <- err:
			default:
			}
		}
	}()
	defer opened.Close() //nolint:errcheck // It always succeeds.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-connected:
		if err != nil {
			return c.sessionError(err)
		}
	}
	options := job.options()
	options.Version, options.SessionID, options.RemoteContext = build.BuilderBuildKit, opened.ID(), "client-session"
	result, err := c.ImageBuild(ctx, nil, options)
	if err != nil {
		return c.translate(err)
	}
	defer result.Body.Close() //nolint:errcheck // It is read to its end.
	return readTrace(result.Body, enclave.Progress(ctx))
}

// sessionError keeps an engine that knows no sessions apart from one that cannot be reached.
func (c *connection) sessionError(err error) error {
	for _, status := range []string{"received 400", "received 404", "received 405", "received 501"} {
		if strings.Contains(err.Error(), status) {
			return fmt.Errorf("%w: %w", errNoSession, err)
		}
	}
	return fmt.Errorf("open a build session: %w", c.translate(err))
}

// registryCredentials gives BuildKit the user's credentials for the registries that a build pulls from.
type registryCredentials struct {
	auth.UnimplementedAuthServer
	logins registry.Logins
}

// Register implements session.Attachable.
func (r registryCredentials) Register(server *grpc.Server) { auth.RegisterAuthServer(server, r) }

// Credentials implements auth.AuthServer. A registry without credentials is asked without any.
func (r registryCredentials) Credentials(_ context.Context, request *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	address := request.Host
	if address == "registry-1.docker.io" {
		address = registry.HubIndex
	}
	found, err := r.logins.Of(address)
	if err != nil {
		return nil, err
	}
	if found.IdentityToken != "" {
		// An identity token goes without a name.
		return &auth.CredentialsResponse{Secret: found.IdentityToken}, nil
	}
	return &auth.CredentialsResponse{Username: found.Username, Secret: found.Password}, nil
}
