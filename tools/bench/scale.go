package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

// size is how many enclaves of how many services each a cluster is filled with.
type size struct{ enclaves, services int }

var _ flag.Value = (*size)(nil)

// String implements flag.Value.
func (s *size) String() string { return fmt.Sprintf("%d:%d", s.enclaves, s.services) }

// Set implements flag.Value: ENCLAVES:SERVICES.
func (s *size) Set(text string) error {
	if _, err := fmt.Sscanf(text, "%d:%d", &s.enclaves, &s.services); err != nil || s.enclaves < 1 || s.services < 1 {
		return fmt.Errorf("%q is not ENCLAVES:SERVICES, for example 500:10", text)
	}
	return nil
}

// aimScale is how much longer an operation may take in a full cluster than in an empty one.
const aimScale = 1.2

// opObserve asks for all of one enclave.
const opObserve = "observe"

var scaleOperations = []string{opCreate, opObserve, opNoop, opDestroy}

// podsPerNode is how many pods a pretended node takes.
const podsPerNode = 1000

// scaled is what was measured at one filling.
type scaled struct {
	Samples samples                   `json:"samples"`
	Calls   map[string]map[string]int `json:"api_calls"`
	Peak    map[string]int64          `json:"peak_memory"`
}

// scaleReport is all that was measured.
type scaleReport struct {
	Started            time.Time     `json:"started"`
	Enclaves, Services int           `json:"-"`
	Filled             time.Duration `json:"filled_in"`
	Objects            int64         `json:"objects"`
	Empty, Full        scaled
}

// scale measures one enclave in an empty cluster, fills the cluster, and measures one enclave more. The cluster has pretended
// pods and is thrown away afterwards: what it was filled with stays.
func (b *bench) scale(ctx context.Context) error {
	client, err := cluster.New(b.at.kubeconfig)
	if err != nil {
		return err
	}
	report := &scaleReport{Started: time.Now().UTC(), Enclaves: b.size.enclaves, Services: b.size.services}
	if err := addNodes(ctx, client, b.size.enclaves*b.size.services/podsPerNode+2); err != nil {
		return err
	}
	say("an empty cluster")
	if report.Empty, err = b.scaleAt(ctx, "empty"); err != nil {
		return err
	}
	say("filling it with %d enclaves of %d services", b.size.enclaves, b.size.services)
	began := time.Now()
	if report.Objects, err = b.fill(ctx, client); err != nil {
		return err
	}
	report.Filled = time.Since(began)
	say("filled in %s", report.Filled.Round(time.Second))
	if report.Full, err = b.scaleAt(ctx, "full"); err != nil {
		return err
	}
	return report.write(b.state)
}

// addNodes adds nodes on which pods are pretended to run.
func addNodes(ctx context.Context, client *cluster.Client, count int) error {
	for i := range count {
		capacity := map[string]string{"cpu": "1000", "memory": "4000Gi", "pods": strconv.Itoa(podsPerNode)}
		name := fmt.Sprintf("bench-%d", i)
		node := map[string]any{
			"apiVersion": "v1", "kind": "Node",
			"metadata": map[string]any{
				"name": name, "annotations": map[string]string{"kwok.x-k8s.io/node": "fake"},
				"labels": map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
			},
			"status": map[string]any{"allocatable": capacity, "capacity": capacity},
		}
		if err := client.Call(ctx, http.MethodPost, "/api/v1/nodes", node, nil); err != nil && !strings.Contains(err.Error(), "AlreadyExists") {
			return fmt.Errorf("add a node: %w", err)
		}
	}
	return nil
}

// scaleAt takes one enclave through the operations, again and again, and then once more to count.
func (b *bench) scaleAt(ctx context.Context, name string) (scaled, error) {
	result := scaled{Samples: samples{}, Calls: map[string]map[string]int{}, Peak: map[string]int64{}}
	// The first one of all warms what is kept between runs.
	for i := range b.repeat + 1 {
		into := result.Samples
		if i == 0 {
			into = samples{}
		}
		if err := b.scaleOnce(ctx, name, b.at, func(operation string, work func() error) error { return into.add(operation, work) }); err != nil {
			return result, err
		}
	}
	count, err := newCounter(ctx, b.state, b.at)
	if err != nil {
		return result, err
	}
	err = b.scaleOnce(ctx, name, count.at, func(operation string, work func() error) error {
		// What the kernel tells of a child's memory once it has ended holds the parent's too, which has grown by filling.
		peak := watchPeak(b.scaleFolder())
		err := work()
		result.Calls[operation], result.Peak[operation] = count.take(), peak()
		return err
	})
	return result, errors.Join(err, count.close())
}

// scaleFolder is where the command is that is measured, under a name of its own.
func (b *bench) scaleFolder() string { return filepath.Join(b.state, "work", "scale", "bin") }

func (b *bench) scaleOnce(ctx context.Context, name string, at place, carryOut func(operation string, work func() error) error) error {
	folder, err := b.folder("scale")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.scaleFolder(), 0o700); err != nil {
		return err
	}
	binary := filepath.Join(b.scaleFolder(), "sundog")
	if err := link(b.sundog, binary); err != nil {
		return err
	}
	e := &engine{binary: binary, at: at, enclave: b.prefix + name, image: b.image, script: portPackage}
	if err := e.prepare(ctx, folder); err != nil {
		return err
	}
	w := workload{services: b.size.services}
	work := map[string]func() error{
		opCreate:  func() error { return e.apply(ctx, w) },
		opObserve: func() error { return e.run(ctx, e.binary, "enclave", "inspect", e.enclave) },
		opNoop:    func() error { return e.apply(ctx, w) },
		opDestroy: func() error { return e.destroy(ctx) },
	}
	for _, operation := range scaleOperations {
		if err := carryOut(operation, work[operation]); err != nil {
			return err
		}
	}
	return nil
}

// copied are the kinds of objects that an enclave consists of.
var copied = []string{"/api/v1|secrets", "/api/v1|configmaps", "/api/v1|services", "/apis/batch/v1|jobs"}

// fillers is how many enclaves are made at the same time.
const fillers = 8

// fill makes one enclave by Sundog and copies all its objects under other names: the objects are the same as if Sundog had made
// every enclave, and it takes minutes and not hours.
func (b *bench) fill(ctx context.Context, client *cluster.Client) (objects int64, err error) {
	folder, err := b.folder("fill")
	if err != nil {
		return 0, err
	}
	e := &engine{binary: b.sundog, at: b.at, enclave: b.prefix + "fill", image: b.image, script: portPackage}
	if err := e.prepare(ctx, folder); err != nil {
		return 0, err
	}
	if err := e.apply(ctx, workload{services: b.size.services}); err != nil {
		return 0, err
	}
	namespace := "sundog-" + e.enclave
	var pattern map[string]any
	if err := client.Get(ctx, "/api/v1/namespaces/"+namespace, &pattern); err != nil {
		return 0, err
	}
	found := map[string][]map[string]any{}
	for _, kind := range copied {
		prefix, plural, _ := strings.Cut(kind, "|")
		var listed struct {
			Items []map[string]any `json:"items"`
		}
		if err := client.Get(ctx, prefix+"/namespaces/"+namespace+"/"+plural+"?labelSelector=sundog.dev%2Fmanaged-by%3Dsundog", &listed); err != nil {
			return 0, err
		}
		found[kind] = listed.Items
	}
	var made atomic.Int64
	work := make(chan int)
	failed := make(chan error, fillers)
	for range fillers {
		go func() {
			for i := range work {
				if err := b.copyEnclave(ctx, client, pattern, found, fmt.Sprintf("%s-%d", e.enclave, i), &made); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	err = b.feed(ctx, work, failed)
	if err == nil {
		err = awaitPods(ctx, client, b.size.enclaves*b.size.services)
	}
	return made.Load(), err
}

// feed hands the work out. The one enclave that was made is the first.
func (b *bench) feed(ctx context.Context, work chan<- int, failed <-chan error) error {
	var failures []error
	ended := 0
	for i := 1; i < b.size.enclaves && ended < fillers; {
		select {
		case work <- i:
			i++
			if i%100 == 0 {
				say("%d enclaves", i)
			}
		case err := <-failed:
			failures = append(failures, err)
			ended++
		case <-ctx.Done():
			failures = append(failures, context.Cause(ctx))
			ended = fillers
		}
	}
	close(work)
	for ; ended < fillers; ended++ {
		failures = append(failures, <-failed)
	}
	return errors.Join(failures...)
}

// copyEnclave makes an enclave after the pattern of another one.
func (b *bench) copyEnclave(ctx context.Context, client *cluster.Client, pattern map[string]any, found map[string][]map[string]any, enclave string, made *atomic.Int64) error {
	before := b.prefix + "fill"
	post := func(path string, object map[string]any) error {
		made.Add(1)
		return client.Call(ctx, http.MethodPost, path, object, nil)
	}
	namespace, err := renamed(pattern, before, enclave)
	if err != nil {
		return err
	}
	if err := post("/api/v1/namespaces", namespace); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	for _, kind := range copied {
		prefix, plural, _ := strings.Cut(kind, "|")
		for _, object := range found[kind] {
			twin, err := renamed(object, before, enclave)
			if err != nil {
				return err
			}
			if err := post(prefix+"/namespaces/sundog-"+enclave+"/"+plural, twin); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
	}
	return nil
}

// renamed is an object of another enclave, as it is sent to be made.
func renamed(object map[string]any, before, after string) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var result map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), before, after)), &result); err != nil {
		return nil, err
	}
	delete(result, "status")
	if metadata, ok := result["metadata"].(map[string]any); ok {
		for _, own := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"} {
			delete(metadata, own)
		}
	}
	spec, _ := result["spec"].(map[string]any)
	for _, own := range []string{"clusterIP", "clusterIPs", "selector", "finalizers"} {
		// The selector of a Service stays, that of a Job is the server's.
		if own == "selector" && spec["template"] == nil {
			continue
		}
		delete(spec, own)
	}
	if template, ok := spec["template"].(map[string]any); ok {
		metadata, _ := template["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		maps.DeleteFunc(labels, func(key string, _ any) bool {
			return strings.Contains(key, "controller-uid") || strings.Contains(key, "job-name")
		})
	}
	return result, nil
}

// fillTime bounds how long pods may take to be pretended.
const fillTime = 20 * time.Minute

// awaitPods waits until that many pods are at work or have been.
func awaitPods(ctx context.Context, client *cluster.Client, count int) error {
	for deadline := time.Now().Add(fillTime); ; {
		pods, err := client.List(ctx, "/api/v1/pods", "sundog.dev/managed-by=sundog")
		if err != nil {
			return err
		}
		begun := 0
		for _, pod := range pods {
			if phase := pod.Text("status", "phase"); phase == "Running" || phase == "Succeeded" {
				begun++
			}
		}
		if begun >= count {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("fill: %d of %d pods run after %s", begun, count, fillTime)
		}
		say("%d of %d pods run", begun, count)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Second):
		}
	}
}

// write writes the report to standard output and, as Markdown and JSON, into a folder.
func (r *scaleReport) write(folder string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "# Sundog in a full cluster\n\n%s. One enclave of %d services, in an empty cluster and in one with %d enclaves of %d services each.\n", r.Started.Format(time.DateTime), r.Services, r.Enclaves, r.Services)
	fmt.Fprintf(&text, "It was filled in %s with %d objects, copies of those of an enclave that Sundog made; pods are pretended.\n", r.Filled.Round(time.Second), r.Objects)
	fmt.Fprintf(&text, "Each operation is a process of its own. Times are medians, in brackets the fastest.\n\n| operation | empty | full | ratio | of the fastest | at most | met | calls, empty | calls, full | memory, empty | memory, full |\n|%s\n", strings.Repeat(" --- |", 11))
	for _, operation := range scaleOperations {
		own, other := r.Full.Samples[operation], r.Empty.Samples[operation]
		ratio, best := float64(median(own))/float64(median(other)), float64(fastest(own))/float64(fastest(other))
		met := "yes"
		if ratio > aimScale {
			met = "**no**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %.2f | %.2f | %.2f | %s | %d | %d | %.0f MiB | %.0f MiB |\n", operation, shownTime(other), shownTime(own), ratio, best, aimScale, met,
			total(r.Empty.Calls[operation]), total(r.Full.Calls[operation]), float64(r.Empty.Peak[operation])/mebibyte, float64(r.Full.Peak[operation])/mebibyte)
	}
	text.WriteString("\nThe calls in the full cluster:\n\n")
	for _, operation := range scaleOperations {
		calls := r.Full.Calls[operation]
		var parts []string
		for _, name := range byCount(calls) {
			parts = append(parts, fmt.Sprintf("%d × %s", calls[name], name))
		}
		fmt.Fprintf(&text, "- %s: %s\n", operation, strings.Join(parts, ", "))
	}
	fmt.Print(text.String())
	document, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "scale.md"), []byte(text.String()), 0o600),
		os.WriteFile(filepath.Join(folder, "scale.json"), append(document, '\n'), 0o600),
	)
}
