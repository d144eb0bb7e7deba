package compose

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// jobPatience is how long a service may take to do its work and end, where others wait for that. Compose has no bound.
const jobPatience = "15m"

// text is the Starlark file.
func (c *converter) text() string {
	var out strings.Builder
	name := path.Base(c.source.File)
	fmt.Fprintf(&out, "\"\"\"The environment that %s describes.\n\nIt was converted from the Compose file by \"sundog package convert\".\n\"\"\"\n\n", name)
	if c.hasProfiles() {
		out.WriteString(activeFunction)
	}
	fmt.Fprintf(&out, "def run(plan, profiles = %s, variables = {}):\n", texts(c.project.profiles).flat())
	fmt.Fprintf(&out, "    \"\"\"Adds the services of %s.\n\n    Args:\n", name)
	out.WriteString("        profiles (list[string]): Profiles whose services are added too; \"*\" stands for all.\n" +
		"        variables (dict[string, string]): Values of variables in the Compose file. They are filled in while it is\n" +
		"            converted, so there is nothing left to do for them here.\n    \"\"\"\n" +
		"    if variables:\n" +
		"        fail(\"variables are filled in while the Compose file is converted: convert it again with them\")\n")
	c.writeChecks(&out)
	awaited := map[*service]bool{}
	for level := 0; ; level++ {
		var batch []*service
		for _, s := range c.services {
			if s.level == level {
				batch = append(batch, s)
			}
		}
		if len(batch) == 0 {
			break
		}
		for _, s := range batch {
			c.writeWaits(&out, s, awaited)
		}
		c.writeUploads(&out, batch)
		c.writeBatch(&out, batch)
	}
	return out.String()
}

// activeFunction decides about services with profiles.
const activeFunction = `def _active(profiles, wanted):
    """Tells whether one of the wanted profiles was asked for."""
    return "*" in profiles or any([profile in profiles for profile in wanted])

`

func (c *converter) hasProfiles() bool {
	return slices.ContainsFunc(c.services, func(s *service) bool { return len(s.profiles) > 0 })
}

// condition is the expression that tells whether one of the profiles was asked for.
func condition(profiles []string) string {
	return "_active(profiles, " + texts(profiles).flat() + ")"
}

// writeChecks refuses what Compose refuses: a service that needs another one which was not asked for, and two services of
// one name.
func (c *converter) writeChecks(out *strings.Builder) {
	for _, s := range c.services {
		for _, key := range slices.Sorted(maps.Keys(s.DependsOn)) {
			other := c.byKey[key]
			if other == nil || !s.DependsOn[key].Required || implied(s, other) {
				continue
			}
			when := "not " + condition(other.profiles)
			if len(s.profiles) > 0 {
				when = condition(s.profiles) + " and " + when
			}
			message := fmt.Sprintf("service %q needs service %q, which belongs to the profiles %s: add one of them to profiles", s.key, key, strings.Join(other.profiles, ", "))
			fmt.Fprintf(out, "    if %s:\n        fail(%s)\n", when, quoted(message).flat())
		}
	}
	for i, s := range c.services {
		for _, other := range c.services[:i] {
			if slices.Equal(s.names, other.names) {
				message := fmt.Sprintf("services %q and %q have the same name %q: ask for the profiles of one of them only", other.key, s.key, s.names[0])
				fmt.Fprintf(out, "    if %s and %s:\n        fail(%s)\n", condition(other.profiles), condition(s.profiles), quoted(message).flat())
			}
		}
	}
}

// implied tells that whenever one service is there, so is the other one.
func implied(s, other *service) bool {
	if len(other.profiles) == 0 {
		return true
	}
	if len(s.profiles) == 0 {
		return false
	}
	for _, profile := range s.profiles {
		if !slices.Contains(other.profiles, profile) {
			return false
		}
	}
	return true
}

// guarded writes statements, under a condition if there are profiles.
func guarded(out *strings.Builder, profiles []string, write func(indent string)) {
	if len(profiles) == 0 {
		write(indentation)
		return
	}
	fmt.Fprintf(out, "    if %s:\n", condition(profiles))
	write(indentation + indentation)
}

// writeWaits waits for services that must have done their work before another one starts.
func (c *converter) writeWaits(out *strings.Builder, s *service, awaited map[*service]bool) {
	for _, key := range slices.Sorted(maps.Keys(s.DependsOn)) {
		job := c.byKey[key]
		if job == nil || awaited[job] || s.DependsOn[key].Condition != types.ServiceConditionCompletedSuccessfully {
			continue
		}
		awaited[job] = true
		out.WriteString("\n")
		guarded(out, job.profiles, func(indent string) {
			for _, name := range job.names {
				wait := call{function: "plan.wait"}
				wait.add("service_name", quoted(name))
				wait.add("recipe", call{function: "ExitRecipe"})
				wait.add("field", quoted("code"))
				wait.add("assertion", quoted("=="))
				wait.add("target_value", number(0))
				wait.add("timeout", quoted(jobPatience))
				out.WriteString(indent + wait.broken(indent) + "\n")
			}
		})
	}
}

// writeUploads makes the files artifacts that the services of a batch are the first to mount.
func (c *converter) writeUploads(out *strings.Builder, batch []*service) {
	first := true
	for _, s := range batch {
		for _, made := range s.uploads {
			if made.written {
				continue
			}
			made.written = true
			if first {
				out.WriteString("\n")
				first = false
			}
			profiles := made.profiles
			if made.always {
				profiles = nil
			}
			guarded(out, profiles, func(indent string) {
				out.WriteString(indent + write(made.call, indent, len(indent)) + "\n")
			})
		}
	}
}

// writeBatch adds the services that may start at the same time.
func (c *converter) writeBatch(out *strings.Builder, batch []*service) {
	out.WriteString("\n")
	if len(batch) == 1 && len(batch[0].names) == 1 {
		s := batch[0]
		guarded(out, s.profiles, func(indent string) {
			if s.failure != nil {
				out.WriteString(indent + failure(s) + "\n")
				return
			}
			add := call{function: "plan.add_service"}
			add.add("name", quoted(s.names[0]))
			add.add("config", s.config)
			out.WriteString(indent + add.broken(indent) + "\n")
		})
		return
	}
	var always dict
	for _, s := range batch {
		if len(s.profiles) == 0 {
			always = append(always, s.entries()...)
		}
	}
	if !slices.ContainsFunc(batch, func(s *service) bool { return len(s.profiles) > 0 }) {
		add := call{function: "plan.add_services"}
		add.add("configs", always)
		out.WriteString(indentation + add.broken(indentation) + "\n")
		return
	}
	out.WriteString("    services = " + always.broken(indentation) + "\n")
	for _, s := range batch {
		if len(s.profiles) == 0 {
			continue
		}
		guarded(out, s.profiles, func(indent string) {
			if s.failure != nil {
				out.WriteString(indent + failure(s) + "\n")
				return
			}
			for _, one := range s.entries() {
				before := "services[" + quoted(one.key).flat() + "] = "
				out.WriteString(indent + before + write(one.value, indent, len(indent)+len(before)) + "\n")
			}
		})
	}
	out.WriteString("    if services:\n        plan.add_services(configs = services)\n")
}

// entries gives the service, or each of its replicas, by name.
func (s *service) entries() []entry {
	entries := make([]entry, len(s.names))
	for i, name := range s.names {
		entries[i] = entry{name, s.config}
	}
	return entries
}

func failure(s *service) string { return "fail(" + quoted(s.failure.Message).flat() + ")" }
