package plan

import "time"

// Operation is the payload of an instruction. The set of implementations is closed: it is the list in this file.
type Operation interface {
	// Produces names the files artifacts that carrying out the operation makes, in order.
	Produces() []string
	operation()
}

// Acceptance says which codes an exec, a request or a task may end with.
type Acceptance struct {
	Codes []int64
	// Skip accepts every code.
	Skip bool
}

// AddServices adds one service (add_service) or a batch that may start together (add_services).
type AddServices struct {
	// Services in the order in which the package gave them.
	Services []ServiceSpec
	// Batch is set for add_services: a failure to start one removes those of the batch that are new.
	Batch bool
	// ForceUpdate replaces the services even if nothing changed.
	ForceUpdate bool
}

// RemoveService removes a service that an earlier instruction, or an earlier run, added.
type RemoveService struct{ Service string }

// StartService starts a stopped service.
type StartService struct{ Service string }

// StopService stops a service and keeps its name, address and files.
type StopService struct{ Service string }

// Exec runs a command inside a service. Fields of its result: code (int), output (string), extract.<key>.
type Exec struct {
	// ID is the producer name under which the results are referred to.
	ID         string
	Service    string
	Recipe     ExecRecipe
	Acceptance Acceptance
	Rerun      Rerun `json:",omitempty"`
}

// Request sends one HTTP request to a service. Fields of its result: code (int), body (string), extract.<key>.
type Request struct {
	ID         string
	Service    string
	Recipe     HTTPRecipe
	Acceptance Acceptance
	Rerun      Rerun `json:",omitempty"`
}

// Wait repeats a recipe until an assertion about one field of its result holds.
type Wait struct {
	ID        string
	Service   string
	Recipe    Recipe
	Condition Condition
	Rerun     Rerun `json:",omitempty"`
}

// Verify compares a value with a target once and fails the run if the assertion does not hold.
type Verify struct {
	Value     string
	Assertion string
	Target    any
}

// Print shows a message.
type Print struct{ Message string }

// RenderTemplates makes a files artifact out of Go text/templates.
type RenderTemplates struct {
	Artifact  string
	Templates []Template // sorted by path
}

// Template is one file of RenderTemplates.
type Template struct {
	Path string
	Text string
	// Data is a JSON-like value; strings in it may hold runtime values, which are resolved before rendering.
	Data any
}

// UploadFiles makes a files artifact out of files that came with the package (or were put together by the caller).
type UploadFiles struct {
	Artifact string
	Source   string // as the package wrote it, for messages
	Tree     *FileTree
	// Sensitive tells that the content may hold secrets, so that no plain digest of it may be written down.
	Sensitive bool
}

// StoreServiceFiles makes a files artifact out of files of a running service.
type StoreServiceFiles struct {
	ID       string
	Artifact string
	Service  string
	Source   string // absolute path in the container; a directory stores its contents
	Rerun    Rerun  `json:",omitempty"`
}

// GetFilesArtifact requires that an artifact exists.
type GetFilesArtifact struct{ Artifact string }

// GetServices requires that services exist.
type GetServices struct{ Services []string }

// TaskKind tells how a task's script is run.
type TaskKind string

// The kinds of tasks.
const (
	TaskShell  TaskKind = "sh"
	TaskPython TaskKind = "python"
)

// RunTask runs a script in a container of its own (run_sh, run_python) and removes the container when it is done.
// Fields of its result: code (int), output (string).
type RunTask struct {
	ID       string
	Name     string // service name of the task's container
	Kind     TaskKind
	Script   string
	Args     []string // run_python only
	Packages []string // run_python only
	// Service carries image, files, environment and scheduling of the task's container; its Name equals Name.
	Service ServiceSpec
	Store   []StoreSpec
	// Timeout bounds the script; zero means no bound.
	Timeout    time.Duration
	Acceptance Acceptance
	Rerun      Rerun `json:",omitempty"`
}

// StoreSpec is one path of a task that becomes a files artifact.
type StoreSpec struct {
	Source   string
	Artifact string
}

// Produces implements Operation.
func (*AddServices) Produces() []string { return nil }

// Produces implements Operation.
func (*RemoveService) Produces() []string { return nil }

// Produces implements Operation.
func (*StartService) Produces() []string { return nil }

// Produces implements Operation.
func (*StopService) Produces() []string { return nil }

// Produces implements Operation.
func (*Exec) Produces() []string { return nil }

// Produces implements Operation.
func (*Request) Produces() []string { return nil }

// Produces implements Operation.
func (*Wait) Produces() []string { return nil }

// Produces implements Operation.
func (*Verify) Produces() []string { return nil }

// Produces implements Operation.
func (*Print) Produces() []string { return nil }

// Produces implements Operation.
func (*GetFilesArtifact) Produces() []string { return nil }

// Produces implements Operation.
func (*GetServices) Produces() []string { return nil }

// Produces implements Operation.
func (o *RenderTemplates) Produces() []string { return []string{o.Artifact} }

// Produces implements Operation.
func (o *UploadFiles) Produces() []string { return []string{o.Artifact} }

// Produces implements Operation.
func (o *StoreServiceFiles) Produces() []string { return []string{o.Artifact} }

// Produces implements Operation.
func (o *RunTask) Produces() []string {
	names := make([]string, len(o.Store))
	for i, store := range o.Store {
		names[i] = store.Artifact
	}
	return names
}

func (*AddServices) operation()       {}
func (*RemoveService) operation()     {}
func (*StartService) operation()      {}
func (*StopService) operation()       {}
func (*Exec) operation()              {}
func (*Request) operation()           {}
func (*Wait) operation()              {}
func (*Verify) operation()            {}
func (*Print) operation()             {}
func (*RenderTemplates) operation()   {}
func (*UploadFiles) operation()       {}
func (*StoreServiceFiles) operation() {}
func (*GetFilesArtifact) operation()  {}
func (*GetServices) operation()       {}
func (*RunTask) operation()           {}
