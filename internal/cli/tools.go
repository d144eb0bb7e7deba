package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// tools are what the commands on enclaves work with. Tests put others in their place.
type tools struct {
	backend func(backendFlag) (enclave.Backend, error)
	now     func() time.Time
}

func realTools() *tools {
	return &tools{backend: realBackend, now: time.Now}
}

func realBackend(f backendFlag) (enclave.Backend, error) {
	switch f.kind {
	case "docker":
		subnets, err := subnetPool(os.Getenv)
		if err != nil {
			return nil, err
		}
		return docker.New(docker.Options{Host: f.dockerHost, HostFrom: "--docker-host", Subnets: subnets}), nil
	case "kubernetes":
		options, err := kubernetes.Options{ImageRegistry: f.imageRegistry}.Default(os.Getenv)
		if err != nil {
			return nil, usage("--backend kubernetes: %w", err)
		}
		options.Builder = docker.NewImageBuilder(docker.Options{Host: f.dockerHost, HostFrom: "--docker-host"})
		return kubernetes.New(options), nil
	}
	return nil, usage("--backend: there is no backend %q: use docker or kubernetes", f.kind)
}

// subnetPool is where enclaves' networks get their subnets from, as the provider has it from the environment.
func subnetPool(getenv func(string) string) (docker.SubnetPool, error) {
	size := 0
	if text := getenv("SUNDOG_DOCKER_SUBNET_SIZE"); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil {
			return docker.SubnetPool{}, usage("SUNDOG_DOCKER_SUBNET_SIZE is %q: give the length of a prefix, for example 22", text)
		}
	}
	pool, err := docker.ParseSubnetPool(getenv("SUNDOG_DOCKER_SUBNET_POOL"), size)
	if err != nil {
		return pool, usage("SUNDOG_DOCKER_SUBNET_POOL or SUNDOG_DOCKER_SUBNET_SIZE: %w", err)
	}
	return pool, nil
}

// backendFlag says where enclaves are.
type backendFlag struct{ kind, dockerHost, imageRegistry string }

func (f *backendFlag) add(command *cobra.Command) {
	command.Flags().StringVar(&f.dockerHost, "docker-host", "", "address of the Docker Engine, for example ssh://me@server (default: DOCKER_HOST, or else the Docker CLI's current context)")
	command.Flags().StringVar(&f.kind, "backend", defaultBackend(), "backend that runs the enclave, docker or kubernetes; environment: SUNDOG_BACKEND")
	command.Flags().StringVar(&f.imageRegistry, "image-registry", "", "with --backend kubernetes: registry to which built images are pushed, for example registry.example.com/team; environment: SUNDOG_KUBERNETES_IMAGE_REGISTRY")
	completeValues(command, "backend", "docker", "kubernetes")
}

func defaultBackend() string {
	if kind := os.Getenv("SUNDOG_BACKEND"); kind != "" {
		return kind
	}
	return "docker"
}

// named gives the backend, and the name of an enclave that is given by its name or its id.
func (f *backendFlag) named(t *tools, enclaveName string) (enclave.Backend, string, error) {
	name := enclaveName
	if strings.Contains(enclaveName, "/") {
		kind, parsed, err := enclave.ParseID(enclaveName)
		if err != nil {
			return nil, "", &ExitError{Code: ExitUsage, Err: err}
		}
		if kind != f.kind {
			return nil, "", usage("the enclave %q is on the backend %q: add --backend %s", enclaveName, kind, kind)
		}
		name = parsed
	}
	if err := enclave.CheckName(name); err != nil {
		return nil, "", usage("the enclave's name: %w", err)
	}
	backend, err := t.backend(*f)
	return backend, name, err
}

// ownerFlag says in whose name something is made.
type ownerFlag struct{ owner string }

func (f *ownerFlag) add(command *cobra.Command) {
	owner := os.Getenv("SUNDOG_OWNER")
	if owner == "" {
		owner = personalOwner()
	}
	command.Flags().StringVar(&f.owner, "owner", owner, "owner of what is made; what another owner has made is left alone. Environment: SUNDOG_OWNER")
}

func (f *ownerFlag) get() (string, error) {
	if err := enclave.CheckOwner(f.owner); err != nil {
		return "", usage("--owner: %w", err)
	}
	return f.owner, nil
}

// personalOwner is the same for one person on one machine from day to day, and nobody else's: user.host. The provider
// takes it as an owner, too.
func personalOwner() string {
	name := os.Getenv("USER")
	if current, err := user.Current(); err == nil && current.Username != "" {
		name = current.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return ownerOf(name, host)
}

func ownerOf(name, host string) string {
	const most = 63
	owner := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, name+"."+host)
	owner = strings.Trim(owner, ".-_")
	if len(owner) > most {
		owner = owner[:most]
	}
	return strings.Trim(owner, ".-_")
}

// explained is an error of what a command did, with what can be done about it where the error does not say so itself.
func explained(err error) error {
	if err == nil || errors.As(err, new(*ExitError)) {
		return err
	}
	if advice := remedy(err); advice != "" {
		err = fmt.Errorf("%w\n\n%s", err, advice)
	}
	return failed(err)
}

func remedy(err error) string {
	var (
		unreachable *enclave.UnreachableError
		owned       *enclave.OwnedError
		locked      *enclave.LockedError
		image       *enclave.ImageError
		instruction *engine.Error
	)
	switch {
	case errors.As(err, &unreachable) && unreachable.Remedy != "":
		return unreachable.Remedy
	case errors.As(err, &unreachable):
		return "Start the engine (Linux: `sudo systemctl start docker`; else Docker Desktop, Colima or the like), or say where it listens: --docker-host, DOCKER_HOST, or `docker context use`."
	case errors.As(err, &owned) && owned.Run != "":
		return fmt.Sprintf("Give the service another name, or remove it from the run %q.", owned.Run)
	case errors.As(err, &owned):
		return fmt.Sprintf("Choose another name, or act as that owner if it is yours: --owner %s (or SUNDOG_OWNER).", owned.Owner)
	case errors.Is(err, context.Canceled):
		return "It was interrupted. What had been done is kept: the same command goes on from there."
	case errors.As(err, &locked):
		return "Wait until the other one has ended, or for longer: --lock-timeout. The lock of a process that is dead is taken over by itself."
	case errors.As(err, &image) && image.Action != "build":
		return fmt.Sprintf("Correct the image's name, or make it available on the engine: `docker pull %s`, or build it there.", image.Image)
	case errors.Is(err, enclave.ErrNotFound):
		return "`sundog enclave ls` shows the enclaves, `sundog enclave inspect` what is in one."
	case errors.As(err, &instruction):
		return "What had succeeded is kept: mend the cause and run the same command again, which goes on from there."
	}
	return ""
}
