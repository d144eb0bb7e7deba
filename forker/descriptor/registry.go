package descriptor

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Registry holds things by name: descriptors of services, stand-ins. It is filled while the program starts and closed
// by the first reading, so that what is registered cannot depend on timing.
type Registry[T any] struct {
	what   string
	nameOf func(T) string

	mutex   sync.Mutex
	closed  bool
	entries []T
}

// NewRegistry makes an empty registry; what names the entries in messages.
func NewRegistry[T any](what string, nameOf func(T) string) *Registry[T] {
	return &Registry[T]{what: what, nameOf: nameOf}
}

// Register adds an entry. It panics on a name that is taken and after the first reading: both are mistakes of the
// program that show at every start.
func (r *Registry[T]) Register(entry T) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	name := r.nameOf(entry)
	if r.closed {
		panic(fmt.Sprintf("%s %q is registered after the registry was read", r.what, name))
	}
	if slices.ContainsFunc(r.entries, func(other T) bool { return r.nameOf(other) == name }) {
		panic(fmt.Sprintf("%s %q is registered twice", r.what, name))
	}
	r.entries = append(r.entries, entry)
}

// All closes the registry and gives its entries, sorted by name.
func (r *Registry[T]) All() []T {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.closed {
		r.closed = true
		slices.SortFunc(r.entries, func(a, b T) int { return strings.Compare(r.nameOf(a), r.nameOf(b)) })
	}
	return slices.Clone(r.entries)
}

// Catalog is a set of descriptors to work with: all that are registered, or a few of a test.
type Catalog struct {
	services []Descriptor
	kinds    map[string]KindTraits
}

// NewCatalog makes a catalog, sorted by name. It reports the mistakes of every descriptor.
func NewCatalog(services ...Descriptor) (*Catalog, error) {
	catalog := &Catalog{services: slices.Clone(services), kinds: map[string]KindTraits{}}
	slices.SortFunc(catalog.services, func(a, b Descriptor) int { return strings.Compare(a.Name, b.Name) })
	for _, service := range catalog.services {
		if err := service.Check(); err != nil {
			return nil, err
		}
		for _, kind := range service.Kinds {
			name := service.Name + "/" + kind.Name
			if _, taken := catalog.kinds[name]; taken {
				return nil, fmt.Errorf("kind %q is described twice", name)
			}
			catalog.kinds[name] = kind
		}
	}
	return catalog, nil
}

// Services are the descriptors, sorted by name.
func (c *Catalog) Services() []Descriptor { return c.services }

// Service finds a descriptor.
func (c *Catalog) Service(name string) (Descriptor, bool) {
	index, found := slices.BinarySearchFunc(c.services, name, func(d Descriptor, name string) int {
		return strings.Compare(d.Name, name)
	})
	if !found {
		return Descriptor{}, false
	}
	return c.services[index], true
}

// Kind finds a kind's traits.
func (c *Catalog) Kind(service, kind string) (KindTraits, bool) {
	traits, found := c.kinds[service+"/"+kind]
	return traits, found
}
