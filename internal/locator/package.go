package locator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Package is an opened root package. It is safe for concurrent use.
type Package struct {
	// Name as kurtosis.yml declares it; of a Compose file the name of its folder, or its locator.
	Name string
	// Description as kurtosis.yml gives it.
	Description string
	// Directory is the package's folder on this machine; empty for a remote package.
	Directory string
	// ComposeFile is the name of the Compose file that the package consists of; empty for a package with a kurtosis.yml.
	ComposeFile string

	resolver *Resolver
	address  address
	root     *tree
	folder   string // of the package, inside root
	replace  map[string]string

	locks *lockSet

	mutex    sync.Mutex
	used     map[string]*tree     // by locator
	first    map[string]*tree     // by repository: the version that was used first
	files    map[string]*download // what URLs gave
	modules  map[File]bool        // what was imported or read
	local    map[string]*tree     // targets of local replaces, by key
	warnings []string
}

func newPackage(resolver *Resolver, parsed *manifest, name address, root *tree, folder, directory string, locks *lockSet) *Package {
	name.version = root.version
	opened := &Package{
		Name: parsed.Name, Description: parsed.Description, Directory: directory,
		resolver: resolver, address: name, root: root, folder: folder,
		replace: parsed.Replace, locks: locks, used: map[string]*tree{}, first: map[string]*tree{}, files: map[string]*download{}, modules: map[File]bool{}, local: map[string]*tree{},
	}
	opened.use(root)
	return opened
}

// Warnings are what the package's author or user should know about the files that were used so far, each once.
func (p *Package) Warnings() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return slices.Clone(p.warnings)
}

func (p *Package) warn(message string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if message != "" && !slices.Contains(p.warnings, message) {
		p.warnings = append(p.warnings, message)
	}
}

// File is a file or folder of some repository. Two files are the same place exactly if they are equal.
type File struct {
	pkg     *Package
	tree    *tree
	path    string // inside the tree
	display string
}

// String names the file as positions do: relative to the root package, or by locator for any other.
func (f File) String() string { return f.display }

// Read gives the content of a file of at most 64 MiB.
func (f File) Read() ([]byte, error) {
	content, err := f.tree.read(f.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.display, err)
	}
	if isPointer(content) {
		f.pkg.warn(pointerWarning(f.path, f.tree))
	}
	return content, nil
}

// Tree gives a file (under its base name) or the contents of a folder.
func (f File) Tree(ctx context.Context) (*plan.FileTree, error) {
	tree, warnings, err := f.tree.fileTree(ctx, f.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.display, err)
	}
	for _, warning := range warnings {
		f.pkg.warn(warning)
	}
	return tree, nil
}

// IsDir tells whether the file is a folder.
func (f File) IsDir() bool {
	info, err := f.tree.stat(f.path)
	return err == nil && info.IsDir()
}

// Base is the last element of the file's path.
func (f File) Base() string { return path.Base(path.Join(f.tree.repository, f.tree.prefix, f.path)) }

// Local tells whether the root package is a folder on this machine.
func (p *Package) Local() bool { return p.root.local }

// Main gives a file of the root package by its path relative to the package's folder.
func (p *Package) Main(name string) (File, error) {
	cleaned := path.Clean(filepath.ToSlash(name))
	if name == "" || path.IsAbs(cleaned) || climbs(name) {
		return File{}, fmt.Errorf("%w: main file %q must be a path relative to the package's folder", ErrOutside, name)
	}
	file := p.file(p.root, joinPath(p.folder, cleaned))
	if _, err := p.root.stat(file.path); err != nil {
		return File{}, fmt.Errorf("main file %q of package %s: %w", name, p.Name, err)
	}
	return file, nil
}

// Files maps every file of a local root package to its SHA-256 (lower-case hexadecimal), Git's folder and what the
// package's ignore file lists left out; nil for a remote package. The lock file is among them, vendored repositories are
// not.
func (p *Package) Files(ctx context.Context) (map[string]string, error) {
	if !p.root.local {
		return nil, nil
	}
	tree, err := p.root.packageFiles(ctx, p.folder)
	if err != nil {
		return nil, fmt.Errorf("files of package %s: %w", p.Name, err)
	}
	files := make(map[string]string, len(tree.Files))
	for _, file := range tree.Files {
		switch {
		case file.SHA256 != "":
			files[file.Path] = file.SHA256
		case file.Link != "":
			files[file.Path] = plan.TextFile(file.Path, 0, file.Link).SHA256
		}
	}
	return files, nil
}

// Sources lists the Starlark files that constant locators can be looked for in: all of the root package, and of other
// packages those that were imported so far; sorted by name.
func (p *Package) Sources(ctx context.Context) ([]File, error) {
	files, err := p.root.rawFiles(ctx)
	if err != nil {
		return nil, err
	}
	found := map[File]bool{}
	for _, file := range files {
		if !isSource(file.path) || file.mode == modeLink || !within(file.path, p.folder) || p.root.ignore.covers(file.path, false) || p.foreign(file.path) {
			continue
		}
		found[p.file(p.root, file.path)] = true
	}
	p.mutex.Lock()
	for file := range p.modules {
		if isSource(file.path) {
			found[file] = true
		}
	}
	p.mutex.Unlock()
	return slices.SortedFunc(maps.Keys(found), func(a, b File) int { return strings.Compare(a.display, b.display) }), nil
}

func isSource(name string) bool { return path.Ext(name) == ".star" }

// foreign tells whether a file in the root package's folder belongs to another package, or to a vendor folder.
func (p *Package) foreign(name string) bool {
	for folder := joinPath(path.Dir(name)); folder != p.folder && folder != ""; folder = joinPath(path.Dir(folder)) {
		for _, mark := range []string{manifestName, VendorListName} {
			if info, err := p.root.statAny(joinPath(folder, mark)); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// Used lists the fetched repositories that locators led to so far, sorted by locator.
func (p *Package) Used() []plan.PackageReference {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	references := make([]plan.PackageReference, 0, len(p.used))
	for locator, used := range p.used {
		references = append(references, plan.PackageReference{Locator: locator, Commit: used.commit})
	}
	slices.SortFunc(references, func(a, b plan.PackageReference) int { return strings.Compare(a.Locator, b.Locator) })
	return references
}

func (p *Package) use(t *tree) {
	if t.local {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.used[t.String()] = t
	if p.first[t.repository] == nil {
		p.first[t.repository] = t
	}
}

// firstUsed gives the version of a repository that was used first; nil where none was.
func (p *Package) firstUsed(repository string) *tree {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.first[repository]
}

func (p *Package) file(t *tree, relative string) File {
	file := File{pkg: p, tree: t, path: relative}
	switch {
	case t == p.root && within(relative, p.folder):
		file.display = below(relative, p.folder)
		if looksAbsolute(file.display) {
			// A folder of the package that is called like a host must not be taken for that host's files.
			file.display = "./" + file.display
		}
	case t.version != "":
		file.display = path.Join(t.repository, t.prefix) + "@" + t.version + "/" + relative
	default:
		file.display = path.Join(t.repository, t.prefix, relative)
	}
	if file.display == "" {
		file.display = "."
	}
	return file
}

// Target says what a locator is needed for, and with that what it may lead to.
type Target int

// What locators can be needed for.
const (
	// Module is a Starlark file or a text: it must lie in a package.
	Module Target = iota
	// Files may be any file or folder of a repository.
	Files
)

// Resolve finds what a locator, written in the file from, leads to.
func (p *Package) Resolve(ctx context.Context, from File, locator string, target Target) (File, error) {
	file, err := p.resolve(ctx, from, locator)
	if err != nil {
		return File{}, err
	}
	if _, err := file.tree.stat(file.path); err != nil {
		return File{}, err
	}
	if target == Module {
		if err := file.tree.checkPackage(file.path); err != nil {
			return File{}, err
		}
		p.mutex.Lock()
		p.modules[file] = true
		p.mutex.Unlock()
	}
	return file, nil
}

func (p *Package) resolve(ctx context.Context, from File, locator string) (File, error) {
	if locator == "" || strings.ContainsAny(locator, "\x00\\") {
		return File{}, fmt.Errorf("%w %q: a path is relative, or starts with a slash or a host, and has no backslash", ErrSyntax, redact(locator))
	}
	if p.isAbsolute(from, locator) {
		return p.resolveAbsolute(ctx, from, locator)
	}
	// Relative to the calling file, or with a leading slash to the repository. Both count from the repository's root.
	inside := joinPath(from.tree.prefix, path.Dir("/" + from.path)[1:])
	if from.path == "" {
		inside = from.tree.prefix
	}
	text := locator
	if strings.HasPrefix(locator, "/") {
		inside, text = "", locator[1:]
	}
	if climbs(inside + "/" + text) {
		return File{}, fmt.Errorf("%w: %q, written in %s, climbs above %s", ErrOutside, locator, from, from.tree.repository)
	}
	inside = path.Clean("/" + inside + "/" + text)[1:]
	if within(inside, from.tree.prefix) {
		return p.file(from.tree, below(inside, from.tree.prefix)), nil
	}
	// The rest of the repository is not at hand: the tree is a folder that stands for a part of it.
	full := address{repository: from.tree.repository, path: inside}
	if replaced, ok, err := p.resolveReplaced(ctx, full); ok || err != nil {
		return replaced, err
	}
	return File{}, fmt.Errorf("%w: %q, written in %s, leads to %s, which is not part of the folder %s: name it in \"replace\" of the root %s",
		ErrOutside, locator, from, full, from.tree.directory, manifestName)
}

// isAbsolute tells absolute locators from relative ones. An existing file wins over a host name, except GitHub's.
func (p *Package) isAbsolute(from File, locator string) bool {
	switch {
	case strings.Contains(locator, "://"), isGitHub(locator), scpPattern.MatchString(locator):
		return true
	case !looksAbsolute(locator):
		return false
	}
	first, _, _ := strings.Cut(locator, "/")
	_, err := from.tree.stat(joinPath(path.Dir("/" + from.path)[1:], first))
	return errors.Is(err, ErrNotFound)
}

func (p *Package) resolveAbsolute(ctx context.Context, from File, locator string) (File, error) {
	target, err := parseLocator(locator)
	if err != nil {
		return File{}, err
	}
	if target.url != "" && isGitHub(target.repository) {
		return File{}, fmt.Errorf("%w %q: a locator of GitHub has no scheme: write %q", ErrSyntax, redact(locator), address{repository: target.repository, path: target.path, version: target.version})
	}
	own := p.address.full()
	if from.tree == p.root && within(from.path, p.folder) && within(target.full(), own) {
		return File{}, fmt.Errorf("%w: %q, written in %s, names the package %s itself: write a path relative to the file, such as \"./%s\"",
			ErrSelfImport, locator, from, own, below(target.full(), own))
	}
	if replaced, ok, err := p.resolveReplaced(ctx, target); ok || err != nil {
		return replaced, err
	}
	return p.resolveAddress(ctx, from, target)
}

// resolveAddress finds an address without looking at replace. Without a version the caller's own repository means the
// caller's version, and the root's repository the root's.
func (p *Package) resolveAddress(ctx context.Context, from File, target address) (File, error) {
	if target.version == "" || target.version == p.root.version {
		for _, t := range []*tree{from.tree, p.root} {
			if t == nil || target.version != "" && t != p.root || t.repository != target.repository || !within(target.path, t.prefix) {
				continue
			}
			return p.file(t, below(target.path, t.prefix)), nil
		}
	}
	if target.version == "" && from.tree != nil && from.tree != p.root {
		// Upstream has one version of a repository for a whole run, the first, and published packages count on it: a
		// dependency that imports another without a version gets the one that was chosen before.
		if chosen := p.firstUsed(target.repository); chosen != nil {
			return p.file(chosen, target.path), nil
		}
	}
	fetched, err := p.remote(ctx, target)
	if err != nil {
		return File{}, err
	}
	return p.file(fetched, target.path), nil
}

// remote gives a repository at the commit that the locks say, if they do.
func (p *Package) remote(ctx context.Context, target address) (*tree, error) {
	pinned, warning, err := p.locks.repository(target)
	if err != nil {
		return nil, err
	}
	fetched, err := p.resolver.tree(ctx, target, pinned)
	if err != nil {
		return nil, err
	}
	p.warn(warning)
	p.use(fetched)
	return fetched, nil
}

// resolveReplaced applies the root package's replace table once: the longest key that is the locator or a folder above it.
func (p *Package) resolveReplaced(ctx context.Context, target address) (File, bool, error) {
	full, key := target.full(), ""
	for candidate := range p.replace {
		if within(full, candidate) && len(candidate) > len(key) {
			key = candidate
		}
	}
	if key == "" {
		return File{}, false, nil
	}
	value := p.replace[key]
	rest := below(full, key)
	if isLocalPath(value) && p.Directory == "" {
		// The folder lies on the machine of the package's author, so upstream passes over the entry, and packages are
		// published with one.
		p.warn(fmt.Sprintf("replace of %q by the folder %q is passed over, because the root package is not a folder itself", key, value))
		return File{}, false, nil
	}
	if isLocalPath(value) {
		replacement, err := p.localReplace(key, value)
		if err != nil {
			return File{}, true, err
		}
		return p.file(replacement, rest), true, nil
	}
	replacement, err := parseLocator(value)
	if err != nil {
		return File{}, true, err
	}
	replacement.path = joinPath(replacement.path, rest)
	if replacement.version == "" && replacement.repository != target.repository {
		replacement.version = target.version
	}
	file, err := p.resolveAddress(ctx, File{}, replacement)
	return file, true, err
}

func (p *Package) localReplace(key, value string) (*tree, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if found := p.local[key]; found != nil {
		return found, nil
	}
	directory := value
	if !filepath.IsAbs(directory) {
		directory = filepath.Join(p.Directory, filepath.FromSlash(value))
	}
	if _, err := os.Stat(filepath.Join(directory, manifestName)); err != nil && (&tree{directory: directory, local: true}).composeFile("") == "" {
		return nil, fmt.Errorf("%w: replace of %q: the folder %s holds no %s and no Compose file", ErrNotFound, key, directory, manifestName)
	}
	name, err := parseAddress(key)
	if err != nil {
		return nil, err
	}
	replacement := &tree{repository: name.repository, prefix: name.path, directory: directory, local: true}
	if text, err := replacement.read(ignoreName); err == nil {
		replacement.ignore = parseIgnore(string(text))
	}
	p.local[key] = replacement
	return replacement, nil
}

// checkPackage tells whether a file lies in a package: some folder between it and the tree's root holds a kurtosis.yml,
// whose name is the place where it lies, or a Compose file.
func (t *tree) checkPackage(file string) error {
	if t.local {
		return nil
	}
	t.checking.Lock()
	defer t.checking.Unlock()
	for folder := path.Dir("/" + file)[1:]; ; folder = path.Dir("/" + folder)[1:] {
		err, known := t.manifests[folder]
		if !known {
			err = t.checkManifest(folder)
			if t.manifests == nil {
				t.manifests = map[string]error{}
			}
			t.manifests[folder] = err
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if folder == "" {
			return t.checkCompose(file)
		}
	}
}

// checkCompose tells whether a file that no kurtosis.yml stands above lies in a Compose package.
func (t *tree) checkCompose(file string) error {
	for folder := path.Dir("/" + file)[1:]; ; folder = path.Dir("/" + folder)[1:] {
		if t.composeFile(folder) != "" {
			return nil
		}
		if folder == "" {
			return fmt.Errorf("%w: %q of %s lies in no package: no folder above it holds a %s or a Compose file, and only files of packages can be imported or read",
				ErrNotFound, "/"+file, t, manifestName)
		}
	}
}

func (t *tree) checkManifest(folder string) error {
	place := path.Join(t.repository, t.prefix, folder)
	text, err := t.read(joinPath(folder, manifestName))
	if err != nil {
		return err
	}
	parsed, err := parseManifest(text, path.Join(place, manifestName))
	if err != nil {
		return err
	}
	return checkName(parsed, place)
}

// joinPath joins slash-separated relative paths; the root is the empty path.
func joinPath(elements ...string) string {
	joined := path.Join(elements...)
	if joined == "." {
		return ""
	}
	return joined
}
