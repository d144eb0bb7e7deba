package forker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/rewrite"
)

// containers brings the fork's containers to what the plan says: stand-ins first, then production's own services.
func (a *applying) containers(ctx context.Context) {
	standIns, tasks := a.substituted()
	had := slices.ContainsFunc(a.record.all(), func(one entry) bool { return one.Container })
	if a.runner == nil && (had || len(tasks)+len(standIns) > 0) {
		for _, key := range append(standIns, tasks...) {
			a.fail(ctx, key, errors.New("it becomes a container, but the fork has no enclave to run it in; set enclave"))
		}
		return
	}
	// The services are prepared first: their environments tell which logins the stand-ins need.
	services := a.prepare(ctx, tasks, a.taskContainers)
	containers := append(a.prepare(ctx, standIns, a.standInContainers), services...)
	if ctx.Err() != nil || !had && len(containers) == 0 {
		return
	}
	if err := a.recordContainers(ctx, containers); err != nil {
		a.runnerProblem = err
		return
	}
	if err := a.point(ctx, "containers", "intent"); err != nil {
		return
	}
	a.forker.event(a.plan.Fork, "", "containers", "started", "")
	states, err := a.runner.Apply(ctx, a.plan.Fork, containers)
	if err != nil {
		a.runnerProblem = fmt.Errorf("run the containers of fork %q: %w", a.plan.Fork, err)
		if states == nil {
			// What is running after a failure is for the enclave to say.
			if states, err = a.runner.Observe(ctx, a.plan.Fork); err != nil {
				states = nil
			}
		}
	}
	if states != nil {
		a.states = states
	}
	if err := a.point(ctx, "containers", "done"); err != nil {
		return
	}
	for _, container := range containers {
		one, recorded := a.record.get(container.Key)
		if a.runnerProblem != nil || !recorded {
			continue
		}
		one.Phase = phaseReady
		if err := a.record.put(ctx, one); err != nil {
			a.fail(ctx, container.Key, err)
		}
	}
}

// substituted gives the keys of what becomes a container: stand-ins, and production's own services.
func (a *applying) substituted() (standIns, tasks []string) {
	for _, key := range slices.Sorted(maps.Keys(a.plan.Resources)) {
		one, whole := a.reads[key]
		if a.plan.Resources[key].Strategy != Substitute || !whole || a.problem(key) != nil {
			continue
		}
		if one.kind.Tasks != nil {
			tasks = append(tasks, key)
		} else {
			standIns = append(standIns, key)
		}
	}
	return standIns, tasks
}

// prepare builds the containers of resources; those that fail are left out.
func (a *applying) prepare(ctx context.Context, keys []string, build func(context.Context, string) ([]Container, error)) []Container {
	var containers []Container
	for _, key := range keys {
		built, err := build(ctx, key)
		if err != nil {
			a.fail(ctx, key, err)
			continue
		}
		containers = append(containers, built...)
	}
	return containers
}

// recordContainers writes what is about to run before it runs.
func (a *applying) recordContainers(ctx context.Context, containers []Container) error {
	for _, container := range containers {
		planned := a.plan.Resources[container.Key]
		if container.Name != planned.Name {
			continue
		}
		one, recorded := a.record.get(container.Key)
		if !recorded || !one.Container || one.Name != planned.Name {
			one = entry{Phase: phaseIntent}
		}
		one = entry{
			Key: container.Key, Service: planned.Resource.Service, Type: planned.Resource.Type, SourceName: planned.Resource.Name,
			SourceARN: planned.Resource.ARN, Strategy: planned.Strategy, Reason: planned.Reason, Phase: one.Phase, Name: planned.Name,
			Container: true, SourceDigest: a.fresh[container.Key].digest, Config: a.fresh[container.Key].config, Findings: one.Findings,
		}
		if err := a.record.put(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// standInContainers builds the stand-in for a resource.
func (a *applying) standInContainers(_ context.Context, key string) ([]Container, error) {
	request, standIn, err := a.forker.standInOf(a.reads[key])
	if err != nil {
		return nil, err
	}
	request.Name = a.plan.Resources[key].Name
	request.Password = a.password(key, request.User)
	for _, user := range slices.Sorted(maps.Keys(a.logins[key])) {
		if user != request.User {
			request.Logins = append(request.Logins, a.logins[key][user])
		}
	}
	if rule := a.plan.rule(key); rule != nil {
		request.Image = rule.Image
		if rule.Seed != nil {
			if !standIn.Seeds {
				return nil, fmt.Errorf("the stand-in %q runs no seed script; leave seed out of the rule", standIn.Name)
			}
			request.Seed, request.SeedSource = rule.Seed.SQL, rule.Seed.Source
		}
	}
	container, err := standIn.Container(request)
	if err != nil {
		return nil, err
	}
	container.Key, container.Name = key, request.Name
	for _, alias := range append([]string{request.Host}, request.Aliases...) {
		if alias != "" && !slices.Contains(container.Aliases, alias) {
			container.Aliases = append(container.Aliases, alias)
		}
	}
	return []Container{container}, nil
}

// credentialVariables are how programs get credentials from their environment. Production's never enter a container.
var credentialVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
	"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
}

// taskContainers converts one of production's own services, its environment pointing into the fork.
func (a *applying) taskContainers(ctx context.Context, key string) ([]Container, error) {
	source := a.reads[key]
	tasks, notes, err := source.kind.Tasks(source.item)
	if err != nil {
		return nil, err
	}
	a.findNotes(key, notes)
	var containers []Container
	for _, task := range tasks {
		container, err := a.taskContainer(ctx, key, source, task)
		if err != nil {
			if task.Suffix != "" {
				err = fmt.Errorf("container %s: %w", task.Suffix, err)
			}
			return nil, err
		}
		containers = append(containers, container)
	}
	return containers, nil
}

func (a *applying) taskContainer(ctx context.Context, key string, source read, task descriptor.Task) (Container, error) {
	origin := rewrite.Origin{Key: key, Region: source.region}
	container := task.Container
	container.Key, container.Name = key, a.plan.Resources[key].Name
	if task.Suffix != "" {
		container.Name += "-" + task.Suffix
	} else if rule := a.plan.rule(key); rule != nil && rule.Image != "" {
		container.Image = rule.Image
	}
	environment := make(map[string]any, len(container.Env)+len(task.Secrets))
	for name, value := range container.Env {
		if slices.Contains(credentialVariables, name) {
			a.find(key, Finding{
				Kind: "hazard", Severity: "warning",
				Message: "the variable " + name + " is not copied: it would lend the container production's own credentials",
			})
			continue
		}
		environment[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(task.Secrets)) {
		if slices.Contains(credentialVariables, name) {
			continue
		}
		value, err := a.secretValue(ctx, origin, task.Secrets[name])
		if err != nil {
			return container, fmt.Errorf("resolve the secret variable %s: %w", name, err)
		}
		environment[name] = value
	}
	// Everything together, so that fields which belong to each other are seen beside each other.
	changed, report := a.rewriter.Rewrite(map[string]any{
		"Env": environment, "Entrypoint": texts(container.Entrypoint), "Command": texts(container.Command),
	}, origin)
	a.keepLogins(report.Logins)
	if err := a.residual(changed, origin); err != nil {
		return container, err
	}
	rewritten, err := descriptor.Decode[struct {
		Env                 map[string]string
		Entrypoint, Command []string
	}](changed)
	if err != nil {
		return container, err
	}
	container.Env, container.Entrypoint, container.Command = rewritten.Env, rewritten.Entrypoint, rewritten.Command
	if container.Env == nil {
		container.Env = map[string]string{}
	}
	region := a.forker.targetRegion(source.region)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if container.Env[name] == "" {
			container.Env[name] = region
		}
	}
	if endpoint := a.forker.enclaveEndpoint(); endpoint != "" {
		container.Env["AWS_ENDPOINT_URL"] = endpoint
	}
	return container, a.lendCredentials(ctx, key, origin, task.RoleARN, &container)
}

func texts(values []string) []any {
	trees := make([]any, len(values))
	for index, value := range values {
		trees[index] = value
	}
	return trees
}

// secretValue reads the value of the fork's copy that a reference of production's names.
func (a *applying) secretValue(ctx context.Context, origin rewrite.Origin, reference string) (string, error) {
	key, selector, found := a.index.Resolve(reference, origin.Region)
	if !found {
		return "", fmt.Errorf("%s is not a part of the fork; add it to the inventory", reference)
	}
	one, recorded := a.record.get(key)
	if !recorded || one.Phase != phaseReady {
		return "", fmt.Errorf("the fork has no value for it: %s", a.whyMissing(key))
	}
	writer, err := a.writer(ctx, one.Service, one.Type, one.Region)
	if err != nil {
		return "", err
	}
	if writer.Value == nil {
		return "", fmt.Errorf("%s holds no values", key)
	}
	return writer.Value(ctx, a.forker.target(a.plan.Fork, one), selector)
}

// lendCredentials gives a container the credentials of its role's copy. They change with every apply.
func (a *applying) lendCredentials(ctx context.Context, key string, origin rewrite.Origin, roleARN string, container *Container) error {
	if roleARN == "" {
		return nil
	}
	roleKey, _, found := a.index.Resolve(roleARN, origin.Region)
	one, recorded := a.record.get(roleKey)
	if !found || !recorded || one.ARN == "" {
		reason := "it is not a part of the fork"
		if found {
			reason = a.whyMissing(roleKey)
		}
		a.find(key, Finding{
			Kind: "no-credentials", Severity: "warning",
			Message: fmt.Sprintf("%s gets no AWS credentials: there is no copy of its role %s (%s)", container.Name, roleARN, reason),
		})
		return nil
	}
	session := strings.Trim("sundog-"+a.plan.Fork+"-"+container.Name, "-")
	credentials, err := a.forker.sandbox.AssumeRole(ctx, one.ARN, session[:min(64, len(session))])
	if err != nil {
		return err
	}
	container.VolatileEnv = maps.Clone(container.VolatileEnv)
	if container.VolatileEnv == nil {
		container.VolatileEnv = map[string]string{}
	}
	container.VolatileEnv["AWS_ACCESS_KEY_ID"] = credentials.AccessKeyID
	container.VolatileEnv["AWS_SECRET_ACCESS_KEY"] = credentials.SecretAccessKey
	container.VolatileEnv["AWS_SESSION_TOKEN"] = credentials.SessionToken
	return nil
}
