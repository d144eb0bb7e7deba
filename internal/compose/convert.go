package compose

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// converter makes the parts of the Starlark file out of a project.
type converter struct {
	source   Source
	project  *project
	folder   string // of the Compose file
	warnings []Warning
	warned   map[string]bool
	services []*service
	byKey    map[string]*service
	uploads  []*upload
	byThing  map[string]*upload
	// artifacts and volumes give names of files artifacts and persistent directories.
	artifacts, volumes *namer
}

// service is one service of the Compose file; with replicas it stands for several.
type service struct {
	types.ServiceConfig
	key      string
	names    []string
	aliases  []string
	config   call
	profiles []string // sorted; empty for a service that is always there
	level    int
	// job is set where another service waits for the end of this one.
	job bool
	// failure is why the service cannot be made. It matters only if the service is asked for.
	failure *Error
	uploads []*upload
}

// upload is a files artifact that services mount.
type upload struct {
	name string
	call call
	// always is set where a service without profiles mounts it; otherwise it is made for these profiles.
	always   bool
	profiles []string
	written  bool
}

func newConverter(source Source, loaded *project) *converter {
	return &converter{
		source: source, project: loaded, folder: path.Dir(source.File), warned: map[string]bool{},
		byKey: map[string]*service{}, byThing: map[string]*upload{}, artifacts: newNamer(), volumes: newNamer(),
	}
}

// convert makes the file.
func (c *converter) convert() (*Result, error) {
	for _, name := range c.project.unset {
		c.warn([]string{"${" + name + "}"}, "the variable has no value and no default, so it is empty: give it one in .env or in the argument variables")
	}
	c.projectWarnings()
	for _, key := range slices.Sorted(maps.Keys(c.project.Services)) {
		s := &service{ServiceConfig: c.project.Services[key], key: key, profiles: slices.Compact(slices.Sorted(slices.Values(c.project.Services[key].Profiles)))}
		if s.GetScale() == 0 {
			c.warn([]string{"services", key, "scale"}, "the service has no replicas, so it is left out")
			continue
		}
		c.services = append(c.services, s)
		c.byKey[key] = s
	}
	if err := c.name(); err != nil {
		return nil, err
	}
	c.order()
	c.links()
	for _, s := range c.services {
		if err := c.service(s); err != nil {
			// What only some profiles bring in must not fail without them.
			if len(s.profiles) == 0 {
				return nil, err
			}
			s.failure = err
		}
	}
	return &Result{Text: c.text(), Warnings: c.warnings}, nil
}

// warn notes once that a key has no effect, or another one.
func (c *converter) warn(keys []string, format string, arguments ...any) {
	key := joinKeys(keys)
	message := fmt.Sprintf(format, arguments...)
	if c.warned[key+message] {
		return
	}
	c.warned[key+message] = true
	c.warnings = append(c.warnings, Warning{Place: c.project.stage.places.of(c.source.File, keys...), Key: key, Message: key + ": " + message})
}

// fail is an error about a key.
func (c *converter) fail(keys []string, format string, arguments ...any) *Error {
	return &Error{Place: c.project.stage.places.of(c.source.File, keys...), Message: joinKeys(keys) + ": " + fmt.Sprintf(format, arguments...)}
}

// joinKeys writes the path of a key; numbers are places in lists.
func joinKeys(keys []string) string {
	var out strings.Builder
	for i, key := range keys {
		switch {
		case key != "" && strings.Trim(key, "0123456789") == "":
			out.WriteString("[" + key + "]")
		case i > 0:
			out.WriteString("." + key)
		default:
			out.WriteString(key)
		}
	}
	return out.String()
}

// at is the path of a key of a service.
func (s *service) at(keys ...string) []string { return append([]string{"services", s.key}, keys...) }

// name gives every service its name, and host names under which the others look for it.
func (c *converter) name() *Error {
	owners := map[string]*service{}
	for _, s := range c.services {
		given := s.key
		if s.ContainerName != "" {
			given = s.ContainerName
		}
		name := normalise(given)
		if scale := s.GetScale(); scale > 1 {
			for i := range scale {
				suffix := fmt.Sprintf("-%d", i+1)
				s.names = append(s.names, strings.TrimRight(name[:min(len(name), maxName-len(suffix))], "-")+suffix)
			}
		} else {
			s.names = []string{name}
		}
		for _, name := range s.names {
			if other := owners[name]; other != nil && !exclusive(other, s) {
				return c.fail(s.at(), "it has the name %q, as service %q has: set another container_name", name, other.key)
			}
			owners[name] = s
		}
		s.alias(s.key, s.ContainerName, s.Hostname)
		if s.Hostname != "" && s.DomainName != "" {
			s.alias(s.Hostname + "." + s.DomainName)
		}
		for _, network := range s.NetworksByPriority() {
			if configured := s.Networks[network]; configured != nil {
				s.alias(configured.Aliases...)
			}
		}
	}
	return nil
}

// exclusive tells that two services can be meant as alternatives: both have profiles, and none in common.
func exclusive(a, b *service) bool {
	if len(a.profiles) == 0 || len(b.profiles) == 0 {
		return false
	}
	for _, profile := range a.profiles {
		if slices.Contains(b.profiles, profile) {
			return false
		}
	}
	return true
}

// alias adds host names that are not the service's own name.
func (s *service) alias(names ...string) {
	for _, name := range names {
		if name != "" && !slices.Equal(s.names, []string{name}) && !slices.Contains(s.aliases, name) {
			s.aliases = append(s.aliases, name)
		}
	}
}

// links makes the name that one service has for another one known to all: there is one network.
func (c *converter) links() {
	for _, s := range c.services {
		for _, link := range s.Links {
			if target, alias, named := strings.Cut(link, ":"); named && c.byKey[target] != nil {
				c.byKey[target].alias(alias)
			}
		}
	}
}

// order finds out what starts at the same time. The library has refused cycles.
func (c *converter) order() {
	done := map[*service]bool{}
	var visit func(s *service) int
	visit = func(s *service) int {
		if done[s] {
			return s.level
		}
		done[s] = true
		for _, key := range slices.Sorted(maps.Keys(s.DependsOn)) {
			dependency := c.byKey[key]
			if dependency == nil {
				continue
			}
			s.level = max(s.level, visit(dependency)+1)
			switch s.DependsOn[key].Condition {
			case types.ServiceConditionCompletedSuccessfully:
				dependency.job = true
			case types.ServiceConditionHealthy:
				if !hasHealthCheck(&dependency.ServiceConfig) {
					c.warn(s.at("depends_on", key, "condition"), "service %q has no healthcheck in the Compose file, and that of its image is not known here: its ports are waited for", key)
				}
			}
		}
		return s.level
	}
	for _, s := range c.services {
		visit(s)
	}
}
