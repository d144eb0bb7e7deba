package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func newEnclaveDump(t *tools) *cobra.Command {
	var backend backendFlag
	command := &cobra.Command{
		Use:   "dump NAME [FOLDER]",
		Short: "Write what is known of an enclave into a folder: its description and the logs of its services",
		Long: "FOLDER must not exist, or be empty; without it, it is named after the enclave. It gets enclave.json, as `inspect\n" +
			"--format json` prints it, and logs/SERVICE.log for every service. Environment variables and the values that a run has\n" +
			"recorded are not written, as they may be secrets; logs are written as they are.",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: t.completeEnclaves(&backend, false),
		RunE: func(command *cobra.Command, args []string) error {
			carrier, name, found, err := backend.inspected(command.Context(), t, args[0])
			if err != nil {
				return err
			}
			folder := name
			if len(args) == 2 {
				folder = args[1]
			}
			if err := dump(command.Context(), carrier, found, folder); err != nil {
				return explained(err)
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), folder)
			return failed(err)
		},
	}
	backend.add(command)
	return command
}

// dump writes all that it can: a log that cannot be read keeps no other from being written.
func dump(ctx context.Context, backend enclave.Backend, found *inspection, folder string) (err error) {
	root, err := emptyFolder(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	failures := []error{writeInto(root, "enclave.json", func(file io.Writer) error { return encodeJSON(file, found) }), root.Mkdir("logs", 0o750)}
	for _, service := range found.Services {
		if service.Container == "" {
			continue // There is nothing of it but its record.
		}
		failures = append(failures, writeInto(root, path.Join("logs", service.Name+".log"), func(file io.Writer) error {
			stream, err := backend.Logs(ctx, found.Name, service.Name, enclave.LogOptions{})
			if err != nil {
				return err
			}
			_, err = io.Copy(file, stream)
			return errors.Join(err, stream.Close())
		}))
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
