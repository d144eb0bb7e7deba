package language

import (
	"strings"
	"testing"
)

func TestDescriptors(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	names := map[string]bool{}
	for _, described := range Descriptors() {
		counts[described.Kind]++
		if names[described.Name+described.Kind] || described.Doc == "" || !strings.HasSuffix(described.Doc, ".") {
			t.Errorf("%s: described twice, or without a sentence: %q", described.Name, described.Doc)
		}
		names[described.Name+described.Kind] = true
		optional := false
		for i, parameter := range described.Parameters {
			if parameter.Type == "" || parameter.Doc == "" || !strings.HasSuffix(parameter.Doc, ".") {
				t.Errorf("%s.%s is not described: %+v", described.Name, parameter.Name, parameter)
			}
			if parameter.Required && parameter.Default != "" {
				t.Errorf("%s.%s is required and has a default", described.Name, parameter.Name)
			}
			optional = optional || !parameter.Required
			if parameter.Named() {
				continue
			}
			last := i == len(described.Parameters)-1 || described.Parameters[i+1].Named()
			if described.Kind != kindFunction && last != (parameter.Name == descriptionName) {
				t.Errorf("%s: description must stand last", described.Name)
			}
		}
	}
	if counts[kindInstruction] != 20 || counts[kindType] != 16 || counts[kindFunction] != 3 {
		t.Errorf("counts %v", counts)
	}
}

// The positional order is part of what packages rely on.
func TestPositionalOrder(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"add_service": "name! config! force_update", "add_services": "configs! force_update", "get_service": "name!", "get_services": "", "set_service": "name! config!",
		"remove_service": "name!", "start_service": "name!", "stop_service": "name!", "exec": "service_name! recipe! acceptable_codes skip_code_check",
		"request": "service_name! recipe! acceptable_codes skip_code_check", "wait": "service_name! recipe! field! assertion! target_value! interval timeout",
		"verify": "value! assertion! target_value!", "print": "msg!", "render_templates": "config! name", "upload_files": "src! name",
		"store_service_files": "service_name! src! name depends_on", "get_files_artifact": "name!",
		"run_sh":           "name run! image files store env_vars wait acceptable_codes skip_code_check node_selectors tolerations privileged host_pid_namespace bind_mounts",
		"run_python":       "name run! args packages image files store wait acceptable_codes skip_code_check node_selectors tolerations",
		"get_cluster_type": "", "import_module": "module_file!", "read_file": "src!",
		"ServiceConfig": "image! ports public_ports files entrypoint cmd env_vars private_ip_address_placeholder cpu_allocation memory_allocation max_cpu min_cpu max_memory min_memory ready_conditions labels user tolerations node_selectors files_to_be_moved tini_enabled tty_enabled devices publish_udp capabilities gpu privileged host_pid_namespace bind_mounts",
		"ExitRecipe":    "",
		"PortSpec":      "number transport_protocol application_protocol wait url", "ReadyCondition": "recipe! field! assertion! target_value! interval timeout",
		"ExecRecipe": "command! extract", "GetHttpRequestRecipe": "port_id! endpoint! extract headers", "PostHttpRequestRecipe": "port_id! endpoint! body content_type extract headers",
		"ImageSpec": "image! registry username password", "ImageBuildSpec": "image_name! build_context_dir! build_file target_stage build_args", "NixBuildSpec": "flake_location_dir! build_context_dir! image_name! flake_output",
		"Directory": "artifact_names persistent_key size", "StoreSpec": "src! name", "User": "uid! gid", "Toleration": "key operator value effect toleration_seconds",
		"GpuConfig": "count device_ids shm_size ulimits driver", "Service": "name! hostname! ip_address! ports!",
	}
	for _, described := range Descriptors() {
		var names []string
		for _, parameter := range described.Parameters {
			name := parameter.Name
			if name == descriptionName || parameter.Named() {
				continue
			}
			if parameter.Required {
				name += "!"
			}
			names = append(names, name)
		}
		expected, ok := want[described.Name]
		if !ok && described.Kind != kindFunction && described.Name != "print" {
			t.Errorf("%s is not expected", described.Name)
		}
		if described.Kind == kindFunction && described.Name == "print" {
			continue
		}
		if got := strings.Join(names, " "); got != expected {
			t.Errorf("%s: %s; want %s", described.Name, got, expected)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"naem": "name", "Name": "name", "confg": "config", "zzzzz": "", "": "", strings.Repeat("x", 100): ""} {
		if got := nearest(name, []string{"name", "config"}); got != want {
			t.Errorf("%q: %q; want %q", name, got, want)
		}
	}
}
