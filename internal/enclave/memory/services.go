package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func (s *service) copy() *enclave.Service {
	result := s.Service
	result.Ports, result.Aliases = maps.Clone(result.Ports), slices.Clone(result.Aliases)
	return &result
}

// findService gives a service; the mutex is held.
func (b *Backend) findService(name, service string) (*service, error) {
	found, err := b.find(name)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", service, err)
	}
	if found.services[service] == nil {
		return nil, fmt.Errorf("service %q in enclave %q: %w", service, name, enclave.ErrNotFound)
	}
	return found.services[service], nil
}

// CreateService implements enclave.Services.
func (b *Backend) CreateService(ctx context.Context, name string, request enclave.ServiceRequest) (*enclave.Service, error) {
	spec := request.Spec
	found, done, err := b.enter(ctx, "CreateService", name, spec.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	before := found.services[spec.Name]
	if before != nil && before.Run != request.Run {
		return nil, &enclave.OwnedError{Kind: "service", Name: spec.Name, Run: before.Run, CreatedAt: before.CreatedAt}
	}
	if err := checkMounts(found, request); err != nil {
		return nil, fmt.Errorf("create service %q in enclave %q: %w", spec.Name, name, err)
	}
	ports, err := b.publish(found, request)
	if err != nil {
		return nil, fmt.Errorf("create service %q in enclave %q: %w", spec.Name, name, err)
	}
	b.counter++
	created := &service{request: request, Service: enclave.Service{
		Name: spec.Name, Run: request.Run, Owner: request.Owner, Digest: request.Digest, ID: fmt.Sprintf("container-%d", b.counter),
		Image: spec.Image.Name, ImageID: request.Image.ID, State: enclave.StateCreated, Hostname: spec.Name, Ports: ports,
		Aliases: slices.Clone(spec.Aliases), CreatedAt: time.Now().UTC(), Task: request.Task,
	}}
	if before != nil {
		created.IPAddress = before.IPAddress
	} else {
		created.IPAddress = fmt.Sprintf("10.%d.%d.%d", b.counter>>16&255, b.counter>>8&255, b.counter&255)
	}
	found.services[spec.Name] = created
	return created.copy(), nil
}

func checkMounts(found *state, request enclave.ServiceRequest) error {
	for path, mount := range request.Spec.Files {
		for _, artifact := range mount.Mounted() {
			if _, stored := found.artifacts[request.Artifacts[artifact]]; !stored {
				return fmt.Errorf("files at %s: artifact %q: %w", path, artifact, enclave.ErrNotFound)
			}
		}
	}
	return nil
}

// publish gives ports their host ports, the same ones whenever a service comes back; the mutex is held.
func (b *Backend) publish(found *state, request enclave.ServiceRequest) (map[string]enclave.PublishedPort, error) {
	spec := request.Spec
	for id := range spec.PublicPorts {
		if _, declared := spec.Ports[id]; !declared {
			return nil, fmt.Errorf("public_ports names port %q, which is not among the service's ports (%s)", id, strings.Join(slices.Sorted(maps.Keys(spec.Ports)), ", "))
		}
	}
	ports := map[string]enclave.PublishedPort{}
	for id, port := range spec.Ports {
		published := enclave.PublishedPort{Port: port}
		pinned, isPinned := spec.PublicPorts[id]
		switch key := fmt.Sprintf("%s %d %s", spec.Name, port.Number, port.Transport); {
		case isPinned:
			published.HostPort = pinned.Number
		case port.Transport == "UDP" && !spec.PublishUDP, port.Transport == "SCTP":
			ports[id] = published
			continue
		default:
			if found.reserved[key] == 0 {
				b.counter++
				found.reserved[key] = 20000 + b.counter
			}
			published.HostPort = found.reserved[key]
		}
		published.Host = "127.0.0.1"
		ports[id] = published
	}
	return ports, nil
}

// StartService implements enclave.Services.
func (b *Backend) StartService(ctx context.Context, name, service string) (*enclave.Service, error) {
	if err := b.begin(ctx, "StartService", name, service); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	found, err := b.findService(name, service)
	if err != nil {
		b.mutex.Unlock()
		return nil, err
	}
	request := found.request
	b.mutex.Unlock()
	outcome := Outcome{}
	if b.hooks.Start != nil {
		outcome = b.hooks.Start(name, request)
	}
	if outcome.Err != nil {
		return nil, fmt.Errorf("start service %q in enclave %q: %w", service, name, outcome.Err)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found.State, found.StartedAt, found.ExitCode, found.OutOfMemory = enclave.StateRunning, time.Now().UTC(), 0, false
	if outcome.Exited {
		found.State, found.ExitCode, found.OutOfMemory = enclave.StateExited, outcome.Code, outcome.OutOfMemory
	}
	return found.copy(), nil
}

// StopService implements enclave.Services.
func (b *Backend) StopService(ctx context.Context, name, service string) error {
	if err := b.begin(ctx, "StopService", name, service); err != nil {
		return err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found, err := b.findService(name, service)
	if err != nil {
		return err
	}
	if found.State != enclave.StateCreated {
		found.State, found.ExitCode = enclave.StateStopped, 0
	}
	return nil
}

// RemoveService implements enclave.Services.
func (b *Backend) RemoveService(ctx context.Context, name, service string) error {
	if err := b.begin(ctx, "RemoveService", name, service); err != nil {
		return err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[name]; found != nil {
		delete(found.services, service)
	}
	return nil
}

// Service implements enclave.Services.
func (b *Backend) Service(ctx context.Context, name, service string) (*enclave.Service, error) {
	if err := b.begin(ctx, "Service", name, service); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found, err := b.findService(name, service)
	if err != nil {
		return nil, err
	}
	return found.copy(), nil
}

// running fails unless a service runs.
func (b *Backend) running(name, service string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found, err := b.findService(name, service)
	if err != nil {
		return err
	}
	if found.State == enclave.StateRunning {
		return nil
	}
	return fmt.Errorf("service %q in enclave %q: %w", service, name, found.NotRunning())
}

// Exec implements enclave.Services.
func (b *Backend) Exec(ctx context.Context, name, service string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
	if err := b.begin(ctx, "Exec", name, service); err != nil {
		return nil, err
	}
	if err := b.running(name, service); err != nil {
		return nil, err
	}
	if len(request.Command) == 0 {
		return nil, fmt.Errorf("service %q in enclave %q: the command has no words", service, name)
	}
	if b.hooks.Exec == nil {
		return &enclave.ExecResult{}, nil
	}
	result, err := b.hooks.Exec(ctx, name, service, request)
	output := request.Output
	if request.Stdout != nil || request.Stderr != nil {
		// What the hook gives as the result's output is the command's stdout. It may write more to either stream itself.
		output = request.Stdout
		if output == nil {
			output = io.Discard
		}
	}
	if err != nil || output == nil {
		return result, err
	}
	if _, err := io.WriteString(output, result.Output); err != nil {
		return nil, err
	}
	return &enclave.ExecResult{Code: result.Code}, nil
}

// CopyFrom implements enclave.Services.
func (b *Backend) CopyFrom(ctx context.Context, name, service, path string) (io.ReadCloser, error) {
	if err := b.begin(ctx, "CopyFrom", name, service); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	_, err := b.findService(name, service)
	b.mutex.Unlock()
	if err != nil {
		return nil, err
	}
	if b.hooks.CopyFrom == nil {
		return nil, fmt.Errorf("copy %s from service %q: there is no such path in the service: %w", path, service, enclave.ErrNotFound)
	}
	return b.hooks.CopyFrom(name, service, path)
}

// Logs implements enclave.Services. Tail counts; Follow does not, as nothing is ever added. Every line is as old as the
// service's last start.
func (b *Backend) Logs(ctx context.Context, name, service string, options enclave.LogOptions) (io.ReadCloser, error) {
	if err := b.begin(ctx, "Logs", name, service); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	found, err := b.findService(name, service)
	var started time.Time
	if err == nil {
		started = found.StartedAt
	}
	b.mutex.Unlock()
	if err != nil {
		return nil, err
	}
	text := ""
	if b.hooks.Logs != nil && !started.Before(options.Since) {
		text = b.hooks.Logs(name, service)
	}
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	if options.Tail > 0 {
		lines = lines[max(0, len(lines)-options.Tail):]
	}
	if options.Timestamps {
		for i := range lines {
			lines[i] = started.Format(time.RFC3339Nano) + " " + lines[i]
		}
	}
	text = strings.Join(lines, "")
	return io.NopCloser(strings.NewReader(text)), nil
}

// Dial implements enclave.Services.
func (b *Backend) Dial(ctx context.Context, name, service, transport string, port int) (net.Conn, error) {
	if err := b.begin(ctx, "Dial", name, service); err != nil {
		return nil, err
	}
	if err := b.running(name, service); err != nil {
		return nil, err
	}
	if transport := strings.ToLower(transport); transport != "tcp" && transport != "udp" {
		return nil, errors.New("transport " + transport + " cannot be dialled: it is tcp or udp")
	}
	if b.hooks.Dial != nil {
		return b.hooks.Dial(ctx, name, service, transport, port)
	}
	near, far := net.Pipe()
	go func() {
		_, _ = io.Copy(far, far) // It ends when the other end is closed.
		_ = far.Close()
	}()
	return near, nil
}
