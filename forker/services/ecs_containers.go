package services

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// ecsServiceConfig is a service with the task definition that it runs: what a new revision changes is a change of the
// service. Counts that scaling changes by itself are left out.
type ecsServiceConfig struct {
	ClusterArn     string
	LaunchType     string            `json:",omitempty"`
	LoadBalancers  []ecsLoadBalancer `json:",omitempty"`
	Registries     []string          `json:",omitempty"`
	Aliases        []string          `json:",omitempty"`
	TaskDefinition ecsTaskDefinition
}

type ecsLoadBalancer struct {
	TargetGroupArn string `json:",omitempty"`
	Container      string
	Port           int
}

type ecsTaskDefinition struct {
	Family           string
	NetworkMode      string `json:",omitempty"`
	TaskRoleArn      string `json:",omitempty"`
	ExecutionRoleArn string `json:",omitempty"`
	CPU              string `json:",omitempty"`
	Memory           string `json:",omitempty"`
	Volumes          []ecsVolume
	Containers       []ecsContainer
}

type ecsVolume struct {
	Name     string
	HostPath string `json:",omitempty"`
	EFS      string `json:",omitempty"`
}

type ecsContainer struct {
	Name             string
	Image            string
	Essential        bool
	EntryPoint       []string          `json:",omitempty"`
	Command          []string          `json:",omitempty"`
	Environment      map[string]string `json:",omitempty"`
	EnvironmentFiles []string          `json:",omitempty"`
	Secrets          map[string]string `json:",omitempty"`
	Ports            []ecsPort         `json:",omitempty"`
	HealthCheck      []string          `json:",omitempty"`
	HealthSeconds    int               `json:",omitempty"`
	DependsOn        map[string]string `json:",omitempty"`
	Mounts           map[string]string `json:",omitempty"` // path -> volume
	User             string            `json:",omitempty"`
	Memory           int64             `json:",omitempty"`
	LogOptions       map[string]string `json:",omitempty"`
	LogRouter        bool              `json:",omitempty"`
}

type ecsPort struct {
	Name     string `json:",omitempty"`
	Number   int
	Protocol string
	App      string `json:",omitempty"`
}

func ecsConfig(cluster string, service types.Service, task *types.TaskDefinition) ecsServiceConfig {
	config := ecsServiceConfig{ClusterArn: aws.ToString(service.ClusterArn), LaunchType: string(service.LaunchType)}
	if config.ClusterArn == "" {
		config.ClusterArn = cluster
	}
	for _, balancer := range service.LoadBalancers {
		config.LoadBalancers = append(config.LoadBalancers, ecsLoadBalancer{
			TargetGroupArn: aws.ToString(balancer.TargetGroupArn), Container: aws.ToString(balancer.ContainerName),
			Port: int(aws.ToInt32(balancer.ContainerPort)),
		})
	}
	for _, registry := range service.ServiceRegistries {
		config.Registries = append(config.Registries, aws.ToString(registry.RegistryArn))
	}
	for _, deployment := range service.Deployments {
		if aws.ToString(deployment.Status) != "PRIMARY" || deployment.ServiceConnectConfiguration == nil {
			continue
		}
		for _, connect := range deployment.ServiceConnectConfiguration.Services {
			for _, alias := range connect.ClientAliases {
				if name := aws.ToString(alias.DnsName); name != "" {
					config.Aliases = append(config.Aliases, name)
				}
			}
		}
	}
	if task == nil {
		return config
	}
	config.TaskDefinition = ecsTaskDefinition{
		Family: aws.ToString(task.Family), NetworkMode: string(task.NetworkMode), TaskRoleArn: aws.ToString(task.TaskRoleArn),
		ExecutionRoleArn: aws.ToString(task.ExecutionRoleArn), CPU: aws.ToString(task.Cpu), Memory: aws.ToString(task.Memory),
	}
	for _, volume := range task.Volumes {
		one := ecsVolume{Name: aws.ToString(volume.Name)}
		if volume.Host != nil {
			one.HostPath = aws.ToString(volume.Host.SourcePath)
		}
		if volume.EfsVolumeConfiguration != nil {
			one.EFS = aws.ToString(volume.EfsVolumeConfiguration.FileSystemId)
		}
		config.TaskDefinition.Volumes = append(config.TaskDefinition.Volumes, one)
	}
	for _, definition := range task.ContainerDefinitions {
		config.TaskDefinition.Containers = append(config.TaskDefinition.Containers, ecsContainerOf(definition))
	}
	return config
}

func ecsContainerOf(definition types.ContainerDefinition) ecsContainer {
	container := ecsContainer{
		Name: aws.ToString(definition.Name), Image: aws.ToString(definition.Image),
		Essential:  definition.Essential == nil || *definition.Essential,
		EntryPoint: definition.EntryPoint, Command: definition.Command, User: aws.ToString(definition.User),
		Memory: int64(aws.ToInt32(definition.Memory)), LogRouter: definition.FirelensConfiguration != nil,
		Environment: map[string]string{}, Secrets: map[string]string{}, DependsOn: map[string]string{}, Mounts: map[string]string{},
	}
	for _, variable := range definition.Environment {
		container.Environment[aws.ToString(variable.Name)] = aws.ToString(variable.Value)
	}
	for _, file := range definition.EnvironmentFiles {
		container.EnvironmentFiles = append(container.EnvironmentFiles, aws.ToString(file.Value))
	}
	for _, secret := range definition.Secrets {
		container.Secrets[aws.ToString(secret.Name)] = aws.ToString(secret.ValueFrom)
	}
	for _, mapping := range definition.PortMappings {
		if mapping.ContainerPort != nil {
			container.Ports = append(container.Ports, ecsPort{
				Name: aws.ToString(mapping.Name), Number: int(*mapping.ContainerPort), Protocol: string(mapping.Protocol), App: string(mapping.AppProtocol),
			})
		}
	}
	if check := definition.HealthCheck; check != nil {
		container.HealthCheck = check.Command
		container.HealthSeconds = int(aws.ToInt32(check.StartPeriod)) + 3*int(aws.ToInt32(check.Interval)*max(1, aws.ToInt32(check.Retries)))
	}
	for _, dependency := range definition.DependsOn {
		container.DependsOn[aws.ToString(dependency.ContainerName)] = string(dependency.Condition)
	}
	for _, mount := range definition.MountPoints {
		container.Mounts[aws.ToString(mount.ContainerPath)] = aws.ToString(mount.SourceVolume)
	}
	if definition.LogConfiguration != nil {
		container.LogOptions = definition.LogConfiguration.Options
	}
	return container
}

// ecsAgents are images of sidecars that report to production's monitoring or shape its network.
var ecsAgents = []string{
	"xray-daemon", "datadog/agent", "aws-otel-collector", "cloudwatch-agent", "aws-for-fluent-bit", "aws-appmesh-envoy", "newrelic/",
}

// ecsReadyTime is how long a container may take to become ready without a health check of its own.
const ecsReadyTime = 2 * time.Minute

// serviceTasks converts a service into containers: its main one under the service's name, the others beside it.
func serviceTasks(item descriptor.Item) ([]descriptor.Task, []descriptor.Note, error) {
	config, err := descriptor.Decode[ecsServiceConfig](item.Config)
	if err != nil {
		return nil, nil, err
	}
	var notes []descriptor.Note
	note := func(kind, severity, format string, values ...any) {
		notes = append(notes, descriptor.Note{Kind: kind, Severity: severity, Message: fmt.Sprintf(format, values...)})
	}
	var kept []ecsContainer
	for _, container := range config.TaskDefinition.Containers {
		if container.LogRouter || slices.ContainsFunc(ecsAgents, func(agent string) bool { return strings.Contains(container.Image, agent) }) {
			note("not-copied", "info", "the sidecar %s (%s) is left out: it would report to production's monitoring", container.Name, container.Image)
			continue
		}
		if len(container.EnvironmentFiles) > 0 {
			note("not-copied", "warning", "container %s reads variables from files (%s), which are not read; set them with a package",
				container.Name, strings.Join(container.EnvironmentFiles, ", "))
		}
		kept = append(kept, container)
	}
	main := slices.IndexFunc(kept, func(c ecsContainer) bool { return c.Essential })
	if main < 0 {
		return nil, notes, fmt.Errorf("its task definition %s has no essential container to run", config.TaskDefinition.Family)
	}
	if len(kept) > 1 {
		note("hazard", "warning", "its %d containers do not share one network address in the enclave: they reach each other by name, not by localhost", len(kept))
	}
	var before, after []descriptor.Task
	for index, container := range kept {
		if index == main {
			continue
		}
		condition, needed := kept[main].DependsOn[container.Name]
		switch {
		case condition == "COMPLETE" || condition == "SUCCESS":
			note("not-copied", "warning", "container %s runs to its end before %s starts; it is not run", container.Name, kept[main].Name)
		case needed:
			before = append(before, serviceTask(item, config, container, false, note))
		default:
			after = append(after, serviceTask(item, config, container, false, note))
		}
	}
	return slices.Concat(before, []descriptor.Task{serviceTask(item, config, kept[main], true, note)}, after), notes, nil
}

var (
	ecsUser  = regexp.MustCompile(`^[0-9]+(:[0-9]+)?$`)
	ecsLabel = regexp.MustCompile(`[^a-z0-9]+`)
)

func serviceTask(item descriptor.Item, config ecsServiceConfig, container ecsContainer, main bool,
	note func(kind, severity, format string, values ...any),
) descriptor.Task {
	task := descriptor.Task{
		Secrets: container.Secrets, RoleARN: config.TaskDefinition.TaskRoleArn,
		Container: descriptor.Container{
			Image: container.Image, Entrypoint: container.EntryPoint, Command: container.Command, Env: container.Environment,
			Memory: container.Memory, ReadyTimeout: max(ecsReadyTime, time.Duration(container.HealthSeconds)*time.Second),
		},
	}
	if main {
		task.Container.Aliases = config.Aliases
	} else {
		task.Suffix = label(container.Name)
	}
	if task.Container.Memory == 0 {
		task.Container.Memory = ecsNumber(config.TaskDefinition.Memory)
	}
	// The unit is 1/1024 of a processor.
	task.Container.CPU = ecsNumber(config.TaskDefinition.CPU) * 1000 / 1024
	if len(container.HealthCheck) > 1 {
		switch container.HealthCheck[0] {
		case "CMD":
			task.Container.Ready = container.HealthCheck[1:]
		case "CMD-SHELL":
			task.Container.Ready = []string{"/bin/sh", "-c", strings.Join(container.HealthCheck[1:], " ")}
		}
	}
	for _, port := range container.Ports {
		task.Container.Ports = append(task.Container.Ports, descriptor.ContainerPort{
			ID: portLabel(port), Number: port.Number, Transport: strings.ToUpper(orElse(port.Protocol, "tcp")), Application: ecsApplication(config, container, port),
		})
	}
	switch {
	case container.User == "":
	case ecsUser.MatchString(container.User):
		task.Container.User = container.User
	default:
		note("not-copied", "info", "container %s runs as the image's own user, not as %q", container.Name, container.User)
	}
	for _, path := range slices.Sorted(maps.Keys(container.Mounts)) {
		name := container.Mounts[path]
		index := slices.IndexFunc(config.TaskDefinition.Volumes, func(v ecsVolume) bool { return v.Name == name })
		if index >= 0 && config.TaskDefinition.Volumes[index].HostPath != "" {
			note("not-copied", "warning", "container %s mounts %s of its host at %s, which the enclave does not have",
				container.Name, config.TaskDefinition.Volumes[index].HostPath, path)
			continue
		}
		if task.Container.Volumes == nil {
			task.Container.Volumes = map[string]string{}
		}
		task.Container.Volumes[path] = label(item.Name + "-" + name)
	}
	return task
}

// ecsApplication tells what a port speaks: what the definition says, else HTTP behind a load balancer or on a port that
// is used for nothing else.
func ecsApplication(config ecsServiceConfig, container ecsContainer, port ecsPort) string {
	switch {
	case strings.HasPrefix(port.App, "http"):
		return "http"
	case port.App != "":
		return port.App
	}
	for _, balancer := range config.LoadBalancers {
		if balancer.Container == container.Name && balancer.Port == port.Number {
			return "http"
		}
	}
	if slices.Contains([]int{80, 3000, 8000, 8080}, port.Number) && !strings.EqualFold(port.Protocol, "udp") {
		return "http"
	}
	return ""
}

func portLabel(port ecsPort) string {
	if name := label(port.Name); name != "" && len(name) <= 15 && name[0] >= 'a' {
		return name
	}
	return "port-" + strconv.Itoa(port.Number)
}

// label turns a name into lower-case letters, digits and dashes.
func label(name string) string {
	return strings.Trim(ecsLabel.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

func ecsNumber(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return number
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
