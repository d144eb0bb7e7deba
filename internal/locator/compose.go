package locator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// composeNames are the files that make a folder without a kurtosis.yml a package; the first one that is there counts.
var composeNames = []string{
	"compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml", "docker_compose.yml", "docker_compose.yaml",
}

// IsComposeFile tells whether a file is called like a Compose file. Such a file is never Starlark.
func IsComposeFile(name string) bool { return slices.Contains(composeNames, path.Base(name)) }

// composeFile finds the Compose file of a folder; empty if there is none.
func (t *tree) composeFile(folder string) string {
	for _, name := range composeNames {
		if info, err := t.stat(joinPath(folder, name)); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// openCompose opens a folder whose package is a Compose file. The Git checkout that it lies in is its repository, as it is
// when the package is fetched, so that the file can build and mount what lies beside its folder.
func (r *Resolver) openCompose(directory, file string) (*Package, error) {
	outer := directory
	for folder := directory; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, ".git")); err == nil {
			outer = folder
			break
		}
		if folder == filepath.Dir(folder) {
			break
		}
	}
	inside, err := filepath.Rel(outer, directory)
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	name := address{repository: filepath.Base(outer), path: joinPath(filepath.ToSlash(inside))}
	root := &tree{repository: name.repository, directory: outer, local: true}
	if text, err := root.read(joinPath(name.path, ignoreName)); err == nil && name.path == "" {
		root.ignore = parseIgnore(string(text))
	}
	if file == "" {
		file = root.composeFile(name.path)
	}
	locks, err := r.localLocks(root, name.path)
	if err != nil {
		return nil, err
	}
	opened := newPackage(r, &manifest{Name: filepath.Base(directory)}, name, root, name.path, directory, locks)
	opened.ComposeFile = file
	return opened, nil
}

// openComposeFile opens the package that a Compose file is, named by itself.
func (r *Resolver) openComposeFile(file string) (*Package, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	return r.openCompose(filepath.Dir(file), filepath.Base(file))
}

// Path is where the file lies in its Repository.
func (f File) Path() string { return f.path }

// Repository gives all files that a package's repository has at hand, by their paths in it.
func (f File) Repository() Repository { return Repository{f.tree} }

// Repository is a tree of files that nothing leads out of.
type Repository struct{ tree *tree }

// Read gives the content of a file of at most 64 MiB.
func (r Repository) Read(file string) ([]byte, error) { return r.tree.read(file) }

// Stat describes a file or a folder; nil if there is none. It is an error if it may not be looked at.
func (r Repository) Stat(file string) (fs.FileInfo, error) {
	info, err := r.tree.stat(file)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return info, err
}

// In gives a file of the repository in which another file of the package lies.
func (p *Package) In(beside File, file string) File { return p.file(beside.tree, file) }
