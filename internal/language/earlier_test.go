package language

import (
	"strings"
	"testing"
)

// TestEarlierForms shows that what earlier versions of the language took makes the plan of today's form, with warnings.
func TestEarlierForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, now string
		warnings    []string
	}{
		"a config without types": {
			`plan.add_service("a", struct(image="x", ports={"p": struct(number=80, protocol="TCP")}, cmd=["c"], ready_conditions={"recipe": {"command": ["true"]}, "field": "code", "assertion": "==", "target_value": 0}))`,
			`plan.add_service("a", ServiceConfig(image="x", ports={"p": PortSpec(80)}, cmd=["c"], ready_conditions=ReadyCondition(ExecRecipe(["true"]), "code", "==", 0)))`,
			[]string{"a ServiceConfig is given as a struct: write ServiceConfig(...)", `PortSpec: argument "protocol" is now called "transport_protocol"`, "a PortSpec is given as a struct", "a ReadyCondition is given as a dict", "an ExecRecipe is given as a dict"},
		},
		"the recipe first": {
			addA + `plan.exec(ExecRecipe(["x"]), "a", [1])` + "\n" + `plan.wait(struct(service_id="a", port_id="http", endpoint="/", method="GET"), "code", "==", 200, "1s", "5s")`,
			addA + `plan.exec("a", ExecRecipe(["x"]), [1])` + "\n" + `plan.wait("a", GetHttpRequestRecipe("http", "/"), "code", "==", 200, "1s", "5s")`,
			nil,
		},
		"bare commands": {
			addA + `plan.exec(service_id="a", command=["x"], expected_exit_code=3)`,
			addA + `plan.exec("a", ExecRecipe(["x"]), acceptable_codes=[3])`,
			[]string{`argument "service_id" is now called "service_name"`, `argument "command" belongs to an earlier version of the language: write recipe`, `argument "expected_exit_code" belongs`},
		},
		"mounts by artifact": {
			`f = plan.upload_files("./kurtosis.yml", "f")` + "\n" + `plan.add_service("a", ServiceConfig("x", files_artifact_mount_dirpaths={f: "/f"}, shm_size=1, ulimits={"nofile": 2}))`,
			`f = plan.upload_files("./kurtosis.yml", "f")` + "\n" + `plan.add_service("a", ServiceConfig("x", files={"/f": f}, gpu=GpuConfig(shm_size=1, ulimits={"nofile": 2})))`,
			[]string{`argument "files_artifact_mount_dirpaths" belongs to an earlier version of the language: write files = {path: artifact}`, `"shm_size"`, `"ulimits"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, now := mustInterpret(t, entryOf(c.before)), mustInterpret(t, entryOf(c.now))
			if got, want := operations(t, before), operations(t, now); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if len(now.Warnings) != 0 || len(before.Warnings) == 0 {
				t.Errorf("warnings %v and %v", before.Warnings, now.Warnings)
			}
			var text strings.Builder
			for _, warning := range before.Warnings {
				text.WriteString(warning.Message + "\n")
			}
			for _, want := range c.warnings {
				if !strings.Contains(text.String(), want) {
					t.Errorf("warnings\n%s\nlack %q", text.String(), want)
				}
			}
		})
	}
	testRefused(t, []refused{
		{name: "two services", body: addA + `plan.exec("a", ExecRecipe(["x"], service_name="b"))`, want: []string{`recipe: the ExecRecipe is for service "b", and the call names another`}},
		{name: "a field that no version had", body: `plan.add_service("a", struct(image="x", imag="y"))`, want: []string{`ServiceConfig.imag: unknown argument (did you mean "image"?)`}},
		{name: "neither one nor the other", body: `plan.add_service("a", ServiceConfig("x", files_artifact_mount_dirpaths={"f": "g"}))`, want: []string{"it is not clear what is mounted"}},
	})
}
