package cli

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func newFiles(t *tools) *cobra.Command {
	group := &cobra.Command{
		Use:   "files",
		Short: "Look into files artifacts of an enclave",
		Long:  "A files artifact is a named, content-addressed file tree that services mount.",
		Args:  noCommand,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	group.AddCommand(newFilesList(t), newFilesGet(t))
	return group
}

// fileDocument is one entry of a files artifact.
type fileDocument struct {
	Path string `json:"path"`
	// Type is "file", "folder" or "link".
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	Mode   string `json:"mode"`
	Target string `json:"target,omitempty"`
}

func newFilesList(t *tools) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	var run string
	command := &cobra.Command{
		Use:               "ls ENCLAVE [ARTIFACT]",
		Short:             "List the files artifacts of an enclave, or the files in one",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: t.completeArtifacts(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			carrier, _, found, err := backend.inspected(command.Context(), t, args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return found.writeArtifacts(command, asJSON)
			}
			files := []fileDocument{}
			err = readArtifact(command.Context(), carrier, found, args[1], run, func(header *tar.Header, _ io.Reader) error {
				if document, ok := describeFile(header); ok {
					files = append(files, document)
				}
				return nil
			})
			if err != nil {
				return explained(err)
			}
			return writeFilesOf(command, files, asJSON)
		},
	}
	backend.add(command)
	format.add(command)
	addRunFlag(command, &run)
	return command
}

func (i *inspection) writeArtifacts(command *cobra.Command, asJSON bool) error {
	if asJSON {
		return writeJSON(command, i.Artifacts)
	}
	return writeTable(command, i.artifactRows())
}

func writeFilesOf(command *cobra.Command, files []fileDocument, asJSON bool) error {
	if asJSON {
		return writeJSON(command, files)
	}
	var rows [][]string
	for _, file := range files {
		shown := file.Path
		if file.Target != "" {
			shown += " -> " + file.Target
		}
		rows = append(rows, []string{file.Mode, strconv.FormatInt(file.Size, 10), shown})
	}
	return writeTable(command, rows)
}

func addRunFlag(command *cobra.Command, run *string) {
	command.Flags().StringVar(run, "run", "", "run that made the artifact, where several have made one of that name")
}

func describeFile(header *tar.Header) (fileDocument, bool) {
	name := path.Clean(strings.TrimPrefix(header.Name, "/"))
	document := fileDocument{Path: name, Size: header.Size, Mode: header.FileInfo().Mode().String(), Type: "file"}
	switch header.Typeflag {
	case tar.TypeDir:
		document.Type = "folder"
	case tar.TypeSymlink, tar.TypeLink:
		document.Type, document.Target = "link", header.Linkname
	case tar.TypeReg:
	default:
		return document, false
	}
	return document, name != "."
}

func newFilesGet(t *tools) *cobra.Command {
	var backend backendFlag
	var run string
	command := &cobra.Command{
		Use:   "get ENCLAVE ARTIFACT [FOLDER]",
		Short: "Copy a files artifact into a folder",
		Long: "FOLDER is made where it is missing; without it, one is made that is named after the artifact. Files that are in it\n" +
			"under the same names are replaced; nothing is written outside of it.",
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: t.completeArtifacts(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			carrier, _, found, err := backend.inspected(command.Context(), t, args[0])
			if err != nil {
				return err
			}
			target := args[1]
			if len(args) == 3 {
				target = args[2]
			} else if !filepath.IsLocal(target) {
				return usage("the artifact's name %q cannot be a folder's here: name the FOLDER", target)
			}
			if _, err := found.artifact(args[1], run); err != nil {
				return failed(err)
			}
			unpacker, err := newUnpacker(target)
			if err != nil {
				return failed(err)
			}
			err = readArtifact(command.Context(), carrier, found, args[1], run, unpacker.unpack)
			if err := errors.Join(err, unpacker.root.Close()); err != nil {
				return explained(err)
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), target)
			return failed(err)
		},
	}
	backend.add(command)
	addRunFlag(command, &run)
	return command
}

// artifact finds a files artifact by its name and, where that is not enough, the run that made it.
func (i *inspection) artifact(name, run string) (artifactDocument, error) {
	var found []artifactDocument
	var known, runs []string
	for _, artifact := range i.Artifacts {
		known = append(known, artifact.Name)
		if artifact.Name == name && (run == "" || artifact.Run == run) {
			found, runs = append(found, artifact), append(runs, artifact.Run)
		}
	}
	switch {
	case len(found) == 0 && len(known) == 0:
		return artifactDocument{}, fmt.Errorf("the enclave %q has no files artifacts: `sundog enclave inspect` shows what is in it", i.Name)
	case len(found) == 0:
		return artifactDocument{}, fmt.Errorf("the enclave %q has no files artifact %q%s: it has %s", i.Name, name, didYouMean(name, known), strings.Join(known, ", "))
	}
	for _, other := range found[1:] {
		if other.Digest != found[0].Digest {
			return artifactDocument{}, fmt.Errorf("several runs have made a files artifact %q: choose one by --run: %s", name, strings.Join(runs, ", "))
		}
	}
	return found[0], nil
}

// readArtifact streams a files artifact, entry by entry.
func readArtifact(ctx context.Context, backend enclave.Backend, in *inspection, name, run string, each func(*tar.Header, io.Reader) error) (err error) {
	artifact, err := in.artifact(name, run)
	if err != nil {
		return err
	}
	stream, err := backend.Artifact(ctx, in.Name, artifact.Digest)
	if err != nil {
		return fmt.Errorf("read files artifact %q: %w", name, err)
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read files artifact %q: %w", name, err)
		}
		if err := each(header, reader); err != nil {
			return err
		}
	}
}

// unpacker writes into one folder and never outside of it, whatever names and links an archive has.
type unpacker struct{ root *os.Root }

func newUnpacker(folder string) (*unpacker, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // It is as readable as any folder of the user's.
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	return &unpacker{root}, err
}

func (u *unpacker) unpack(header *tar.Header, content io.Reader) error {
	document, ok := describeFile(header)
	if !ok {
		return nil
	}
	name := filepath.FromSlash(document.Path)
	if !filepath.IsLocal(name) {
		return fmt.Errorf("the files artifact has a file %q, which would be outside of the folder", header.Name)
	}
	if document.Type == "folder" {
		return u.root.MkdirAll(name, 0o755)
	}
	if err := u.root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := u.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch header.Typeflag {
	case tar.TypeSymlink:
		return u.root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return u.root.Link(filepath.FromSlash(path.Clean(header.Linkname)), name)
	}
	return u.write(name, header.FileInfo().Mode().Perm(), content)
}

func (u *unpacker) write(name string, mode fs.FileMode, content io.Reader) error {
	file, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
