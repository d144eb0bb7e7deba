package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// lastLines is how much of a failed build's output stands in the error.
const lastLines = 20

// buildClassic builds by the engine's first builder, which takes the context as an archive.
func (b *Backend) buildClassic(ctx context.Context, conn *connection, job *buildJob) error {
	tree, err := classicContext(job)
	if err != nil {
		return err
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(tree.WriteTar(writer)) }()
	defer reader.Close() //nolint:errcheck // It ends the writer.
	options := job.options()
	options.Version, options.Remove, options.ForceRemove, options.AuthConfigs = build.BuilderV1, true, true, b.allCredentials()
	result, err := conn.ImageBuild(ctx, reader, options)
	if err != nil {
		return conn.translate(err)
	}
	defer result.Body.Close() //nolint:errcheck // It is read to its end.
	var output strings.Builder
	err = readBuild(result.Body, &output, enclave.Progress(ctx))
	detached, cancel := detach(ctx)
	defer cancel()
	for _, id := range leftovers(output.String(), err == nil) {
		// What is still needed is refused, and what is not there any more is no loss.
		_, _ = conn.ImageRemove(detached, id, client.ImageRemoveOptions{PruneChildren: true})
	}
	return err
}

// classicContext is what the classic builder gets. It finds the build file in the context, and takes it out again
// before it copies if the context's ignore file names it.
func classicContext(job *buildJob) (*plan.FileTree, error) {
	const general = ".dockerignore"
	files := job.visible.Files
	missing, ignores := true, false
	for _, file := range files {
		missing = missing && file.Path != job.spec.File()
		ignores = ignores || file.Path == general
	}
	if !missing {
		return job.visible, nil
	}
	for _, file := range job.spec.Context.Files {
		if file.Path == job.spec.File() {
			files = append([]plan.File{file}, files...)
		}
	}
	if !ignores {
		files = append([]plan.File{plan.TextFile(general, 0o644, general+"\n"+job.spec.File()+"\n")}, files...)
	}
	return plan.NewFileTree(files)
}

// stepResult is what the classic builder prints when a step has made an image.
var stepResult = regexp.MustCompile(`^ ---> ([0-9a-f]{12})$`)

// leftovers finds, in a build's output, the images that the builder leaves behind without a name: the last one of each
// stage but the last, or of every stage if the build has failed. Images that a step found rather than made, as a base
// or in the cache, are somebody else's.
func leftovers(output string, succeeded bool) []string {
	var made []string
	last, found := "", true
	finish := func() {
		if last != "" {
			made = append(made, last)
		}
		last = ""
	}
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		if step, isStep := strings.CutPrefix(line, "Step "); isStep {
			_, instruction, _ := strings.Cut(step, " : ")
			if found = strings.HasPrefix(strings.ToUpper(instruction), "FROM "); found {
				finish()
			}
		}
		if line == " ---> Using cache" {
			found = true
		}
		if match := stepResult.FindStringSubmatch(line); match != nil {
			if last = match[1]; found {
				last = ""
			}
		}
	}
	if !succeeded {
		finish()
	}
	return made
}

// readBuild follows a build to its end; an error comes with the last lines of output.
func readBuild(stream io.Reader, output *strings.Builder, tell func(string)) error {
	decoder := json.NewDecoder(stream)
	for {
		var message jsonstream.Message
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the build: %w", err)
		}
		output.WriteString(message.Stream)
		if step, found := strings.CutPrefix(message.Stream, "Step "); found {
			tell(strings.TrimSpace(step))
		}
		if message.Error != nil {
			return fmt.Errorf("%s; the build's last output was:\n%s", message.Error.Message, strings.Join(lastOf(output.String()), "\n"))
		}
	}
}

// lastOf gives the last lines of an output.
func lastOf(output string) []string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[max(0, len(lines)-lastLines):]
}
