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
	"sync"
	"syscall"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

// The disturbances of a cluster.
const (
	killServer    kind = "kill API server"    // by SIGKILL
	restartServer kind = "restart API server" // politely
	evictOne      kind = "evict one pod"
	evictAll      kind = "evict all pods" // as a drain does
	killKubelet   kind = "kill kubelet"
)

// clusterOptions say which cluster is used. It is one of our own, of one node, whose processes run on this machine and are
// started again by whoever started them.
type clusterOptions struct {
	kubeconfig string
	state      string // the folder that stands in the command lines of its processes
	load       string // the command that brings an image archive into the node
}

// kubernetesWorld is a Kubernetes cluster of our own.
type kubernetesWorld struct {
	options clusterOptions
	folder  string
	api     *cluster.Client
	line    *wire
	address string // of the wire
	// transport is the wire's to the API server.
	transport *http.Transport

	mutex         sync.Mutex
	evicted       map[string]bool // services whose pods were evicted in this round
	kubeletKilled bool            // in this round
	number        int             // of the round
}

// serverTime bounds how long a process of the cluster may take to be there again.
const serverTime = 90 * time.Second

func newKubernetesWorld(folder string, options clusterOptions) (*kubernetesWorld, error) {
	direct, err := cluster.New(options.kubeconfig)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(direct.Server)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", options.kubeconfig, err)
	}
	c := &kubernetesWorld{options: options, folder: folder, api: direct}
	c.transport = direct.Transport()
	c.line = &wire{
		target: target, transport: c.transport, listen: c.listen, changes: changesCluster, gentle: true,
	}
	return c, nil
}

// changesCluster leaves out the sign of life that holders of locks give by the clock.
func changesCluster(r *http.Request) bool {
	if strings.HasSuffix(r.URL.Path, "/exec") {
		return true
	}
	return r.Method != http.MethodGet && r.Method != http.MethodHead && (r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/leases/"))
}

// listen takes the same port again.
func (c *kubernetesWorld) listen(ctx context.Context) (net.Listener, error) {
	address := c.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		c.address = listener.Addr().String()
	}
	return listener, err
}

func (c *kubernetesWorld) kubeconfig() string { return filepath.Join(c.folder, "kubeconfig") }

func (c *kubernetesWorld) begin(ctx context.Context, witness string) error {
	if err := c.line.open(ctx); err != nil {
		return err
	}
	// Whoever comes by the wire needs no credentials.
	document := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "chaos",
"clusters": [{"name": "chaos", "cluster": {"server": "http://%s"}}], "contexts": [{"name": "chaos", "context": {"cluster": "chaos"}}]}`, c.address)
	if err := os.WriteFile(c.kubeconfig(), []byte(document), 0o600); err != nil {
		return err
	}
	archive := filepath.Join(c.folder, "base.tar")
	if err := writeBase(ctx, archive, witness); err != nil {
		return fmt.Errorf("make the image of the services: %w", err)
	}
	words := append(strings.Fields(c.options.load), archive)
	if output, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil { //nolint:gosec // It is what the command line names.
		return fmt.Errorf("bring the image into the cluster: %w\n%s", err, output)
	}
	left, err := c.leftovers(ctx)
	if err != nil {
		return err
	}
	return c.remove(ctx, left)
}

func (c *kubernetesWorld) end() error  { return nil }
func (c *kubernetesWorld) wire() *wire { return c.line }
func (c *kubernetesWorld) environment() []string {
	return []string{"KUBECONFIG=" + c.kubeconfig(), "SUNDOG_BACKEND=kubernetes"}
}
func (c *kubernetesWorld) builds() bool { return false }

func (c *kubernetesWorld) kinds() kinds {
	return kinds{
		command: []kind{killBoth, killServer, killFirst, evictOne, killBoth, restartServer, evictAll, killKubelet},
		cli:     []kind{killAll, killProvider, killServer, killCLI, evictAll, killProvider, restartServer, killKubelet, evictOne},
	}
}

func (c *kubernetesWorld) ready(ctx context.Context, r round) error {
	c.mutex.Lock()
	c.evicted, c.kubeletKilled, c.number = map[string]bool{}, false, r.number
	c.mutex.Unlock()
	return c.awaitServer(ctx)
}

func (c *kubernetesWorld) strike(ctx context.Context, kind kind, ended <-chan struct{}) (struck bool, err error) {
	switch kind {
	case killServer, restartServer:
		signal := syscall.SIGKILL
		if kind == restartServer {
			signal = syscall.SIGTERM
		}
		// Nobody answers meanwhile, also not the wire.
		c.line.close()
		if err := c.endProcess(ctx, "kube-apiserver", signal); err != nil {
			return true, err
		}
		if err := c.awaitServer(ctx); err != nil {
			return true, err
		}
		// None of them leads to this server.
		c.transport.CloseIdleConnections()
		return true, c.line.open(ctx)
	case killKubelet:
		c.mutex.Lock()
		c.kubeletKilled = true
		c.mutex.Unlock()
		return true, c.endProcess(ctx, "kubelet", syscall.SIGKILL)
	case evictOne, evictAll:
		return c.evict(ctx, kind == evictAll, ended)
	default:
		return false, fmt.Errorf("%s is nothing that can be done to a cluster", kind)
	}
}

// process finds a process of the cluster by its program and by the folder that is its alone.
func (c *kubernetesWorld) process(program string) (process, bool) {
	for _, item := range processes() {
		name, _, _ := strings.Cut(item.command, " ")
		if filepath.Base(name) == program && strings.Contains(item.command, c.options.state+"/") {
			return item, true
		}
	}
	return process{}, false
}

// endProcess ends a process, and waits until another one stands in its place.
func (c *kubernetesWorld) endProcess(ctx context.Context, program string, signal syscall.Signal) error {
	first, found := c.process(program)
	if !found {
		return fmt.Errorf("the cluster has no %s that could be ended", program)
	}
	if err := syscall.Kill(first.pid, signal); err != nil {
		return fmt.Errorf("end %s: %w", program, err)
	}
	return until(ctx, "another "+program, func() bool {
		second, found := c.process(program)
		return found && second.pid != first.pid
	})
}

func (c *kubernetesWorld) awaitServer(ctx context.Context) error {
	return until(ctx, "the API server", func() bool { return c.api.Get(ctx, "/readyz", nil) == nil })
}

func until(ctx context.Context, what string, holds func() bool) error {
	for deadline := time.Now().Add(serverTime); !holds(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not there within %s", what, serverTime)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// evictTime is how long there may be no pod to evict: a call that is struck at waits meanwhile.
const evictTime = 3 * time.Second

// evict evicts pods that are at work, once there are any.
func (c *kubernetesWorld) evict(ctx context.Context, all bool, ended <-chan struct{}) (struck bool, err error) {
	for deadline := time.Now().Add(evictTime); time.Now().Before(deadline); {
		found, err := c.atWork(ctx)
		if err != nil {
			return false, err
		}
		if len(found) > 0 && !all {
			c.mutex.Lock()
			chosen := c.number % len(found)
			c.mutex.Unlock()
			found = found[chosen : chosen+1]
		}
		if struck, err := c.evictPods(ctx, found); struck || err != nil {
			return struck, err
		}
		select {
		case <-ended:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false, nil
}

// atWork lists the pods that have not ended, by service.
func (c *kubernetesWorld) atWork(ctx context.Context) ([]cluster.Object, error) {
	listed, err := c.api.List(ctx, "/api/v1/namespaces/"+enclaveNamespace+"/pods", ourLabel)
	if err != nil {
		return nil, err
	}
	var found []cluster.Object
	for _, item := range listed {
		phase := item.Text("status", "phase")
		if item.Metadata.DeletionTimestamp == "" && (phase == "Running" || phase == "Pending") {
			found = append(found, item)
		}
	}
	slices.SortFunc(found, func(a, b cluster.Object) int {
		return strings.Compare(a.Metadata.Labels[serviceLabel]+a.Metadata.Name, b.Metadata.Labels[serviceLabel]+b.Metadata.Name)
	})
	return found, nil
}

func (c *kubernetesWorld) evictPods(ctx context.Context, found []cluster.Object) (struck bool, err error) {
	for _, item := range found {
		body := map[string]any{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": item.Metadata.Name, "namespace": enclaveNamespace}}
		err := c.api.Call(ctx, http.MethodPost, "/api/v1/namespaces/"+enclaveNamespace+"/pods/"+item.Metadata.Name+"/eviction", body, nil)
		if errors.Is(err, cluster.ErrMissing) || err != nil && strings.Contains(err.Error(), "NamespaceTerminating") {
			continue // It goes by itself.
		}
		if err != nil {
			return struck, err
		}
		struck = true
		c.mutex.Lock()
		c.evicted[item.Metadata.Labels[serviceLabel]] = true
		c.mutex.Unlock()
	}
	return struck, nil
}

func (c *kubernetesWorld) label(kind kind) string { return string(kind) }

func (c *kubernetesWorld) excuses(_ kind, service string) (replaced, started bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.evicted[service], c.evicted[service]
}

func (c *kubernetesWorld) lost() bool { return false }
