package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// digestVersion is part of every digest. Raising it replaces every service of every enclave once.
const digestVersion = 1

// partLength is how much of a keyed digest is kept per part: enough to see a change, short enough for a record of
// hundreds of services.
const partLength = 16

// digester makes the keyed digests of one enclave.
type digester struct{ key []byte }

func (d digester) of(value any) (string, error) { return plan.KeyedDigest(d.key, value) }

// short is the digest of one part.
func (d digester) short(value any) (string, error) {
	digest, err := d.of(value)
	if err != nil {
		return "", err
	}
	return digest[:partLength], nil
}

// mounted is what stands at one mount path, contents included.
type mounted struct {
	Mount   plan.Mount
	Digests []string
}

// service gives the digest of a resolved spec and the digests of its parts, by names that a person understands. Image
// is the image as it was resolved, artifacts maps the mounted names to their contents' digests. What does not change
// the container is left out: waits, ready conditions, and environment that changes with every apply.
func (d digester) service(spec plan.ServiceSpec, image enclave.Image, artifacts map[string]string) (digest string, parts map[string]string, err error) {
	identity, err := d.imageIdentity(spec.Image, image)
	if err != nil {
		return "", nil, fmt.Errorf("service %q: %w", spec.Name, err)
	}
	values := map[string]any{
		"image":             identity,
		"entry point":       spec.Entrypoint,
		"command":           spec.Cmd,
		"public ports":      numbers(spec.PublicPorts),
		"host name aliases": spec.Aliases,
		"labels":            spec.Labels,
		"user":              spec.User,
		"limits":            []int64{spec.MaxCPU, spec.MinCPU, spec.MaxMemory, spec.MinMemory},
	}
	for name, value := range spec.Env {
		values["environment variable "+name] = value
	}
	for id, port := range spec.Ports {
		port.Wait = 0
		values["port "+id] = port
	}
	for path, mount := range spec.Files {
		content := mounted{Mount: mount}
		for _, name := range mount.Artifacts {
			content.Digests = append(content.Digests, artifacts[name])
		}
		values["files at "+path] = content
	}
	// Whatever else a spec has is one part, so a field that is added later is never forgotten.
	rest := spec
	rest.Name, rest.Image, rest.Entrypoint, rest.Cmd, rest.Env, rest.VolatileEnv = "", plan.Image{}, nil, nil, nil, nil
	rest.Ports, rest.PublicPorts, rest.Files, rest.Aliases, rest.Labels, rest.User, rest.Ready = nil, nil, nil, nil, nil, nil, nil
	rest.MaxCPU, rest.MinCPU, rest.MaxMemory, rest.MinMemory = 0, 0, 0, 0
	values["other settings"] = rest

	parts = make(map[string]string, len(values))
	for name, value := range values {
		if parts[name], err = d.short(value); err != nil {
			return "", nil, fmt.Errorf("service %q, %s: %w", spec.Name, name, err)
		}
	}
	digest, err = d.of(map[string]any{"version": digestVersion, "name": spec.Name, "parts": parts})
	return digest, parts, err
}

// readiness is the digest of what must hold before a service counts as ready.
func (d digester) readiness(spec plan.ServiceSpec) (string, error) {
	waits := map[string]string{}
	for id, port := range spec.Ports {
		waits[id] = port.Wait.String()
	}
	return d.short(map[string]any{"version": digestVersion, "waits": waits, "ready": spec.Ready})
}

// content gives the digest under which a file tree is stored: its own if it is known to hold no secrets, a keyed one
// otherwise.
func (d digester) content(tree *plan.FileTree, sensitive bool) (string, error) {
	if !sensitive {
		return tree.Digest(), nil
	}
	return d.of([]any{"content", digestVersion, tree.Digest()})
}

// imageIdentity is what an image is known by: a built one by what it is built from, which a comparison knows without
// building, and which is the same when it has to be built again; any other by what its name was resolved to.
func (d digester) imageIdentity(asked plan.Image, ready enclave.Image) ([]string, error) {
	if asked.Build == nil {
		return []string{asked.Name, ready.ID}, nil
	}
	key, err := d.image(asked)
	return []string{asked.Name, key}, err
}

// image gives the key under which a run's record has what an image was resolved to: its name, and for a build also a
// digest of all that it is built of.
func (d digester) image(image plan.Image) (string, error) {
	if image.Build == nil {
		return image.Name, nil
	}
	input, err := image.Build.InputDigest()
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image.Name, err)
	}
	digest, err := d.short([]any{"build", input, image.Build.Args})
	return image.Name + " " + digest, err
}

func numbers(ports map[string]plan.Port) map[string]int {
	result := make(map[string]int, len(ports))
	for id, port := range ports {
		result[id] = port.Number
	}
	return result
}

// maxReasons is how many changed parts a reason names.
const maxReasons = 3

// changedParts says in words which parts differ.
func changedParts(before, after map[string]string) string {
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch old, found := before[name]; {
		case !found:
			changes = append(changes, name+" was added")
		case old != after[name]:
			changes = append(changes, name+" changed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, found := after[name]; !found {
			changes = append(changes, name+" was removed")
		}
	}
	if len(changes) == 0 {
		return "its configuration changed"
	}
	if more := len(changes) - maxReasons; more > 0 {
		changes = append(changes[:maxReasons], fmt.Sprintf("%d more", more))
	}
	return strings.Join(changes, ", ")
}
