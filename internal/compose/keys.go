package compose

import (
	"maps"
	"slices"
	"strings"
)

const notCarried = "it is not carried over"

// carried are the keys of a service that the conversion looks at; each has its own place where it says what is lost.
var carried = []string{
	"aliases", "build", "cap_add", "command", "configs", "container_name", "cpus", "depends_on", "deploy", "devices", "domainname", "entrypoint",
	"env_file", "environment", "expose", "gpus", "healthcheck", "hostname", "image", "init", "label_file", "labels", "links", "mem_limit",
	"mem_reservation", "networks", "ports", "privileged", "profiles", "scale", "secrets", "shm_size", "tty", "ulimits", "user", "volumes", "working_dir",
}

// silent are the keys of a service that change nothing in an environment for developing and testing, or that only say
// how Compose itself works.
var silent = []string{
	"annotations", "attach", "develop", "extends", "logging", "mem_swappiness", "memswap_limit", "name", "platform", "pull_policy",
	"pull_refresh_after", "stdin_open", "stop_grace_period",
}

// lost says what it means that a key is not carried over, where that is not plain.
var lost = map[string]string{
	"cap_drop":       "the service keeps the capability; " + notCarried,
	"dns":            notCarried + ": services use the enclave's name server",
	"extra_hosts":    notCarried + ": services find each other by name, and the machine as host.docker.internal",
	"network_mode":   notCarried + ": every service is in the enclave's network",
	"post_start":     notCarried + ": call plan.exec after the service in a package of your own",
	"pre_start":      notCarried + ": make it a service of its own and wait for it by service_completed_successfully",
	"pre_stop":       notCarried,
	"provider":       notCarried + ": only containers can be services",
	"read_only":      notCarried + ": the service can write to its file system",
	"restart":        notCarried + ": a service that fails makes the apply fail, and is brought back by the next one",
	"stop_signal":    notCarried + ": services are stopped with SIGTERM, or as their image says",
	"tmpfs":          notCarried + ": the files are on disk, not in memory",
	"volumes_from":   notCarried + ": give both services the same named volume",
	"external_links": notCarried + ": there is nothing outside of the enclave to link to",
}

// serviceWarnings tells which keys of a service have no effect.
func (c *converter) serviceWarnings(s *service) {
	for _, key := range slices.Sorted(maps.Keys(c.project.keys[s.key])) {
		switch {
		case slices.Contains(carried, key), slices.Contains(silent, key), strings.HasPrefix(key, "x-"), strings.HasPrefix(key, "#"):
		case key == "pid" && s.Pid == "host":
		case key == "restart" && s.Restart == "no":
		case lost[key] != "":
			c.warn(s.at(key), "%s", lost[key])
		default:
			c.warn(s.at(key), notCarried)
		}
	}
	for _, network := range slices.Sorted(maps.Keys(s.Networks)) {
		if set := s.Networks[network]; set != nil && (set.Ipv4Address != "" || set.Ipv6Address != "" || set.MacAddress != "" || len(set.LinkLocalIPs) > 0) {
			c.warn(s.at("networks", network), "fixed addresses are not carried over: services find each other by name")
		}
	}
	if s.Deploy == nil {
		return
	}
	deploy, _ := c.project.keys[s.key]["deploy"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(deploy)) {
		switch key {
		case "resources", "replicas", "mode", "labels", "endpoint_mode", "update_config", "rollback_config", "placement":
			// Without a cluster there is nothing to place, to update or to balance.
		default:
			if !strings.HasPrefix(key, "x-") {
				c.warn(s.at("deploy", key), notCarried)
			}
		}
	}
}

// projectWarnings tells which keys beside the services have no effect.
func (c *converter) projectWarnings() {
	for _, name := range slices.Sorted(maps.Keys(c.project.Networks)) {
		network := c.project.Networks[name]
		switch {
		case bool(network.External):
			c.warn([]string{"networks", name, "external"}, notCarried+": every service is in the enclave's network, and only there")
		case network.Internal:
			c.warn([]string{"networks", name, "internal"}, notCarried+": the enclave's network reaches the outside")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.project.AllJobs())) {
		c.warn([]string{"jobs", name}, notCarried+": make it a service and wait for it by service_completed_successfully")
	}
	for _, name := range slices.Sorted(maps.Keys(c.project.Models)) {
		c.warn([]string{"models", name}, notCarried+": there is no model runner in the enclave")
	}
}
