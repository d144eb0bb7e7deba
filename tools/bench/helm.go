package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
)

// helm is Helm, with a chart of the same manifests.
type helm struct {
	program
	binary, kubectl  string
	at               place
	namespace, image string
}

// chartTemplate makes what the function deployment makes.
const chartTemplate = `{{- range .Values.services }}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .name }}}
spec:
  selector: {app: {{ .name }}}
  ports: [{name: main, port: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .name }}}
spec:
  selector: {matchLabels: {app: {{ .name }}}}
  template:
    metadata: {labels: {app: {{ .name }}}}
    spec:
      automountServiceAccountToken: false
      containers:
      - name: service
        image: {{ $.Values.image }}
        imagePullPolicy: IfNotPresent
        env: [{name: VERSION, value: {{ .version | quote }}}]
        ports: [{containerPort: 8080}]
{{- end }}
`

func (h *helm) prepare(ctx context.Context, folder string) error {
	h.folder, h.environment = folder, isolated(folder, h.at)
	templates := filepath.Join(folder, "chart", "templates")
	if err := os.MkdirAll(templates, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "chart", "Chart.yaml"), []byte("apiVersion: v2\nname: bench\nversion: 0.1.0\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(templates, "services.yaml"), []byte(chartTemplate), 0o600); err != nil {
		return err
	}
	return discover(ctx, &h.program, h.kubectl)
}

func (h *helm) apply(ctx context.Context, w workload) error {
	services := make([]map[string]string, w.services)
	for i := range services {
		services[i] = map[string]string{"name": serviceName(i), "version": w.value(i)}
	}
	values, err := json.Marshal(map[string]any{"image": h.image, "services": services})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(h.folder, "values.json"), values, 0o600); err != nil {
		return err
	}
	return h.run(ctx, h.binary, "upgrade", "bench", "chart", "--install", "--namespace", h.namespace, "--create-namespace", "--values", "values.json", "--wait", "--timeout", waitTime)
}

// destroy removes the namespace too, which Helm made.
func (h *helm) destroy(ctx context.Context) error {
	if err := h.run(ctx, h.binary, "uninstall", "bench", "--namespace", h.namespace, "--wait", "--timeout", waitTime); err != nil {
		return err
	}
	return h.run(ctx, h.kubectl, "delete", "namespace", h.namespace, "--wait")
}
