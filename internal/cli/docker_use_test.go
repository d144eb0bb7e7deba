package cli

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

func TestDockerExecAndShell(t *testing.T) {
	w, name, args := dockerWorld(t)
	w.ok("run", httpshop(t), "--enclave", name, "--args", args)
	program := enclavetest.ServiceProgram
	result := w.run("exec", name, "web", program, "both")
	if result.output != "to stdout\n" || result.notice != "to stderr\n" {
		t.Errorf("%+v", result)
	}
	if output := w.ok("exec", "-u", "7:8", "-w", "/seed", name, "web", program, "whoami"); output != "7:8 /seed\n" {
		t.Errorf("%q", output)
	}
	if output := w.ok("exec", "-e", "X=a,b", name, "web", program, "env", "X"); output != "a,b" {
		t.Errorf("%q", output)
	}
	if piped := w.start(t.Context(), "through", "exec", "-i", name, "web", program, "stdin"); piped.output != "through" {
		t.Errorf("%+v", piped)
	}
	w.fails(enclave.CodeNotFound, []string{"exec", name, "web", "nothing"}, "nothing", "not found")
	w.fails(enclave.CodeNotExecutable, []string{"exec", name, "web", "/seed/from-image"}, "permission denied")
	w.fails(enclave.CodeNotFound, []string{"shell", name, "web"}, `"web"`, "has no shell", "sundog exec -it "+name+" web -- PROGRAM")

	terminal, seen := terminalPair(t, 91, 33)
	root := newRoot("1.2.3", w.tools)
	root.SetIn(terminal)
	root.SetOut(terminal)
	root.SetErr(terminal)
	root.SetArgs([]string{"exec", "-it", name, "web", program, "terminal"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(t.Context()) }()
	seen.await(t, "91x33", 1)
	seen.press(t, "typed\r")
	seen.await(t, "read typed", 1)
	seen.press(t, "\x03")
	if err := <-ended; ExitCode(err) != 42 {
		t.Errorf("the key goes to the command, which ends with 42: %v", err)
	}
}

func TestDockerForwardAndLogsOutliveAReplacement(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/echo\n", "main.star": `def run(plan, image, program, tag="one"):
    plan.add_service("echo", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-tcp", "7000", "-udp", "7001", "-lines", "tag is " + tag], ports={
        "tcp": PortSpec(number=7000, transport_protocol="TCP"),
        "udp": PortSpec(number=7001, transport_protocol="UDP", wait=None),
    }))
`})
	w.ok("run", folder, "--enclave", name, "--args", args)
	out, _, endForward := w.begin("forward", name, "echo", ":tcp", ":udp", "--format", "json")
	logs, notices, endLogs := w.begin("logs", name, "-f")
	out.await(t, "\n]\n", 1)
	logs.await(t, "echo | tag is one\n", 1)
	documents := decodeInto[[]forwardDocument](t, out.String())
	address := func(i int) string {
		return net.JoinHostPort(documents[i].Host, strconv.Itoa(documents[i].HostPort))
	}
	check := func(what string) {
		t.Helper()
		for i, transport := range []string{"tcp", "udp"} {
			if answer := say(t, transport, address(i), "hello"); answer != "hello" {
				t.Errorf("%s, %s: %q", what, transport, answer)
			}
		}
	}
	check("at first")
	w.ok("run", folder, "--enclave", name, "--args", strings.TrimSuffix(args, "}")+`, "tag": "two"}`)
	check("after a replacement")
	logs.await(t, "echo | tag is two\n", 1)
	w.ok("enclave", "stop", name)
	notices.await(t, "waiting for it to come back", 1)
	w.ok("enclave", "start", name)
	check("after a stop and a start")
	logs.await(t, "echo | tag is two\n", 2)
	if strings.Count(logs.String(), "tag is one") != 1 {
		t.Errorf("no line twice: %s", logs)
	}
	if err := endForward(); err != nil {
		t.Error(err)
	}
	if err := endLogs(); err != nil {
		t.Error(err)
	}
}

// TestDockerTwoCommandsDoNotMix has two processes bring one enclave to two plans at the same time.
func TestDockerTwoCommandsDoNotMix(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/twice\n", "main.star": `def run(plan, image, program, tag=""):
    plan.add_service("web", ServiceConfig(image=image, entrypoint=[program], cmd=["serve"], env_vars={"TAG": tag}))
    plan.exec("web", ExecRecipe(command=[program, "sleep", "1500ms"]))
`})
	w.ok("run", folder, "--enclave", name, "--args", args)
	_, first, endFirst := w.begin("run", folder, "--enclave", name, "--args", strings.TrimSuffix(args, "}")+`, "tag": "first"}`)
	first.await(t, "exec web#1 ...", 1)
	second := w.run("run", folder, "--enclave", name, "--args", strings.TrimSuffix(args, "}")+`, "tag": "second"}`)
	if second.code != 0 {
		t.Fatalf("%+v", second)
	}
	contains(t, second.notice, `waiting for the run "twice": held by owner "`+testOwner+`", `, "(sundog run, process "+strconv.Itoa(os.Getpid())+") since ")
	first.await(t, "holds the run", 1)
	if err := endFirst(); err != nil {
		t.Error(err)
	}
	// What the first one did was whole before the second one began.
	if output := w.ok("exec", name, "web", enclavetest.ServiceProgram, "env", "TAG"); output != "second" {
		t.Errorf("%q", output)
	}
	summaries := decodeInto[[]runSummary](t, w.ok("events", "--runs", "--format", "json"))
	if len(summaries) != 3 || summaries[1].Status != "done" || summaries[2].StartedAt.Before(*summaries[1].EndedAt) {
		t.Errorf("%+v", summaries)
	}
}

func TestDockerClean(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := httpshop(t)
	w.ok("run", folder, "--enclave", name, "--args", args, "--ttl", "1s")
	w.tools.now = func() time.Time { return time.Now().Add(time.Minute) }
	listed := w.ok("clean", name, "--dry-run")
	contains(t, listed, name, "expired", testOwner)
	busy, notices, end := w.begin("watch", folder, "--enclave", name, "--args", args)
	notices.await(t, "Watching for changes", 1)
	if err := end(); err != nil {
		t.Error(err, busy)
	}
	// What is left of an enclave that somebody has removed by hand.
	left := name + "-left"
	w.ok("run", folder, "--enclave", left, "--args", args)
	w.Cleanup(func() { w.start(context.Background(), "", "enclave", "rm", "--force", left) })
	notes, err := exec.CommandContext(t.Context(), "docker", "volume", "ls", "-q", "--filter", "label=sundog.dev/role=note", "--filter", "label=sundog.dev/enclave="+left).Output()
	if err != nil {
		t.Skip("there is no docker command to remove a part by:", err)
	}
	for _, arguments := range [][]string{{"rm", "-f", "sundog-" + left + "_store"}, append([]string{"volume", "rm"}, strings.Fields(string(notes))...)} {
		if output, err := exec.CommandContext(t.Context(), "docker", arguments...).CombinedOutput(); err != nil {
			t.Fatal(err, string(output))
		}
	}
	contains(t, w.ok("clean", left, "--dry-run"), left, "no enclave any more", "sundog-"+left+".web")
	// Somebody makes enclaves meanwhile: none of these is touched.
	fresh := name + "-fresh"
	w.Cleanup(func() { w.start(context.Background(), "", "enclave", "rm", "--force", fresh) })
	_, making, endMaking := w.begin("run", folder, "--enclave", fresh, "--args", args)
	cleaned := decodeInto[[]cleanedEnclave](t, w.ok("clean", name, left, fresh, "--yes", "--format", "json"))
	if len(cleaned) != 2 || !cleaned[0].Removed || !cleaned[1].Removed {
		t.Errorf("%+v", cleaned)
	}
	making.await(t, "holds the run", 1)
	if err := endMaking(); err != nil {
		t.Error(err)
	}
	contains(t, w.ok("clean", name, left, fresh, "--yes"), "No enclave has expired")
	for _, kind := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
		for _, gone := range []string{name, left} {
			output, err := exec.CommandContext(t.Context(), "docker", append(kind, "--filter", "label=sundog.dev/enclave="+gone)...).Output()
			if err != nil || len(output) != 0 {
				t.Errorf("docker %v of %s: %s %v", kind, gone, output, err)
			}
		}
	}
}

// TestDockerWatch changes one service of twenty and measures from the file's change to the result.
func TestDockerWatch(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/twenty\n", ".dockerignore": "notes\n", "main.star": `TAG = "one"

def run(plan, image, program):
    services = {}
    for i in range(20):
        services["s%d" % i] = ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-http", "8080"], env_vars={"TAG": TAG if i == 7 else ""},
            ports={"http": PortSpec(number=8080, transport_protocol="TCP")})
    plan.add_services(services)
    plan.print("tag is " + TAG)
`})
	out, notices, end := w.begin("watch", folder, "--enclave", name, "--args", args, "--parallelism", "8")
	notices.await(t, "Watching for changes", 1)
	before := w.containers(name)
	var took []time.Duration
	for i, tag := range []string{"two", "three", "four"} {
		begun := time.Now()
		rewrite(t, filepath.Join(folder, "main.star"), []string{`"one"`, `"two"`, `"three"`}[i], `"`+tag+`"`)
		out.await(t, "tag is "+tag+"\n", 1)
		took = append(took, time.Since(begun))
		notices.await(t, "Watching for changes", i+2)
	}
	t.Logf("one service of 20, from the file's change to the result: %v", took)
	after := w.containers(name)
	for service, container := range before {
		if (after[service] == container) == (service == "s7") {
			t.Errorf("exactly s7 is replaced: %s %s, then %s", service, container, after[service])
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
