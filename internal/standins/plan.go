package standins

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	// portWait is how long a port may take to open; a database that fills itself first takes a while.
	portWait = 5 * time.Minute
	// readyWait is how long a container may take to be ready when it does not say.
	readyWait = 5 * time.Minute
)

// toPlan says what the containers are in the words of a plan. Order is kept: a container is started after those before
// it are ready and their steps are done.
func toPlan(fork string, containers []forker.Container) (*plan.Plan, error) {
	p := &plan.Plan{PackageName: RunName(fork)}
	for i := range containers {
		container := &containers[i]
		spec, uploads, err := toService(container)
		if err != nil {
			return nil, fmt.Errorf("container %q of %s: %w", container.Name, container.Key, err)
		}
		for _, upload := range uploads {
			p.Instructions = append(p.Instructions, plan.Instruction{
				Name: "upload_files", Description: "Preparing files of " + container.Key, Operation: upload,
			})
		}
		p.Instructions = append(p.Instructions, plan.Instruction{
			Name: "add_service", Description: fmt.Sprintf("Running %s as container %q", container.Key, container.Name),
			Operation: &plan.AddServices{Services: []plan.ServiceSpec{spec}},
		})
		for step := range container.Steps {
			p.Instructions = append(p.Instructions, plan.Instruction{
				Name: "exec", Description: container.Steps[step].Description + " in " + container.Key,
				Operation: &plan.Exec{
					ID: container.Name + "#" + strconv.Itoa(step+1), Service: container.Name,
					Recipe:     plan.ExecRecipe{Command: container.Steps[step].Command},
					Acceptance: plan.Acceptance{Codes: []int64{0}},
				},
			})
		}
	}
	return p, nil
}

func toService(container *forker.Container) (plan.ServiceSpec, []*plan.UploadFiles, error) {
	spec := plan.ServiceSpec{
		Name: container.Name, Image: plan.Image{Name: container.Image},
		Entrypoint: container.Entrypoint, Cmd: container.Command,
		Env: container.Env, VolatileEnv: container.VolatileEnv, Aliases: container.Aliases,
		Ports: map[string]plan.Port{}, Files: map[string]plan.Mount{},
		MaxCPU: container.CPU, MaxMemory: container.Memory,
	}
	for _, port := range container.Ports {
		ready := portWait
		if port.NoWait {
			ready = 0
		}
		spec.Ports[port.ID] = plan.Port{Number: port.Number, Transport: port.Transport, Application: port.Application, Wait: ready}
	}
	var uploads []*plan.UploadFiles
	for _, mount := range slices.Sorted(maps.Keys(container.Files)) {
		upload, err := toUpload(container.Name, mount, container.Files[mount])
		if err != nil {
			return spec, nil, err
		}
		uploads = append(uploads, upload)
		spec.Files[mount] = plan.Mount{Artifacts: []string{upload.Artifact}}
	}
	for mount, key := range container.Volumes {
		spec.Files[mount] = plan.Mount{PersistentKey: key}
	}
	for _, mount := range container.Lasting {
		spec.Files[mount] = plan.Mount{Lasting: true}
	}
	user, err := toUser(container.User)
	if err != nil {
		return spec, nil, err
	}
	spec.User = user
	if len(container.Ready) > 0 {
		timeout := container.ReadyTimeout
		if timeout == 0 {
			timeout = readyWait
		}
		spec.Ready = &plan.ReadyCondition{
			Recipe: &plan.ExecRecipe{Command: container.Ready},
			Condition: plan.Condition{
				Field: "code", Assertion: "==", Target: int64(0), Interval: 500 * time.Millisecond, Timeout: timeout,
			},
		}
	}
	return spec, uploads, nil
}

func toUpload(container, mount string, contents map[string]string) (*plan.UploadFiles, error) {
	files := make([]plan.File, 0, len(contents))
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		files = append(files, plan.TextFile(name, 0o644, contents[name]))
	}
	tree, err := plan.NewFileTree(files)
	if err != nil {
		return nil, err
	}
	return &plan.UploadFiles{Artifact: container + strings.TrimRight(mount, "/"), Source: mount, Tree: tree, Sensitive: true}, nil
}

// toUser reads "uid" or "uid:gid".
func toUser(text string) (*plan.User, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // The image's own user is an answer, not an error.
	}
	first, second, both := strings.Cut(text, ":")
	uid, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("user %q is no number: this version runs containers as users by number only", text)
	}
	user := &plan.User{UID: uid}
	if both {
		gid, err := strconv.ParseInt(second, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("group of user %q is no number: this version runs containers as groups by number only", text)
		}
		user.GID = &gid
	}
	return user, nil
}
