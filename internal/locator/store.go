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
	"time"
)

// treeCell holds one repository at one version, resolved at most once.
type treeCell struct {
	mutex sync.Mutex
	tree  *tree
}

// tree gives a repository at a version: from the vendor folder, from the cache, or fetched. Where the version is pinned,
// its files are held to the pin.
func (r *Resolver) tree(ctx context.Context, target address, pinned *held[Pin]) (*tree, error) {
	key := target.repository + "@" + target.version
	if pinned != nil {
		key += "#" + pinned.value.Commit + pinned.value.Tree
	}
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
	find := r.cached
	if r.options.VendorDir != "" {
		find = r.vendored
	}
	found := &tree{repository: target.repository, version: target.version}
	var err error
	if found.commit, found.directory, err = find(ctx, target, pinned); err != nil {
		return nil, err
	}
	if pinned != nil {
		remedy := "\"sundog package vendor\" writes the vendor folder again"
		if r.options.VendorDir == "" {
			remedy = "delete that folder to fetch it again"
		}
		remedy += ", and \"sundog package lock --upgrade\" accepts what is there now"
		if err := found.verify(ctx, pinned.value.Tree, pinned.place, remedy); err != nil {
			return nil, err
		}
	}
	cell.tree = found
	return found, nil
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
	if !isFullCommit(text) {
		return ""
	}
	return text
}

// cached gives the folder of a repository at the commit that a version means.
//
// The cache holds <cache>/git/<repository>/commits/<commit>, complete and never changed once it is there, and beside
// it refs/<version>, the commit that a version was last found to mean.
func (r *Resolver) cached(ctx context.Context, target address, pinned *held[Pin]) (commit, directory string, err error) {
	base := filepath.Join(r.cacheDir(), "git", filepath.FromSlash(target.repository))
	if commit, directory = r.remembered(base, target.version, pinned); commit != "" {
		return commit, directory, nil
	}
	if r.options.Offline {
		return "", "", fmt.Errorf("%w: %s is not in the cache %s: run once with network access, or use a vendor folder", ErrOffline, target.whole(), r.cacheDir())
	}
	git := r.git(ctx, target.cloneURL())
	found := reference{kind: kindCommit}
	if pinned != nil {
		found.name, found.commit = pinned.value.Commit, pinned.value.Commit
	} else if found, err = git.find(ctx, target.version); err != nil {
		return "", "", err
	}
	if directory, ok := commitFolder(base, found.commit); ok {
		r.remember(ctx, base, target.version, found.commit, found.kind)
		return found.commit, directory, nil
	}
	commit, directory, err = r.fetch(ctx, git, base, found)
	switch {
	case err != nil && pinned != nil && errors.Is(err, ErrNotFound):
		return "", "", fmt.Errorf("%w: %s says that this is %s: it may have been removed, and \"sundog package lock --upgrade\" looks the version up again", err, pinned.place, target.whole())
	case err != nil:
		return "", "", err
	case pinned == nil:
		r.remember(ctx, base, target.version, commit, found.kind)
	}
	return commit, directory, nil
}

// remembered finds a version in the cache without asking anybody: a pinned one, a full commit, or a tag, which mean the
// same thing tomorrow. A branch does so only while nothing may be fetched.
func (r *Resolver) remembered(base, version string, pinned *held[Pin]) (commit, directory string) {
	switch {
	case pinned != nil:
		commit = pinned.value.Commit
	case isFullCommit(version):
		commit = version
	default:
		known, kind := readReference(base, version)
		if r.options.Offline || kind != kindBranch && !r.options.Refresh {
			commit = known
		}
	}
	directory, ok := commitFolder(base, commit)
	if !ok {
		return "", ""
	}
	return commit, directory
}

func commitFolder(base, commit string) (string, bool) {
	if commit == "" {
		return "", false
	}
	directory := filepath.Join(base, "commits", commit)
	info, err := os.Stat(directory)
	return directory, err == nil && info.IsDir()
}

// remember notes what a version means. It saves a question the next time, and no more than that: a cache that cannot be
// written to can still be read.
func (r *Resolver) remember(ctx context.Context, base, version, commit string, kind referenceKind) {
	if err := writeReference(base, version, commit, kind); err != nil {
		r.logger.DebugContext(ctx, "the cache cannot be written to", "folder", base, "error", err)
	}
}

// fetch brings one commit into the cache. It works in a folder of its own and moves the result into place, so that any
// number of processes may do the same at once and none ever sees half a repository.
func (r *Resolver) fetch(ctx context.Context, git *git, base string, found reference) (commit, directory string, err error) {
	commits := filepath.Join(base, "commits")
	if err := os.MkdirAll(commits, 0o700); err != nil {
		return "", "", r.cacheError(err)
	}
	sweep(base, workPrefix)
	work, err := os.MkdirTemp(base, workPrefix)
	if err != nil {
		return "", "", r.cacheError(err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // what stays is swept away later
	commit, err = git.fetch(ctx, work, found)
	if err != nil {
		return "", "", err
	}
	directory = filepath.Join(commits, commit)
	if err := os.Rename(filepath.Join(work, "files"), directory); err != nil {
		// Somebody else was faster: the content is the same by its commit.
		if _, ok := commitFolder(base, commit); !ok {
			return "", "", r.cacheError(err)
		}
	}
	return commit, directory, nil
}

func (r *Resolver) cacheError(err error) error {
	return fmt.Errorf("%w %s: %w: make the folder writable, give another one, or use a vendor folder", ErrCache, r.cacheDir(), err)
}

// workPrefix starts the names of what somebody is working on in a folder of the cache.
const workPrefix = "fetch-"

// abandoned is the age at which nobody works on something any more: a process that was killed left it behind.
const abandoned = 24 * time.Hour

// sweep removes what killed processes left in a folder: whatever has that prefix and is old.
func sweep(folder, prefix string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), prefix) && time.Since(info.ModTime()) > abandoned {
			_ = os.RemoveAll(filepath.Join(folder, entry.Name())) // the next one tries again
		}
	}
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
	if !isFullCommit(commit) {
		return "", ""
	}
	return commit, referenceKind(rest)
}

func writeReference(base, version, commit string, kind referenceKind) error {
	file := referenceFile(base, version)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	// As above, no version is escaped to such a name.
	const prefix = "~new-"
	sweep(filepath.Dir(file), prefix)
	temporary, err := os.CreateTemp(filepath.Dir(file), prefix)
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(commit + " " + string(kind) + "\n")
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // the first error is the one to tell
	}
	return err
}
