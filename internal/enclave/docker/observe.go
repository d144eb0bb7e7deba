package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// stateStopped is the folder of notes below folderState that holds, for each service that was stopped on purpose, the ID of its
// container. Docker itself cannot tell a stopped container from one that has ended.
const stateStopped = "stopped"

// loopback is where ports are published.
const loopback = "127.0.0.1"

// publishedPort is a port as it stands in a container's label, so that one list call tells everything of a service.
type publishedPort struct {
	plan.Port
	HostPort int `json:",omitempty"`
	// Pinned tells that the package asked for this very host port.
	Pinned bool `json:",omitempty"`
}

// Observe implements enclave.Enclaves by three calls that run side by side: containers, networks, and
// notes.
func (b *Backend) Observe(ctx context.Context, name string) (*enclave.Snapshot, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	var containers []container.Summary
	var state *enclaveState
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		containers, err = conn.containersOf(groupContext, ofEnclave(name))
		return err
	})
	group.Go(func() (err error) {
		state, err = conn.observeState(groupContext, name)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("observe enclave %q: %w", name, err)
	}
	snapshot := &enclave.Snapshot{Enclave: state.enclave, Services: map[string]enclave.Service{}}
	for _, item := range containers {
		if !isService(item) {
			continue
		}
		service, err := serviceFromSummary(conn, item, state.stopped)
		if err != nil {
			return nil, fmt.Errorf("observe enclave %q: %w", name, err)
		}
		if containerName(item) == serviceName(name, service.Name) {
			snapshot.Services[service.Name] = *service
		} else {
			snapshot.Extra = append(snapshot.Extra, *service)
		}
	}
	return snapshot, nil
}

func isService(item container.Summary) bool {
	role := item.Labels[enclave.LabelRole]
	return role == roleService || role == roleTask
}

func serviceFromSummary(conn *connection, item container.Summary, stopped map[string]string) (*enclave.Service, error) {
	service, err := serviceFromLabels(conn, item.ID, item.Labels)
	if err != nil {
		return nil, err
	}
	service.ImageID = item.ImageID
	service.CreatedAt = time.Unix(item.Created, 0).UTC()
	service.State = stateOf(item.State, stopped[service.Name] == item.ID)
	if service.State == enclave.StateExited {
		service.ExitCode = exitCodeOf(item.Status)
	}
	return service, nil
}

// serviceFromLabels gives what does not change as long as a container lives.
func serviceFromLabels(conn *connection, id string, labels map[string]string) (*enclave.Service, error) {
	service := &enclave.Service{
		Name: labels[enclave.LabelService], Run: labels[enclave.LabelRun], Owner: labels[enclave.LabelOwner], Digest: labels[enclave.LabelDigest],
		ID: id, Image: labels[labelImage], Hostname: labels[enclave.LabelService], IPAddress: labels[labelAddress],
		Ports: map[string]enclave.PublishedPort{}, Task: labels[enclave.LabelRole] == roleTask,
	}
	ports, err := portsOf(labels)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", service.Name, err)
	}
	for id, port := range ports {
		published := enclave.PublishedPort{Port: port.Port}
		if port.HostPort != 0 {
			published.Host, published.HostPort = conn.endpoint.hostname(), port.HostPort
		}
		service.Ports[id] = published
	}
	if text := labels[labelAliases]; text != "" {
		if err := json.Unmarshal([]byte(text), &service.Aliases); err != nil {
			return nil, fmt.Errorf("service %q: label %s: %w", service.Name, labelAliases, err)
		}
	}
	return service, nil
}

func portsOf(labels map[string]string) (map[string]publishedPort, error) {
	ports := map[string]publishedPort{}
	if text := labels[labelPorts]; text != "" {
		if err := json.Unmarshal([]byte(text), &ports); err != nil {
			return nil, fmt.Errorf("label %s: %w", labelPorts, err)
		}
	}
	return ports, nil
}

// stateOf translates Docker's vocabulary.
func stateOf(state container.ContainerState, stopped bool) enclave.State {
	switch state {
	case container.StateCreated:
		return enclave.StateCreated
	case container.StateRunning:
		return enclave.StateRunning
	case container.StateRestarting:
		return enclave.StateStarting
	case container.StatePaused:
		return enclave.StateStopped
	case container.StateRemoving, container.StateDead:
		return enclave.StateRemoving
	case container.StateExited:
	}
	if stopped {
		return enclave.StateStopped
	}
	return enclave.StateExited
}

var exitStatus = regexp.MustCompile(`^Exited \((-?\d+)\)`)

// exitCodeOf reads the code out of the text of a list call, for example "Exited (1) 3 minutes ago".
func exitCodeOf(status string) int {
	match := exitStatus.FindStringSubmatch(status)
	if match == nil {
		return 0
	}
	code, err := strconv.Atoi(match[1])
	if err != nil {
		return 0
	}
	return code
}

// Service implements enclave.Services.
func (b *Backend) Service(ctx context.Context, name, service string) (*enclave.Service, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	for {
		inspected, err := conn.inspectService(ctx, name, service)
		if err != nil {
			return nil, err
		}
		found, err := conn.serviceFromInspect(ctx, name, inspected)
		if err != nil || !undecided(found, inspected) {
			return found, err
		}
		timer := time.NewTimer(verdictPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// The engine hears of a process's end and of memory running out in two ways, and on a busy machine of the end first.
const (
	killedCode   = 128 + 9
	verdictTime  = 5 * time.Second
	verdictPause = 100 * time.Millisecond
)

// undecided tells whether a service with a bound on its memory was killed just now, not by us, and the engine may not know
// yet whether that was why.
func undecided(service *enclave.Service, inspected container.InspectResponse) bool {
	return service.State == enclave.StateExited && service.ExitCode == killedCode && !service.OutOfMemory &&
		inspected.HostConfig != nil && inspected.HostConfig.Memory > 0 && time.Since(parseTime(inspected.State.FinishedAt)) < verdictTime
}

// inspectService inspects a service's container by its name.
func (c *connection) inspectService(ctx context.Context, name, service string) (container.InspectResponse, error) {
	inspected, err := c.ContainerInspect(ctx, serviceName(name, service), client.ContainerInspectOptions{})
	if err != nil {
		return container.InspectResponse{}, fmt.Errorf("service %q in enclave %q: %w", service, name, c.translate(err))
	}
	if inspected.Container.Config == nil || inspected.Container.State == nil {
		return container.InspectResponse{}, fmt.Errorf("service %q in enclave %q: the engine tells nothing about its container", service, name)
	}
	return inspected.Container, nil
}

func (c *connection) serviceFromInspect(ctx context.Context, name string, inspected container.InspectResponse) (*enclave.Service, error) {
	service, err := serviceFromLabels(c, inspected.ID, inspected.Config.Labels)
	if err != nil {
		return nil, err
	}
	service.ImageID = inspected.Image
	service.CreatedAt = parseTime(inspected.Created)
	service.StartedAt, service.EndedAt = parseTime(inspected.State.StartedAt), parseTime(inspected.State.FinishedAt)
	stopped := false
	if inspected.State.Status == container.StateExited {
		files, err := c.readNotes(ctx, name, folderState+"/"+stateStopped)
		if err != nil {
			return nil, err
		}
		stopped = string(files[service.Name]) == inspected.ID
		service.ExitCode = inspected.State.ExitCode
		service.OutOfMemory = inspected.State.OOMKilled
	}
	service.State = stateOf(inspected.State.Status, stopped)
	return service, nil
}

// parseTime reads the engine's times; the engine's own zero time and what cannot be read become Go's zero time.
func parseTime(text string) time.Time {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || strings.HasPrefix(text, "0001-") {
		return time.Time{}
	}
	return parsed.UTC()
}
