package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// driftPackage has a database with a persistent directory, a web server with a file.
const driftPackage = `def run(plan, image, program):
    config = plan.render_templates(name="config", config={"a.txt": struct(template="alpha", data={})})
    plan.add_service("db", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-tcp", "5432"],
        ports={"sql": PortSpec(number=5432)}, files={"/data": Directory(persistent_key="data", size=20)}))
    plan.add_service("web", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-http", "8080"],
        ports={"http": PortSpec(number=8080)}, files={"/etc/web": config}))
    plan.exec("db", ExecRecipe(command=[program, "write", "/data/rows", "kept"]))
`

const driftImage = "sundog-test/service:drift"

// driftWorld is an enclave of its own with that package.
func driftWorld(t *testing.T, cli string) (w *workspace, name string) {
	t.Helper()
	onKubernetes(t)
	plugins, err := provider()
	if err != nil {
		t.Fatal(err)
	}
	load := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_LOAD"))
	run(t, ".", nil, load[0], append(load[1:], enclavetest.SaveImages(t, driftImage, "sundog-test/unprivileged:drift"))...)
	name = fmt.Sprintf("drift-%d-%d", os.Getpid(), time.Now().UnixNano()%100000)
	w = &workspace{t: t, root: repository(t), cli: cli, folder: t.TempDir(), environment: []string{
		"TF_CLI_CONFIG_FILE=" + filepath.Join(plugins, "cli.tfrc"), "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
		"SUNDOG_OWNER=drift", "SUNDOG_BACKEND=kubernetes", "XDG_STATE_HOME=" + t.TempDir(),
	}}
	t.Cleanup(func() {
		_, _ = try(context.Background(), w.folder, w.environment, w.sundog(), "enclave", "rm", "--force", name)
	})
	if err := os.Mkdir(filepath.Join(w.folder, "shop"), 0o750); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"main.tf": fmt.Sprintf(`terraform {
  required_providers {
    sundog = { source = "sundog-dev/sundog" }
  }
}

provider "sundog" {
  backend = "kubernetes"
}

resource "sundog_enclave" "dev" {
  name       = %q
  kubernetes = { expose = "NodePort" }
}

resource "sundog_package_run" "shop" {
  enclave = sundog_enclave.dev.id
  package = "./shop"
  args    = { image = %q, program = %q }
}
`, name, driftImage, enclavetest.ServiceProgram),
		"shop/kurtosis.yml": "name: github.com/acme/shop\n",
		"shop/main.star":    driftPackage,
	} {
		if err := os.WriteFile(filepath.Join(w.folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.terraform("init", "-no-color")
	w.terraform("apply", "-auto-approve", "-no-color")
	return w, name
}

// generations gives what the services were made as: replacing one draws another.
func (w *workspace) generations(name string) map[string]string {
	w.t.Helper()
	made := map[string]string{}
	output := kubectl(w.t, "--namespace=sundog-"+name, "get", "services", "--selector=sundog.dev/role=service",
		`--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.sundog\.dev/generation}{"\n"}{end}`)
	for line := range strings.Lines(output) {
		service, generation, _ := strings.Cut(strings.TrimSpace(line), " ")
		made[service] = generation
	}
	return made
}

// untouched gives those services that were not replaced, sorted.
func untouched(before, after map[string]string) []string {
	var same []string
	for service, generation := range before {
		if after[service] == generation {
			same = append(same, service)
		}
	}
	slices.Sort(same)
	return same
}

// holds checks what is in the services' files.
func (w *workspace) holds(name string) {
	w.t.Helper()
	for service, file := range map[string][2]string{"db": {"/data/rows", "kept"}, "web": {"/etc/web/a.txt", "alpha"}} {
		got := run(w.t, w.folder, w.environment, w.sundog(), "exec", name, service, "--", enclavetest.ServiceProgram, "cat", file[0])
		if got != file[1] {
			w.t.Errorf("service %s: %s holds %q, want %q", service, file[0], got, file[1])
		}
	}
}

// TestAccKubernetesDrift deletes parts of an enclave behind the CLI's back: the next plan names the service that is concerned,
// the next apply heals it and leaves the other one alone, and the persistent directory keeps what it held.
func TestAccKubernetesDrift(t *testing.T) {
	oneCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w, name := driftWorld(t, cli)
		space := "--namespace=sundog-" + name
		if text := run(t, w.folder, w.environment, w.sundog(), "enclave", "diff", name, "./shop", "--args",
			fmt.Sprintf(`{"image":%q,"program":%q}`, driftImage, enclavetest.ServiceProgram)); !strings.Contains(text, "nothing would change") {
			t.Errorf("an unchanged package changes something:\n%s", text)
		}

		// A pod that is evicted, as when its node is drained, comes back without anybody, with its data.
		for _, service := range []string{"db", "web"} {
			w.evict(space, service)
		}
		w.holds(name)
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a plan after the evictions must be empty: %v", changes)
		}

		for _, drift := range []struct {
			what, service, untouched string
			arguments                []string
		}{
			{"its Job", "db", "web", []string{"delete", "jobs", space, "--selector=sundog.dev/service=db", "--wait=true"}},
			{"its Service", "web", "db", []string{"delete", "service", space, "web"}},
		} {
			before := w.generations(name)
			kubectl(t, drift.arguments...)
			planned := w.terraform("plan", "-no-color")
			if !strings.Contains(planned, drift.service) || strings.Contains(planned, "No changes") {
				t.Errorf("without %s, the plan does not name %q:\n%s", drift.what, drift.service, planned)
			}
			w.terraform("apply", "-auto-approve", "-no-color")
			if same := untouched(before, w.generations(name)); !slices.Contains(same, drift.untouched) {
				t.Errorf("without %s of %q, %q was replaced: left alone were only %v", drift.what, drift.service, drift.untouched, same)
			}
			w.holds(name)
			if changes := w.plan(); len(changes) > 0 {
				t.Errorf("a plan after the healing must be empty: %v", changes)
			}
		}

		w.healsPublication(name, `"Unsettled" -> "NodePort"`)
		// The enclave leaves it to the provider's setting.
		main := filepath.Join(w.folder, "main.tf")
		config, err := os.ReadFile(main)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(main, bytes.Replace(config, []byte(`kubernetes = { expose = "NodePort" }`), nil, 1), 0o600); err != nil {
			t.Fatal(err)
		}
		w.environment = append(w.environment, "SUNDOG_KUBERNETES_EXPOSE=NodePort")
		w.terraform("apply", "-auto-approve", "-no-color")
		w.healsPublication(name, `"Unsettled" -> null`)
		w.terraform("destroy", "-auto-approve", "-no-color")
	})
}

// healsPublication deletes what publishes an enclave's services. It is the enclave's, whose plan tells it, and comes back without
// touching a service.
func (w *workspace) healsPublication(name, planned string) {
	w.t.Helper()
	space := "--namespace=sundog-" + name
	before := w.generations(name)
	kubectl(w.t, "delete", "services", space, "--selector=sundog.dev/role=exposed", "--wait=true")
	if text := w.terraform("plan", "-no-color"); !strings.Contains(text, planned) {
		w.t.Errorf("without what publishes its services, the plan lacks %s:\n%s", planned, text)
	}
	w.terraform("apply", "-auto-approve", "-no-color")
	if published := kubectl(w.t, "get", "services", space, "--selector=sundog.dev/role=exposed", "--output=name"); len(strings.Fields(published)) != len(before) {
		w.t.Errorf("services are published by %q", published)
	}
	if same := untouched(before, w.generations(name)); len(same) != len(before) {
		w.t.Errorf("left alone were only %v of %v", same, before)
	}
	if changes := w.plan(); len(changes) > 0 {
		w.t.Errorf("a plan after the healing must be empty: %v", changes)
	}
}

// TestAccKubernetesLostNamespace deletes all of an enclave behind the CLI's back: the next plan makes everything, and so does the
// next apply.
func TestAccKubernetesLostNamespace(t *testing.T) {
	oneCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w, name := driftWorld(t, cli)
		kubectl(t, "delete", "namespace", "sundog-"+name, "--wait=true")
		want := map[string][]string{"sundog_enclave.dev": {"create"}, "sundog_package_run.shop": {"create"}}
		if diff := cmp.Diff(want, w.plan()); diff != "" {
			t.Errorf("the plan without the namespace: %s", diff)
		}
		w.terraform("apply", "-auto-approve", "-no-color")
		w.holds(name)
		w.terraform("destroy", "-auto-approve", "-no-color")
		if left := kubectl(t, "get", "namespace", "sundog-"+name, "--ignore-not-found", "--output=name"); left != "" {
			t.Errorf("the namespace is left: %s", left)
		}
	})
}

// evict does to a service's pod what draining its node does, and waits until another one runs.
func (w *workspace) evict(space, service string) {
	w.t.Helper()
	running := func() string {
		return strings.TrimSpace(kubectl(w.t, space, "get", "pods", "--selector=sundog.dev/service="+service, "--field-selector=status.phase=Running",
			`--output=jsonpath={range .items[?(@.status.containerStatuses[0].ready==true)]}{.metadata.name}{"\n"}{end}`))
	}
	pod := running()
	body := filepath.Join(w.t.TempDir(), "eviction.json")
	namespace := strings.TrimPrefix(space, "--namespace=")
	text := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, namespace)
	if err := os.WriteFile(body, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	kubectl(w.t, "create", "--raw", "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/eviction", "--filename="+body)
	deadline := time.Now().Add(3 * time.Minute)
	for now := running(); now == "" || strings.Contains(now, pod); now = running() {
		if time.Now().After(deadline) {
			w.t.Fatalf("service %s has not come back", service)
		}
		time.Sleep(500 * time.Millisecond)
	}
}
