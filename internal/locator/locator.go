// Package locator turns the locators that packages write into files: folders on this machine and Git repositories, fetched
// once per commit. It runs git and nothing else, and it never gives a file from outside the repository that a locator
// names.
package locator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options of a resolver; all may be left out.
type Options struct {
	// CacheDir keeps fetched repositories by commit; empty means "sundog" in the user's cache folder, or in the folder for
	// temporary files where there is no such folder. It is made when something is fetched.
	CacheDir string
	// VendorDir holds repositories at VendorDir/<host>/<owner>/<name>[@version]; with it nothing is fetched.
	VendorDir string
	// Offline uses what the cache has and fetches nothing.
	Offline bool
	// LockFile pins what locators mean, in place of the sundog.lock that lies in a local package's folder, or in the
	// caller's folder for a remote package.
	LockFile string
	// Locked makes it an error to use what no lock file knows.
	Locked bool
	// Refresh leaves lock files alone and looks every version up again, for the command that writes them.
	Refresh bool
	// MaxDownload bounds what a URL may give, in bytes; 0 means DefaultMaxDownload.
	MaxDownload int64
	Logger      *slog.Logger
}

// DefaultMaxDownload bounds what a URL may give.
const DefaultMaxDownload = 2 << 30

// Resolver opens packages. It is safe for concurrent use; a version that it resolved to a commit stays at that commit for
// as long as the resolver lives.
type Resolver struct {
	options Options
	logger  *slog.Logger
	pauses  []time.Duration // between attempts at a host that answers badly

	mutex     sync.Mutex
	trees     map[string]*treeCell
	downloads map[string]*downloadCell
	listed    func() (*vendorList, error) // of the vendor folder, read once
}

// New makes a resolver. Nothing is read or written before a package is opened.
func New(options Options) *Resolver {
	resolver := &Resolver{
		options: options, logger: options.Logger, pauses: []time.Duration{time.Second, 2 * time.Second},
		trees: map[string]*treeCell{}, downloads: map[string]*downloadCell{},
	}
	if resolver.logger == nil {
		resolver.logger = slog.New(slog.DiscardHandler)
	}
	resolver.listed = sync.OnceValues(func() (*vendorList, error) { return readVendorList(options.VendorDir) })
	return resolver
}

// Open opens a root package: a folder (relative ones against baseDir), the path of a kurtosis.yml, host/owner/name with
// path and version, or a Git URL (https://, ssh://, git@host:path) of that form. baseDir is also where the sundog.lock of
// a remote package is looked for.
func (r *Resolver) Open(ctx context.Context, locator, baseDir string) (*Package, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if strings.TrimSpace(locator) == "" {
		return nil, fmt.Errorf("%w: the package's locator is empty: give a folder or github.com/owner/repository", ErrSyntax)
	}
	if strings.ContainsRune(locator, 0) {
		return nil, fmt.Errorf("%w %q: it holds a zero byte", ErrSyntax, locator)
	}
	if address, ok, err := parseURL(locator); ok {
		if err != nil {
			return nil, err
		}
		return r.openRemote(ctx, address, baseDir)
	}
	if strings.Contains(locator, "://") {
		return nil, fmt.Errorf("%w %q: a URL of a package starts with https:// or ssh://", ErrSyntax, redact(locator))
	}
	directory, err := Folder(locator, baseDir)
	if err != nil {
		return nil, err
	}
	if directory != "" && IsComposeFile(locator) {
		return r.openComposeFile(filepath.Join(directory, filepath.Base(locator)))
	}
	if directory != "" {
		return r.openFolder(directory)
	}
	address, err := parseAddress(locator)
	if err != nil {
		return nil, err
	}
	return r.openRemote(ctx, address, baseDir)
}

// Folder gives the folder that a root package's locator names; empty when it names a repository elsewhere.
func Folder(locator, baseDir string) (string, error) {
	if strings.Contains(locator, "://") || scpPattern.MatchString(locator) || isGitHub(locator) {
		return "", nil
	}
	directory := locator
	if !filepath.IsAbs(directory) {
		directory = filepath.Join(baseDir, directory)
	}
	info, err := os.Stat(directory)
	switch {
	case err == nil && info.IsDir():
		return directory, nil
	case err == nil && (filepath.Base(directory) == manifestName || IsComposeFile(directory)):
		return filepath.Dir(directory), nil
	case err == nil:
		return "", fmt.Errorf("%w: %s is a file: a package is a folder that holds a %s or a Compose file", ErrNotFound, directory, manifestName)
	case !looksAbsolute(locator):
		return "", fmt.Errorf("%w: no folder %s: give an existing folder, or github.com/owner/repository", ErrNotFound, directory)
	}
	return "", nil
}

func (r *Resolver) openFolder(directory string) (*Package, error) {
	directory, err := filepath.Abs(directory)
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	file := filepath.Join(directory, manifestName)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		if root := (&tree{directory: directory, local: true}); root.composeFile("") != "" {
			return r.openCompose(directory, "")
		}
		return nil, fmt.Errorf("%w: %s holds no %s and no Compose file, so it is no package: write one with \"name: github.com/owner/repository\"", ErrNotFound, directory, manifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	parsed, err := parseManifest(text, file)
	if err != nil {
		return nil, err
	}
	name, err := parseAddress(parsed.Name)
	if err != nil {
		return nil, err
	}
	root := &tree{repository: name.repository, prefix: name.path, directory: directory, local: true}
	within := ""
	if outer := workingTree(directory, name.path); outer != "" {
		// The package is a folder of a checkout that lies as its name says: the checkout is the repository.
		root.directory, root.prefix, within = outer, "", name.path
	} else if text, err := root.read(ignoreName); err == nil {
		root.ignore = parseIgnore(string(text))
	}
	locks, err := r.localLocks(root, within)
	if err != nil {
		return nil, err
	}
	return newPackage(r, parsed, name, root, within, directory, locks), nil
}

// workingTree finds the Git checkout in which a package lies at the path that its name tells; empty when it does not.
func workingTree(directory, inside string) string {
	if inside == "" {
		return ""
	}
	suffix := string(filepath.Separator) + filepath.FromSlash(inside)
	if !strings.HasSuffix(directory, suffix) {
		return ""
	}
	outer := strings.TrimSuffix(directory, suffix)
	if _, err := os.Stat(filepath.Join(outer, ".git")); err != nil {
		return ""
	}
	return outer
}

func (r *Resolver) openRemote(ctx context.Context, address address, baseDir string) (*Package, error) {
	locks, err := r.remoteLocks(baseDir)
	if err != nil {
		return nil, err
	}
	pinned, warning, err := locks.repository(address)
	if err != nil {
		return nil, err
	}
	root, err := r.tree(ctx, address, pinned)
	if err != nil {
		return nil, err
	}
	if _, err := root.stat(address.path); err != nil {
		return nil, err
	}
	parsed, composeFile, err := root.definition(address)
	if err != nil {
		return nil, err
	}
	if !r.options.Refresh {
		if err := locks.addOwn(root, address.path, joinPath(address.String(), LockName)); err != nil {
			return nil, err
		}
	}
	opened := newPackage(r, parsed, address, root, address.path, "", locks)
	opened.ComposeFile = composeFile
	opened.warn(warning)
	return opened, nil
}

// definition reads what makes a folder of a fetched repository a package: its kurtosis.yml, or a Compose file where there
// is none.
func (t *tree) definition(at address) (parsed *manifest, composeFile string, err error) {
	text, err := t.read(joinPath(at.path, manifestName))
	if errors.Is(err, ErrNotFound) {
		if composeFile = t.composeFile(at.path); composeFile != "" {
			return &manifest{Name: at.full()}, composeFile, nil
		}
		return nil, "", fmt.Errorf("%w: %s holds no %s and no Compose file, so it is no package", ErrNotFound, at, manifestName)
	}
	if err != nil {
		return nil, "", err
	}
	if parsed, err = parseManifest(text, joinPath(at.full(), manifestName)); err != nil {
		return nil, "", err
	}
	return parsed, "", checkName(parsed, at.full())
}

// checkName tells whether a package that came from a repository is named after the place where it was found.
func checkName(parsed *manifest, place string) error {
	name, err := parseAddress(parsed.Name)
	if err != nil {
		return err
	}
	if name.full() != place {
		return fmt.Errorf("%w: %s/%s: name is %q but the file lies at %q, and both must be the same: correct the name, or use %q where the repository was renamed or copied",
			ErrManifest, place, manifestName, parsed.Name, place, parsed.Name)
	}
	return nil
}
