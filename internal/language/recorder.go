package language

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// recorder gathers what the calls of plan's functions ask for. Every name it gives derives from what is asked, so that
// two interpretations agree.
type recorder struct {
	instructions []plan.Instruction
	warnings     []plan.Warning
	warned       map[plan.Warning]bool
	deprecations map[plan.Position]int // indexes in warnings
	services     map[string]*typed     // as add_service returned them, by name
	order        []string              // names of services, first added first
	imperatives  map[string]int        // how many exec, request, wait, store_service_files a service has had
	names        map[string]bool       // names of artifacts and tasks that are taken
	unknown      []Problem             // what was looked for although nobody can know it
}

func newRecorder() recorder {
	return recorder{
		warned: map[plan.Warning]bool{}, deprecations: map[plan.Position]int{}, services: map[string]*typed{}, imperatives: map[string]int{}, names: map[string]bool{},
	}
}

func (r *recorder) record(instruction plan.Instruction) {
	r.instructions = append(r.instructions, instruction)
}

// warn shows a message once per place.
func (r *recorder) warn(position plan.Position, message string) {
	warning := plan.Warning{Position: position, Message: message}
	if !r.warned[warning] {
		r.warned[warning] = true
		r.warnings = append(r.warnings, warning)
	}
}

// deprecate warns of a form of an earlier version of the language: one warning for each place, whatever stands there.
func (r *recorder) deprecate(position plan.Position, message string) {
	index, found := r.deprecations[position]
	switch {
	case !found:
		r.deprecations[position] = len(r.warnings)
		r.warnings = append(r.warnings, plan.Warning{Position: position, Message: message})
	case !strings.Contains(r.warnings[index].Message, message):
		r.warnings[index].Message += "; " + message
	}
}

// imperative gives the identity of the next instruction that acts on a running service: its place in their order.
func (r *recorder) imperative(service string) string {
	r.imperatives[service]++
	return fmt.Sprintf("%s#%d", producerName(service), r.imperatives[service])
}

// name gives a name that is still free: the wanted one, or one made of the prefix and a digest of what is named.
func (r *recorder) name(kind, wanted string, content ...string) string {
	name := wanted
	if name == "" {
		hash := sha256.New()
		for _, part := range content {
			fmt.Fprintf(hash, "%d:%s\n", len(part), part)
		}
		name = kind + "-" + hex.EncodeToString(hash.Sum(nil))[:8]
	}
	free := name
	for n := 2; wanted == "" && r.names[kind+"/"+free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	r.names[kind+"/"+free] = true
	return free
}

// producerName fits a name into the alphabet of runtime values.
func producerName(name string) string {
	return strings.Map(func(letter rune) rune {
		switch {
		case 'a' <= letter && letter <= 'z', 'A' <= letter && letter <= 'Z', '0' <= letter && letter <= '9', strings.ContainsRune("._-", letter):
			return letter
		}
		return '-'
	}, name)
}

// resolveHostnames replaces runtime values that stand for a service's host name, which always equals its name.
func resolveHostnames(text string) string {
	for _, value := range plan.FindRuntimeValues(text) {
		if value.Field == fieldHostname {
			text = strings.ReplaceAll(text, value.String(), value.Producer)
		}
	}
	return text
}

// Fields of runtime values.
const (
	fieldHostname  = "hostname"
	fieldIPAddress = "ip_address"
	fieldCode      = "code"
	fieldOutput    = "output"
	fieldBody      = "body"
	extractPrefix  = "extract."
)

// backendWarnings adds to the package's warnings one for every attribute that the backend cannot honour.
func (in *interpreter) backendWarnings() []plan.Warning {
	ignored := map[string][]string{}
	for i := range in.instructions {
		switch operation := in.instructions[i].Operation.(type) {
		case *plan.AddServices:
			for j := range operation.Services {
				in.ignoredAttributes(&operation.Services[j], ignored)
			}
		case *plan.RunTask:
			in.ignoredAttributes(&operation.Service, ignored)
		}
	}
	warnings := slices.Clone(in.warnings)
	for _, attribute := range slices.Sorted(maps.Keys(ignored)) {
		services := slices.Compact(slices.Sorted(slices.Values(ignored[attribute])))
		warnings = append(warnings, plan.Warning{
			Message: fmt.Sprintf("%s has no meaning on the backend %s and is ignored (%s)", attribute, in.request.Backend, listed(services)),
		})
	}
	return warnings
}

func (in *interpreter) ignoredAttributes(spec *plan.ServiceSpec, ignored map[string][]string) {
	note := func(present bool, attribute string) {
		if present {
			ignored[attribute] = append(ignored[attribute], spec.Name)
		}
	}
	if in.request.Backend == "kubernetes" {
		note(len(spec.FilesToBeMoved) > 0, "files_to_be_moved")
		note(spec.PublishUDP, "publish_udp")
		note(spec.TTY, "tty_enabled")
		note(spec.NoInit, "tini_enabled")
		note(len(spec.PublicPorts) > 0, "public_ports")
		note(spec.GPU != nil && len(spec.GPU.DeviceIDs) > 0, "gpu.device_ids")
		note(spec.GPU != nil && len(spec.GPU.Ulimits) > 0, "gpu.ulimits")
		return
	}
	note(len(spec.NodeSelectors) > 0, "node_selectors")
	note(len(spec.Tolerations) > 0, "tolerations")
	for _, mount := range spec.Files {
		// A size that is the default is as good as none.
		note(mount.PersistentKey != "" && mount.SizeMB != defaultSizeMB, "Directory.size")
	}
}

// listed shows the first few of a list of names.
func listed(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
