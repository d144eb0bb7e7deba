package language

import "testing"

const addA = "plan.add_service('a', ServiceConfig('x', ports={'http': PortSpec(80)}))\n"

const addedA = `add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"a","Ports":{"http":{"Number":80,"Transport":"TCP","Wait":120000000000}}}]}
`

func TestExec(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"defaults and results", addA + `
r = plan.exec("a", ExecRecipe(["echo", "hi"], extract={"b": ".x", "a": ".y"}))
plan.print(r.keys())
plan.exec(service_name="a", recipe=ExecRecipe(command=[r["output"]]), acceptable_codes=[0, 1], skip_code_check=True, description="Trying")`,
			addedA + `exec {"Acceptance":{"Codes":[0]},"ID":"a#1","Recipe":{"Command":["echo","hi"],"Extract":{"a":".y","b":".x"}},"Service":"a"}
print {"Message":"[\"code\", \"output\", \"extract.a\", \"extract.b\"]"}
exec {"Acceptance":{"Codes":[0,1],"Skip":true},"ID":"a#2","Recipe":{"Command":["{{sundog:a#1:output}}"]},"Service":"a"}`,
		},
		{
			"an unknown service is the engine's business", `plan.exec("somebody", ExecRecipe(["x"]))`,
			`exec {"Acceptance":{"Codes":[0]},"ID":"somebody#1","Recipe":{"Command":["x"]},"Service":"somebody"}`,
		},
	})
	testRefused(t, []refused{
		{name: "another recipe", body: `plan.exec("a", GetHttpRequestRecipe("http", "/"))`, want: []string{"recipe: must be an ExecRecipe, got GetHttpRequestRecipe"}},
		{name: "codes", body: `plan.exec("a", ExecRecipe(["x"]), acceptable_codes=["0"])`, want: []string{`acceptable_codes[0]: must be an int, got string "0"`}},
		{name: "command", body: `plan.exec("a", ExecRecipe(["x", 1]))`, want: []string{"ExecRecipe.command[1]: must be a string, got int 1"}},
		{name: "empty command", body: `plan.exec("a", ExecRecipe([]))`, want: []string{"ExecRecipe.command: is empty"}},
		{name: "text as command", body: `ExecRecipe("ls -l")`, want: []string{`command: must be a list[string], got string "ls -l"`}},
		{name: "extract", body: `plan.exec("a", ExecRecipe(["x"], extract={"k": 1}))`, want: []string{`ExecRecipe.extract["k"]: must be a string`}},
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"get and post", addA + `
r = plan.request("a", GetHttpRequestRecipe(port_id="http", endpoint="/x", extract={"id": ".id"}, headers={"H": "v"}))
plan.request("a", PostHttpRequestRecipe(port_id="http", endpoint="/y", body=r["extract.id"], content_type="text/plain"), acceptable_codes=[404])
plan.request("a", PostHttpRequestRecipe("http", "/z"))`,
			addedA + `request {"Acceptance":{"Codes":[200,201,202,203,204,205,206,207,208,226]},"ID":"a#1","Recipe":{"Endpoint":"/x","Extract":{"id":".id"},"Headers":{"H":"v"},"Method":"GET","PortID":"http"},"Service":"a"}
request {"Acceptance":{"Codes":[404]},"ID":"a#2","Recipe":{"Body":"{{sundog:a#1:extract.id}}","ContentType":"text/plain","Endpoint":"/y","Method":"POST","PortID":"http"},"Service":"a"}
request {"Acceptance":{"Codes":[200,201,202,203,204,205,206,207,208,226]},"ID":"a#3","Recipe":{"ContentType":"application/json","Endpoint":"/z","Method":"POST","PortID":"http"},"Service":"a"}`,
		},
	})
	testRefused(t, []refused{
		{name: "exec recipe", body: `plan.request("a", ExecRecipe(["x"]))`, want: []string{"recipe: must be a GetHttpRequestRecipe | PostHttpRequestRecipe, got ExecRecipe"}},
		{name: "unknown service", body: `plan.request("a", GetHttpRequestRecipe("http", "/"))`, phase: PhaseValidation, at: "main.star:2:17", want: []string{"Tried creating a request for service 'a' which doesn't exist"}},
		{name: "unknown port", body: addA + `plan.request("a", GetHttpRequestRecipe("htp", "/"))`, phase: PhaseValidation, want: []string{"Request required port ID 'htp' to exist on service 'a' but it doesn't: there is http"}},
		{name: "missing parts", body: `GetHttpRequestRecipe()`, want: []string{"port_id: is missing", "endpoint: is missing"}},
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"positional", addA + `
r = plan.wait("a", GetHttpRequestRecipe("http", "/"), "code", "IN", [200, 204])
plan.wait("a", ExecRecipe(["x"]), field="output", assertion="==", target_value=r["body"], interval="500ms", timeout="1h1m")`,
			addedA + `wait {"Condition":{"Assertion":"IN","Field":"code","Interval":1000000000,"Target":[200,204],"Timeout":10000000000},"ID":"a#1","Recipe":{"Endpoint":"/","Method":"GET","PortID":"http"},"Service":"a"}
wait {"Condition":{"Assertion":"==","Field":"output","Interval":500000000,"Target":"{{sundog:a#1:body}}","Timeout":3660000000000},"ID":"a#2","Recipe":{"Command":["x"]},"Service":"a"}`,
		},
	})
	testRefused(t, []refused{
		{
			name: "all at once", body: `plan.wait("a", "recipe", "", "=", None, interval="soon", timeout=10)`,
			want: []string{"recipe: must be an ExecRecipe |", "field: can't be empty", `assertion: must be one of "==", "!=", ">=", ">", "<=", "<", "IN", "NOT_IN", got "="`, `interval: "soon" is no duration`, `timeout: must be a string such as "30s", got int 10`},
		},
		{name: "unknown service", body: `plan.wait("a", ExecRecipe(["x"]), "code", "==", 0)`, phase: PhaseValidation, want: []string{"wait needs service 'a', which doesn't exist"}},
		{name: "unknown port", body: addA + `plan.wait("a", GetHttpRequestRecipe("x", "/"), "code", "==", 200)`, phase: PhaseValidation, want: []string{"Request required port ID 'x' to exist on service 'a'"}},
		{name: "function as target", body: `plan.wait("a", ExecRecipe(["x"]), "code", "==", len)`, want: []string{"target_value: a"}},
	})
}

func TestReadyCondition(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"own address", `
plan.add_service("a", ServiceConfig("x", ready_conditions=ReadyCondition(recipe=PostHttpRequestRecipe(port_id="unknown", endpoint="/{{sundog:a:ip_address}}"), field="code", assertion="<", target_value=500, interval="2s", timeout="1m")))`,
			`add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"a","Ready":{"Condition":{"Assertion":"<","Field":"code","Interval":2000000000,"Target":500,"Timeout":60000000000},"Recipe":{"ContentType":"application/json","Endpoint":"/{{sundog:a:ip_address}}","Method":"POST","PortID":"unknown"}}}]}`,
		},
	})
	testRefused(t, []refused{
		{
			name: "path", body: `plan.add_service("a", ServiceConfig("x", ready_conditions=ReadyCondition(ExecRecipe(["x", 2]), "code", "==", 0)))`,
			want: []string{"ServiceConfig.ready_conditions.recipe.command[1]: must be a string, got int 2"},
		},
		{name: "a list", body: `ServiceConfig("x", ready_conditions=[])`, want: []string{"ready_conditions: must be a ReadyCondition, got list"}},
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"typed targets", `
plan.verify("a", "==", "b")
plan.verify(value="1", assertion="NOT_IN", target_value=(1, 2.5, None, True, {"k": [123456789012345678901234567890]}))`,
			`verify {"Assertion":"==","Target":"b","Value":"a"}
verify {"Assertion":"NOT_IN","Target":[1,2.5,null,true,{"k":[123456789012345678901234567890]}],"Value":"1"}`,
		},
		{"former name", `plan.assert(value="a", assertion="==", target_value="a")`, `verify {"Assertion":"==","Target":"a","Value":"a"}`},
	})
	testRefused(t, []refused{
		{name: "no string", body: `plan.verify(1, "==", 1)`, at: "main.star:2:16", want: []string{"value: must be a string, got int 1"}},
		{name: "no list", body: `plan.verify("a", "IN", "abc")`, want: []string{`target_value: must be a list, got string "abc" for the assertion IN`}},
	})
}

func TestPrint(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{"texts and values", "plan.print('a\"b')\nplan.print(msg={'k': [1, None]})\nplan.print(PortSpec(1))", `print {"Message":"a\"b"}
print {"Message":"{\"k\": [1, None]}"}
print {"Message":"PortSpec(number=1)"}`},
	})
	testRefused(t, []refused{
		{name: "global", body: `print("x")`, at: "main.star:2:10", want: []string{"use plan.print"}},
		{name: "two", body: `plan.print("x", "y", "z")`, want: []string{"takes at most 2"}},
	})
}

func TestServiceState(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{"all", addA + "plan.stop_service('a')\nplan.start_service(name='a')\nplan.remove_service(service_name='a')", addedA + `stop_service {"Service":"a"}
start_service {"Service":"a"}
remove_service {"Service":"a"}`},
	})
	testRefused(t, []refused{
		{
			name: "after removal", body: addA + "plan.remove_service('a')\nplan.remove_service('a')\nplan.stop_service('a')\nplan.exec('a', ExecRecipe(['x']))", phase: PhaseValidation, at: "main.star:4:24",
			want: []string{"2 problems", "remove_service needs service 'a'", "main.star:5:22: stop_service needs service 'a'"},
		},
	})
}

func TestSetService(t *testing.T) {
	t.Parallel()
	made := mustInterpret(t, entryOf(addA+`plan.set_service("a", ServiceConfig("y", max_cpu=5, labels={"k": "v"}, tty_enabled=True))`))
	spec := made.Services()["a"]
	if spec.Image.Name != "y" || spec.MaxCPU != 5 || spec.Labels["k"] != "v" || spec.Ports["http"].Number != 80 || spec.TTY {
		t.Errorf("spec %+v", spec)
	}
	if len(made.Warnings) != 1 {
		t.Errorf("warnings %v", made.Warnings)
	}
	testRefused(t, []refused{
		{name: "unknown", body: `plan.set_service("a", ServiceConfig("y"))`, want: []string{"Did not find new service config for 'a'"}},
		{name: "of a batch", body: "plan.add_services({'a': ServiceConfig('x')})\nplan.set_service('a', ServiceConfig('y'))", want: []string{"Did not find new service config"}},
		{name: "fixed attribute", body: addA + `plan.set_service("a", ServiceConfig("y", cmd=["z"]))`, want: []string{"overriding cmd is currently not supported"}},
	})
}

func TestGetClusterType(t *testing.T) {
	t.Parallel()
	made, err := interpret(t, entryOf(`return plan.get_cluster_type()`), Request{Backend: "kubernetes"})
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, made, `"kubernetes"`)
}
