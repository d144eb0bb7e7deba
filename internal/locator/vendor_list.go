package locator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// VendorListName is the file in a vendor folder in which the vendor command notes what it put there.
const VendorListName = "sundog-vendor.yml"

// vendorFiles is the folder, in a vendor folder, of what URLs gave, by SHA-256. No host is called so.
const vendorFiles = "files"

// vendorEntry is one repository in a vendor folder.
type vendorEntry struct {
	// Folder is where it lies, slash-separated and relative to the vendor folder.
	Folder string `yaml:"folder"`
	Pin    `yaml:",inline"`
}

// vendorList is what a vendor folder's list says. A folder that was filled by hand has none.
type vendorList struct {
	repositories map[string]vendorEntry // by locator
	files        map[string]string      // SHA-256 by URL
	label        string
}

type vendorFile struct {
	Version      int                    `yaml:"version"`
	Repositories map[string]vendorEntry `yaml:"repositories,omitempty"`
	Files        map[string]filePin     `yaml:"files,omitempty"`
}

const vendorHead = "# Written by \"sundog package vendor\": what lies in this folder. Run it again instead of changing anything by hand.\n"

func (l *vendorList) encode() ([]byte, error) {
	file := vendorFile{Version: lockVersion, Repositories: l.repositories, Files: map[string]filePin{}}
	for address, sum := range l.files {
		file.Files[address] = filePin{SHA256: sum}
	}
	return encodeYAML(vendorHead, file)
}

// readVendorList reads the list of a vendor folder; it is empty where there is none.
func readVendorList(directory string) (*vendorList, error) {
	empty := &vendorList{repositories: map[string]vendorEntry{}, files: map[string]string{}}
	if directory == "" {
		return empty, nil
	}
	label := filepath.Join(directory, VendorListName)
	text, err := os.ReadFile(label)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVendor, err)
	}
	return parseVendorList(text, label)
}

func parseVendorList(text []byte, label string) (*vendorList, error) {
	const remedy = "run \"sundog package vendor\" into an empty folder"
	var file vendorFile
	document, err := parseStrict(text, label, &file, ErrVendor, remedy)
	if err != nil {
		return nil, err
	}
	list := &vendorList{repositories: map[string]vendorEntry{}, files: map[string]string{}, label: label}
	fail := func(line int, reason string) error { return wrongFile(ErrVendor, label, line, reason+": "+remedy) }
	if err := checkVersionNumber(file.Version, func(reason string) error { return fail(keyLine(document, "version"), reason) }); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(file.Repositories)) {
		entry := file.Repositories[key]
		err := errors.Join(checkLockedLocator(key), checkPin(entry.Pin))
		if err == nil && (entry.Folder == "" || !fs.ValidPath(entry.Folder) || entry.Folder == ".") {
			err = fmt.Errorf("folder %q must be a path inside the vendor folder", entry.Folder)
		}
		if err != nil {
			return nil, fail(keyLine(document, "repositories", key), fmt.Sprintf("%s: %v", key, err))
		}
		list.repositories[key] = entry
	}
	for _, key := range slices.Sorted(maps.Keys(file.Files)) {
		_, err := parseDownload(key)
		if err == nil && !sumPattern.MatchString(file.Files[key].SHA256) {
			err = fmt.Errorf("%s: sha256 must be 64 hexadecimal digits", redactURL(key))
		}
		if err != nil {
			return nil, fail(keyLine(document, "files", key), err.Error())
		}
		list.files[key] = file.Files[key].SHA256
	}
	return list, nil
}

// versions lists the locators under which a repository is in the list.
func (l *vendorList) versions(repository string) []string {
	var versions []string
	for _, key := range slices.Sorted(maps.Keys(l.repositories)) {
		if parsed, err := parseAddress(key); err == nil && parsed.repository == repository {
			versions = append(versions, key)
		}
	}
	return versions
}

// vendored finds a repository in the vendor folder, which nothing is ever fetched beside.
func (r *Resolver) vendored(ctx context.Context, target address, pinned *held[Pin]) (commit, directory string, err error) {
	list, err := r.listed()
	if err != nil {
		return "", "", err
	}
	key := target.whole().String()
	if versions := list.versions(target.repository); len(versions) > 0 {
		entry, ok := list.repositories[key]
		if !ok {
			return "", "", fmt.Errorf("%w: %w: the vendor folder %s holds %s and not %s: \"sundog package vendor\" adds it",
				ErrOffline, ErrNotFound, r.options.VendorDir, strings.Join(versions, ", "), key)
		}
		return r.listedFolder(ctx, target, entry, pinned)
	}
	directory, err = r.vendoredByHand(target)
	if err != nil {
		return "", "", err
	}
	commit = checkedOutCommit(directory)
	if pinned != nil {
		if commit != "" && commit != pinned.value.Commit {
			return "", "", vendorMismatch(key, directory, commit, pinned)
		}
		// The digest that is checked next proves it.
		commit = pinned.value.Commit
	}
	return commit, directory, nil
}

// listedFolder is a folder that the vendor command wrote: its files must still be what it noted.
func (r *Resolver) listedFolder(ctx context.Context, target address, entry vendorEntry, pinned *held[Pin]) (commit, directory string, err error) {
	if directory, err = filepath.Abs(filepath.Join(r.options.VendorDir, filepath.FromSlash(entry.Folder))); err != nil {
		return "", "", fmt.Errorf("find %s: %w", target.whole(), err)
	}
	list := filepath.Join(r.options.VendorDir, VendorListName)
	if info, err := os.Stat(directory); err != nil || !info.IsDir() {
		return "", "", fmt.Errorf("%w: %w: %s says that %s lies in %s, where there is no folder: run \"sundog package vendor\" again", ErrVendor, ErrNotFound, list, target.whole(), directory)
	}
	if pinned != nil && pinned.value.Commit != entry.Commit {
		return "", "", vendorMismatch(target.whole().String(), directory, entry.Commit, pinned)
	}
	if pinned == nil || pinned.value.Tree != entry.Tree {
		found := &tree{repository: target.repository, version: target.version, directory: directory}
		if err := found.verify(ctx, entry.Tree, list, "run \"sundog package vendor\" again"); err != nil {
			return "", "", err
		}
	}
	return entry.Commit, directory, nil
}

func vendorMismatch(locator, directory, commit string, pinned *held[Pin]) error {
	return fmt.Errorf("%w: %s: the vendor folder holds commit %s in %s, and %s says %s: run \"sundog package vendor\" again", ErrMismatch, locator, commit, directory, pinned.place, pinned.value.Commit)
}

// vendoredByHand finds a repository by the names of folders: with the version, or else without.
func (r *Resolver) vendoredByHand(target address) (string, error) {
	plain := filepath.Join(r.options.VendorDir, filepath.FromSlash(target.repository))
	candidates := []string{plain}
	if target.version != "" {
		candidates = []string{plain + "@" + url.PathEscape(target.version), plain}
	}
	for _, candidate := range candidates {
		if info, err := os.Stat(candidate); err == nil && info.IsDir() {
			absolute, err := filepath.Abs(candidate)
			if err != nil {
				return "", fmt.Errorf("find %s: %w", target.whole(), err)
			}
			return absolute, nil
		}
	}
	return "", fmt.Errorf("%w: %w: repository %s is not in the vendor folder, where it would lie at %s: \"sundog package vendor\" puts it there", ErrOffline, ErrNotFound, target.whole(), plain)
}
