package locator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// vendorWork starts the names of folders that the vendor command works in.
const vendorWork = ".sundog-vendor-"

// VendorReport is what writing a vendor folder changed, as locators, URLs and folders.
type VendorReport struct {
	Added   []string
	Kept    []string
	Removed []string
	// Left are folders that are no longer needed but were changed by somebody, so that they stay.
	Left []string
}

// Vendor puts every repository and every download that was used so far into a folder, from which a resolver with that
// VendorDir reads them. What an earlier call put there and is no longer needed is removed, unless keep is set.
func (p *Package) Vendor(ctx context.Context, directory string, keep bool) (*VendorReport, error) {
	directory, err := filepath.Abs(directory)
	if err != nil {
		return nil, fmt.Errorf("vendor: %w", err)
	}
	if p.Directory != "" && contains(directory, p.Directory) {
		return nil, fmt.Errorf("%w: %s is the package's own folder, or one above it: give a folder of its own, such as %s", ErrVendor, directory, filepath.Join(p.Directory, "vendor"))
	}
	if err := makeFolder(directory); err != nil {
		return nil, fmt.Errorf("vendor: %w", err)
	}
	old, err := readVendorList(directory)
	if err != nil {
		return nil, err
	}
	sweep(directory, vendorWork)
	work, err := os.MkdirTemp(directory, vendorWork)
	if err != nil {
		return nil, fmt.Errorf("vendor: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // what stays is swept away later
	w := &vendorWriter{ctx: ctx, directory: directory, work: work, old: old, report: &VendorReport{}}
	if err := w.plan(p, keep); err != nil {
		return nil, err
	}
	return w.report, w.write()
}

// contains tells whether a folder is another one or above it.
func contains(folder, other string) bool {
	relative, err := filepath.Rel(folder, other)
	return err == nil && !climbs(filepath.ToSlash(relative))
}

// vendorWriter brings a vendor folder from one list to another.
type vendorWriter struct {
	ctx       context.Context //nolint:containedctx // the writer lives no longer than the call it belongs to
	directory string
	work      string
	old, list *vendorList
	trees     map[string]*tree     // what is to lie in a folder
	downloads map[string]*download // by URL
	report    *VendorReport
}

// plan says where everything is to lie.
func (w *vendorWriter) plan(p *Package, keep bool) error {
	p.mutex.Lock()
	used, files := maps.Clone(p.used), maps.Clone(p.files)
	p.mutex.Unlock()
	w.trees, w.downloads = map[string]*tree{}, files
	w.list = &vendorList{repositories: map[string]vendorEntry{}, files: map[string]string{}}
	if keep {
		maps.Copy(w.list.repositories, w.old.repositories)
		maps.Copy(w.list.files, w.old.files)
	}
	for address, found := range files {
		w.list.files[address] = found.sum
	}
	// The one without a version comes first of its repository, and gets the plain folder.
	for _, key := range slices.Sorted(maps.Keys(used)) {
		pin, err := used[key].pin(w.ctx)
		if err != nil {
			return err
		}
		delete(w.list.repositories, key)
		folder := w.folder(used[key], pin)
		w.list.repositories[key] = vendorEntry{Folder: folder, Pin: pin}
		w.trees[folder] = used[key]
	}
	return w.checkNesting()
}

// folder chooses where a repository is to lie: the plain folder for the first version, one with the version in its name
// for the others. Versions that are the same commit share a folder.
func (w *vendorWriter) folder(t *tree, pin Pin) string {
	taken := map[string]Pin{}
	for _, entry := range w.list.repositories {
		taken[entry.Folder] = entry.Pin
	}
	versioned := t.repository + "@" + url.PathEscape(t.version)
	for _, folder := range []string{t.repository, versioned} {
		if there, ok := taken[folder]; !ok || there == pin {
			return folder
		}
	}
	return versioned
}

// checkNesting refuses a repository that would lie inside another one's folder.
func (w *vendorWriter) checkNesting() error {
	for outer := range w.list.repositories {
		for inner := range w.list.repositories {
			a, b := w.list.repositories[outer].Folder, w.list.repositories[inner].Folder
			if a != b && within(b, a) {
				return fmt.Errorf("%w: %s would lie inside the folder of %s: vendor them into folders of their own", ErrVendor, inner, outer)
			}
		}
	}
	return nil
}

// write carries the plan out. The list is written first with everything that was and will be there, so that a writer that
// is killed leaves nothing behind that the next one would take for somebody else's.
func (w *vendorWriter) write() error {
	intent := &vendorList{repositories: maps.Clone(w.old.repositories), files: maps.Clone(w.old.files)}
	maps.Copy(intent.repositories, w.list.repositories)
	maps.Copy(intent.files, w.list.files)
	if err := w.writeList(intent); err != nil {
		return err
	}
	for _, folder := range slices.Sorted(maps.Keys(w.trees)) {
		if err := w.place(folder, w.trees[folder]); err != nil {
			return err
		}
	}
	for _, address := range slices.Sorted(maps.Keys(w.downloads)) {
		if err := w.placeFile(address, w.downloads[address]); err != nil {
			return err
		}
	}
	if err := w.clean(); err != nil {
		return err
	}
	return w.writeList(w.list)
}

func (w *vendorWriter) writeList(list *vendorList) error {
	text, err := list.encode()
	if err == nil {
		err = writeWhole(filepath.Join(w.directory, VendorListName), text)
	}
	if err != nil {
		return fmt.Errorf("write the list of the vendor folder: %w", err)
	}
	return nil
}

// at is the tree that lies in a folder now.
func (w *vendorWriter) at(folder string) *tree {
	return &tree{repository: folder, directory: filepath.Join(w.directory, filepath.FromSlash(folder))}
}

// owned tells whether an earlier call wrote a folder.
func (w *vendorWriter) owned(folder string) bool {
	for _, entry := range w.old.repositories {
		if entry.Folder == folder {
			return true
		}
	}
	return false
}

// place puts a repository into its folder, unless it lies there already.
func (w *vendorWriter) place(folder string, source *tree) error {
	want, err := source.treeDigest(w.ctx)
	if err != nil {
		return err
	}
	target := filepath.Join(w.directory, filepath.FromSlash(folder))
	_, err = os.Lstat(target)
	exists := err == nil
	if exists {
		if got, err := w.at(folder).treeDigest(w.ctx); err == nil && got == want {
			w.report.Kept = append(w.report.Kept, folder)
			return nil
		}
		if !w.owned(folder) {
			return fmt.Errorf("%w: %s exists and was not written by this command: remove it, or vendor into another folder", ErrVendor, target)
		}
	}
	fresh, err := os.MkdirTemp(w.work, "new-")
	if err == nil {
		err = source.copyTo(w.ctx, fresh)
	}
	if err == nil {
		err = makeFolder(filepath.Dir(target))
	}
	if err == nil && exists {
		err = os.Rename(target, filepath.Join(w.work, "old-"+filepath.Base(fresh)))
	}
	if err == nil {
		err = os.Rename(fresh, target)
	}
	if err != nil {
		return fmt.Errorf("vendor %s: %w", source, err)
	}
	w.report.Added = append(w.report.Added, folder)
	return nil
}

func (w *vendorWriter) placeFile(address string, source *download) error {
	target := filepath.Join(w.directory, vendorFiles, source.sum)
	if found, err := digestFile(target); err == nil && found.sum == source.sum {
		w.report.Kept = append(w.report.Kept, redactURL(address))
		return nil
	}
	err := makeFolder(filepath.Dir(target))
	if err == nil {
		err = copyFile(source.file, filepath.Join(w.work, source.sum), 0o644)
	}
	if err == nil {
		err = os.Rename(filepath.Join(w.work, source.sum), target)
	}
	if err != nil {
		return fmt.Errorf("vendor %s: %w", redactURL(address), err)
	}
	w.report.Added = append(w.report.Added, redactURL(address))
	return nil
}

// clean removes what the old list has and the new one has not, if it still is what was written.
func (w *vendorWriter) clean() error {
	needed := map[string]bool{}
	for _, entry := range w.list.repositories {
		needed[entry.Folder] = true
	}
	for _, key := range slices.Sorted(maps.Keys(w.old.repositories)) {
		entry := w.old.repositories[key]
		if needed[entry.Folder] {
			continue
		}
		needed[entry.Folder] = true // several locators may share it
		target := filepath.Join(w.directory, filepath.FromSlash(entry.Folder))
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if sum, err := w.at(entry.Folder).treeDigest(w.ctx); err != nil || sum != entry.Tree {
			w.report.Left = append(w.report.Left, entry.Folder)
			continue
		}
		if err := w.remove(target); err != nil {
			return err
		}
		w.report.Removed = append(w.report.Removed, entry.Folder)
	}
	sums := slices.Collect(maps.Values(w.list.files))
	for _, address := range slices.Sorted(maps.Keys(w.old.files)) {
		sum := w.old.files[address]
		target := filepath.Join(w.directory, vendorFiles, sum)
		if _, err := os.Lstat(target); err != nil || slices.Contains(sums, sum) {
			continue
		}
		if err := w.remove(target); err != nil {
			return err
		}
		w.report.Removed = append(w.report.Removed, redactURL(address))
	}
	return nil
}

// remove deletes something in one step for whoever looks, and the folders that are empty without it.
func (w *vendorWriter) remove(target string) error {
	gone, err := os.MkdirTemp(w.work, "gone-")
	if err == nil {
		err = os.Rename(target, filepath.Join(gone, "x"))
	}
	if err != nil {
		return fmt.Errorf("remove from the vendor folder: %w", err)
	}
	w.removeEmpty(filepath.Dir(target))
	return nil
}

// removeEmpty removes a folder and those above it, up to the first one that is not empty.
func (w *vendorWriter) removeEmpty(folder string) {
	for folder != w.directory && strings.HasPrefix(folder, w.directory) && os.Remove(folder) == nil {
		folder = filepath.Dir(folder)
	}
}

// makeFolder makes a folder that others may read, as those of a checkout.
func makeFolder(name string) error {
	return os.MkdirAll(name, 0o755) //nolint:gosec // vendored files are no secrets, and are often shared or put into images
}

// copyTo writes a tree's files as they are, without Git's own folder.
func (t *tree) copyTo(ctx context.Context, target string) error {
	files, err := t.rawFiles(ctx)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.copyOne(file, filepath.Join(target, filepath.FromSlash(file.path))); err != nil {
			return err
		}
	}
	return os.Chmod(target, 0o755) //nolint:gosec // as makeFolder
}

func (t *tree) copyOne(file rawFile, to string) error {
	if err := makeFolder(filepath.Dir(to)); err != nil {
		return err
	}
	if file.mode == modeLink {
		return os.Symlink(file.link, to)
	}
	permissions := fs.FileMode(0o644)
	if file.mode == modeExecutable {
		permissions = 0o755
	}
	return copyFile(filepath.Join(t.directory, filepath.FromSlash(file.path)), to, permissions)
}

func copyFile(from, to string, permissions fs.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // only read from
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	// The umask may have taken the executable bit.
	return errors.Join(err, target.Chmod(permissions), target.Close())
}
