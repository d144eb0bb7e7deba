package language

import (
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestAddService(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"positional", `plan.add_service("db", ServiceConfig("postgres:16"))`,
			`add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"postgres:16"},"Name":"db"}]}`,
		},
		{
			"force", `plan.add_service(config=ServiceConfig(image="x"), name="db", force_update=True)`,
			`add_service {"ForceUpdate":true,"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"db"}]}`,
		},
		{
			"former name of name", `plan.add_service(service_name="db", config=ServiceConfig(image="x"))`,
			`add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"db"}]}`,
		},
		{
			"names that derive from a host name", `
a = plan.add_service("db", ServiceConfig(image="x"))
plan.add_service(a.hostname + "-b", ServiceConfig(image="x", cmd=[a.hostname, a.ip_address]))`,
			`add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"db"}]}
add_service {"Services":[{"Cmd":["{{sundog:db:hostname}}","{{sundog:db:ip_address}}"],"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"db-b"}]}`,
		},
		{
			"a list that changes afterwards", `
cmd = ["a"]
config = ServiceConfig(image="x", cmd=cmd)
cmd.append("b")
plan.add_service("db", config)`,
			`add_service {"Services":[{"Cmd":["a"],"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"db"}]}`,
		},
		{
			"a name that is free again", `
plan.add_service("db", ServiceConfig("x"))
plan.remove_service("db")
plan.add_service("db", ServiceConfig("y"))`,
			`add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"db"}]}
remove_service {"Service":"db"}
add_service {"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"y"},"Name":"db"}]}`,
		},
	})
	testRefused(t, []refused{
		{
			name: "every bad argument at once", body: `plan.add_service(nam="db", config="x", force_update=1)`, at: "main.star:2:21",
			want: []string{"plan.add_service", `nam: unknown argument (did you mean "name"?)`, "name: is missing: it must be a string", `config: must be a ServiceConfig, got string "x"`, "force_update: must be a bool, got int 1", "main.star:2:21: in run"},
		},
		{name: "twice in one call", body: `plan.add_service("db", name="db", config=ServiceConfig("x"))`, want: []string{"name: given more than once"}},
		{name: "too many", body: `plan.add_service("db", ServiceConfig("x"), False, "d", 1)`, want: []string{"takes at most 4 positional arguments, 5 were given"}},
		{name: "empty name", body: `plan.add_service("", ServiceConfig("x"))`, want: []string{"name: can't be empty"}},
		{name: "None for a required argument", body: `plan.add_service(None, ServiceConfig("x"))`, want: []string{"name: must be a string, got None"}},
		{name: "bad name", body: `plan.add_service("Db_1", ServiceConfig("x"))`, phase: PhaseValidation, at: "main.star:2:21", want: []string{"'Db_1'", "RFC 1035"}},
		{name: "long name", body: `plan.add_service("a" * 64, ServiceConfig("x"))`, phase: PhaseValidation, want: []string{"RFC 1035", "at most 63"}},
		{
			name: "twice", body: "plan.add_service('db', ServiceConfig('x'))\nplan.add_service('db', ServiceConfig('x'))", phase: PhaseValidation, at: "main.star:3:21",
			want: []string{"'db' already exists inside the package", "added at main.star:2:21"},
		},
		{
			name: "all that validation finds", body: "plan.add_service('A', ServiceConfig('x', ports={'Bad Port': PortSpec(80)}))\nplan.start_service('gone')", phase: PhaseValidation,
			want: []string{"3 problems", "service name 'A'", "port id 'Bad Port'", "start_service needs service 'gone'", "main.star:3:23"},
		},
	})
}

func TestServiceValue(t *testing.T) {
	t.Parallel()
	made, err := interpret(t, `
def run(plan):
    s = plan.add_service("db", ServiceConfig("x", ports={
        "sql": PortSpec(number=5432, application_protocol="postgresql"),
        "raw": PortSpec(7, transport_protocol="UDP", wait=None),
        "own": PortSpec(8, url="http://else/where", wait="15s"),
    }))
    p = s.ports
    return [type(s), s.name, s.hostname, s.ip_address, dir(p["sql"]), p["sql"].url, p["sql"].wait, p["raw"].transport_protocol,
        hasattr(p["raw"], "wait"), hasattr(p["raw"], "url"), hasattr(p["raw"], "application_protocol"), p["own"].url, p["own"].wait, str(p["raw"]), bool(s)]
`, Request{})
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, made, `["Service","db","{{sundog:db:hostname}}","{{sundog:db:ip_address}}",["application_protocol","number","transport_protocol","url","wait"],`+
		`"postgresql://db:5432","2m0s","UDP",false,false,false,"http://else/where","15s","PortSpec(number=7, transport_protocol=\"UDP\")",true]`)
}

func TestAddServices(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"in the package's order", `
services = plan.add_services({"z": ServiceConfig("x"), "a": ServiceConfig("y")})
plan.print(services["a"].name + "".join(services.keys()))`,
			`add_services {"Batch":true,"Services":[{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"z"},{"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"y"},"Name":"a"}]}
print {"Message":"aza"}`,
		},
	})
	testRefused(t, []refused{
		{name: "none", body: `plan.add_services({})`, want: []string{"configs: can't be empty"}},
		{name: "no dictionary", body: `plan.add_services([ServiceConfig("x")])`, want: []string{"configs: must be a dict[string, ServiceConfig], got list"}},
		{name: "wrong kinds", body: `plan.add_services({"a": 1, 2: ServiceConfig("x")})`, want: []string{`configs["a"]: must be a ServiceConfig, got int 1`, "configs: key int 2: must be a string"}},
		{name: "the path of a part", body: `plan.add_services({"a": ServiceConfig("x", ports={"http": PortSpec()})})`, want: []string{`configs["a"].ports["http"].number: is missing`}},
		{name: "name of an earlier one", body: "plan.add_service('a', ServiceConfig('x'))\nplan.add_services({'a': ServiceConfig('x')})", phase: PhaseValidation, want: []string{"already exists"}},
		{
			name: "a batch does not see itself", body: `plan.add_services({"a": ServiceConfig("x"), "b": ServiceConfig("x", cmd=["{{sundog:a:ip_address}}"])})`, phase: PhaseValidation,
			want: []string{"cmd of service 'b' refers to {{a.ip_address}}, which is known only when this instruction is done"},
		},
	})
}

func TestGetService(t *testing.T) {
	t.Parallel()
	existing := Request{Existing: map[string]map[string]plan.Port{"old": {"http": {Number: 80, Transport: "TCP", Application: "http"}}, "b": nil}}
	made, err := interpret(t, entryOf(`
plan.add_service("new", ServiceConfig("x"))
plan.request("old", GetHttpRequestRecipe(port_id="http", endpoint="/"))
plan.print(plan.get_service("old").ip_address)
plan.remove_service("old")
return [plan.get_service("new").name, plan.get_service("b").hostname]`), existing)
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, made, `["new","{{sundog:b:hostname}}"]`)
	made, err = interpret(t, entryOf(`
plan.add_service("new", ServiceConfig("x"))
return [s.name for s in plan.get_services()] + [plan.get_service("old").ports["http"].url]`), existing)
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, made, `["b","old","new","http://old:80"]`)
	testRefused(t, []refused{
		{
			name: "unknown", body: "plan.add_service('database', ServiceConfig('x'))\nplan.get_service('databse')", at: "main.star:3:21",
			want: []string{"service 'databse' is not known", `did you mean "database"?`},
		},
		{
			name: "removed", body: "plan.add_service('db', ServiceConfig('x'))\nplan.remove_service('db')\nplan.get_service('db')", phase: PhaseValidation, at: "main.star:4:21",
			want: []string{"get_service needs service 'db', which doesn't exist at this place: there is none"},
		},
	})
}
