package acceptance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAccKubernetesExample applies the example for clusters, and compares what it gives with what the same configuration gives on
// Docker.
func TestAccKubernetesExample(t *testing.T) {
	onKubernetes(t)
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w, images := newClusterExample(t, cli)
		loadImages(t, images...)
		before := inCluster(t)

		w.terraform("apply", "-auto-approve", "-no-color")
		w.shows("hello")
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a second plan must be empty: %v", changes)
		}

		// The pods of everything are deleted, as a drained node's are: all come back, and the database with what it held.
		first := pods(t)
		kubectl(t, "--namespace="+namespace, "delete", "pods", "--all", "--wait=true")
		w.allBack(first)
		w.shows("hello")
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a plan after the pods were made again must be empty: %v", changes)
		}

		// Another greeting runs the task again and replaces the web server alone.
		second := pods(t)
		w.environment = append(w.environment, "TF_VAR_greeting=goodbye")
		w.terraform("apply", "-auto-approve", "-no-color")
		if diff := cmp.Diff([]string{"web"}, replaced(second, pods(t))); diff != "" {
			t.Errorf("another greeting must replace the web server alone: %s", diff)
		}
		w.shows("hello, goodbye")
		onCluster := w.outputs()
		w.terraform("destroy", "-auto-approve", "-no-color")
		if diff := cmp.Diff(before, leftInCluster(t, before)); diff != "" {
			t.Errorf("objects are left in the cluster: %s", diff)
		}

		onEngine := docker(t)
		w.environment = append(w.environment, "TF_VAR_backend=docker", "TF_VAR_greeting=hello")
		w.terraform("apply", "-auto-approve", "-no-color")
		w.environment = append(w.environment, "TF_VAR_greeting=goodbye")
		w.terraform("apply", "-auto-approve", "-no-color")
		if diff := cmp.Diff(w.outputs(), onCluster); diff != "" {
			t.Errorf("Docker gives other outputs than Kubernetes: %s", diff)
		}
		w.terraform("destroy", "-auto-approve", "-no-color")
		if diff := cmp.Diff(onEngine, docker(t)); diff != "" {
			t.Errorf("objects are left on the engine: %s", diff)
		}
	})
}

// newClusterExample is the example, with its images made on the Docker Engine; it gives their names, too.
func newClusterExample(t *testing.T, cli string) (*workspace, []string) {
	t.Helper()
	w := newWorkspace(t, cli, "kubernetes")
	values := run(t, w.root, nil, "examples/published-packages/images.sh", "postgres", "nginx")
	if err := os.WriteFile(filepath.Join(w.folder, "images.auto.tfvars"), []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	w.environment = append(w.environment, "TF_VAR_enclave=acceptance")
	w.terraform("init", "-no-color")
	var images []string
	for line := range strings.Lines(values) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), "_image = ")
		images = append(images, strings.Trim(value, `"`))
	}
	return w, images
}

// shows checks what the package returned, and what its page shows.
func (w *workspace) shows(greetings string) {
	w.t.Helper()
	if found := w.outputs()["found"]; !strings.Contains(found, `"greetings":"`+greetings+`"`) {
		w.t.Errorf("the package found %s, want %q", found, greetings)
	}
	if page := request(w.t, http.MethodGet, w.output("page"), ""); !strings.Contains(page, "The database holds: "+greetings+"<") {
		w.t.Errorf("the page lacks %q:\n%s", greetings, page)
	}
}

// outputs gives the output values as JSON, but for addresses, which are another each time.
func (w *workspace) outputs() map[string]string {
	w.t.Helper()
	var values map[string]struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(w.terraform("output", "-json")), &values); err != nil {
		w.t.Fatal(err)
	}
	texts := map[string]string{}
	for name, output := range values {
		if name == "page" {
			continue
		}
		var text bytes.Buffer
		if err := json.Compact(&text, output.Value); err != nil {
			w.t.Fatal(err)
		}
		texts[name] = text.String()
	}
	return texts
}

// allBack waits until every service runs in another pod than before, and the page is there.
func (w *workspace) allBack(former map[string]string) {
	w.t.Helper()
	page := w.output("page")
	deadline := time.Now().Add(3 * time.Minute)
	for {
		now := pods(w.t)
		_, err := ask(w.t.Context(), &http.Client{Timeout: 5 * time.Second}, http.MethodGet, page, "")
		if err == nil && len(now) == len(former) && len(replaced(former, now)) == len(former) {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the services have not come back: pods were %v and are %v; the page: %v", former, now, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	kubectl(w.t, "--namespace="+namespace, "wait", "pods", "--selector=sundog.dev/service", "--for=condition=Ready", "--timeout="+time.Until(deadline).String())
}
