package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// hostGateway is the name under which every service reaches the machine that the engine runs on.
const hostGateway = "host.docker.internal:host-gateway"

const (
	bytesPerMB      = 1_000_000 // limits are in megabytes
	nanosPerMilli   = 1_000_000 // a millicore in nano-CPUs
	bytesPerMiB     = 1 << 20
	gpuDriver       = "nvidia"
	defaultDeviceOK = "rwm"
)

// placement is what the backend has chosen for a service's container.
type placement struct {
	enclave    string
	generation string
	address    netip.Addr
	ports      map[string]publishedPort
	// volumes maps mount paths to the volumes that stand there.
	volumes map[string]string
	// fresh tells of mount paths whether the persistent directory there is new, persistent maps keys of persistent
	// directories to the marks of their volumes.
	fresh      map[string]bool
	persistent map[string]string
	// noInit is set where the engine has no init binary.
	noInit bool
}

// containerOptions says how the container of a service is made.
func containerOptions(request enclave.ServiceRequest, chosen placement) (client.ContainerCreateOptions, error) {
	spec := request.Spec
	labels, err := serviceLabels(request, chosen)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	bindings, exposed, err := portBindings(chosen.ports)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(networkName(chosen.enclave)), PortBindings: bindings, ExtraHosts: []string{hostGateway},
		Mounts: mountsOf(spec, chosen.volumes), CapAdd: spec.Capabilities, Privileged: spec.Privileged,
	}
	if !spec.NoInit && !chosen.noInit {
		host.Init = new(true)
	}
	if spec.HostPIDNamespace {
		host.PidMode = "host"
	}
	if host.Resources, err = resourcesOf(spec); err != nil {
		return client.ContainerCreateOptions{}, err
	}
	if spec.GPU != nil {
		host.ShmSize = spec.GPU.SharedMemoryMB * bytesPerMiB
	}
	image := request.Image.Name
	if image == "" || request.Image.Moved {
		image = request.Image.ID
	}
	own := func(text string) string { return replacePlaceholder(text, spec.IPPlaceholder, chosen.address.String()) }
	config := &container.Config{
		Image: image, Hostname: spec.Name, Labels: labels, ExposedPorts: exposed, Tty: spec.TTY, User: userOf(spec.User), WorkingDir: spec.WorkingDir,
		Entrypoint: mapped(spec.Entrypoint, own), Cmd: mapped(spec.Cmd, own),
	}
	environment := maps.Clone(spec.Env)
	if environment == nil {
		environment = map[string]string{}
	}
	maps.Copy(environment, spec.VolatileEnv)
	for _, key := range slices.Sorted(maps.Keys(environment)) {
		config.Env = append(config.Env, key+"="+own(environment[key]))
	}
	return client.ContainerCreateOptions{Name: pendingName(chosen.enclave, spec.Name), Config: config, HostConfig: host, NetworkingConfig: networkingOf(chosen.enclave, spec.Name, spec.Aliases, chosen.address)}, nil
}

// networkingOf puts a container into its enclave's network under its own name and its aliases.
func networkingOf(name, service string, aliases []string, address netip.Addr) *network.NetworkingConfig {
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		networkName(name): {
			Aliases:    append([]string{service}, aliases...),
			IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address},
		},
	}}
}

func serviceLabels(request enclave.ServiceRequest, chosen placement) (map[string]string, error) {
	role := roleService
	if request.Task {
		role = roleTask
	}
	ports, err := json.Marshal(chosen.ports)
	if err != nil {
		return nil, err
	}
	labels := objectLabels(chosen.enclave, role, request.Spec.Labels, map[string]string{
		enclave.LabelRun: request.Run, enclave.LabelService: request.Spec.Name, enclave.LabelOwner: request.Owner, enclave.LabelDigest: request.Digest,
		labelPorts: string(ports), labelAddress: chosen.address.String(), labelImage: request.Spec.Image.Name, labelGeneration: chosen.generation,
	})
	if len(request.Spec.Aliases) > 0 {
		aliases, err := json.Marshal(request.Spec.Aliases)
		if err != nil {
			return nil, err
		}
		labels[labelAliases] = string(aliases)
	}
	if len(chosen.persistent) > 0 {
		persistent, err := json.Marshal(chosen.persistent)
		if err != nil {
			return nil, err
		}
		labels[labelPersistent] = string(persistent)
	}
	if len(request.Spec.FilesToBeMoved) > 0 {
		moves, err := json.Marshal(slices.Sorted(maps.Values(request.Spec.FilesToBeMoved)))
		if err != nil {
			return nil, err
		}
		labels[labelMoves] = string(moves)
	}
	return labels, nil
}

// portBindings publishes ports that have a host port and exposes all.
func portBindings(ports map[string]publishedPort) (network.PortMap, network.PortSet, error) {
	bindings, exposed := network.PortMap{}, network.PortSet{}
	for id, port := range ports {
		if port.Number < 1 || port.Number > math.MaxUint16 {
			return nil, nil, fmt.Errorf("port %q has the number %d: ports are between 1 and 65535", id, port.Number)
		}
		inside, ok := network.PortFrom(uint16(port.Number), network.IPProtocol(strings.ToLower(port.Transport)))
		if !ok {
			return nil, nil, fmt.Errorf("port %q has no transport protocol", id)
		}
		exposed[inside] = struct{}{}
		if port.HostPort != 0 {
			bindings[inside] = append(bindings[inside], network.PortBinding{HostIP: netip.MustParseAddr(loopback), HostPort: strconv.Itoa(port.HostPort)})
		}
	}
	return bindings, exposed, nil
}

// mountsOf mounts volumes and what the machine shares. An artifact hides what the image has at its path; a persistent
// directory that is new and has no seed starts with the image's content, owner and mode, as every named volume does in
// Docker, since images that run as another user than root could not write to it otherwise.
func mountsOf(spec plan.ServiceSpec, volumes map[string]string) []mount.Mount {
	var mounts []mount.Mount
	for _, path := range slices.Sorted(maps.Keys(spec.Files)) {
		hides := spec.Files[path].PersistentKey == "" || len(spec.Files[path].Seed) > 0
		mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Source: volumes[path], Target: path, VolumeOptions: &mount.VolumeOptions{NoCopy: hides}})
	}
	for _, path := range slices.Sorted(maps.Keys(spec.BindMounts)) {
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: path, Target: spec.BindMounts[path]})
	}
	return mounts
}

func resourcesOf(spec plan.ServiceSpec) (container.Resources, error) {
	resources := container.Resources{NanoCPUs: spec.MaxCPU * nanosPerMilli, Memory: spec.MaxMemory * bytesPerMB, MemorySwap: spec.MaxMemory * bytesPerMB}
	for _, text := range spec.Devices {
		device, err := deviceOf(text)
		if err != nil {
			return resources, err
		}
		resources.Devices = append(resources.Devices, device)
	}
	gpu := spec.GPU
	if gpu == nil {
		return resources, nil
	}
	for _, name := range slices.Sorted(maps.Keys(gpu.Ulimits)) {
		resources.Ulimits = append(resources.Ulimits, &units.Ulimit{Name: name, Soft: gpu.Ulimits[name], Hard: gpu.Ulimits[name]})
	}
	if gpu.Count != 0 || len(gpu.DeviceIDs) > 0 {
		driver := gpu.DockerDriver
		if driver == "" {
			driver = gpuDriver
		}
		resources.DeviceRequests = []container.DeviceRequest{{Driver: driver, Count: int(gpu.Count), DeviceIDs: gpu.DeviceIDs, Capabilities: [][]string{{"gpu"}}}}
	}
	return resources, nil
}

// deviceOf reads host[:container[:permissions]], the form of `docker run --device`.
func deviceOf(text string) (container.DeviceMapping, error) {
	parts := strings.Split(text, ":")
	device := container.DeviceMapping{PathOnHost: parts[0], PathInContainer: parts[0], CgroupPermissions: defaultDeviceOK}
	switch len(parts) {
	case 1:
	case 2:
		if strings.HasPrefix(parts[1], "/") {
			device.PathInContainer = parts[1]
		} else {
			device.CgroupPermissions = parts[1]
		}
	case 3:
		device.PathInContainer, device.CgroupPermissions = parts[1], parts[2]
	default:
		return device, fmt.Errorf("device %q is not of the form host[:container[:permissions]]", text)
	}
	return device, nil
}

func userOf(user *plan.User) string {
	switch {
	case user == nil:
		return ""
	case user.GID == nil:
		return strconv.FormatInt(user.UID, 10)
	default:
		return fmt.Sprintf("%d:%d", user.UID, *user.GID)
	}
}

func replacePlaceholder(text, placeholder, address string) string {
	if placeholder == "" {
		return text
	}
	return strings.ReplaceAll(text, placeholder, address)
}

func mapped(texts []string, change func(string) string) []string {
	var changed []string
	for _, text := range texts {
		changed = append(changed, change(text))
	}
	return changed
}
