package language

import (
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	defaultIPPlaceholder = "KURTOSIS_IP_ADDR_PLACEHOLDER"
	minMemoryMB          = 6
	dockerSocket         = "/var/run/docker.sock"
)

// serviceConfigBuiltin is the type ServiceConfig with its parameters.
type serviceConfigBuiltin struct {
	*typeBuiltin
	image                                                                 *param[plan.Image]
	ports, publicPorts                                                    *param[map[string]plan.Port]
	files                                                                 *param[map[string]plan.Mount]
	entrypoint, cmd, devices, capabilities, aliases                       *param[[]string]
	env, labels, nodeSelectors, moved, binds                              *param[map[string]string]
	placeholder, workingDir                                               *param[string]
	cpuAllocation, memoryAllocation, maxCPU, minCPU, maxMemory, minMemory *param[int64]
	ready                                                                 *param[*plan.ReadyCondition]
	user                                                                  *param[*plan.User]
	tolerations                                                           *param[[]plan.Toleration]
	init, tty, publishUDP, privileged, hostProcesses                      *param[bool]
	gpu                                                                   *param[*plan.GPU]
	formerFiles                                                           *param[map[string]string]
	formerMemory                                                          *param[int64]
	formerUlimits                                                         *param[map[string]int64]
	formerNetwork                                                         *param[string]
}

var serviceConfigType = newServiceConfigType()

func newServiceConfigType() *serviceConfigBuiltin {
	whole := integer(0, math.MaxInt64)
	memory := integer(minMemoryMB, math.MaxInt64)
	t := &serviceConfigBuiltin{
		image:            required("image", image, "Image that the service runs.").formerly("container_image_name"),
		ports:            optional("ports", dictOf(port), nil, "{}", "Ports by id.").formerly("used_ports"),
		publicPorts:      optional("public_ports", dictOf(port), nil, "{}", "Fixed ports of the host by port id; every id must be one of ports."),
		files:            optional("files", dictOf(mount), nil, "{}", "What is mounted, by absolute path: a files artifact's name or a Directory."),
		entrypoint:       optional("entrypoint", textList, nil, "[]", "Replaces the image's entrypoint when it is not empty. May hold runtime values.").formerly("entry_point_args", "entrypoint_args"),
		cmd:              optional("cmd", textList, nil, "[]", "Replaces the image's command when it is not empty. May hold runtime values.").formerly("cmd_args"),
		env:              optional("env_vars", textDict, nil, "{}", "Environment. Values may hold runtime values."),
		placeholder:      optional("private_ip_address_placeholder", text, defaultIPPlaceholder, `"`+defaultIPPlaceholder+`"`, "Text that the service's own address replaces in entrypoint, cmd and env_vars."),
		cpuAllocation:    unset("cpu_allocation", whole, "Former name of max_cpu."),
		memoryAllocation: unset("memory_allocation", memory, "Former name of max_memory."),
		maxCPU:           optional("max_cpu", whole, 0, "0", "Most processor time in thousandths of a processor; 0 means no limit."),
		minCPU:           optional("min_cpu", whole, 0, "0", "Processor time that must be free, in thousandths of a processor."),
		maxMemory:        unset("max_memory", memory, "Most memory in megabytes (10^6 bytes); no limit when left out."),
		minMemory:        optional("min_memory", whole, 0, "0", "Memory that must be free, in megabytes (10^6 bytes)."),
		ready:            unset("ready_conditions", readyCondition, "What must hold before anything after the service happens."),
		labels:           optional("labels", textDict, nil, "{}", "Labels of the container. Values may hold runtime values."),
		user:             unset("user", user, "User that the process runs as; the image's when left out."),
		tolerations:      optional("tolerations", listOf(toleration), nil, "[]", "Kubernetes tolerations; without meaning on Docker."),
		nodeSelectors:    optional("node_selectors", textDict, nil, "{}", "Kubernetes node selectors; without meaning on Docker."),
		moved:            optional("files_to_be_moved", textDict, nil, "{}", "Files that are moved after the mounts are filled, by source path."),
		init:             optional("tini_enabled", boolean, true, "True", "Whether an init process reaps the service's children."),
		tty:              optional("tty_enabled", boolean, false, "False", "Whether the process gets a terminal."),
		devices:          optional("devices", textList, nil, "[]", "Devices of the host, in Docker's notation."),
		publishUDP:       optional("publish_udp", boolean, false, "False", "Whether UDP ports are published on the host too."),
		capabilities:     optional("capabilities", textList, nil, "[]", "Linux capabilities to add."),
		gpu:              unset("gpu", gpu, "Graphics processors."),
		privileged:       optional("privileged", boolean, false, "False", "Whether the container is privileged: Docker only, and only where it was allowed."),
		hostProcesses:    optional("host_pid_namespace", boolean, false, "False", "Whether the container sees the host's processes: Docker only, and only where it was allowed."),
		binds:            optional("bind_mounts", textDict, nil, "{}", "Paths in the container by path of the host. Only "+dockerSocket+", Docker only, and only where it was allowed."),
		aliases:          optional("aliases", listOf(hostAlias), nil, "[]", "Further host names under which the other services of the enclave reach this one.").own(),
		workingDir:       unset("working_dir", text, "Directory that the process starts in; the image's when left out.").own(),
		formerFiles:      unset("files_artifact_mount_dirpaths", textDict, "Mount paths by name of files artifact.").replaced("write files = {path: artifact}"),
		formerMemory:     unset("shm_size", integer(0, math.MaxInt64), "Size of the shared memory in megabytes.").replaced("write gpu = GpuConfig(shm_size = ...)"),
		formerUlimits:    unset("ulimits", dictOf(anyInteger), "Limits of the process by name.").replaced("write gpu = GpuConfig(ulimits = {...})"),
		formerNetwork:    unset("subnetwork", anyText, "Part of the network.").replaced("all services of an enclave are in one network, so leave it out"),
	}
	t.typeBuiltin = newType("ServiceConfig", "Everything about a service but its name.",
		t.image, t.ports, t.publicPorts, t.files, t.entrypoint, t.cmd, t.env, t.placeholder, t.cpuAllocation, t.memoryAllocation,
		t.maxCPU, t.minCPU, t.maxMemory, t.minMemory, t.ready, t.labels, t.user, t.tolerations, t.nodeSelectors, t.moved,
		t.init, t.tty, t.devices, t.publishUDP, t.capabilities, t.gpu, t.privileged, t.hostProcesses, t.binds, t.aliases, t.workingDir,
		t.formerFiles, t.formerMemory, t.formerUlimits, t.formerNetwork)
	return t
}

// aliasPattern is what resolvers look up: names of hosts, with the underscores that Compose files like.
var aliasPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// hostAlias is a further host name of a service.
var hostAlias = kind[string]{
	name: "string",
	check: func(value starlark.Value) string {
		if reason := text.check(value); reason != "" {
			return reason
		}
		if name, _ := starlark.AsString(value); !aliasPattern.MatchString(name) {
			return fmt.Sprintf("%q is no host name: use letters, digits, '-', '_' and '.'", shorten(name))
		}
		return ""
	},
	convert: text.convert,
}

// serviceConfig is a ServiceConfig; the service's name is filled in by the instruction.
var serviceConfig = typedKind(serviceConfigType.typeBuiltin, func(a *arguments, _ *typed) plan.ServiceSpec {
	t := serviceConfigType
	spec := plan.ServiceSpec{
		Image: t.image.of(a), Ports: t.ports.of(a), PublicPorts: t.publicPorts.of(a), Files: t.files.of(a),
		Entrypoint: t.entrypoint.of(a), Cmd: t.cmd.of(a), Env: t.env.of(a), IPPlaceholder: t.placeholder.of(a),
		MaxCPU: t.maxCPU.of(a), MinCPU: t.minCPU.of(a), MaxMemory: t.maxMemory.of(a), MinMemory: t.minMemory.of(a),
		Ready: t.ready.of(a), Labels: t.labels.of(a), User: t.user.of(a), Tolerations: t.tolerations.of(a),
		NodeSelectors: t.nodeSelectors.of(a), FilesToBeMoved: t.moved.of(a),
		NoInit: !t.init.of(a), TTY: t.tty.of(a), Devices: t.devices.of(a), PublishUDP: t.publishUDP.of(a),
		Capabilities: t.capabilities.of(a), GPU: t.gpu.of(a),
		Privileged: t.privileged.of(a), HostPIDNamespace: t.hostProcesses.of(a), BindMounts: t.binds.of(a),
		Aliases: t.aliases.of(a), WorkingDir: t.workingDir.of(a),
	}
	for _, former := range []struct {
		from, to *param[int64]
		target   *int64
	}{{t.cpuAllocation, t.maxCPU, &spec.MaxCPU}, {t.memoryAllocation, t.maxMemory, &spec.MaxMemory}} {
		if former.from.given(a) {
			a.scope.in.deprecate(a.scope.site.position, "ServiceConfig: "+former.from.Name+" is now called "+former.to.Name)
			if !former.to.given(a) {
				*former.target = former.from.of(a)
			}
		}
	}
	t.earlierAttributes(a, &spec)
	checkServiceConfig(a, &spec)
	checkGate(a, &spec)
	return spec
})

// earlierAttributes takes what other versions of the language gave in other attributes.
func (t *serviceConfigBuiltin) earlierAttributes(a *arguments, spec *plan.ServiceSpec) {
	for _, artifact := range slices.Sorted(maps.Keys(t.formerFiles.of(a))) {
		mountPath := t.formerFiles.of(a)[artifact]
		if path.IsAbs(artifact) && !path.IsAbs(mountPath) {
			artifact, mountPath = mountPath, artifact
		}
		if _, taken := spec.Files[mountPath]; taken || !path.IsAbs(mountPath) {
			a.scope.problem(a.path(t.formerFiles.Name), "it is not clear what is mounted at %q: write files = {path: artifact}", shorten(mountPath))
			continue
		}
		if spec.Files == nil {
			spec.Files = map[string]plan.Mount{}
		}
		spec.Files[mountPath] = plan.Mount{Artifacts: []string{artifact}}
	}
	if !t.formerMemory.given(a) && !t.formerUlimits.given(a) {
		return
	}
	limits := plan.GPU{DockerDriver: defaultDockerDriver, KubernetesDriver: defaultKubernetesDriver}
	if spec.GPU != nil {
		limits = *spec.GPU
	}
	if limits.SharedMemoryMB == 0 {
		limits.SharedMemoryMB = t.formerMemory.of(a)
	}
	if len(limits.Ulimits) == 0 {
		limits.Ulimits = t.formerUlimits.of(a)
	}
	spec.GPU = &limits
}

func checkServiceConfig(a *arguments, spec *plan.ServiceSpec) {
	if spec.WorkingDir != "" && !path.IsAbs(spec.WorkingDir) && len(plan.FindRuntimeValues(spec.WorkingDir)) == 0 {
		a.scope.problem(a.path("working_dir"), "%q must be an absolute path", shorten(spec.WorkingDir))
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Labels)) {
		if reason := labelReason(key, spec.Labels[key]); reason != "" {
			a.scope.problem(a.path("labels"), "%s", reason)
		}
	}
}

// checkGate refuses what gives a container power over its host, unless the caller allowed it.
func checkGate(a *arguments, spec *plan.ServiceSpec) {
	gate := func(name string, wanted bool) {
		request := a.scope.in.request
		switch {
		case !wanted:
		case request.Backend != "docker":
			a.scope.problem(a.path(name), "works on Docker only, and the backend is %s", request.Backend)
		case !request.AllowPrivileged:
			a.scope.problem(a.path(name), "gives the service power over the host, and this run does not allow it: only allow_privileged does, which whoever runs the package can set")
		}
	}
	gate("privileged", spec.Privileged)
	gate("host_pid_namespace", spec.HostPIDNamespace)
	gate("bind_mounts", len(spec.BindMounts) > 0)
	for _, source := range slices.Sorted(maps.Keys(spec.BindMounts)) {
		if source != dockerSocket {
			a.scope.problem(a.path("bind_mounts"), "%q of the host cannot be mounted: only %s can", strings.TrimSpace(source), dockerSocket)
		}
	}
}
