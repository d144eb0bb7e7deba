package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// waitTime is how long the peers on Kubernetes wait for pods.
const waitTime = "300s"

// kubectl is the lower bound that a user of a cluster has: manifests that are applied, and a wait for what they bring about.
type kubectl struct {
	program
	binary           string
	at               place
	namespace, image string
	last             workload
}

const manifestFile = "manifest.yaml"

func (k *kubectl) prepare(ctx context.Context, folder string) error {
	k.folder, k.environment, k.last = folder, isolated(folder, k.at), workload{}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return discover(ctx, &k.program, k.binary)
}

// discover has a program's home know what the cluster has, as a user's does.
func discover(ctx context.Context, p *program, kubectl string) error {
	return p.run(ctx, kubectl, "api-resources", "--output", "name")
}

// deployment is one service as users of Kubernetes write it.
func deployment(name, image, version string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  selector: {app: %[1]s}
  ports: [{name: main, port: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      automountServiceAccountToken: false
      containers:
      - name: service
        image: %[2]s
        imagePullPolicy: IfNotPresent
        env: [{name: VERSION, value: %[3]q}]
        ports: [{containerPort: 8080}]
`, name, image, version)
}

func (k *kubectl) document(w workload) string {
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s: %s}}\n", k.namespace, labelBench, k.namespace)
	for i := range w.services {
		text.WriteString(deployment(serviceName(i), k.image, w.value(i)))
	}
	return text.String()
}

func (k *kubectl) call(ctx context.Context, arguments ...string) error {
	return k.run(ctx, k.binary, append([]string{"--namespace", k.namespace}, arguments...)...)
}

func (k *kubectl) apply(ctx context.Context, w workload) error {
	before := k.last
	k.last = w
	if err := os.WriteFile(filepath.Join(k.folder, manifestFile), []byte(k.document(w)), 0o600); err != nil {
		return err
	}
	if w.services < before.services {
		name := serviceName(w.services)
		return k.call(ctx, "delete", "--wait", "service/"+name, "deployment/"+name)
	}
	if err := k.call(ctx, "apply", "--filename", manifestFile); err != nil {
		return err
	}
	if w.version != before.version {
		return k.call(ctx, "rollout", "status", "deployment/"+serviceName(0), "--timeout", waitTime)
	}
	return k.call(ctx, "wait", "--for=condition=Available", "deployment", "--all", "--timeout", waitTime)
}

func (k *kubectl) destroy(ctx context.Context) error {
	return k.run(ctx, k.binary, "delete", "namespace", k.namespace, "--wait")
}
