package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

func newPackageInit() *cobra.Command {
	var name, description string
	command := &cobra.Command{
		Use:     "init [FOLDER]",
		Short:   "Write the first files of a package",
		Long:    "Writes a kurtosis.yml and a main.star into FOLDER (default: the working folder). Files that exist are never replaced.",
		Example: "  sundog package init shop --name github.com/acme/shop",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			folder := "."
			if len(args) == 1 {
				folder = args[0]
			}
			if name == "" {
				absolute, err := filepath.Abs(folder)
				if err != nil {
					return failed(err)
				}
				name = "github.com/example/" + filepath.Base(absolute)
			}
			if err := locator.CheckName(name); err != nil {
				return usage("--name: %w", err)
			}
			written, err := initPackage(folder, name, description)
			for _, file := range written {
				if _, err := fmt.Fprintln(command.OutOrStdout(), file); err != nil {
					return failed(err)
				}
			}
			return failed(err)
		},
	}
	command.Flags().StringVar(&name, "name", "", "name of the package: where it will lie, as github.com/owner/repository[/folder] (default github.com/example/<folder>)")
	command.Flags().StringVar(&description, "description", "", "what the package is, Markdown")
	return command
}

const firstMain = `def run(plan, image="nginx:1", replicas=1):
    """Runs web servers.

    Args:
        image (string): The image that they run.
        replicas (int): How many there are.

    Returns:
        The address of each server inside the enclave.
    """
    servers = plan.add_services({
        "web-{}".format(n): ServiceConfig(
            image=image,
            ports={"http": PortSpec(80, application_protocol="http")},
        )
        for n in range(replicas)
    })
    return {name: server.ports["http"].url for name, server in servers.items()}
`

// initPackage writes the files and tells which. It looks at all of them before it writes the first.
func initPackage(folder, name, description string) ([]string, error) {
	manifest, err := locator.NewManifest(name, description)
	if err != nil {
		return nil, err
	}
	files := []struct{ name, content string }{{"kurtosis.yml", manifest}, {"main.star", firstMain}}
	for _, file := range files {
		if _, err := os.Lstat(filepath.Join(folder, file.name)); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("%s exists already: choose another folder, or remove it first", filepath.Join(folder, file.name))
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a package's folder is for everybody to read
		return nil, err
	}
	var written []string
	for _, file := range files {
		target := filepath.Join(folder, file.name)
		out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // so are its files
		if err != nil {
			return written, err
		}
		_, err = out.WriteString(file.content)
		if err = errors.Join(err, out.Close()); err != nil {
			return written, err
		}
		written = append(written, target)
	}
	return written, nil
}
