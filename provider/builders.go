package provider

import (
	"context"
	"log/slog"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/internal/standins"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

// realBuilders make the real engines.
func realBuilders() session.Builders {
	return session.Builders{
		Backend: func(settings session.Settings, logger *slog.Logger) (enclave.Backend, error) {
			if settings.Backend == "kubernetes" {
				options := settings.Kubernetes
				options.Logger = logger
				options.Builder = docker.NewImageBuilder(docker.Options{Host: settings.DockerHost, Logger: logger})
				return kubernetes.New(options), nil
			}
			subnets, err := docker.ParseSubnetPool(settings.SubnetPool, int(settings.SubnetSize))
			if err != nil {
				return nil, err
			}
			return docker.New(docker.Options{Host: settings.DockerHost, Logger: logger, Subnets: subnets}), nil
		},
		Engine: func(backend enclave.Backend, options engine.Options) session.Engine {
			return engine.New(backend, options)
		},
		Runner: func(backend enclave.Backend, options engine.Options, name, owner string) forker.Runner {
			return standins.NewRunner(engine.New(backend, options), name, owner)
		},
		Forker: func(options forker.Options) (session.Forker, error) { return forker.New(options) },
		Packages: func(settings session.Settings, logger *slog.Logger) session.Packages {
			from := settings.Packages
			return starlarkPackages{settings: from, resolver: locator.New(locator.Options{
				VendorDir: from.VendorDir, LockFile: from.LockFile, CacheDir: from.CacheDir, Locked: from.Locked, Offline: from.Offline, Logger: logger,
			})}
		},
	}
}

// starlarkPackages interprets packages by the language room.
type starlarkPackages struct {
	settings session.PackageSettings
	resolver *locator.Resolver
}

// Interpret implements session.Packages.
func (p starlarkPackages) Interpret(ctx context.Context, request session.PackageRequest) (*plan.Plan, error) {
	opened, err := p.resolver.Open(ctx, request.Package, request.BaseDir)
	if err != nil {
		return nil, err
	}
	return language.Interpret(ctx, opened, language.Request{
		Args: request.Args, MainFile: request.MainFile, MainFunction: request.MainFunction, Backend: request.Backend,
		SharedEnclave: request.SharedEnclave, Existing: request.Existing, AllowPrivileged: p.settings.AllowPrivileged, Limits: p.settings.Limits,
	})
}

// Parameters implements session.Packages.
func (p starlarkPackages) Parameters(ctx context.Context, request session.PackageRequest) (*plan.Plan, error) {
	opened, err := p.resolver.Open(ctx, request.Package, request.BaseDir)
	if err != nil {
		return nil, err
	}
	parameters, err := language.Parameters(ctx, opened, request.MainFile, request.MainFunction)
	if err != nil {
		return nil, err
	}
	return &plan.Plan{PackageName: opened.Name, Description: opened.Description, Parameters: parameters}, nil
}
