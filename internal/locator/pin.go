package locator

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Pins gives a lock of everything that locators and URLs led to so far.
func (p *Package) Pins(ctx context.Context) (*Lock, error) {
	p.mutex.Lock()
	used, files := maps.Clone(p.used), maps.Clone(p.files)
	p.mutex.Unlock()
	lock := NewLock()
	for _, key := range slices.Sorted(maps.Keys(used)) {
		pin, err := used[key].pin(ctx)
		if err != nil {
			return nil, err
		}
		lock.Repositories[key] = pin
	}
	for address, found := range files {
		lock.Files[address] = found.sum
	}
	return lock, nil
}

// Pin looks up what one locator of a lock file means, for entries that an interpretation did not meet.
func (r *Resolver) Pin(ctx context.Context, locator string) (Pin, error) {
	target, err := parseAddress(locator)
	if err != nil {
		return Pin{}, err
	}
	found, err := r.tree(ctx, target, nil)
	if err != nil {
		return Pin{}, err
	}
	return found.pin(ctx)
}

// PinFile looks up the SHA-256 of what a URL of a lock file gives.
func (r *Resolver) PinFile(ctx context.Context, address string) (string, error) {
	if _, err := parseDownload(address); err != nil {
		return "", err
	}
	found, err := r.download(ctx, address, nil)
	if err != nil {
		return "", err
	}
	return found.sum, nil
}

func (t *tree) pin(ctx context.Context) (Pin, error) {
	if t.commit == "" {
		return Pin{}, fmt.Errorf("%w: %s lies in %s, which tells no commit: only what is fetched, or vendored by \"sundog package vendor\", can be locked", ErrLock, t, t.directory)
	}
	sum, err := t.treeDigest(ctx)
	if err != nil {
		return Pin{}, err
	}
	return Pin{Commit: t.commit, Tree: sum}, nil
}
