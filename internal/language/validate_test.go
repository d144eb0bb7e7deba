package language

import (
	"testing"
)

func TestRuntimeValuesAreChecked(t *testing.T) {
	t.Parallel()
	testRefused(t, []refused{
		{name: "unknown producer", body: `plan.print("{{sundog:nobody:ip_address}}")`, phase: PhaseValidation, at: "main.star:2:15", want: []string{"the message refers to {{nobody.ip_address}}, and no instruction of the plan makes it known"}},
		{
			name: "later producer", body: `plan.verify("{{sundog:a:ip_address}}", "==", "x")` + "\n" + addA, phase: PhaseValidation, at: "main.star:2:16",
			want: []string{"value refers to {{a.ip_address}}, which is known only after service 'a' at main.star:3:21"},
		},
		{name: "field of a service", body: addA + `plan.print("{{sundog:a:port}}")`, phase: PhaseValidation, want: []string{"{{a.port}}, but service 'a' at main.star:2:21 gives only hostname, ip_address"}},
		{name: "field of an exec", body: addA + "r = plan.exec('a', ExecRecipe(['x']))\nplan.print(r['output'].replace('output', 'body'))", phase: PhaseValidation, want: []string{"{{a#1.body}}, but plan.exec at main.star:3:18 gives only code, output"}},
		{name: "own address before it is known", body: `plan.add_service("a", ServiceConfig("x", env_vars={"IP": "{{sundog:a:ip_address}}"}))`, phase: PhaseValidation, want: []string{`env_vars of service 'a' "IP" refers to {{a.ip_address}}`}},
		{
			name: "everywhere", phase: PhaseValidation, body: addA + `
v = "{{sundog:no:code}}"
plan.exec("a", ExecRecipe([v]))
plan.request("a", PostHttpRequestRecipe("http", "/" + v, body=v, headers={"H": v}))
plan.wait("a", ExecRecipe([v]), "code", "IN", [v])
plan.render_templates({"t": struct(template="", data={"k": [v]})})
plan.run_sh(run=v, env_vars={"E": v})
plan.run_python(run="x", args=[v])
plan.add_service("b", ServiceConfig("x", entrypoint=[v], cmd=[v], ready_conditions=ReadyCondition(ExecRecipe([v]), "code", "==", v)))
return {"out": v}`,
			want: []string{
				"main.star:5:14: the command refers to", "endpoint of the request", "body of the request", `headers of the request "H"`, "the recipe refers", "target_value refers",
				"the data of t refers", "the script refers", `env_vars of task 'task-bcbd7feb' "E"`, "args refers", "entrypoint of service 'b'", "cmd of service 'b'", "ready_conditions of service 'b'", "the return value refers to {{no.code}}",
			},
		},
	})
	testAccepted(t, []accepted{
		{"after removal, as upstream", addA + "plan.remove_service('a')\nplan.print('{{sundog:a:ip_address}}')", addedA + `remove_service {"Service":"a"}
print {"Message":"{{sundog:a:ip_address}}"}`},
		{"text that only looks like one", `plan.print("{{sundog:}} {{kurtosis:x:y.runtime_value}}")`, `print {"Message":"{{sundog:}} {{kurtosis:x:y.runtime_value}}"}`},
	})
}

func TestExistingThings(t *testing.T) {
	t.Parallel()
	request := Request{ExistingArtifacts: []string{"old"}}
	if _, err := interpret(t, entryOf(`plan.add_service("a", ServiceConfig("x", files={"/a": "old"}))`), request); err != nil {
		t.Error(err)
	}
}

// TestSharedEnclave mounts what another run may have made. What the package itself makes only later stays a mistake.
func TestSharedEnclave(t *testing.T) {
	t.Parallel()
	const mount = `plan.add_service("a", ServiceConfig("x", files={"/a": "theirs"}))`
	request := Request{SharedEnclave: true}
	if _, err := interpret(t, entryOf(mount+"\nplan.get_files_artifact('theirs')\nplan.run_sh(run='x', files={'/a': 'theirs'})"), request); err != nil {
		t.Error(err)
	}
	_, err := interpret(t, entryOf(mount+"\n"+`plan.render_templates({"t": struct(template="", data={})}, "theirs")`), request)
	checkRefused(t, err, refused{phase: PhaseValidation, at: "main.star:2:21", want: []string{"artifact name 'theirs' does not exist at this place"}})
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	source := entryOf(`
plan.add_services({n: ServiceConfig("x", node_selectors={"a": "b"}, tolerations=[Toleration(operator="Exists")]) for n in ["c", "b", "a"]})
plan.add_service(service_name="d", config=ServiceConfig("x", publish_udp=True))
plan.assert("a", "==", "a")`)
	made, err := interpret(t, source, Request{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, warning := range made.Warnings {
		got = append(got, warning.Position.String()+" "+warning.Message)
	}
	want := []string{
		`main.star:3:21 plan.add_service: argument "service_name" is now called "name"`,
		"main.star:4:16 plan.assert is now called plan.verify",
		" node_selectors has no meaning on the backend docker and is ignored (a, b, c)",
		" tolerations has no meaning on the backend docker and is ignored (a, b, c)",
	}
	if len(got) != len(want) {
		t.Fatalf("warnings %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("warning %q; want %q", got[i], want[i])
		}
	}
	made, err = interpret(t, source, Request{Backend: "kubernetes"})
	if err != nil || len(made.Warnings) != 3 {
		t.Errorf("on kubernetes: %v, %v", made, err)
	}
}
