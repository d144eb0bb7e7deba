package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

// openCluster finds the cluster and brings the image of the services into it.
func (b *bench) openCluster(ctx context.Context, family string) (cleaner, error) {
	path := os.Getenv("KUBECONFIG")
	client, err := cluster.New(path)
	if err != nil {
		return nil, fmt.Errorf("KUBECONFIG: %w", err)
	}
	b.at = place{kubeconfig: path}
	if err := client.Get(ctx, "/version", nil); err != nil {
		return nil, fmt.Errorf("the cluster that %s names does not answer: %w", path, err)
	}
	if err := cleanCluster(ctx, client, family, 0); err != nil {
		say("an earlier run left what cannot be removed: %v", err)
	}
	b.image = "sundog-bench/probe:1"
	if b.load != "" {
		if err := loadProbe(ctx, b.settings, b.image); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, still time.Duration) error {
		return cleanCluster(ctx, client, b.prefix, still)
	}, nil
}

// loadProbe brings an image of the probe alone into the cluster's nodes.
func loadProbe(ctx context.Context, s *settings, image string) error {
	binary, err := os.ReadFile(s.probe)
	if err != nil {
		return fmt.Errorf("read the probe: %w", err)
	}
	layer, err := cluster.Archive([]cluster.File{{Name: "probe", Mode: 0o755, Content: binary}})
	if err != nil {
		return err
	}
	path := filepath.Join(s.state, "probe.tar")
	if err := cluster.WriteImage(path, image, "/probe", layer); err != nil {
		return err
	}
	words := append(strings.Fields(s.load), path)
	output, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput() //nolint:gosec // It is what the command line names.
	if err != nil {
		return fmt.Errorf("bring the image of the services into the cluster: %w\n%s", err, output)
	}
	return os.Remove(path)
}

// cleanCluster removes the namespaces whose names have the prefix, whoever made them, and waits until they are gone.
func cleanCluster(ctx context.Context, client *cluster.Client, prefix string, still time.Duration) error {
	last := time.Now()
	for {
		namespaces, err := client.List(ctx, "/api/v1/namespaces", "")
		if err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
		namespaces = slices.DeleteFunc(namespaces, func(item cluster.Object) bool {
			return !strings.HasPrefix(strings.TrimPrefix(item.Metadata.Name, "sundog-"), prefix)
		})
		if len(namespaces) == 0 && time.Since(last) >= still {
			return nil
		}
		for _, item := range namespaces {
			last = time.Now()
			if item.Metadata.DeletionTimestamp != "" {
				continue
			}
			err := client.Call(ctx, http.MethodDelete, "/api/v1/namespaces/"+item.Metadata.Name, nil, nil)
			if err != nil && !errors.Is(err, cluster.ErrMissing) {
				return fmt.Errorf("clean up: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("clean up: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// newClusterCounter serves on a port of this machine, where nobody needs credentials.
func newClusterCounter(ctx context.Context, folder string, at place) (*counter, error) {
	client, err := cluster.New(at.kubeconfig)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(client.Server)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.kubeconfig, err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("count API calls: %w", err)
	}
	c := &counter{at: place{kubeconfig: filepath.Join(folder, "count.kubeconfig")}, calls: map[string]int{}, name: clusterCallName}
	document := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "bench",
"clusters": [{"name": "bench", "cluster": {"server": "http://%s"}}], "contexts": [{"name": "bench", "context": {"cluster": "bench"}}]}`, listener.Addr())
	if err := os.WriteFile(c.at.kubeconfig, []byte(document), 0o600); err != nil {
		return nil, err
	}
	c.serve(listener, target, client.Transport())
	return c, nil
}

// clusterCallName is a call without its namespace, and with a placeholder for whose it is.
func clusterCallName(r *http.Request) string {
	method := r.Method
	if r.URL.Query().Get("watch") != "" {
		method = "WATCH"
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return method + " /" + strings.Join(parts, "/")
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	if len(parts) > 1 {
		parts[1] = "{name}"
	}
	return method + " " + strings.Join(parts, "/")
}
