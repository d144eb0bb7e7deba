package locator

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// treeCell holds one repository at one version, resolved at most once.
type treeCell struct {
	mutex sync.Mutex
	tree  *tree
}

// tree gives a repository at a version: from the vendor folder, from the cache, or fetched.
func (r *Resolver) tree(ctx context.Context, target address) (*tree, error) {
	key := target.repository + "@" + target.version
	r.mutex.Lock()
	cell := r.trees[key]
	if cell == nil {
		cell = &treeCell{}
		r.trees[key] = cell
	}
	r.mutex.Unlock()

	cell.mutex.Lock()
	defer cell.mutex.Unlock()
	if cell.tree != nil {
		return cell.tree, nil
	}
	found := &tree{repository: target.repository, version: target.version}
	var err error
	if r.options.VendorDir != "" {
		found.directory, err = r.vendored(target)
		if err == nil {
			found.commit = checkedOutCommit(found.directory)
		}
	} else {
		found.commit, found.directory, err = r.cached(ctx, target)
	}
	if err != nil {
		return nil, err
	}
	cell.tree = found
	return found, nil
}

// vendored finds a repository in the vendor folder, which nothing is ever fetched beside.
func (r *Resolver) vendored(target address) (string, error) {
	plain := filepath.Join(r.options.VendorDir, filepath.FromSlash(target.repository))
	candidates := []string{plain}
	if target.version != "" {
		candidates = []string{plain + "@" + url.PathEscape(target.version), plain}
	}
	for _, candidate := range candidates {
		if info, err := os.Stat(candidate); err == nil && info.IsDir() {
			absolute, err := filepath.Abs(candidate)
			if err != nil {
				return "", fmt.Errorf("find %s: %w", target, err)
			}
			return absolute, nil
		}
	}
	return "", fmt.Errorf("%w: %w: repository %s is not in the vendor folder, where it would lie at %s",
		ErrOffline, ErrNotFound, address{repository: target.repository, version: target.version}, plain)
}

// checkedOutCommit reads the commit of a checkout without calling git; empty when the folder is none.
func checkedOutCommit(directory string) string {
	head, err := os.ReadFile(filepath.Join(directory, ".git", "HEAD"))
	if err != nil {
		return ""
	}
	text := strings.TrimSpace(string(head))
	if reference, ok := strings.CutPrefix(text, "ref: "); ok && !climbs(reference) {
		value, err := os.ReadFile(filepath.Join(directory, ".git", filepath.FromSlash(reference)))
		text = strings.TrimSpace(string(value))
		if err != nil {
			packed, _ := os.ReadFile(filepath.Join(directory, ".git", "packed-refs")) // no file means no answer
			for line := range strings.Lines(string(packed)) {
				if commit, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == reference {
					text = commit
				}
			}
		}
	}
	if len(text) != 40 || !commitPattern.MatchString(text) {
		return ""
	}
	return text
}

// cached gives the folder of a repository at the commit that a version means.
//
// The cache holds <cache>/git/<repository>/commits/<commit>, complete and never changed once it is there, and beside
// it refs/<version>, the commit that a version was last found to mean.
func (r *Resolver) cached(ctx context.Context, target address) (commit, directory string, err error) {
	base := filepath.Join(r.cacheDir(), "git", filepath.FromSlash(target.repository))
	remembered, kind := readReference(base, target.version)
	at := func(commit string) (string, bool) {
		directory := filepath.Join(base, "commits", commit)
		info, err := os.Stat(directory)
		return directory, err == nil && info.IsDir()
	}
	// A full commit and a tag mean the same thing tomorrow; a branch does so only while nothing may be fetched.
	if len(target.version) == 40 && commitPattern.MatchString(target.version) {
		if directory, ok := at(target.version); ok {
			return target.version, directory, nil
		}
	}
	if remembered != "" && (kind != kindBranch || r.options.Offline) {
		if directory, ok := at(remembered); ok {
			return remembered, directory, nil
		}
	}
	if r.options.Offline {
		return "", "", fmt.Errorf("%w: %s is not in the cache %s: run once with network access, or use a vendor folder",
			ErrOffline, address{repository: target.repository, version: target.version}, r.cacheDir())
	}
	remote := target.url
	if remote == "" {
		remote = "https://" + target.repository + ".git"
	}
	git := newGit(ctx, remote, r.logger)
	found, err := git.find(ctx, target.version)
	if err != nil {
		return "", "", err
	}
	if found.commit != "" {
		if directory, ok := at(found.commit); ok {
			return found.commit, directory, writeReference(base, target.version, found.commit, found.kind)
		}
	}
	commit, directory, err = r.fetch(ctx, git, base, found)
	if err != nil {
		return "", "", err
	}
	return commit, directory, writeReference(base, target.version, commit, found.kind)
}

// fetch brings one commit into the cache. It works in a folder of its own and moves the result into place, so that any
// number of processes may do the same at once and none ever sees half a repository.
func (r *Resolver) fetch(ctx context.Context, git *git, base string, found reference) (commit, directory string, err error) {
	commits := filepath.Join(base, "commits")
	if err := os.MkdirAll(commits, 0o700); err != nil {
		return "", "", fmt.Errorf("make the cache for fetched packages: %w", err)
	}
	work, err := os.MkdirTemp(base, "fetch-")
	if err != nil {
		return "", "", fmt.Errorf("make the cache for fetched packages: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // what stays is found and overwritten by nobody
	commit, err = git.fetch(ctx, work, found)
	if err != nil {
		return "", "", err
	}
	directory = filepath.Join(commits, commit)
	if err := os.Rename(filepath.Join(work, "files"), directory); err != nil {
		// Somebody else was faster: the content is the same by its commit.
		if _, statErr := os.Stat(directory); statErr != nil {
			return "", "", fmt.Errorf("put %s into the cache: %w", git.url, err)
		}
	}
	return commit, directory, nil
}

// cacheDir is the folder of the options, or one that exists for this user, or a folder for temporary files.
func (r *Resolver) cacheDir() string {
	if r.options.CacheDir != "" {
		return r.options.CacheDir
	}
	if directory, err := os.UserCacheDir(); err == nil {
		return filepath.Join(directory, "sundog")
	}
	return filepath.Join(os.TempDir(), "sundog-"+strconv.Itoa(os.Getuid()))
}

func referenceFile(base, version string) string {
	if version == "" {
		// No version is escaped to this name, because a version never holds a tilde.
		return filepath.Join(base, "refs", "~default")
	}
	return filepath.Join(base, "refs", url.PathEscape(version))
}

func readReference(base, version string) (commit string, kind referenceKind) {
	text, err := os.ReadFile(referenceFile(base, version))
	if err != nil {
		return "", ""
	}
	commit, rest, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if len(commit) != 40 || !commitPattern.MatchString(commit) {
		return "", ""
	}
	return commit, referenceKind(rest)
}

func writeReference(base, version, commit string, kind referenceKind) error {
	fail := func(err error) error { return fmt.Errorf("remember a version in the cache: %w", err) }
	file := referenceFile(base, version)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fail(err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), "~new-")
	if err != nil {
		return fail(err)
	}
	_, err = temporary.WriteString(commit + " " + string(kind) + "\n")
	if err := errors.Join(err, temporary.Close()); err != nil {
		return fail(err)
	}
	if err := os.Rename(temporary.Name(), file); err != nil {
		return fail(err)
	}
	return nil
}
