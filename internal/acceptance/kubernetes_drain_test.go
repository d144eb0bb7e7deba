package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// TestAccKubernetesDrain drains the node that an enclave's services run on, as an administrator does: they come back without
// anybody, as the same services, with what their persistent directories held. It has a cluster for itself, as nothing can
// start on its node meanwhile (see tools/test-kubernetes).
func TestAccKubernetesDrain(t *testing.T) {
	oneCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w, name := driftWorld(t, cli)
		before := w.generations(name)

		node := w.drain(name)
		kubectl(t, "uncordon", node)
		w.backAfterDrain(name)
		if same := untouched(before, w.generations(name)); len(same) != len(before) {
			t.Errorf("services were made anew: untouched are %v of %v", same, before)
		}

		// Whoever applies while there is no node is told so, and whoever applies afterwards goes on from there.
		node = w.drain(name)
		if kubectl(t, "get", "nodes", "--field-selector=spec.unschedulable!=true", "--output=name") == "" {
			_, err := try(t.Context(), w.folder, w.environment, w.cli, "apply", "-auto-approve", "-no-color")
			if err == nil {
				t.Error("an apply without a node succeeded")
			} else if !strings.Contains(unwrapped(err.Error()), "node "+node+" is cordoned") {
				t.Errorf("an apply without a node does not tell that it is cordoned: %v", err)
			}
		}
		kubectl(t, "uncordon", node)
		w.terraform("apply", "-auto-approve", "-no-color")
		w.backAfterDrain(name)
		w.terraform("destroy", "-auto-approve", "-no-color")
	})
}

// unwrapped takes the line breaks and rules out of a CLI's message.
func unwrapped(message string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(message, "│", " ")), " ")
}

// drain takes all of an enclave's services off the node that they are on, and gives its name.
func (w *workspace) drain(name string) (node string) {
	w.t.Helper()
	space := "--namespace=sundog-" + name
	first := w.runningPods(space)
	node = strings.TrimSpace(kubectl(w.t, space, "get", "pods", "--selector=sundog.dev/service=db", "--output=jsonpath={.items[0].spec.nodeName}"))
	w.t.Cleanup(func() { _, _ = try(context.Background(), ".", nil, os.Getenv("SUNDOG_TEST_KUBECTL"), "uncordon", node) })
	kubectl(w.t, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=sundog.dev/managed-by=sundog", "--timeout=3m")
	for service, pod := range w.runningPods(space) {
		if first[service] == pod {
			w.t.Errorf("service %s was not drained", service)
		}
	}
	return node
}

// backAfterDrain waits until the services are back, and checks that they have what they had, and that nobody has to do anything.
func (w *workspace) backAfterDrain(name string) {
	w.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for now := w.runningPods("--namespace=sundog-" + name); len(now) < 2; now = w.runningPods("--namespace=sundog-" + name) {
		if time.Now().After(deadline) {
			w.t.Fatalf("the services have not come back: %v run", now)
		}
		time.Sleep(500 * time.Millisecond)
	}
	w.holds(name)
	if changes := w.plan(); len(changes) > 0 {
		w.t.Errorf("a plan after the drain must be empty: %v", changes)
	}
}

// runningPods gives the pods that are ready by service.
func (w *workspace) runningPods(space string) map[string]string {
	w.t.Helper()
	pods := map[string]string{}
	output := kubectl(w.t, space, "get", "pods", "--selector=sundog.dev/service", "--field-selector=status.phase=Running",
		`--output=jsonpath={range .items[?(@.status.containerStatuses[0].ready==true)]}{.metadata.labels.sundog\.dev/service} {.metadata.uid}{"\n"}{end}`)
	for line := range strings.Lines(output) {
		service, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		pods[service] = id
	}
	return pods
}

// taintPackage has one service that puts up with a taint, and one that does so only if it is told to.
const taintPackage = `def run(plan, image, program, tolerant):
    tolerations = [Toleration(key="dedicated", operator="Equal", value="shop", effect="NoSchedule")]
    plan.add_service("hardy", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-http", "8080"], tolerations=tolerations))
    plan.add_service("picky", ServiceConfig(image=image, entrypoint=[program], cmd=["serve", "-http", "8080"], tolerations=tolerations if tolerant else []))
`

// TestAccKubernetesTaint keeps pods off all nodes by a taint, but for those that tolerate it.
func TestAccKubernetesTaint(t *testing.T) {
	oneCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w, name := driftWorld(t, cli)
		w.terraform("destroy", "-auto-approve", "-no-color")
		if err := os.WriteFile(filepath.Join(w.folder, "shop", "main.star"), []byte(taintPackage), 0o600); err != nil {
			t.Fatal(err)
		}
		packed := func(tolerant bool) []string {
			return []string{"run", "./shop", "--enclave", name, "--args", fmt.Sprintf(`{"image":%q,"program":%q,"tolerant":%t}`, driftImage, enclavetest.ServiceProgram, tolerant)}
		}
		t.Cleanup(func() {
			_, _ = try(context.Background(), ".", nil, os.Getenv("SUNDOG_TEST_KUBECTL"), "taint", "nodes", "--all", "dedicated-")
		})
		kubectl(t, "taint", "nodes", "--all", "dedicated=shop:NoSchedule")

		text, err := try(t.Context(), w.folder, w.environment, w.sundog(), packed(false)...)
		if err == nil {
			t.Fatalf("a service without a toleration started on a node with a taint:\n%s", text)
		}
		for _, part := range []string{`"picky"`, "no node takes its pod", "has the taint dedicated=shop:NoSchedule"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not mention %s: %v", part, err)
			}
		}
		if running := w.runningPods("--namespace=sundog-" + name); running["hardy"] == "" {
			t.Errorf("the service with a toleration does not run: %v", running)
		}
		run(t, w.folder, w.environment, w.sundog(), packed(true)...)
		if running := w.runningPods("--namespace=sundog-" + name); len(running) != 2 {
			t.Errorf("with a toleration for both, there run only %v", running)
		}
	})
}
