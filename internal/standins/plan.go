package standins

import (
	"cmp"
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
	// readyTimeout bounds the wait for a container that names no bound itself.
	readyTimeout = 2 * time.Minute
	// readyInterval is how often a readiness command is tried.
	readyInterval = 250 * time.Millisecond
	fileMode      = 0o644
)

// planOf says as a plan what a fork's containers are to be: each is added, ready and through its steps before the next.
func planOf(fork string, containers []forker.Container) (*plan.Plan, error) {
	result := &plan.Plan{PackageName: "fork/" + fork}
	for i := range containers {
		instructions, err := instructionsOf(&containers[i])
		if err != nil {
			return nil, &ContainerError{Key: containers[i].Key, Container: containers[i].Name, Err: err}
		}
		result.Instructions = append(result.Instructions, instructions...)
	}
	return result, nil
}

func instructionsOf(container *forker.Container) ([]plan.Instruction, error) {
	spec := plan.ServiceSpec{
		Name: container.Name, Image: plan.Image{Name: container.Image}, Entrypoint: container.Entrypoint, Cmd: container.Command,
		Env: container.Env, VolatileEnv: container.VolatileEnv, Aliases: container.Aliases,
		MaxCPU: container.CPU, MaxMemory: container.Memory, Files: map[string]plan.Mount{},
	}
	var err error
	if spec.User, err = userOf(container.User); err != nil {
		return nil, err
	}
	if spec.Ports, err = portsOf(container); err != nil {
		return nil, err
	}
	if len(container.Ready) > 0 {
		spec.Ready = &plan.ReadyCondition{
			Recipe: &plan.ExecRecipe{Command: container.Ready},
			Condition: plan.Condition{
				Field: "code", Assertion: "==", Target: int64(0), Interval: readyInterval, Timeout: cmp.Or(container.ReadyTimeout, readyTimeout),
			},
		}
	}
	var instructions []plan.Instruction
	for _, path := range slices.Sorted(maps.Keys(container.Files)) {
		upload, err := uploadOf(container, path)
		if err != nil {
			return nil, err
		}
		instructions = append(instructions, plan.Instruction{
			Name: "upload_files", Description: fmt.Sprintf("files of container %q at %s", container.Name, path), Operation: upload,
		})
		spec.Files[path] = plan.Mount{Artifacts: []string{upload.Artifact}}
	}
	for path, key := range container.Volumes {
		if _, taken := spec.Files[path]; taken {
			return nil, fmt.Errorf("both files and a volume are to be mounted at %s", path)
		}
		spec.Files[path] = plan.Mount{PersistentKey: key}
	}
	instructions = append(instructions, plan.Instruction{
		Name: "add_service", Description: fmt.Sprintf("container %q", container.Name), Operation: &plan.AddServices{Services: []plan.ServiceSpec{spec}},
	})
	for i, step := range container.Steps {
		instructions = append(instructions, plan.Instruction{
			Name: "exec", Description: fmt.Sprintf("container %q, %s", container.Name, cmp.Or(step.Description, fmt.Sprintf("step %d", i+1))),
			Operation: &plan.Exec{
				ID: fmt.Sprintf("%s.step.%d", container.Name, i+1), Service: container.Name,
				Recipe: plan.ExecRecipe{Command: step.Command}, Acceptance: plan.Acceptance{Codes: []int64{0}},
			},
		})
	}
	return instructions, nil
}

// userOf reads "uid" or "uid:gid".
func userOf(text string) (*plan.User, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // None is the image's own.
	}
	uidText, gidText, hasGroup := strings.Cut(text, ":")
	uid, err := strconv.ParseInt(uidText, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("user %q is not of the form uid or uid:gid, in numbers", text)
	}
	user := &plan.User{UID: uid}
	if hasGroup {
		gid, err := strconv.ParseInt(gidText, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("user %q is not of the form uid or uid:gid, in numbers", text)
		}
		user.GID = &gid
	}
	return user, nil
}

// portsOf gives the ports. They are waited for unless a readiness command tells more.
func portsOf(container *forker.Container) (map[string]plan.Port, error) {
	ports := map[string]plan.Port{}
	for _, port := range container.Ports {
		if _, twice := ports[port.ID]; twice {
			return nil, fmt.Errorf("two ports are called %q", port.ID)
		}
		declared := plan.Port{Number: port.Number, Transport: strings.ToUpper(cmp.Or(port.Transport, "TCP")), Application: port.Application}
		if !port.NoWait && len(container.Ready) == 0 {
			declared.Wait = cmp.Or(container.ReadyTimeout, readyTimeout)
		}
		ports[port.ID] = declared
	}
	return ports, nil
}

func uploadOf(container *forker.Container, path string) (*plan.UploadFiles, error) {
	contents := container.Files[path]
	files := make([]plan.File, 0, len(contents))
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		files = append(files, plan.TextFile(name, fileMode, contents[name]))
	}
	tree, err := plan.NewFileTree(files)
	if err != nil {
		return nil, fmt.Errorf("files at %s: %w", path, err)
	}
	return &plan.UploadFiles{Artifact: container.Name + ":" + path, Source: path, Tree: tree}, nil
}
