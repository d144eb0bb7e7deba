package language

import (
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestRenderTemplates(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"sorted, with data of every sort", `
plan.render_templates({
    "b/x.yml": struct(template="{{ .a }}", data={"a": [1, 2.5, None, True, "s"], "big": 123456789012345678901234567890}),
    "./a": struct(data=struct(inner=struct(x=1)), template=""),
}, "conf")`,
			`render_templates {"Artifact":"conf","Templates":[{"Data":{"inner":{"x":1}},"Path":"a"},{"Data":{"a":[1,2.5,null,true,"s"],"big":123456789012345678901234567890},"Path":"b/x.yml","Text":"{{ .a }}"}]}`,
		},
		{
			"names are derived from the templates", `
a = plan.render_templates({"a": struct(template="x", data=1)})
b = plan.render_templates({"a": struct(template="x", data=2)})
c = plan.render_templates({"a": struct(template="y", data=2)})
plan.print([a, b, c])`,
			`render_templates {"Artifact":"artifact-33ff1bcf","Templates":[{"Data":1,"Path":"a","Text":"x"}]}
render_templates {"Artifact":"artifact-33ff1bcf-2","Templates":[{"Data":2,"Path":"a","Text":"x"}]}
render_templates {"Artifact":"artifact-5dfb4e75","Templates":[{"Data":2,"Path":"a","Text":"y"}]}
print {"Message":"[\"artifact-33ff1bcf\", \"artifact-33ff1bcf-2\", \"artifact-5dfb4e75\"]"}`,
		},
	})
	testRefused(t, []refused{
		{name: "another dictionary", body: `plan.render_templates({"a": {"data": 1}})`, want: []string{`config["a"]: must be a struct(template=..., data=...), got dict`}},
		{name: "missing fields", body: `plan.render_templates({"a": struct(templat="")})`, want: []string{`config["a"]: unknown field "templat" (did you mean "template"?)`, `config["a"].template: is missing`, `config["a"].data: is missing`}},
		{name: "bad template", body: `plan.render_templates({"a": struct(template="{{ .x", data={})})`, at: "main.star:2:26", want: []string{`config["a"].template: template`, "unclosed action"}},
		{name: "data without JSON form", body: `plan.render_templates({"a": struct(template="", data={"f": [len]})})`, want: []string{`config["a"].data: ["f"][0]: a`}},
		{name: "paths", body: `plan.render_templates({"/": struct(template="", data=1), "../b": struct(template="", data=1)})`, want: []string{`path "/" must name a file`, `path "../b" must stay inside`}},
		{name: "nothing", body: `plan.render_templates({})`, want: []string{"config: can't be empty"}},
		{
			name: "twice", body: "plan.render_templates({'a': struct(template='', data=1)}, name='n')\nplan.upload_files('./main.star', name='n')", phase: PhaseValidation, at: "main.star:3:22",
			want: []string{"files artifact 'n' is made twice: it was made at main.star:2:26"},
		},
	})
}

func TestUploadFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"kurtosis.yml": "name: github.com/test/package\n", "main.star": `
lib = import_module("/lib/lib.star")
def run(plan):
    a = plan.upload_files("./data")
    b = plan.upload_files(src="/data/one.txt", name="one")
    c = lib.upload(plan)
    plan.add_service("s", ServiceConfig("x", files={"/a": a, "/b": Directory(artifact_names=[b, c])}))
    return [a, b, c]
`,
		"lib/lib.star": "def upload(plan):\n    return plan.upload_files('../data')\n", "data/one.txt": "1", "data/two/three.txt": "3",
	}
	made, err := Interpret(t.Context(), testPackage(t, files), Request{})
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, made, `["artifact-b1878e1d","one","artifact-b1878e1d-2"]`)
	folder, ok := made.Instructions[0].Operation.(*plan.UploadFiles)
	if !ok || len(folder.Tree.Files) != 2 || folder.Tree.Files[0].Path != "one.txt" || folder.Tree.Files[1].Path != "two/three.txt" {
		t.Errorf("a folder gives its contents: %+v", folder)
	}
	file, ok := made.Instructions[1].Operation.(*plan.UploadFiles)
	if !ok || len(file.Tree.Files) != 1 || file.Tree.Files[0].Path != "one.txt" || file.Tree.Files[0].Size != 1 {
		t.Errorf("a file stands under its name: %+v", file)
	}
	testRefused(t, []refused{
		{name: "missing", body: `plan.upload_files("./nothing")`, at: "main.star:2:22", want: []string{`src: not found: "/nothing" does not exist in github.com/test/package`}},
		{name: "outside", body: `plan.upload_files("../../etc/passwd")`, want: []string{"src: path leaves the repository"}},
		{name: "absolute", body: `plan.upload_files("/etc/passwd")`, want: []string{`"/etc/passwd" does not exist in github.com/test/package`}},
		{name: "own package", body: `plan.upload_files("github.com/test/package/main.star")`, want: []string{"relative locators only", `"./main.star"`}},
		{name: "URL", body: `plan.upload_files("https://example.com/file")`, want: []string{"fetching is switched off", "https://example.com/file"}},
		{name: "not fetched", body: `plan.upload_files("github.com/other/package/x")`, want: []string{"fetching is switched off"}},
	})
}

func TestStoreServiceFiles(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"named and not", addA + `
plan.exec("a", ExecRecipe(["x"]))
n = plan.store_service_files("a", "/data/*", name="n", depends_on="{{sundog:a#1:code}}")
m = plan.store_service_files(service_name="a", src="/data")
plan.get_files_artifact(n)
plan.print(plan.get_files_artifact(name=m))`,
			addedA + `exec {"Acceptance":{"Codes":[0]},"ID":"a#1","Recipe":{"Command":["x"]},"Service":"a"}
store_service_files {"Artifact":"n","ID":"a#2","Service":"a","Source":"/data/*"}
store_service_files {"Artifact":"artifact-9108e6ce","ID":"a#3","Service":"a","Source":"/data"}
get_files_artifact {"Artifact":"n"}
get_files_artifact {"Artifact":"artifact-9108e6ce"}
print {"Message":"artifact-9108e6ce"}`,
		},
	})
	testRefused(t, []refused{
		{name: "relative", body: `plan.store_service_files("a", "data")`, want: []string{`src: "data" must be an absolute path`}},
		{name: "unknown service", body: `plan.store_service_files("a", "/data")`, phase: PhaseValidation, want: []string{"store_service_files needs service 'a'"}},
		{name: "unknown artifact", body: `plan.get_files_artifact("n")`, phase: PhaseValidation, want: []string{"artifact name 'n' does not exist"}},
		{name: "depends on nothing", body: addA + `plan.store_service_files("a", "/data", depends_on="{{sundog:b:code}}")`, phase: PhaseValidation, want: []string{"depends_on refers to {{b.code}}, and no instruction of the plan makes it known"}},
	})
}

func TestRunSh(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"defaults and results", `
r = plan.run_sh(run="echo hi", store=["/x", StoreSpec(src="/y", name="why"), StoreSpec(src="/z")])
plan.print([r.code, r.output] + r.files_artifacts)
plan.run_sh(run=r.output, name="My_Task", image="alpine", files={"/f": r.files_artifacts[0]}, env_vars={"C": r.code}, wait=None, acceptable_codes=[1], skip_code_check=True)
plan.run_sh("My_Task", "true", wait="1s")`,
			`run_sh {"Acceptance":{"Codes":[0]},"ID":"task.task-0dd0ef58","Kind":"sh","Name":"task-0dd0ef58","Script":"echo hi","Service":{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"badouralix/curl-jq"},"Name":"task-0dd0ef58"},"Store":[{"Artifact":"artifact-9f8c686f","Source":"/x"},{"Artifact":"why","Source":"/y"},{"Artifact":"artifact-24bc92fc","Source":"/z"}],"Timeout":180000000000}
print {"Message":"[\"{{sundog:task.task-0dd0ef58:code}}\", \"{{sundog:task.task-0dd0ef58:output}}\", \"artifact-9f8c686f\", \"why\", \"artifact-24bc92fc\"]"}
run_sh {"Acceptance":{"Codes":[1],"Skip":true},"ID":"task.My_Task","Kind":"sh","Name":"my-task","Script":"{{sundog:task.task-0dd0ef58:output}}","Service":{"Env":{"C":"{{sundog:task.task-0dd0ef58:code}}"},"Files":{"/f":{"Artifacts":["artifact-9f8c686f"]}},"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"alpine"},"Name":"my-task"}}
run_sh {"Acceptance":{"Codes":[0]},"ID":"task.My_Task-2","Kind":"sh","Name":"my-task-2","Script":"true","Service":{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"badouralix/curl-jq"},"Name":"my-task-2"},"Timeout":1000000000}`,
		},
	})
	testRefused(t, []refused{
		{name: "the script is not the first", body: `plan.run_sh("echo hi")`, want: []string{"run: is missing: it must be a string"}},
		{name: "no mount", body: `plan.run_sh(run="x", files={"/a": 1})`, want: []string{`files["/a"]: must be a string | Directory, got int 1`}},
		{name: "store", body: `plan.run_sh(run="x", store=[1])`, want: []string{"store[0]: must be a string | StoreSpec, got int 1"}},
		{name: "stored twice", body: `plan.run_sh(run="x", store=["/a", "/a"])`, phase: PhaseValidation, want: []string{"stores '/a' twice"}},
		{name: "missing artifact", body: `plan.run_sh(run="x", files={"/a": "none"})`, phase: PhaseValidation, want: []string{"mounts at /a: artifact name 'none' does not exist"}},
		{name: "name of a service", body: addA + `plan.run_sh(name="a", run="x")`, phase: PhaseValidation, want: []string{"task 'a' has the name of a service"}},
		{name: "privileged", body: `plan.run_sh(run="x", privileged=True)`, want: []string{"privileged: gives the service power over the host"}},
	})
}

func TestRunPython(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"arguments and packages", `plan.run_python(run="print(1)", args=["a", "b"], packages=["requests"], env_vars={"K": "v"}, name="t")`,
			`run_python {"Acceptance":{"Codes":[0]},"Args":["a","b"],"ID":"task.t","Kind":"python","Name":"t","Packages":["requests"],"Script":"print(1)","Service":{"Env":{"K":"v"},"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"python:3.11-alpine"},"Name":"t"},"Timeout":180000000000}`,
		},
	})
	testRefused(t, []refused{
		{name: "privileged", body: `plan.run_python(run="x", privileged=True)`, want: []string{"privileged: unknown argument"}},
	})
}
