package acceptance

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// clusterEnvironment makes a configuration that says nothing of backends run on a cluster.
var clusterEnvironment = []string{"SUNDOG_BACKEND=kubernetes", "SUNDOG_KUBERNETES_EXPOSE=NodePort"}

// TestAccKubernetesPublishedPackages applies the example of published packages on a cluster, as it is. What it gives must be what it
// gives on Docker (TestAccPublishedPackages).
func TestAccKubernetesPublishedPackages(t *testing.T) {
	onKubernetes(t)
	withPackages(t)
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w := newPublished(t, cli)
		w.environment = append(w.environment, clusterEnvironment...)
		w.inService = w.inPod
		images := make([]string, 0, len(w.images))
		for _, image := range w.images {
			images = append(images, image)
		}
		loadImages(t, images...)
		before := inCluster(t)

		w.terraform("apply", "-auto-approve", "-no-color")
		w.found("hello", "hello")
		w.answers("hello", "hello")
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a second plan must be empty: %v", changes)
		}

		ids := pods(t)
		w.environment = append(w.environment, `TF_VAR_database_settings=["max_connections=37"]`, "TF_VAR_greeting=goodbye")
		w.terraform("apply", "-auto-approve", "-no-color")
		if diff := cmp.Diff([]string{"nginx", "postgres"}, replaced(ids, pods(t))); diff != "" {
			t.Errorf("another setting of the database and another page must replace these two alone: %s", diff)
		}
		w.found("goodbye", "hello, goodbye")
		w.answers("goodbye", "hello, goodbye")
		if got := w.query("SHOW max_connections"); got != "37" {
			t.Errorf("max_connections is %q", got)
		}

		w.terraform("destroy", "-auto-approve", "-no-color")
		if diff := cmp.Diff(before, leftInCluster(t, before)); diff != "" {
			t.Errorf("objects are left in the cluster: %s", diff)
		}
	})
}

// TestAccKubernetesPublishedDefaults runs published packages without arguments, on the images that they name themselves, and
// compares all that they give on a cluster with all that they give on Docker.
func TestAccKubernetesPublishedDefaults(t *testing.T) {
	onKubernetes(t)
	withPackages(t)
	oneCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		packages, err := filepath.Abs(os.Getenv("SUNDOG_TEST_PACKAGES"))
		if err != nil {
			t.Fatal(err)
		}
		images := defaultImages(t)
		loadImages(t, images...)
		results := map[string]map[string]string{}
		for backend, environment := range map[string][]string{"docker": {"SUNDOG_BACKEND=docker"}, "kubernetes": clusterEnvironment} {
			before := append(docker(t), inCluster(t)...)
			w := newWorkspaceOf(t, cli, "internal/acceptance/testdata/published-defaults")
			w.environment = append(w.environment, "TF_VAR_enclave=acceptance", "SUNDOG_PACKAGES_VENDOR_DIR="+packages)
			w.environment = append(w.environment, environment...)
			w.terraform("init", "-no-color")
			w.terraform("apply", "-auto-approve", "-no-color")
			if changes := w.plan(); len(changes) > 0 {
				t.Errorf("a second plan on %s must be empty: %v", backend, changes)
			}
			results[backend] = map[string]string{}
			for name, text := range w.outputs() {
				results[backend][name] = withoutAddresses(t, text)
			}
			w.terraform("destroy", "-auto-approve", "-no-color")
			if diff := cmp.Diff(before, append(docker(t), leftInCluster(t, before)...)); diff != "" {
				t.Errorf("objects are left of %s: %s", backend, diff)
			}
		}
		if diff := cmp.Diff(results["docker"], results["kubernetes"]); diff != "" {
			t.Errorf("Kubernetes gives other outputs than Docker: %s", diff)
		}
		for name, text := range results["kubernetes"] {
			t.Logf("%s: %s", name, text)
		}
	})
}

// defaultImages makes sure that the engine has the images that the packages name themselves, and gives their names. Those that
// are missing are made for the test, and their names go with it.
func defaultImages(t *testing.T) []string {
	t.Helper()
	root := repository(t)
	made := map[string]string{}
	for line := range strings.Lines(run(t, root, nil, "examples/published-packages/images.sh")) {
		recipe, value, _ := strings.Cut(strings.TrimSpace(line), "_image = ")
		made[recipe] = strings.Trim(value, `"`)
	}
	var images []string
	for recipe, image := range map[string]string{"redis": "redis:alpine", "postgres": "postgres:alpine", "nginx": "nginx:latest", "adminer": "michalhosna/adminer:latest"} {
		images = append(images, image)
		if _, err := try(t.Context(), ".", nil, "docker", "image", "inspect", image); err == nil {
			continue
		}
		run(t, ".", nil, "docker", "tag", made[recipe], image)
		t.Cleanup(func() {
			if _, err := try(context.Background(), ".", nil, "docker", "rmi", image); err != nil {
				t.Error(err)
			}
		})
	}
	slices.Sort(images)
	return images
}

// withoutAddresses takes out what backends draw anew each time.
func withoutAddresses(t *testing.T, text string) string {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	var without func(tree any)
	without = func(tree any) {
		object, _ := tree.(map[string]any)
		delete(object, "ip_address")
		for _, value := range object {
			without(value)
		}
	}
	without(tree)
	plain, err := json.MarshalIndent(tree, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// inPod runs a command in a service's container, without Sundog.
func (w *published) inPod(service string, command ...string) string {
	w.t.Helper()
	pod := strings.TrimSpace(kubectl(w.t, "--namespace="+namespace, "get", "pods", "--selector=sundog.dev/service="+service,
		"--output=jsonpath={.items[0].metadata.name}"))
	return strings.TrimSpace(kubectl(w.t, append([]string{"--namespace=" + namespace, "exec", pod, "--container=service", "--"}, command...)...))
}
