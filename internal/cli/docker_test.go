package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// dockerWorld is the command on the Docker Engine of this machine, with the name of an enclave for one test.
func dockerWorld(t *testing.T) (w *world, name, args string) {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_DOCKER") != "1" {
		t.Skip("SUNDOG_TEST_DOCKER=1 runs the tests that need a Docker Engine")
	}
	backend := docker.New(docker.Options{})
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	image := enclavetest.BuildImages(t, backend).Service
	name = enclavetest.ReserveEnclave(t, backend)
	t.Setenv("SUNDOG_OWNER", testOwner)
	t.Setenv("SUNDOG_BACKEND", "docker")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	encoded, err := json.Marshal(map[string]string{"image": image, "program": enclavetest.ServiceProgram})
	if err != nil {
		t.Fatal(err)
	}
	return &world{T: t, tools: realTools(), clock: time.Now()}, name, string(encoded)
}

// httpshop is a package whose services run on a real engine.
func httpshop(t testing.TB) string {
	t.Helper()
	return writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/shop\n",
		"main.star": `def run(plan, image, program, tag="one"):
    config = plan.render_templates(name="config", config={"app.conf": struct(template="tag={{.tag}}\n", data={"tag": tag})})
    plan.add_service("db", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-tcp", "5432", "-lines", "db is up"], ports={
        "sql": PortSpec(number=5432, transport_protocol="TCP"),
    }))
    plan.add_service("web", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-http", "8080"], files={"/etc/app": config}, ports={
        "http": PortSpec(number=8080, transport_protocol="TCP", application_protocol="http"),
    }))
    got = plan.exec("web", ExecRecipe(command=[program, "cat", "/etc/app/app.conf"]))
    plan.print("configured " + tag)
    return got["output"]
`,
	})
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, response.Status, err)
	}
	return string(body)
}

// containers gives the containers of an enclave's services.
func (w *world) containers(name string) map[string]string {
	w.Helper()
	containers := map[string]string{}
	for _, service := range decodeInto[inspection](w, w.ok("enclave", "inspect", name, "--format", "json")).Services {
		containers[service.Name] = service.Container
	}
	return containers
}

func TestDockerStory(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := httpshop(t)
	contains(t, w.ok("enclave", "diff", name, folder, "--args", args), "service web", "would be made")
	first := w.run("run", folder, "--enclave", name, "--args", args, "--ttl", "1h")
	if first.code != 0 || first.output != "configured one\n\"tag=one\\n\"\n" {
		t.Fatalf("%+v", first)
	}
	before := w.containers(name)
	address := strings.TrimSpace(w.ok("port", name, "web", "http"))
	if body := fetch(t, "http://"+address+"/file/etc/app/app.conf"); body != "tag=one\n" {
		t.Errorf("%q", body)
	}
	contains(t, w.ok("logs", name, "db"), "db is up")
	if result := w.run("exec", name, "web", "--", enclavetest.ServiceProgram, "exit", "7"); result.code != 7 {
		t.Errorf("%+v", result)
	}
	target := filepath.Join(t.TempDir(), "config")
	w.ok("files", "get", name, "config", target)
	if content, err := os.ReadFile(filepath.Join(target, "app.conf")); err != nil || string(content) != "tag=one\n" {
		t.Errorf("%q %v", content, err)
	}

	if stopped := w.ok("enclave", "stop", name); stopped != "web\ndb\n" {
		t.Errorf("stopped %q", stopped)
	}
	if started := w.ok("enclave", "start", name); started != "db\nweb\n" {
		t.Errorf("started %q", started)
	}
	changed := strings.TrimSuffix(args, "}") + `, "tag": "two"}`
	second := w.run("run", folder, "--enclave", name, "--args", changed)
	after := w.containers(name)
	if second.code != 0 || after["db"] != before["db"] || after["web"] == before["web"] {
		t.Errorf("exactly web is replaced: %v, then %v: %+v", before, after, second)
	}
	if again := strings.TrimSpace(w.ok("port", name, "web", "http")); again != address {
		t.Errorf("the address stays: %s, then %s", address, again)
	}
	contains(t, w.ok("enclave", "diff", name, folder, "--args", changed), "nothing would change")
	contains(t, w.ok("enclave", "ls"), name, "2/2", "in 5")
	w.ok("enclave", "rm", name)
	w.fails(ExitFailure, []string{"enclave", "inspect", name}, "not found")
}

func TestDockerInterruption(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/slow\n", "main.star": `def run(plan, image, program, pause="1h"):
    plan.add_service("web", ServiceConfig(image=image, entrypoint=[program], cmd=["serve"]))
    plan.exec("web", ExecRecipe(command=[program, "sleep", pause]))
`})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		for ctx.Err() == nil && w.start(ctx, "", "exec", name, "web", "--", enclavetest.ServiceProgram, "echo").code != 0 {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		interrupt()
	}()
	result := w.start(ctx, "", "run", folder, "--enclave", name, "--args", args)
	if result.code != ExitFailure {
		t.Errorf("%+v", result)
	}
	contains(t, result.message, "interrupted")
	before := w.containers(name)
	if before["web"] == "" {
		t.Fatal("what had been done must stay")
	}
	w.ok("run", folder, "--enclave", name, "--args", strings.TrimSuffix(args, "}")+`, "pause": "1ms"}`)
	if after := w.containers(name); after["web"] != before["web"] {
		t.Errorf("the same container goes on: %v, then %v", before, after)
	}
}
