package language

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	shellImage      = "badouralix/curl-jq"
	pythonImage     = "python:3.11-alpine"
	taskTimeout     = 180 * time.Second
	maxNameLength   = 63
	taskKindName    = "task"
	artifactKind    = "artifact"
	taskIDPrefix    = "task."
	shownTaskResult = "struct with code, output and files_artifacts"
)

// taskParameters are what run_sh and run_python have in common.
type taskParameters struct {
	name          *param[string]
	script        *param[string]
	image         *param[plan.Image]
	files         *param[map[string]plan.Mount]
	store         *param[[]plan.StoreSpec]
	wait          *param[time.Duration]
	accept        acceptanceParameters
	again         *param[string]
	nodeSelectors *param[map[string]string]
	tolerations   *param[[]plan.Toleration]
}

func newTaskParameters(defaultImage string) taskParameters {
	return taskParameters{
		name:          unset("name", text, "Name of the task; derived from the script when left out."),
		script:        required("run", text, "The script. May hold runtime values."),
		image:         optional("image", image, plan.Image{Name: defaultImage}, `"`+defaultImage+`"`, "Image that the script runs in."),
		files:         optional("files", dictOf(mount), nil, "{}", "What is mounted, by absolute path: a files artifact's name or a Directory."),
		store:         optional("store", listOf(store), nil, "[]", "Paths that become files artifacts when the script is done: strings or StoreSpec."),
		wait:          optional("wait", durationOrNone, taskTimeout, `"180s"`, "How long the script may take; None means no bound.").noneMatters(),
		accept:        newAcceptance([]int64{0}, "[0]"),
		again:         newRerun(),
		nodeSelectors: optional("node_selectors", textDict, nil, "{}", "Kubernetes node selectors; without meaning on Docker."),
		tolerations:   optional("tolerations", listOf(toleration), nil, "[]", "Kubernetes tolerations; without meaning on Docker."),
	}
}

// task converts the common arguments. Names are given later, when the call is known to be good.
func (p taskParameters) task(a *arguments, kind plan.TaskKind) *plan.RunTask {
	task := &plan.RunTask{
		Name: p.name.of(a), Kind: kind, Script: p.script.of(a), Store: p.store.of(a), Timeout: p.wait.of(a), Acceptance: p.accept.of(a), Rerun: rerunOf(p.again.of(a)),
		Service: plan.ServiceSpec{
			Image: p.image.of(a), Files: p.files.of(a), NodeSelectors: p.nodeSelectors.of(a), Tolerations: p.tolerations.of(a), IPPlaceholder: defaultIPPlaceholder,
		},
	}
	return task
}

// recordTask names the task and its artifacts, records it and gives its result.
func (c *call) recordTask(task *plan.RunTask, description string) starlark.Value {
	wanted := task.Name
	content := append([]string{string(task.Kind), task.Service.Image.Name, task.Script}, task.Args...)
	identity := c.in.name(taskKindName, wanted, content...)
	task.Name = c.in.containerName(identity)
	task.ID = taskIDPrefix + producerName(identity)
	// Two tasks may have one name, as upstream, but their results must be told apart.
	for n := 2; c.in.names["id/"+task.ID]; n++ {
		task.ID = fmt.Sprintf("%s%s-%d", taskIDPrefix, producerName(identity), n)
	}
	c.in.names["id/"+task.ID] = true
	task.Service.Name = task.Name

	artifacts := make([]starlark.Value, len(task.Store))
	task.Store = slices.Clone(task.Store)
	for i := range task.Store {
		task.Store[i].Artifact = c.in.name(artifactKind, task.Store[i].Artifact, identity, task.Store[i].Source)
		artifacts[i] = starlark.String(task.Store[i].Artifact)
	}
	c.record(task, "%s", description)
	result := resultOf(task.ID, []string{fieldCode, fieldOutput})
	// Packages know the list by two names.
	fields := starlark.StringDict{"files_artifacts": starlark.NewList(artifacts), "file_artifacts": starlark.NewList(slices.Clone(artifacts))}
	for _, item := range result.Items() {
		name, _ := starlark.AsString(item[0])
		fields[name] = item[1]
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields)
}

// containerName makes a host name out of a task's name, one that no other task of the plan has.
func (in *interpreter) containerName(task string) string {
	base := strings.Trim(strings.Map(func(letter rune) rune {
		switch {
		case 'a' <= letter && letter <= 'z', '0' <= letter && letter <= '9', letter == '-':
			return letter
		case 'A' <= letter && letter <= 'Z':
			return letter - 'A' + 'a'
		}
		return '-'
	}, task), "-")
	if base == "" || base[0] < 'a' {
		base = "task-" + base
	}
	const room = maxNameLength - len("-9999")
	if len(base) > room {
		base = base[:room]
	}
	base = strings.TrimRight(base, "-")
	free := base
	for n := 2; in.names["container/"+free]; n++ {
		free = base + "-" + strconv.Itoa(n)
	}
	in.names["container/"+free] = true
	return free
}

func newRunSh() *builtin {
	p := newTaskParameters(shellImage)
	env := optional("env_vars", textDict, nil, "{}", "Environment. Values may hold runtime values.")
	privileged := optional("privileged", boolean, false, "False", "As in ServiceConfig.")
	hostProcesses := optional("host_pid_namespace", boolean, false, "False", "As in ServiceConfig.")
	binds := optional("bind_mounts", textDict, nil, "{}", "As in ServiceConfig.")
	return instruction("run_sh", "Runs a shell script in a container of its own.", shownTaskResult, func(c *call) (starlark.Value, error) {
		task := p.task(c.arguments, plan.TaskShell)
		task.Service.Env = env.of(c.arguments)
		task.Service.Privileged, task.Service.HostPIDNamespace = privileged.of(c.arguments), hostProcesses.of(c.arguments)
		task.Service.BindMounts = binds.of(c.arguments)
		checkGate(c.arguments, &task.Service)
		if c.bad() {
			return nil, nil
		}
		return c.recordTask(task, "Running sh script"), nil
	}, p.name, p.script, p.image, p.files, p.store, env, p.wait, p.accept.codes, p.accept.skip, p.nodeSelectors, p.tolerations, privileged, hostProcesses, binds, p.again)
}

func newRunPython() *builtin {
	p := newTaskParameters(pythonImage)
	args := optional("args", textList, nil, "[]", "Arguments of the script. May hold runtime values.")
	packages := optional("packages", textList, nil, "[]", "Packages that pip installs before. May hold runtime values.")
	env := optional("env_vars", textDict, nil, "{}", "Environment. Values may hold runtime values.").own()
	return instruction("run_python", "Runs a Python script in a container of its own.", shownTaskResult, func(c *call) (starlark.Value, error) {
		task := p.task(c.arguments, plan.TaskPython)
		task.Args, task.Packages, task.Service.Env = args.of(c.arguments), packages.of(c.arguments), env.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		return c.recordTask(task, "Running Python script"), nil
	}, p.name, p.script, args, packages, p.image, p.files, p.store, p.wait, p.accept.codes, p.accept.skip, p.nodeSelectors, p.tolerations, env, p.again)
}
