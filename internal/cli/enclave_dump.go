package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/events"
)

func newEnclaveDump(t *tools) *cobra.Command {
	call := dumpCall{tools: t}
	command := &cobra.Command{
		Use:   "dump NAME [FOLDER]",
		Short: "Write what is known of an enclave into a folder, for a report",
		Long: "FOLDER must not exist, or be empty; without it, it is named after the enclave. It gets\n\n" +
			"  enclave.json         as `inspect --format json` prints it, with the failure of the last apply\n" +
			"  images.json          which images the services have, and their ids\n" +
			"  logs/SERVICE.log     with the time of each line\n" +
			"  records/RUN.json     what the engine has recorded of each run, without values\n" +
			"  events/...           the progress of applies, as far as `sundog events` finds it from here\n" +
			"  diff.json            with --package: what a run of that package would do, and why\n\n" +
			"Environment variables and the values that a run has recorded are not written, as they may be secrets; logs and events\n" +
			"are written as they are.",
		Example:           "  sundog enclave dump dev evidence\n  sundog enclave dump dev evidence --package ./shop --args-file dev.yaml",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: t.completeEnclaves(&call.backend, false),
		RunE:              func(command *cobra.Command, args []string) error { return call.run(command, args) },
	}
	call.backend.add(command)
	call.format.add(command)
	call.flags.add(command)
	command.Flags().StringVar(&call.pkg, "package", "", "package to compare with: folder or locator")
	return command
}

// dumpCall is how `sundog enclave dump` was called.
type dumpCall struct {
	tools   *tools
	backend backendFlag
	format  formatFlag
	flags   packageFlags
	pkg     string
}

func (c *dumpCall) run(command *cobra.Command, args []string) error {
	asJSON, err := c.format.json()
	if err != nil {
		return err
	}
	if err := c.flags.check(); err != nil {
		return err
	}
	carrier, name, found, err := c.backend.inspected(command.Context(), c.tools, args[0])
	if err != nil {
		return err
	}
	folder := name
	if len(args) == 2 {
		folder = args[1]
	}
	var compared *diffDocument
	if c.pkg != "" {
		made, err := c.flags.interpret(command, c.pkg, carrier, name)
		if err != nil {
			return failed(err)
		}
		request, err := c.flags.request(made, name)
		if err != nil {
			return err
		}
		if compared, err = compare(command.Context(), carrier, request); err != nil {
			return explained(err)
		}
	}
	if err := dump(command.Context(), carrier, found, compared, folder); err != nil {
		return explained(err)
	}
	if asJSON {
		return writeJSON(command, map[string]string{"folder": folder})
	}
	_, err = fmt.Fprintln(command.OutOrStdout(), folder)
	return failed(err)
}

// dump writes all that it can: what cannot be read keeps nothing else from being written.
func dump(ctx context.Context, backend enclave.Backend, found *inspection, compared *diffDocument, folder string) (err error) {
	root, err := emptyFolder(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	asJSON := func(name string, document any) error {
		return writeInto(root, name, func(file io.Writer) error { return encodeJSON(file, document) })
	}
	failures := []error{asJSON("enclave.json", found), asJSON("images.json", imagesOf(found)), root.Mkdir("logs", 0o750), root.Mkdir("records", 0o750)}
	if compared != nil {
		failures = append(failures, asJSON("diff.json", compared))
	}
	for _, service := range found.Services {
		if service.Container == "" {
			continue // There is nothing of it but its record.
		}
		failures = append(failures, writeInto(root, path.Join("logs", service.Name+".log"), func(file io.Writer) error {
			stream, err := backend.Logs(ctx, found.Name, service.Name, enclave.LogOptions{Timestamps: true})
			if err != nil {
				return err
			}
			_, err = io.Copy(file, stream)
			return errors.Join(err, stream.Close())
		}))
	}
	for _, run := range found.Runs {
		content, err := engine.New(backend, engine.Options{}).DescribeRecord(ctx, found.Name, run.Name)
		if errors.Is(err, enclave.ErrNotFound) {
			continue // Its containers are all that there is of it.
		}
		if err == nil {
			err = asJSON(path.Join("records", strings.ReplaceAll(run.Name, "/", "-")+".json"), json.RawMessage(content))
		}
		failures = append(failures, err)
	}
	return errors.Join(append(failures, dumpEvents(root, found.Name))...)
}

// usedImage is an image and the services that have it.
type usedImage struct {
	Image    string   `json:"image"`
	ImageID  string   `json:"image_id"`
	Services []string `json:"services"`
}

func imagesOf(found *inspection) []*usedImage {
	images := []*usedImage{}
	for _, service := range found.Services {
		at := slices.IndexFunc(images, func(image *usedImage) bool { return image.Image == service.Image && image.ImageID == service.ImageID })
		if at < 0 {
			images, at = append(images, &usedImage{Image: service.Image, ImageID: service.ImageID}), len(images)
		}
		images[at].Services = append(images[at].Services, service.Name)
	}
	return images
}

// dumpEvents copies the files of an enclave's events.
func dumpEvents(root *os.Root, name string) error {
	if err := root.Mkdir("events", 0o750); err != nil {
		return err
	}
	var failures []error
	for i, folder := range eventFolders(nil) {
		entries, err := os.ReadDir(filepath.Join(folder, name))
		if err != nil {
			continue // There are none, or they are somebody else's.
		}
		for _, entry := range entries {
			if filepath.Ext(entry.Name()) != events.Extension {
				continue
			}
			failures = append(failures, writeInto(root, path.Join("events", fmt.Sprintf("%d-%s", i+1, entry.Name())), func(file io.Writer) error {
				source, err := os.Open(filepath.Join(folder, name, entry.Name()))
				if err != nil {
					return err
				}
				_, err = io.Copy(file, source)
				return errors.Join(err, source.Close())
			}))
		}
	}
	return errors.Join(failures...)
}

// emptyFolder opens a folder that has nothing in it, making it where it is missing.
func emptyFolder(folder string) (*os.Root, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("the folder %s is not empty: name another one", folder)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

func writeInto(root *os.Root, name string, write func(io.Writer) error) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
