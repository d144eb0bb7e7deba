package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// stopSeconds is how long a process may take to end when it is asked to.
const stopSeconds = 10

// startAttempts bounds how many host ports are tried for a service.
const startAttempts = 20

// StartService implements enclave.Services. Whether a host port is free only the engine can tell, and it does so when
// the container is started: then the container is made again with the next candidate.
func (b *Backend) StartService(ctx context.Context, name, service string) (*enclave.Service, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	started, err := b.startService(ctx, conn, name, service)
	if err != nil {
		return nil, fmt.Errorf("start service %q in enclave %q: %w", service, name, err)
	}
	return started, nil
}

func (b *Backend) startService(ctx context.Context, conn *connection, name, service string) (*enclave.Service, error) {
	taken := map[hostPort]bool{}
	for range startAttempts {
		inspected, err := conn.inspectService(ctx, name, service)
		if err != nil {
			return nil, err
		}
		ranBefore := !parseTime(inspected.State.StartedAt).IsZero()
		if ranBefore {
			err = conn.writeNotes(ctx, name, note{path: stoppedNote(service)})
		} else {
			err = b.noteUse(ctx, conn, name, inspected.Config.Labels)
		}
		if err != nil {
			return nil, err
		}
		_, err = conn.ContainerStart(ctx, inspected.ID, client.ContainerStartOptions{})
		if err == nil {
			return b.Service(ctx, name, service)
		}
		if err := b.mendStart(ctx, conn, name, inspected, ranBefore, taken, err); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%d host ports in a row were taken by others", startAttempts)
}

// mendStart makes the container anew if the engine's reason for not starting it can be mended so; else it gives that
// reason back.
func (b *Backend) mendStart(ctx context.Context, conn *connection, name string, inspected container.InspectResponse, ranBefore bool, taken map[hostPort]bool, reason error) error {
	if missesInit(reason) && inspected.HostConfig.Init != nil && *inspected.HostConfig.Init {
		b.logger.Warn("the engine has no docker-init: services run without an init process; install it (Debian: package tini or docker-init)", "error", reason)
		b.withoutInit.Store(true)
		inspected.HostConfig.Init = nil
		return b.remake(ctx, conn, name, inspected)
	}
	if lostTask(reason) && !ranBefore {
		b.logger.Warn("the engine was killed while it started a service, and has lost the process: the container is made again", "error", reason)
		return b.remake(ctx, conn, name, inspected)
	}
	if number := takenPort(reason); number != 0 {
		return b.mendPort(ctx, conn, name, inspected, ranBefore, taken, number, conn.translate(reason))
	}
	return conn.translate(reason)
}

// mendPort gives a container another host port in place of one that is taken, where nobody knows that one yet.
func (b *Backend) mendPort(ctx context.Context, conn *connection, name string, inspected container.InspectResponse, ranBefore bool, taken map[hostPort]bool, number int, reason error) error {
	ports, err := portsOf(inspected.Config.Labels)
	if err != nil {
		return err
	}
	for id, port := range ports {
		if port.HostPort != number {
			continue
		}
		if port.Pinned {
			return fmt.Errorf("%w: port %d on %s, which public_ports asks for port %q, is held by %s; stop that one or choose another number (%w)", errPinnedPort, number, loopback, id, conn.portHolder(ctx, port.Transport, number), reason)
		}
		if ranBefore {
			return fmt.Errorf("host port %d on %s, which port %q of the service had before it was stopped, is held by %s; stop that one, or remove the service so that the next apply makes it again with another port (%w)", number, loopback, id, conn.portHolder(ctx, port.Transport, number), reason)
		}
		return b.movePort(ctx, conn, name, inspected, ports, id, taken)
	}
	return reason
}

// movePort gives one port of a service that has never run the next host port.
func (b *Backend) movePort(ctx context.Context, conn *connection, name string, inspected container.InspectResponse, ports map[string]publishedPort, id string, taken map[hostPort]bool) error {
	service := inspected.Config.Labels[enclave.LabelService]
	port := ports[id]
	b.logger.Warn("a host port is taken, so the service gets another one", "service", service, "port", id, "host_port", port.HostPort, "holder", conn.portHolder(ctx, port.Transport, port.HostPort))
	taken[hostPort{port.Transport, port.HostPort}] = true
	containers, err := conn.containersOf(ctx, ofSundog())
	if err != nil {
		return err
	}
	used := reservationsBut(containers, name, service).ports
	for key := range taken {
		used[key] = true
	}
	for _, other := range ports {
		used[hostPort{other.Transport, other.HostPort}] = true
	}
	if port.HostPort, err = chooseHostPort(name, service, port.Port, used); err != nil {
		return err
	}
	ports[id] = port
	label, err := json.Marshal(ports)
	if err != nil {
		return err
	}
	inspected.Config.Labels[labelPorts] = string(label)
	if inspected.HostConfig.PortBindings, _, err = portBindings(ports); err != nil {
		return err
	}
	if err := b.remake(ctx, conn, name, inspected); err != nil {
		return err
	}
	state, err := conn.observeState(ctx, name)
	if err != nil {
		return err
	}
	return conn.keepPlace(ctx, state, service, inspected.Config.Labels[enclave.LabelRole] == roleTask, placeOf(inspected.Config.Labels[labelAddress], ports))
}

// remake makes a container that has never run again, out of what the engine tells of it. Its volumes stay; files that
// were put into its root file system are copied.
func (b *Backend) remake(ctx context.Context, conn *connection, name string, inspected container.InspectResponse) error {
	service := inspected.Config.Labels[enclave.LabelService]
	known, err := serviceFromLabels(conn, inspected.ID, inspected.Config.Labels)
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(known.IPAddress)
	if err != nil {
		return fmt.Errorf("label %s: %w", labelAddress, err)
	}
	created, err := conn.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: pendingName(name, service), Config: inspected.Config, HostConfig: inspected.HostConfig,
		NetworkingConfig: networkingOf(name, service, known.Aliases, address),
	})
	if err != nil {
		return fmt.Errorf("make the container again: %w", conn.translate(err))
	}
	err = conn.copyMoved(ctx, inspected, created.ID)
	if err == nil {
		err = conn.removeContainer(ctx, inspected.ID)
	}
	if err == nil {
		err = conn.rename(ctx, created.ID, serviceName(name, service))
	}
	if err != nil {
		detached, cancel := detach(ctx)
		defer cancel()
		return errors.Join(fmt.Errorf("make the container again: %w", err), conn.removeContainer(detached, created.ID))
	}
	return nil
}

// copyMoved copies the files that stand in the root file system of one container to another.
func (c *connection) copyMoved(ctx context.Context, from container.InspectResponse, to string) error {
	text := from.Config.Labels[labelMoves]
	if text == "" {
		return nil
	}
	var paths []string
	if err := json.Unmarshal([]byte(text), &paths); err != nil {
		return fmt.Errorf("label %s: %w", labelMoves, err)
	}
	for _, file := range paths {
		if err := c.copyBetween(ctx, from.ID, file, to, file); err != nil {
			return fmt.Errorf("copy %s: %w", path.Clean(file), err)
		}
	}
	return nil
}

// The engine's ways of saying that a host port is taken: by a container of its own, and by another process.
var takenPortTexts = []*regexp.Regexp{
	regexp.MustCompile(`Bind for \S*?:(\d+) failed: port is already allocated`),
	regexp.MustCompile(`listen (?:tcp|udp)[46]? \S*?:(\d+): bind: address already in use`),
	regexp.MustCompile(`failed to bind host port(?: for)? \S*?:(\d+)[^\d].*address already in use`),
	regexp.MustCompile(`:(\d+)(?:/tcp|/udp)?\S*: (?:bind: )?(?:address already in use|port is already allocated)`),
}

// takenPort reads the host port out of the engine's error, or gives 0 if that is not what it is about.
func takenPort(err error) int {
	for _, pattern := range takenPortTexts {
		if match := pattern.FindStringSubmatch(err.Error()); match != nil {
			if number, err := strconv.Atoi(match[1]); err == nil {
				return number
			}
		}
	}
	return 0
}

// taskExists is what the container runtime says where it has made or started a process and the engine, which was killed
// meanwhile, knows nothing of it. The engine has no call that would end such a process, so the container can never be started.
var taskExists = regexp.MustCompile(`task [0-9a-f]{64}: already exists|id already in use`)

func lostTask(err error) bool { return taskExists.MatchString(err.Error()) }

func missesInit(err error) bool {
	return strings.Contains(err.Error(), `"docker-init": executable file not found`)
}

// StopService implements enclave.Services.
func (b *Backend) StopService(ctx context.Context, name, service string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	inspected, err := conn.inspectService(ctx, name, service)
	if err != nil {
		return fmt.Errorf("stop service: %w", err)
	}
	if _, err := conn.ContainerStop(ctx, inspected.ID, client.ContainerStopOptions{Timeout: new(stopSeconds)}); err != nil {
		return fmt.Errorf("stop service %q in enclave %q: %w", service, name, conn.translate(err))
	}
	if parseTime(inspected.State.StartedAt).IsZero() {
		// It never ran: the engine goes on calling it created.
		return nil
	}
	return conn.writeNotes(ctx, name, note{stoppedNote(service), []byte(inspected.ID)})
}

func stoppedNote(service string) string { return folderState + "/" + stateStopped + "/" + service }
