package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

const (
	enclaveNamespace = "sundog-" + enclaveName
	roleLabel        = "sundog.dev/role"
	serviceLabel     = "sundog.dev/service"
)

// clusterKinds are the kinds of objects in a namespace that count.
var clusterKinds = []struct{ kind, prefix, plural string }{
	{"service", "/api/v1", "services"},
	{"job", "/apis/batch/v1", "jobs"},
	{"pod", "/api/v1", "pods"},
	{"secret", "/api/v1", "secrets"},
	{"configmap", "/api/v1", "configmaps"},
	{"claim", "/api/v1", "persistentvolumeclaims"},
	{"lease", "/apis/coordination.k8s.io/v1", "leases"},
}

// clusterContents are the files whose contents count, by service.
var clusterContents = map[string][]string{
	"db": {"/notes/text"}, "c": {"/conf/level", "/seeded/out"}, "late": {"/kept/conf/level"}, "side": {"/conf/text"},
}

// volatileAnnotations differ from one making of a service to the next.
var volatileAnnotations = []string{"sundog.dev/created-at", "sundog.dev/digest", "sundog.dev/owner"}

func (c *kubernetesWorld) observe(ctx context.Context) (*state, error) {
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	seen := &state{facts: map[string]string{}, services: map[string]identity{}, logs: map[string][]string{}}
	counts := map[string]int{}
	for _, of := range clusterKinds {
		items, err := c.api.List(ctx, of.prefix+"/namespaces/"+enclaveNamespace+"/"+of.plural, ourLabel)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			role := item.Metadata.Labels[roleLabel]
			if role == "record" || role == "lock" || role == "part" && strings.HasPrefix(item.Metadata.Labels["sundog.dev/of"], "record-") {
				continue // What they hold, and when, is nobody's business but Sundog's.
			}
			if role == "reserved" {
				continue // The address of a service that is gone stays until the enclave goes, and what was there before hangs on the strike.
			}
			about := of.kind + " " + normaliseCluster(item.Metadata.Name)
			if of.kind == "pod" {
				about = "pod of " + item.Metadata.Labels[serviceLabel]
			}
			counts[about]++
			if err := c.note(ctx, of.kind, about, item, seen); err != nil {
				return nil, err
			}
		}
	}
	for name, count := range counts {
		seen.facts[name] = fmt.Sprintf("is there %d times", count)
	}
	return seen, nil
}

// note notes what counts of one object.
func (c *kubernetesWorld) note(ctx context.Context, kind, about string, item cluster.Object, seen *state) error {
	labels := map[string]any{}
	for key, value := range item.Metadata.Labels {
		if strings.HasPrefix(key, "sundog.dev/") && !slices.Contains(volatileLabels, key) {
			labels[key] = value
		}
	}
	counted := map[string]any{"labels": labels}
	switch {
	case kind == "service":
		annotations := map[string]any{}
		for key, value := range item.Metadata.Annotations {
			if !slices.Contains(volatileAnnotations, key) {
				annotations[key] = value
			}
		}
		counted["annotations"], counted["specification"] = annotations, item.Spec
	case kind == "job":
		template, _ := item.Spec["template"].(map[string]any)
		counted["pod"] = template["spec"]
	case kind == "claim":
		delete(item.Spec, "volumeName")
		counted["specification"] = item.Spec
	case kind == "secret" && item.Metadata.Labels[roleLabel] == "manifest":
		for key, value := range item.Data {
			content, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return err
			}
			counted["data "+key] = string(content)
		}
	case kind == "pod":
		// Labels of pods are those of their Jobs.
		return c.notePod(ctx, about, item, seen)
	}
	return noteValue(about, counted, seen)
}

// What is drawn at random in a cluster: addresses, digests of artifacts, which are keyed by the enclave, and what keeps one
// making of an object apart from the next.
var (
	addresses   = regexp.MustCompile(`\b10\.\d+\.\d+\.\d+\b`)
	artifacts   = regexp.MustCompile(`\bartifact-[0-9a-f]{20}\b`)
	generations = regexp.MustCompile(`([-.":])[0-9a-f]{8}\b`)
)

func normaliseCluster(text string) string {
	text = artifacts.ReplaceAllString(addresses.ReplaceAllString(text, "ADDRESS"), "artifact-*")
	return normalise(generations.ReplaceAllString(text, "$1*"))
}

// noteValue notes a document, without what is drawn at random in it.
func noteValue(about string, value any, seen *state) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(normaliseCluster(string(text))), &value); err != nil {
		return err
	}
	flatten(about, value, seen.facts)
	return nil
}

// podStatus is what a pod's containers do.
type podStatus struct {
	Phase             string
	PodIP             string
	ContainerStatuses []struct {
		Name         string
		RestartCount int
		State        struct {
			Running    *struct{ StartedAt string }
			Terminated *struct {
				StartedAt string
				ExitCode  int
			}
		}
	}
}

func podStatusOf(o cluster.Object) (*podStatus, error) {
	text, err := json.Marshal(o.Status)
	if err != nil {
		return nil, err
	}
	status := &podStatus{}
	return status, json.Unmarshal(text, status)
}

func (c *kubernetesWorld) notePod(ctx context.Context, about string, item cluster.Object, seen *state) error {
	status, err := podStatusOf(item)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	killed := c.kubeletKilled
	c.mutex.Unlock()
	name := item.Metadata.Labels[serviceLabel]
	seen.facts[about+" phase"] = status.Phase
	for _, container := range status.ContainerStatuses {
		state, started := "waits", ""
		if running := container.State.Running; running != nil {
			state, started = "runs", running.StartedAt
		}
		if ended := container.State.Terminated; ended != nil {
			state, started = fmt.Sprintf("ended with %d", ended.ExitCode), ended.StartedAt
		}
		again := container.RestartCount
		if killed {
			again = 0 // A container that the kubelet had made, and not started yet, it makes once more, and counts that.
		}
		seen.facts[about+" container "+container.Name] = fmt.Sprintf("%s, started again %d times", state, again)
		if container.Name == "service" {
			seen.services[name] = identity{item.Metadata.UID, started}
		}
	}
	if status.Phase != "Running" {
		return nil
	}
	for _, path := range clusterContents[name] {
		content, err := c.file(ctx, status.PodIP, path)
		if err != nil {
			return err
		}
		seen.facts[about+" file "+path] = content
	}
	if slices.Contains(logged, name) {
		content, err := c.file(ctx, status.PodIP, "/data/log")
		if err != nil {
			return err
		}
		seen.logs[name] = strings.Fields(content)
	}
	return nil
}

// file asks the witness in a pod for a file, or for why it has none.
func (c *kubernetesWorld) file(ctx context.Context, address, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+":8080/file"+path, nil)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Timeout: cluster.CallTime}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return response.Status, err
	}
	return string(content), err
}

// settleTime bounds how long evicted pods may take to come back.
const settleTime = 90 * time.Second

// settle waits until every pod is where it shall be: whoever was evicted comes back by itself.
func (c *kubernetesWorld) settle(ctx context.Context) error {
	for deadline := time.Now().Add(settleTime); ; {
		waiting, err := c.unsettled(ctx)
		if err != nil || waiting == "" {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s, %s", settleTime, waiting)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// unsettled names a pod that goes, or one that does not run although its Job wants it to.
func (c *kubernetesWorld) unsettled(ctx context.Context) (string, error) {
	jobs, err := c.api.List(ctx, "/apis/batch/v1/namespaces/"+enclaveNamespace+"/jobs", ourLabel)
	if err != nil {
		return "", err
	}
	pods, err := c.api.List(ctx, "/api/v1/namespaces/"+enclaveNamespace+"/pods", ourLabel)
	if err != nil {
		return "", err
	}
	runs := map[string]bool{}
	for _, pod := range pods {
		if pod.Metadata.DeletionTimestamp != "" {
			return fmt.Sprintf("pod %s still goes", pod.Metadata.Name), nil
		}
		status, err := podStatusOf(pod)
		if err != nil {
			return "", err
		}
		whole := status.Phase == "Running"
		for _, container := range status.ContainerStatuses {
			whole = whole && container.State.Running != nil
		}
		runs[pod.Metadata.Labels["batch.kubernetes.io/job-name"]] = whole
	}
	for _, job := range jobs {
		if !finished(job) && !runs[job.Metadata.Name] {
			return fmt.Sprintf("job %s has no pod that runs", job.Metadata.Name), nil
		}
	}
	return "", nil
}

// finished tells whether a Job has come to its end.
func finished(o cluster.Object) bool {
	conditions, _ := o.Status["conditions"].([]any)
	return slices.ContainsFunc(conditions, func(item any) bool {
		condition, _ := item.(map[string]any)
		return condition["status"] == "True" && (condition["type"] == "Complete" || condition["type"] == "Failed")
	})
}

// goingTime is how long what Kubernetes itself removes may take to go: a namespace that is on its way, when whoever has
// begun that was killed, and the volume of a claim.
const goingTime = time.Minute

// awaitGoing waits while the enclave's namespace goes.
func (c *kubernetesWorld) awaitGoing(ctx context.Context) error {
	for deadline := time.Now().Add(goingTime); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var namespace cluster.Object
		err := c.api.Get(ctx, "/api/v1/namespaces/"+enclaveNamespace, &namespace)
		if errors.Is(err, cluster.ErrMissing) || err == nil && namespace.Metadata.DeletionTimestamp == "" {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leftovers waits for what goes by itself.
func (c *kubernetesWorld) leftovers(ctx context.Context) ([]object, error) {
	if err := c.awaitGoing(ctx); err != nil {
		return nil, err
	}
	var found []object
	namespaces, err := c.api.List(ctx, "/api/v1/namespaces", ourLabel)
	if err != nil {
		return nil, err
	}
	for _, item := range namespaces {
		found = append(found, object{"namespace", item.Metadata.Name, item.Metadata.Name, item.Metadata.Labels})
	}
	for _, of := range clusterKinds {
		items, err := c.api.List(ctx, of.prefix+"/"+of.plural, ourLabel)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			found = append(found, object{of.kind, item.Metadata.UID, item.Metadata.Namespace + "/" + item.Metadata.Name, item.Metadata.Labels})
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return c.volumes(ctx)
}

// volumes lists those that claims have left.
func (c *kubernetesWorld) volumes(ctx context.Context) ([]object, error) {
	for deadline := time.Now().Add(goingTime); ; time.Sleep(100 * time.Millisecond) {
		listed, err := c.api.List(ctx, "/api/v1/persistentvolumes", "")
		if err != nil {
			return nil, err
		}
		var found []object
		for _, item := range listed {
			if item.Text("spec", "claimRef", "namespace") == enclaveNamespace {
				found = append(found, object{"volume", item.Metadata.Name, item.Metadata.Name, nil})
			}
		}
		if len(found) == 0 || time.Now().After(deadline) {
			return found, nil
		}
	}
}

// remove removes namespaces with all that is in them.
func (c *kubernetesWorld) remove(ctx context.Context, objects []object) error {
	var failures []error
	for _, item := range objects {
		if item.kind != "namespace" {
			continue
		}
		path := "/api/v1/namespaces/" + item.name
		if err := c.api.Call(ctx, http.MethodDelete, path, nil, nil); err != nil && !errors.Is(err, cluster.ErrMissing) {
			failures = append(failures, err)
			continue
		}
		failures = append(failures, until(ctx, "the end of namespace "+item.name, func() bool { return errors.Is(c.api.Get(ctx, path, nil), cluster.ErrMissing) }))
	}
	return errors.Join(failures...)
}
