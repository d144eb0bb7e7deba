package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// TestDockerFailuresExplainThemselves has services fail in every way and looks at what a person reads.
func TestDockerFailuresExplainThemselves(t *testing.T) {
	w, name, args := dockerWorld(t)
	port := takenPort(t)
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf("line %d", i+1))
	}
	// The service is added by a function of its own, so that there is a call to tell of.
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/failing\n", "main.star": `def add(plan, **more):
    plan.add_service("app", ServiceConfig(**more))

def run(plan, image, program, how=""):
    plan.add_service("ok", ServiceConfig(image=image, entrypoint=[program], cmd=["serve"]))
    program_of = {"image": image, "entrypoint": [program]}
    http = PortSpec(number=8080, transport_protocol="TCP", wait="1s")
    lines = "` + strings.Join(lines, ";") + `"
    if how == "exit":
        add(plan, cmd=["serve", "-lines", lines, "-after", "1ms", "-exit", "3"], ports={"http": http}, **program_of)
    elif how == "memory":
        add(plan, cmd=["hog"], max_memory=20, min_memory=10, ports={"http": PortSpec(number=8080, transport_protocol="TCP", wait="20s")}, **program_of)
    elif how == "port":
        add(plan, cmd=["serve", "-lines", "listening nowhere"], ports={"http": http}, **program_of)
    elif how == "ready":
        add(plan, cmd=["serve", "-lines", "not yet"], ready_conditions=ReadyCondition(
            recipe=ExecRecipe(command=[program, "exit", "5"]), field="code", assertion="==", target_value=0, interval="100ms", timeout="1s"), **program_of)
    elif how == "image":
        add(plan, image="nowhere.invalid/acme/app:9")
    elif how == "public":
        add(plan, cmd=["serve"], ports={"http": PortSpec(number=8080, transport_protocol="TCP", wait=None)}, public_ports={"http": PortSpec(number=` + port + `)}, **program_of)
    else:
        add(plan, cmd=["serve"], **program_of)
        if how == "exec":
            plan.exec("app", ExecRecipe(command=[program, "get", "http://127.0.0.1:1/"]))
`})
	run := func(how string) outcome {
		t.Helper()
		return w.run("run", folder, "--enclave", name, "--args", strings.TrimSuffix(args, "}")+`, "how": "`+how+`"}`)
	}
	placed := []string{"main.star:2:21: ", "'app'", "\n  called at main.star:"}
	for _, test := range []struct {
		how, status string
		mentions    []string
	}{
		{"exit", "exited (3)", append([]string{`"app" exited with code 3`, "\n  | line 12\n", "line 30", "ending with code 3", "sundog logs " + name + " app"}, placed...)},
		{"memory", "out of memory (137)", append([]string{`"app" ran out of memory and was killed (exit code 137)`}, placed...)},
		{"port", "failed", append([]string{`port "http" (8080/tcp) of service "app" was not open within 1s`, "refused", "| listening nowhere"}, placed...)},
		{"ready", "not ready", append([]string{`"app" did not become ready`, "code == 0 did not hold within 1s", "last value: 5", "| not yet"}, placed...)},
		{"public", "created", append([]string{port, `"http"`, "public_ports", "stop that one or choose another number"}, placed...)},
		{"image", "", append([]string{`"nowhere.invalid/acme/app:9"`, "docker pull"}, placed...)},
		{"exec", "running", []string{"main.star:", "'app'", "exit code 1", "127.0.0.1:1", "goes on from there"}},
	} {
		result := run(test.how)
		if result.code != ExitFailure {
			t.Errorf("%s: %+v", test.how, result)
		}
		contains(t, result.message, test.mentions...)
		if strings.Contains(result.message, "line 10\n") {
			t.Errorf("%s: more than 20 lines: %s", test.how, result.message)
		}
		found := decodeInto[inspection](t, w.ok("enclave", "inspect", name, "--format", "json"))
		for _, service := range found.Services {
			if service.Name == "app" && test.status != "" && service.Status != test.status {
				t.Errorf("%s: the failed container is %q, want %q", test.how, service.Status, test.status)
			}
			if service.Name == "ok" && !service.Holds {
				t.Errorf("%s: what succeeded stays: %+v", test.how, service)
			}
		}
		if len(found.Runs) != 1 || found.Runs[0].Complete || !strings.Contains(found.Runs[0].Failure, "main.star:") {
			t.Errorf("%s: inspect says how it failed: %+v", test.how, found.Runs)
		}
		if test.how == "exit" {
			contains(t, w.ok("logs", name, "app"), "line 1\n", "line 30\n")
			contains(t, w.ok("enclave", "inspect", name), "The last apply of the run", "exited with code 3")
		}
	}
	before := w.containers(name)["ok"]
	if result := run("mended"); result.code != 0 {
		t.Fatalf("the next run goes on from there: %s", result.message)
	}
	if after := w.containers(name)["ok"]; after != before {
		t.Error("what had succeeded is not touched")
	}
	if found := decodeInto[inspection](t, w.ok("enclave", "inspect", name, "--format", "json")); found.Runs[0].Failure != "" || !found.Runs[0].Complete {
		t.Errorf("%+v", found.Runs)
	}
}

func TestDockerEngineThatIsAwaySaysWhatToDo(t *testing.T) {
	w, name, _ := dockerWorld(t)
	for _, args := range [][]string{{"enclave", "inspect", name}, {"enclave", "ls"}, {"logs", name, "db"}, {"clean", "--dry-run"}} {
		w.fails(ExitFailure, append(args, "--docker-host", "unix:///nowhere/docker.sock"), "unix:///nowhere/docker.sock", "--docker-host", "systemctl start docker")
	}
	w.fails(ExitOwn, []string{"exec", "--docker-host", "unix:///nowhere/docker.sock", name, "db", enclavetest.ServiceProgram}, "/nowhere/docker.sock", "systemctl start docker")
}
