package language

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

var (
	serviceNamePattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	portIDPattern      = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$`)
)

// validator walks a plan in order and keeps what exists at each place. It gathers everything that is wrong.
type validator struct {
	problems  []Problem
	position  plan.Position            // of the instruction that is looked at
	services  map[string]presence      // that exist at this place
	added     map[string]plan.Position // by instructions so far, removed ones left out
	artifacts map[string]bool          // that exist at this place
	toBeMade  map[string]bool          // by the whole plan
	made      map[string]plan.Position // by upload_files, render_templates, store_service_files so far
	producers map[string]producer      // of runtime values, so far
	later     map[string]producer      // of runtime values, in the whole plan
	seeds     map[string]seeding       // of persistent directories so far, by key
	place     int                      // of the instruction in the plan
	toBeAdded map[string]bool          // by the whole plan
	shared    bool                     // whether other runs may have made what is not known here
}

// presence is a service at some place of the plan.
type presence struct {
	ports map[string]plan.Port
	// foreign is another run's of which nothing but the name is known.
	foreign bool
}

// producer is what runtime values come from.
type producer struct {
	what     string
	position plan.Position
	fields   []string
}

// validate tells everything that is known to fail before anything is carried out.
func validate(made *plan.Plan, request Request) []Problem {
	v := &validator{
		services: map[string]presence{}, added: map[string]plan.Position{},
		artifacts: map[string]bool{}, toBeMade: map[string]bool{}, toBeAdded: map[string]bool{}, made: map[string]plan.Position{},
		producers: map[string]producer{}, later: map[string]producer{}, seeds: map[string]seeding{}, shared: request.SharedEnclave,
	}
	for name, ports := range request.Existing {
		v.services[name] = presence{ports: ports}
		v.producers[producerName(name)] = serviceProducer(name, plan.Position{})
	}
	for _, name := range request.ExistingArtifacts {
		v.artifacts[name] = true
	}
	for i := range made.Instructions {
		collectProducers(&made.Instructions[i], v.later)
		for _, name := range made.Instructions[i].Operation.Produces() {
			v.toBeMade[name] = true
		}
		if add, ok := made.Instructions[i].Operation.(*plan.AddServices); ok {
			for j := range add.Services {
				v.toBeAdded[add.Services[j].Name] = true
			}
		}
	}
	for i := range made.Instructions {
		v.position, v.place = made.Instructions[i].Position, i
		v.instruction(&made.Instructions[i])
		collectProducers(&made.Instructions[i], v.producers)
	}
	v.position = plan.Position{}
	v.texts("the return value", made.Output)
	return v.problems
}

func (v *validator) problem(format string, arguments ...any) {
	v.problems = append(v.problems, Problem{Position: v.position, Message: fmt.Sprintf(format, arguments...)})
}

func (v *validator) instruction(instruction *plan.Instruction) {
	switch operation := instruction.Operation.(type) {
	case *plan.AddServices:
		// The services of a batch may start in any order, so none of them counts for the others.
		for i := range operation.Services {
			v.service(&operation.Services[i])
		}
		for i := range operation.Services {
			spec := &operation.Services[i]
			v.services[spec.Name] = presence{ports: spec.Ports}
			v.added[spec.Name] = v.position
		}
	case *plan.RemoveService:
		v.present("remove_service", operation.Service)
		delete(v.services, operation.Service)
		delete(v.added, operation.Service)
	case *plan.StartService:
		v.present("start_service", operation.Service)
	case *plan.StopService:
		v.present("stop_service", operation.Service)
	case *plan.GetServices:
		for _, name := range operation.Services {
			v.meet(name)
			v.present(instruction.Name, name)
		}
	case *plan.Exec:
		// Whether the service exists shows when it is carried out, as upstream.
		v.fixed("the service's name", operation.Service)
		v.recipe("the command", &operation.Recipe)
	case *plan.Request:
		v.http("request", operation.Service, &operation.Recipe)
		v.recipe("the request", &operation.Recipe)
	case *plan.Wait:
		if recipe, ok := operation.Recipe.(*plan.HTTPRecipe); ok {
			v.http("wait", operation.Service, recipe)
		} else {
			v.meet(operation.Service)
			v.present("wait", operation.Service)
		}
		v.recipe("the recipe", operation.Recipe)
		v.texts("target_value", operation.Condition.Target)
	case *plan.Verify:
		v.texts("value", operation.Value)
		v.texts("target_value", operation.Target)
	case *plan.Print:
		v.texts("the message", operation.Message)
	case *plan.RenderTemplates:
		for _, file := range operation.Templates {
			v.fixed("the path of a template", file.Path)
			v.texts("the data of "+file.Path, file.Data)
		}
		v.artifact(operation.Artifact)
	case *plan.UploadFiles:
		v.artifact(operation.Artifact)
	case *plan.StoreServiceFiles:
		v.meet(operation.Service)
		v.present("store_service_files", operation.Service)
		v.texts("src", operation.Source)
		v.texts("depends_on", instruction.Arguments["depends_on"])
		v.artifact(operation.Artifact)
	case *plan.GetFilesArtifact:
		v.mounted("get_files_artifact", operation.Artifact)
	case *plan.RunTask:
		v.task(operation)
	}
}

// service checks one service that is about to be added.
func (v *validator) service(spec *plan.ServiceSpec) {
	if !v.fixed("the name of a service", spec.Name) && !serviceNamePattern.MatchString(spec.Name) {
		v.problem("service name '%s' is invalid: it must be a valid RFC 1035 label (%s): at most 63 lower-case letters, digits and dashes, beginning with a letter and not ending in a dash",
			shorten(spec.Name), serviceNamePattern)
	}
	if earlier, taken := v.added[spec.Name]; taken {
		v.problem("service '%s' already exists inside the package: it was added at %s: give this one another name, or remove the other before", spec.Name, earlier)
	}
	v.ports(spec)
	v.mounts("service '"+spec.Name+"'", spec.Files)
	for _, key := range slices.Sorted(maps.Keys(spec.Labels)) {
		if strings.HasPrefix(key, reservedLabels) {
			v.problem("label '%s' of service '%s' is Sundog's own: choose a key that does not begin with %s", shorten(key), spec.Name, reservedLabels)
		}
	}
	v.spec("service '"+spec.Name+"'", spec)
	if spec.Ready != nil {
		v.own(spec.Name, func() {
			v.recipe(fmt.Sprintf("ready_conditions of service '%s'", spec.Name), spec.Ready.Recipe)
			v.texts(fmt.Sprintf("ready_conditions of service '%s'", spec.Name), spec.Ready.Condition.Target)
		})
	}
}

// own looks at what may refer to the service itself, because the service runs when it is needed.
func (v *validator) own(name string, look func()) {
	key := producerName(name)
	before, known := v.producers[key]
	v.producers[key] = serviceProducer(name, v.position)
	look()
	if known {
		v.producers[key] = before
	} else {
		delete(v.producers, key)
	}
}

func (v *validator) ports(spec *plan.ServiceSpec) {
	for _, id := range slices.Sorted(maps.Keys(spec.Ports)) {
		if !portIDPattern.MatchString(id) {
			v.problem("port id '%s' of service '%s' is invalid: it must match %s: at most 15 lower-case letters, digits and dashes", shorten(id), spec.Name, portIDPattern)
		}
	}
}

// mounts checks what a service or a task mounts.
func (v *validator) mounts(whose string, files map[string]plan.Mount) {
	for _, mountPath := range slices.Sorted(maps.Keys(files)) {
		mount := files[mountPath]
		for _, artifact := range mount.Mounted() {
			v.mounted(whose+" mounts at "+mountPath, artifact)
		}
		if mount.PersistentKey != "" && !v.fixed("persistent_key of "+whose, mount.PersistentKey) && !serviceNamePattern.MatchString(mount.PersistentKey) {
			v.problem("persistent key '%s' of %s is invalid: it must match %s", shorten(mount.PersistentKey), whose, serviceNamePattern)
		}
		if mount.PersistentKey != "" {
			v.seed(whose, mount)
		}
	}
}

// seeding is how a persistent directory was mounted first.
type seeding struct {
	artifacts []string
	whose     string
	place     int
}

// seed checks that a persistent directory is seeded where it is mounted first: later it is not new any more. Services of
// one batch start in any order, so each of them may be the first.
func (v *validator) seed(whose string, mount plan.Mount) {
	first, known := v.seeds[mount.PersistentKey]
	switch {
	case !known:
		v.seeds[mount.PersistentKey] = seeding{mount.Seed, whose, v.place}
	case len(mount.Seed) > 0 && !slices.Equal(mount.Seed, first.artifacts):
		v.problem("%s has another seed for the persistent directory '%s' than %s, which mounts it before: give the seed there", whose, shorten(mount.PersistentKey), first.whose)
	case len(mount.Seed) == 0 && len(first.artifacts) > 0 && first.place == v.place:
		v.problem("%s mounts the persistent directory '%s' without the seed that it has in %s, and may start before: give both the same seed", whose, shorten(mount.PersistentKey), first.whose)
	}
}

func (v *validator) task(task *plan.RunTask) {
	if _, taken := v.services[task.Name]; taken {
		v.problem("task '%s' has the name of a service that exists at this place: give it another name", task.Name)
	}
	v.mounts("task '"+task.Name+"'", task.Service.Files)
	sources := map[string]bool{}
	for _, store := range task.Store {
		if sources[store.Source] {
			v.problem("task '%s' stores '%s' twice: name every path once", task.Name, store.Source)
		}
		sources[store.Source] = true
		v.texts("store", store.Source)
		v.artifacts[store.Artifact] = true
	}
	v.texts("the script", task.Script)
	v.texts("args", task.Args)
	v.texts("packages", task.Packages)
	v.spec("task '"+task.Name+"'", &task.Service)
}

// meet takes a service as one of another run where it could be. One that is added further down is a mistake all the same.
func (v *validator) meet(name string) {
	if _, known := v.services[name]; v.shared && !known && !v.toBeAdded[name] && serviceNamePattern.MatchString(name) {
		v.services[name] = presence{foreign: true}
	}
}

// present requires a service.
func (v *validator) present(what, name string) (presence, bool) {
	found, ok := v.services[name]
	if !ok && !v.fixed("the service's name", name) {
		v.problem("%s needs service '%s', which doesn't exist at this place: %s", what, name, known(slices.Sorted(maps.Keys(v.services))))
	}
	return found, ok
}

// http requires a service and its port.
func (v *validator) http(what, name string, recipe *plan.HTTPRecipe) {
	v.meet(name)
	found, ok := v.services[name]
	if !ok && v.fixed("the service's name", name) || found.foreign {
		return
	}
	if !ok {
		v.problem("Tried creating a %s for service '%s' which doesn't exist: %s", what, name, known(slices.Sorted(maps.Keys(v.services))))
		return
	}
	if _, ok := found.ports[recipe.PortID]; !ok && len(plan.FindRuntimeValues(recipe.PortID)) == 0 {
		v.problem("Request required port ID '%s' to exist on service '%s' but it doesn't: %s", recipe.PortID, name, known(slices.Sorted(maps.Keys(found.ports))))
	}
}

// known lists what a name could have been.
func known(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	return "there is " + listed(names)
}

// artifact makes a name known, once.
func (v *validator) artifact(name string) {
	if earlier, taken := v.made[name]; taken {
		v.problem("files artifact '%s' is made twice: it was made at %s: give this one another name", name, earlier)
	}
	v.made[name] = v.position
	v.artifacts[name] = true
}

// mounted requires a files artifact. One that is made further down is a mistake also where other runs make some.
func (v *validator) mounted(what, name string) {
	if !v.artifacts[name] && (!v.shared || v.toBeMade[name]) {
		v.problem("%s: artifact name '%s' does not exist at this place: %s", what, plan.ReadableRuntimeValues(name), plan.ReadableRuntimeValues(known(slices.Sorted(maps.Keys(v.artifacts)))))
	}
}
