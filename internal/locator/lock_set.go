package locator

import (
	"errors"
	"fmt"
	"path/filepath"
)

// lockSet is what pins the locators of one root package: the lock file of whoever uses it, and for a remote package also
// the one that its author keeps beside its kurtosis.yml. Like replace, only the root package's locks count.
type lockSet struct {
	locks  []*Lock // the first that knows a locator counts
	locked bool    // what no lock knows is an error
	beside string  // where a lock file would lie
}

// localLocks are those of a folder: the caller's file, or the one in the folder.
func (r *Resolver) localLocks(root *tree, folder string) (*lockSet, error) {
	set := &lockSet{locked: r.options.Locked, beside: filepath.Join(root.directory, filepath.FromSlash(folder), LockName)}
	switch {
	case r.options.Refresh:
		return &lockSet{beside: set.beside}, nil
	case r.options.LockFile != "":
		return set, set.add(ReadLock(r.options.LockFile))
	default:
		return set, set.addOwn(root, folder, set.beside)
	}
}

// remoteLocks are those that hold before a remote package is there: the caller's file, or the one in the caller's folder.
func (r *Resolver) remoteLocks(baseDir string) (*lockSet, error) {
	set := &lockSet{locked: r.options.Locked, beside: filepath.Join(baseDir, LockName)}
	switch {
	case r.options.Refresh:
		return &lockSet{beside: set.beside}, nil
	case r.options.LockFile != "":
		return set, set.add(ReadLock(r.options.LockFile))
	}
	lock, err := ReadLock(set.beside)
	if errors.Is(err, ErrNotFound) {
		return set, nil
	}
	return set, set.add(lock, err)
}

func (s *lockSet) add(lock *Lock, err error) error {
	if err == nil {
		s.locks = append(s.locks, lock)
	}
	return err
}

// addOwn adds the lock file that is part of a package, if there is one.
func (s *lockSet) addOwn(root *tree, folder, label string) error {
	text, err := root.readAny(joinPath(folder, LockName))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read lock file: %w", err)
	}
	return s.add(ParseLock(text, label))
}

// held is a pin and where it stands.
type held[V any] struct {
	value V
	place string
}

// repository gives the pin of a repository at a version; nil, with a warning where there are locks, when there is none.
func (s *lockSet) repository(target address) (*held[Pin], string, error) {
	key := target.whole().String()
	for _, lock := range s.locks {
		if pin, ok := lock.Repositories[key]; ok {
			return &held[Pin]{pin, lock.place(key)}, "", nil
		}
	}
	warning, err := s.missing(key)
	return nil, warning, err
}

// file gives the SHA-256 that a URL is pinned to.
func (s *lockSet) file(address string) (*held[string], string, error) {
	for _, lock := range s.locks {
		if sum, ok := lock.Files[address]; ok {
			return &held[string]{sum, lock.place(address)}, "", nil
		}
	}
	warning, err := s.missing(redactURL(address))
	return nil, warning, err
}

func (s *lockSet) missing(what string) (warning string, err error) {
	switch {
	case s.locked && len(s.locks) == 0:
		return "", fmt.Errorf("%w: only what is locked may be used, and there is no lock file %s that says what %s is: write it with \"sundog package lock\"", ErrLock, s.beside, what)
	case s.locked:
		return "", fmt.Errorf("%w: only what is locked may be used, and %s is not in %s: add it with \"sundog package lock\"", ErrLock, what, s.locks[0].place(""))
	case len(s.locks) > 0:
		return fmt.Sprintf("%s is not in %s, so it may be something else tomorrow: \"sundog package lock\" adds it", what, s.locks[0].place("")), nil
	}
	return "", nil
}
