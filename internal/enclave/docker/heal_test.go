package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// createForeigner starts a container of somebody else in a network, without asking for an address.
func createForeigner(t *testing.T, conn *connection, image, network, name string) string {
	t.Helper()
	created, err := conn.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: image, Cmd: []string{"serve"}}, HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(network)},
	})
	must(t, err)
	t.Cleanup(func() { _ = conn.removeContainer(context.Background(), created.ID) })
	_, err = conn.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{})
	must(t, err)
	return created.ID
}

// TestDockerCompletesHalfMadeEnclaves makes by hand what a killed creation leaves behind.
func TestDockerCompletesHalfMadeEnclaves(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	owner := map[string]string{enclave.LabelOwner: testOwner}
	store := func(name string) error {
		_, err := conn.createFromEmpty(t.Context(), storeName(name), objectLabels(name, roleStore, owner))
		return err
	}
	network := func(name string) error { return backend.completeNetwork(t.Context(), conn, name, testOwner) }
	for title, prepare := range map[string]func(name string) error{
		"store without network": store,
		"network without store": network,
		"network and store without record": func(name string) error {
			if err := store(name); err != nil {
				return err
			}
			return network(name)
		},
		"network that only asked for a subnet": func(name string) error {
			_, err := conn.NetworkCreate(t.Context(), networkName(name)+"_probe", client.NetworkCreateOptions{Labels: objectLabels(name, roleProbe, owner)})
			return err
		},
		"note that an engine was killed over": func(name string) error {
			if err := store(name); err != nil {
				return err
			}
			_, err := conn.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: notePrefix(name) + "0123_4567"})
			return err
		},
		"lock of a dead process": func(name string) error {
			labels := objectLabels(name, roleLock, map[string]string{labelHolderProcess: `{"machine":"` + lockholder.Machine() + `","pid":1,"started":"never"}`})
			_, err := conn.createFromEmpty(t.Context(), lockName(name, "create"), labels)
			return err
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			name := reserveEnclave(t, backend)
			must(t, prepare(name))
			if _, err := backend.Enclave(t.Context(), name); err == nil {
				t.Error("a half-made enclave is found")
			}
			created, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
			must(t, err)
			if created.Owner != testOwner || len(created.Key) != keySize {
				t.Errorf("got %+v", created)
			}
			networks, err := conn.NetworkList(t.Context(), client.NetworkListOptions{Filters: withLabels(ofEnclave(name))})
			must(t, err)
			if len(networks.Items) != 1 {
				t.Errorf("there are %d networks, want 1", len(networks.Items))
			}
		})
	}
	t.Run("half-made enclave of another owner", func(t *testing.T) {
		t.Parallel()
		name := reserveEnclave(t, backend)
		must(t, store(name))
		_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: "somebody else"})
		mentions(t, err, name, testOwner)
	})
}

// TestDockerLeavesOneOfTwoNetworks makes what an engine does that goes on with the request of a process which was killed,
// while the next process makes the same network: two of one name.
func TestDockerLeavesOneOfTwoNetworks(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	images := enclavetest.BuildImages(t, backend)
	for title, prepare := range map[string]func(name string) error{
		"while the enclave is made": func(name string) error {
			return backend.completeNetwork(t.Context(), conn, name, testOwner)
		},
		"after it was made": func(name string) error {
			_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
			return err
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			name := reserveEnclave(t, backend)
			must(t, prepare(name))
			addTwin(t, conn, name)
			_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
			must(t, err)
			networks, err := conn.networksOf(t.Context(), name)
			must(t, err)
			if len(networks) != 1 {
				t.Fatalf("there are %d networks, want 1", len(networks))
			}
			must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service)))
		})
	}
}

// addTwin makes one more network of an enclave's name. Docker's own client asks engines of before 25 to look for such first;
// engines from then on refuse it by themselves.
func addTwin(t *testing.T, conn *connection, name string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"Name": networkName(name), "Driver": "bridge", "CheckDuplicate": false,
		"Labels": objectLabels(name, roleNetwork, map[string]string{enclave.LabelOwner: testOwner}),
	})
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://docker/v1.41/networks/create", bytes.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return conn.Dialer()(ctx) }}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	must(t, err)
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusCreated:
	case http.StatusConflict:
		t.Skip("this engine lets no two networks bear one name")
	default:
		t.Fatalf("the engine answers %s", response.Status)
	}
}

// TestDockerReplacesHalfMadeServices makes by hand what a killed creation of a service leaves behind.
func TestDockerReplacesHalfMadeServices(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	images := enclavetest.BuildImages(t, backend)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service)
	created, err := backend.CreateService(t.Context(), name, request)
	must(t, err)
	// Killed after the old container was removed and before the new one got its name.
	must(t, conn.rename(t.Context(), created.ID, pendingName(name, "api")))
	snapshot, err := backend.Observe(t.Context(), name)
	must(t, err)
	if len(snapshot.Services) != 0 || len(snapshot.Extra) != 1 || snapshot.Extra[0].Name != "api" {
		t.Errorf("observed %v and %v, want one extra service", snapshot.Services, snapshot.Extra)
	}
	again, err := backend.CreateService(t.Context(), name, request)
	must(t, err)
	if again.ID == created.ID || again.IPAddress != created.IPAddress || again.Ports["http"].HostPort != created.Ports["http"].HostPort {
		t.Errorf("got %+v, want a new container with address and port of %+v", again, created)
	}
	// Killed before the new container was filled: both are there.
	other := request
	other.Digest = "d2"
	pending, err := connectionOf(t, backend).predecessors(t.Context(), name, other)
	must(t, err)
	_, _, err = backend.createPending(t.Context(), conn, other, pending)
	must(t, err)
	must(t, createAndStart(t.Context(), backend, name, other))
	final, err := backend.Observe(t.Context(), name)
	must(t, err)
	if len(final.Extra) != 0 || final.Services["api"].Digest != "d2" || final.Services["api"].State != enclave.StateRunning {
		t.Errorf("observed %+v and %v", final.Services, final.Extra)
	}
	volumes, err := conn.VolumeList(t.Context(), client.VolumeListOptions{Filters: withLabels(ofEnclave(name), ofRole(roleVolume))})
	must(t, err)
	if len(volumes.Items) != 1 {
		t.Errorf("there are %d volumes, want the persistent one only", len(volumes.Items))
	}
	// A service that was made and never started is removed like any other.
	must(t, backend.RemoveService(t.Context(), name, "api"))
}

// TestDockerHealsAfterAKill kills a process after each of its requests in turn: creation, replacement and removal must
// come to the same end when they are simply repeated.
func TestDockerHealsAfterAKill(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	images := enclavetest.BuildImages(t, backend)
	for _, kind := range []string{"create", "replace", "remove"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			trial := &killing{T: t, backend: backend, kind: kind, request: serviceRequest(t, backend, images.Service)}
			limit := int64(1)
			for trial.killAfter(limit) {
				limit++
			}
			t.Logf("%s takes %d requests", kind, limit-1)
			if limit < 5 {
				t.Errorf("only %d requests were cut", limit-1)
			}
		})
	}
}

// killing is one kind of job that is killed again and again.
type killing struct {
	*testing.T
	backend *Backend
	kind    string
	request enclave.ServiceRequest
	// name is the enclave's, address that of its service before the job; a service is replaced in the same enclave each time.
	name, address string
}

// prepare makes what the job is about.
func (k *killing) prepare() {
	k.Helper()
	ctx := k.Context()
	if k.kind == "replace" && k.name != "" {
		return
	}
	k.name = reserveEnclave(k.T, k.backend)
	if k.kind == "create" {
		return
	}
	_, err := k.backend.CreateEnclave(ctx, enclave.Spec{Name: k.name, Owner: testOwner})
	must(k.T, err)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("a.txt", 0o644, "alpha")})
	must(k.T, err)
	must(k.T, k.backend.PutArtifact(ctx, k.name, tree.Digest(), tree.WriteTar))
	k.request.Spec.Files["/data"] = plan.Mount{Artifacts: []string{"seed"}}
	k.request.Artifacts = map[string]string{"seed": tree.Digest()}
	must(k.T, createAndStart(ctx, k.backend, k.name, k.request))
	exec1(k.T, k.backend, k.name, "api", "write", "/keep/a.txt", "kept")
	service, err := k.backend.Service(ctx, k.name, "api")
	must(k.T, err)
	k.address = service.IPAddress
}

// killAfter kills a child after some requests and repeats its job. It reports false if the child was done before.
func (k *killing) killAfter(limit int64) (killed bool) {
	k.Helper()
	k.prepare()
	ctx := k.Context()
	if k.kind != "replace" {
		// The engine has only some thirty subnets, so each enclave goes at once.
		defer func() { must(k.T, k.backend.RemoveEnclave(ctx, k.name)) }()
	}
	k.request.Digest = fmt.Sprintf("d%d", limit)
	// The end of its context kills a child by SIGKILL.
	life, kill := context.WithCancel(ctx)
	defer kill()
	cut := newGate(k.T, k.backend, limit, kill)
	output, err := child(life, k.T, childJob{Kind: k.kind, Host: cut.Host, Enclave: k.name, Request: &k.request}).CombinedOutput()
	if cut.requests.Load() <= limit {
		if err != nil {
			k.Fatalf("the child failed by itself: %v\n%s", err, output)
		}
		return false
	}
	if k.kind == "remove" {
		k.checkAllOrNothing(limit)
		must(k.T, k.backend.RemoveEnclave(ctx, k.name))
		if remaining := connectionOf(k.T, k.backend).remaining(ctx, k.name); remaining != "" {
			k.Errorf("after %d requests: there remain %s", limit, remaining)
		}
		return true
	}
	_, err = k.backend.CreateEnclave(ctx, enclave.Spec{Name: k.name, Owner: testOwner})
	must(k.T, err)
	k.checkComplete(limit)
	must(k.T, createAndStart(ctx, k.backend, k.name, k.request))
	k.checkHealed(limit)
	return true
}

// checkAllOrNothing makes the enclave again: it must be the one before with all that was in it, or a new one with nothing.
func (k *killing) checkAllOrNothing(limit int64) {
	k.Helper()
	_, err := k.backend.CreateEnclave(k.Context(), enclave.Spec{Name: k.name, Owner: testOwner})
	must(k.T, err)
	snapshot, err := k.backend.Observe(k.Context(), k.name)
	must(k.T, err)
	volumes, err := connectionOf(k.T, k.backend).VolumeList(k.Context(), client.VolumeListOptions{Filters: withLabels(ofEnclave(k.name), ofRole(roleVolume))})
	must(k.T, err)
	stored, err := k.backend.ListArtifacts(k.Context(), k.name)
	must(k.T, err)
	got := [3]int{len(snapshot.Services), len(volumes.Items), len(stored)}
	if got != [3]int{} && got != [3]int{1, len(k.request.Spec.Files), 1} {
		k.Errorf("after %d requests: the enclave has %v services, volumes and artifacts, want all or none", limit, got)
	}
}

// checkComplete checks that a service which has taken the place of the one before is whole, as nobody touches it again:
// nothing may be left of its making.
func (k *killing) checkComplete(limit int64) {
	k.Helper()
	snapshot, err := k.backend.Observe(k.Context(), k.name)
	must(k.T, err)
	if service, found := snapshot.Services["api"]; !found || service.Digest != k.request.Digest || len(snapshot.Extra) > 0 {
		return
	}
	volumes, err := connectionOf(k.T, k.backend).VolumeList(k.Context(), client.VolumeListOptions{Filters: withLabels(ofEnclave(k.name), ofRole(roleVolume))})
	must(k.T, err)
	if want := len(k.request.Spec.Files); len(volumes.Items) != want {
		k.Errorf("after %d requests: the service is complete, with %d volumes, want %d", limit, len(volumes.Items), want)
	}
}

// checkHealed checks that all is as if nobody had been killed.
func (k *killing) checkHealed(limit int64) {
	k.Helper()
	ctx, conn := k.Context(), connectionOf(k.T, k.backend)
	snapshot, err := k.backend.Observe(ctx, k.name)
	must(k.T, err)
	service := snapshot.Services["api"]
	if len(snapshot.Services) != 1 || len(snapshot.Extra) != 0 || service.Digest != k.request.Digest || service.State != enclave.StateRunning {
		k.Errorf("after %d requests: observed %+v and %+v", limit, snapshot.Services, snapshot.Extra)
	}
	containers, err := conn.containersOf(ctx, ofEnclave(k.name))
	must(k.T, err)
	var names []string
	for _, item := range containers {
		names = append(names, containerName(item))
	}
	slices.Sort(names)
	if want := []string{serviceName(k.name, "api"), storeName(k.name)}; !slices.Equal(names, want) {
		k.Errorf("after %d requests: containers %q, want %q", limit, names, want)
	}
	volumes, err := conn.VolumeList(ctx, client.VolumeListOptions{Filters: withLabels(ofEnclave(k.name), ofRole(roleVolume))})
	must(k.T, err)
	if want := len(k.request.Spec.Files); len(volumes.Items) != want {
		k.Errorf("after %d requests: %d volumes, want %d", limit, len(volumes.Items), want)
	}
	if k.kind != "replace" {
		return
	}
	if service.IPAddress != k.address {
		k.Errorf("after %d requests: address %s, want %s", limit, service.IPAddress, k.address)
	}
	if text := exec1(k.T, k.backend, k.name, "api", "cat", "/keep/a.txt"); text != "kept" {
		k.Errorf("after %d requests: the persistent file holds %q", limit, text)
	}
	if text := exec1(k.T, k.backend, k.name, "api", "cat", "/data/a.txt"); text != "alpha" {
		k.Errorf("after %d requests: the mounted file holds %q", limit, text)
	}
}

// TestDockerTakesLocksOver has a holder killed, and one on another machine fall silent.
func TestDockerTakesLocksOver(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	name := makeEnclave(t, backend)
	t.Run("of a process that was killed", func(t *testing.T) {
		t.Parallel()
		command := child(t.Context(), t, childJob{Kind: "lock", Enclave: name})
		output, err := command.StdoutPipe()
		must(t, err)
		must(t, command.Start())
		line := make([]byte, len("locked\n"))
		_, err = output.Read(line)
		must(t, err)
		if !bytes.Equal(line, []byte("locked\n")) {
			t.Fatalf("the child says %q", line)
		}
		must(t, command.Process.Kill())
		_ = command.Wait() // It was killed.
		begun := time.Now()
		unlock, err := backend.Lock(t.Context(), name, "run/shop", "the next one")
		must(t, err)
		unlock()
		if taken := time.Since(begun); taken > 5*time.Second {
			t.Errorf("it took %s", taken)
		}
	})
	t.Run("that nobody wants any more", func(t *testing.T) {
		t.Parallel()
		labels := objectLabels(name, roleLock, map[string]string{labelHolderProcess: `{"machine":"` + lockholder.Machine() + `","pid":1,"started":"never"}`})
		_, err := connectionOf(t, backend).createFromEmpty(t.Context(), lockName(name, "forgotten"), labels)
		must(t, err)
		unlock, err := backend.Lock(t.Context(), name, "run/other", "the next one")
		must(t, err)
		unlock()
		if _, err := connectionOf(t, backend).ContainerInspect(t.Context(), lockName(name, "forgotten"), client.ContainerInspectOptions{}); !errdefs.IsNotFound(err) {
			t.Errorf("a dead lock is left: %v", err)
		}
	})
	t.Run("of this very process, which could not release it", func(t *testing.T) {
		t.Parallel()
		_, err := backend.Lock(t.Context(), name, "lost", "this process")
		must(t, err)
		// As where the engine is away when the lock is to be released.
		var held struct {
			Hold string `json:"hold"`
		}
		found, err := connectionOf(t, backend).ContainerInspect(t.Context(), lockName(name, "lost"), client.ContainerInspectOptions{})
		must(t, err)
		must(t, json.Unmarshal([]byte(found.Container.Config.Labels[labelHolderProcess]), &held))
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := backend.Lock(short, name, "lost", "another hold"); err == nil {
			t.Fatal("it was taken over although it is held")
		}
		backend.holds.End(held.Hold)
		unlock, err := backend.Lock(t.Context(), name, "lost", "this process, again")
		must(t, err)
		unlock()
	})
	foreign := objectLabels(name, roleLock, map[string]string{labelHolder: "somebody elsewhere", labelHolderProcess: `{"machine":"elsewhere","pid":1,"started":"1"}`})
	impatient := New(Options{})
	impatient.silence = 2 * time.Second
	t.Run("of a machine that has fallen silent", func(t *testing.T) {
		t.Parallel()
		_, err := connectionOf(t, backend).createFromEmpty(t.Context(), lockName(name, "silent"), foreign)
		must(t, err)
		unlock, err := impatient.Lock(t.Context(), name, "silent", "the next one")
		must(t, err)
		unlock()
	})
	t.Run("but not of a machine that is alive", func(t *testing.T) {
		t.Parallel()
		conn := connectionOf(t, backend)
		id, err := conn.createFromEmpty(t.Context(), lockName(name, "alive"), foreign)
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				_ = conn.beat(ctx, id, time.Now())
				time.Sleep(500 * time.Millisecond)
			}
		}()
		_, err = impatient.Lock(ctx, name, "alive", "the next one")
		mentions(t, err, "somebody elsewhere", name)
	})
}

func TestDockerRenewsItsLocks(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	name := makeEnclave(t, backend)
	unlock, err := backend.Lock(t.Context(), name, "l", "me")
	must(t, err)
	defer unlock()
	deadline := time.Now().Add(3 * beatInterval)
	for time.Now().Before(deadline) {
		_, err := connectionOf(t, backend).ContainerStatPath(t.Context(), lockName(name, "l"), client.ContainerStatPathOptions{Path: "/" + beatFile})
		if err == nil {
			return
		}
		if !strings.Contains(strings.ToLower(err.Error()), "not found") {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("no beat in %s", 3*beatInterval)
}
