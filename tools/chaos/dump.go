package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// state is what is in the engine, as the engine tells it, without what differs from one making to the next.
type state struct {
	// facts by what they are about.
	facts map[string]string
	// services by name.
	services map[string]identity
	// logs hold the lines that imperative instructions left in persistent directories, by service.
	logs map[string][]string
}

// identity tells one container, and one start of it, from another.
type identity struct{ id, started string }

// contents are the paths whose contents count, by service.
var contents = map[string][]string{
	"db": {"/notes"}, "c": {"/conf", "/seeded"}, "late": {"/kept", "/level"}, "side": {"/conf"},
}

// logged are the services that are asked for the lines in their persistent directory.
var logged = []string{"db", "side"}

var (
	// What is drawn at random or counted up by the engine: the part of a volume's name that belongs to one container, the
	// subnet that was free, IDs of containers, and times.
	generation = regexp.MustCompile(`\.[0-9a-f]{8}\.`)
	subnet     = regexp.MustCompile(`\b(172\.\d+|192\.168)\.`)
	containers = regexp.MustCompile(`\b[0-9a-f]{12}([0-9a-f]{52})?\b`)
	times      = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[0-9:.]+Z`)
)

func normalise(text string) string {
	text = times.ReplaceAllString(text, "TIME")
	return containers.ReplaceAllString(subnet.ReplaceAllString(generation.ReplaceAllString(text, ".*."), "NET."), "ID")
}

// hostPorts are the ports on the host, which are drawn from this range by the names of enclave and service.
var hostPorts = regexp.MustCompile(`\b[23]\d{4}\b`)

// withoutHostPorts is for an engine that has lost ports: one that was killed while it started a container, or whose
// containers survived its end, may take a container's host port for allocated after that has gone, and then nobody can have
// it before the engine is started again.
func withoutHostPorts(facts map[string]string) map[string]string {
	changed := make(map[string]string, len(facts))
	for about, value := range facts {
		changed[about] = hostPorts.ReplaceAllString(value, "PORT")
	}
	return changed
}

// volatileLabels differ between enclaves: digests are keyed by the enclave, generations and the marks of persistent
// directories drawn at random, and owners by whoever works.
var volatileLabels = []string{"sundog.dev/digest", "sundog.dev/generation", "sundog.dev/persistent", "sundog.dev/owner"}

// observe reads everything that an undisturbed apply and a disturbed one must agree about.
func (a *api) observe(ctx context.Context) (*state, error) {
	seen := &state{facts: map[string]string{}, services: map[string]identity{}, logs: map[string][]string{}}
	objects, err := a.objects(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, item := range objects {
		if item.labels["sundog.dev/role"] == "note" {
			continue // What Sundog remembers is its own affair, as long as it goes with the enclave.
		}
		counts[item.kind+" "+normalise(item.name)]++
		if item.kind != "container" || item.labels["sundog.dev/role"] != "service" {
			continue
		}
		if err := a.observeService(ctx, item, seen); err != nil {
			return nil, err
		}
	}
	for name, count := range counts {
		seen.facts[name] = fmt.Sprintf("is there %d times", count)
	}
	return seen, nil
}

func (a *api) observeService(ctx context.Context, item object, seen *state) error {
	var inspected struct {
		ID    string `json:"Id"`
		State struct {
			Status    string
			ExitCode  int
			StartedAt string
		}
		Config, HostConfig map[string]any
		Mounts             []map[string]any
		NetworkSettings    struct {
			Ports    map[string]any
			Networks map[string]map[string]any
		}
	}
	if err := a.get(ctx, "/containers/"+item.id+"/json", &inspected); err != nil {
		return err
	}
	name := item.labels["sundog.dev/service"]
	about := "service " + name + ", "
	seen.services[name] = identity{inspected.ID, inspected.State.StartedAt}
	if labels, ok := inspected.Config["Labels"].(map[string]any); ok {
		for _, label := range volatileLabels {
			delete(labels, label)
		}
	}
	slices.SortFunc(inspected.Mounts, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["Destination"]), fmt.Sprint(b["Destination"]))
	})
	networks := map[string]any{}
	for network, endpoint := range inspected.NetworkSettings.Networks {
		address := endpoint["IPAddress"]
		if inspected.State.Status == "exited" {
			address = nil // An engine that was killed still has in its records what the container had.
		}
		networks[network] = []any{endpoint["IPAMConfig"], endpoint["Aliases"], address}
	}
	for part, value := range map[string]any{
		"state": inspected.State.Status, "configuration": inspected.Config, "host configuration": inspected.HostConfig,
		"mounts": inspected.Mounts, "ports": inspected.NetworkSettings.Ports, "networks": networks,
	} {
		// Through JSON once, so that all values are of its types.
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(normalise(strings.ReplaceAll(string(text), a.data, "DATA"))), &value); err != nil {
			return err
		}
		flatten(about+part, value, seen.facts)
	}
	for _, path := range contents[name] {
		files, err := a.files(ctx, item.id, path)
		if err != nil {
			return err
		}
		for file, content := range files {
			seen.facts[about+"file "+path+" "+file] = content
		}
	}
	if !slices.Contains(logged, name) {
		return nil
	}
	files, err := a.files(ctx, item.id, "/data/log")
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(files["log"], ":")
	_, text, _ = strings.Cut(text, " ")
	seen.logs[name] = strings.Fields(text)
	return nil
}

// flatten notes the single values of a document. Empty ones are left out: the engine itself writes some of them in one way
// before it is started again and in another after.
func flatten(about string, value any, facts map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, element := range value {
			flatten(about+" "+key, element, facts)
		}
	case []any:
		for i, element := range value {
			flatten(fmt.Sprintf("%s %d", about, i), element, facts)
		}
	default:
		if text := fmt.Sprint(value); value != nil && text != "" && text != "0" && text != "false" {
			facts[about] = text
		}
	}
}

// difference tells what differs.
func difference(want, got map[string]string) []string {
	var lines []string
	for about, value := range want {
		switch found, ok := got[about]; {
		case !ok:
			lines = append(lines, about+": missing")
		case found != value:
			lines = append(lines, fmt.Sprintf("%s: got %s, want %s", about, found, value))
		}
	}
	for about, value := range got {
		if _, ok := want[about]; !ok {
			lines = append(lines, fmt.Sprintf("%s: there should be none (%s)", about, value))
		}
	}
	slices.Sort(lines)
	return lines
}

// checkLogs holds the lines that imperative instructions left to the rule: each instruction ran once, but for one for each
// run and disturbance, which was cut off before it was on record and ran again.
func checkLogs(want, got map[string][]string, disturbances int) error {
	var failures []error
	for _, name := range logged {
		failures = append(failures, checkLog(want[name], got[name], disturbances))
	}
	return errors.Join(failures...)
}

func checkLog(want, got []string, disturbances int) error {
	var once []string
	repeated := 0
	for i, line := range got {
		if i > 0 && got[i-1] == line {
			repeated++
			continue
		}
		once = append(once, line)
	}
	if !slices.Equal(once, want) {
		return fmt.Errorf("imperative instructions left the lines %v, want %v", got, want)
	}
	if repeated > disturbances {
		return fmt.Errorf("imperative instructions left the lines %v: %d ran again after %d disturbances", got, repeated, disturbances)
	}
	return nil
}
