package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestTakenPortIsReadFromTheEnginesErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		// Docker 20.10, another container and another process.
		"driver failed programming external connectivity on endpoint x (7a14): Bind for 127.0.0.1:23456 failed: port is already allocated":                                        23456,
		"driver failed programming external connectivity on endpoint x (7a14): Error starting userland proxy: listen tcp4 127.0.0.1:23456: bind: address already in use":          23456,
		"driver failed programming external connectivity on endpoint x (7a14): Error starting userland proxy: listen udp4 127.0.0.1:23456: bind: address already in use":          23456,
		"Error starting userland proxy: listen tcp 127.0.0.1:23456: bind: address already in use":                                                                                 23456,
		"failed to set up container networking: driver failed programming external connectivity on endpoint x (7a14): Bind for 127.0.0.1:23456 failed: port is already allocated": 23456,
		// Docker 28 and later.
		"failed to set up container networking: driver failed programming external connectivity on endpoint x (7a14): failed to bind host port for 127.0.0.1:23456:172.18.0.2:80/tcp: address already in use": 23456,
		"failed to bind host port 127.0.0.1:23456/tcp: address already in use": 23456,
		// A fixed address that is taken is something else.
		"Address already in use": 0,
		"no such image: x:1":     0,
	} {
		if got := takenPort(errors.New(text)); got != want {
			t.Errorf("got port %d out of %q, want %d", got, text, want)
		}
	}
}

func TestAddressesStayOutOfTheEnginesRange(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"172.18.0.0/16", "192.168.16.0/20", "10.1.2.0/24", "10.1.2.16/28", "10.1.2.8/29", "10.1.2.4/30"} {
		subnet := netip.MustParsePrefix(text)
		gateway := subnet.Addr().Next()
		dynamic := dynamicRange(subnet)
		taken := map[netip.Addr]bool{}
		for i := range 300 {
			address, err := chooseAddress(subnet, gateway, fmt.Sprintf("service-%d", i), taken)
			if err != nil {
				mentions(t, err, text)
				if free := 1<<(32-subnet.Bits()) - 3; subnet.Bits() <= 28 && i < free/2-1 || i == 0 {
					t.Errorf("%s: only %d addresses", subnet, i)
				}
				break
			}
			if !subnet.Contains(address) || address == gateway || address == subnet.Addr() || taken[address] || (dynamic.IsValid() && dynamic.Contains(address)) {
				t.Fatalf("%s: got %s", subnet, address)
			}
			taken[address] = true
		}
		again, err := chooseAddress(subnet, gateway, "service-0", nil)
		must(t, err)
		same, err := chooseAddress(subnet, gateway, "service-0", nil)
		must(t, err)
		if again != same {
			t.Errorf("%s: got %s and then %s for one service", subnet, again, same)
		}
	}
}

func TestHostPortsAreKeptByNumber(t *testing.T) {
	t.Parallel()
	spec := plan.ServiceSpec{Name: "api", Ports: map[string]plan.Port{"http": {Number: 80, Transport: "TCP"}, "dns": {Number: 53, Transport: "UDP"}, "rpc": {Number: 90}}}
	free := reservations{ports: map[hostPort]bool{}}
	first, err := allocatePorts("dev", spec, nil, free)
	must(t, err)
	if first["http"].HostPort < firstHostPort || first["http"].HostPort > lastHostPort || first["dns"].HostPort != 0 || first["rpc"].Transport != "TCP" || first["rpc"].HostPort == 0 {
		t.Errorf("got %+v", first)
	}
	before := map[string]publishedPort{"web": {Port: plan.Port{Number: 80, Transport: "TCP"}, HostPort: 12345}}
	kept, err := allocatePorts("dev", spec, before, free)
	must(t, err)
	if kept["http"].HostPort != 12345 {
		t.Errorf("got %+v, want the port that it had under another id", kept["http"])
	}
	taken := reservations{ports: map[hostPort]bool{{"TCP", 12345}: true, {"TCP", first["http"].HostPort}: true}}
	moved, err := allocatePorts("dev", spec, before, taken)
	must(t, err)
	if port := moved["http"].HostPort; port == 12345 || port == first["http"].HostPort || port == 0 {
		t.Errorf("got %d, which is taken", port)
	}
	all := map[hostPort]bool{}
	for port := firstHostPort; port <= lastHostPort; port++ {
		all[hostPort{"TCP", port}] = true
	}
	_, err = allocatePorts("dev", spec, nil, reservations{ports: all})
	mentions(t, err, "20000", "32767")
}

func TestDevicesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]container.DeviceMapping{
		"/dev/a":           {PathOnHost: "/dev/a", PathInContainer: "/dev/a", CgroupPermissions: "rwm"},
		"/dev/a:/dev/b":    {PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "rwm"},
		"/dev/a:r":         {PathOnHost: "/dev/a", PathInContainer: "/dev/a", CgroupPermissions: "r"},
		"/dev/a:/dev/b:rw": {PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "rw"},
	} {
		if got, err := deviceOf(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

func TestGPUIsAskedFor(t *testing.T) {
	t.Parallel()
	resources, err := resourcesOf(plan.ServiceSpec{MaxCPU: 250, MaxMemory: 100, GPU: &plan.GPU{Count: -1}})
	must(t, err)
	if len(resources.DeviceRequests) != 1 || resources.DeviceRequests[0].Count != -1 || resources.DeviceRequests[0].Driver != "nvidia" {
		t.Errorf("got %+v", resources.DeviceRequests)
	}
	if resources.NanoCPUs != 250_000_000 || resources.Memory != 100_000_000 || resources.MemorySwap != resources.Memory {
		t.Errorf("got %+v", resources)
	}
	resources, err = resourcesOf(plan.ServiceSpec{GPU: &plan.GPU{DeviceIDs: []string{"7"}, DockerDriver: "amd"}})
	must(t, err)
	if got := resources.DeviceRequests[0]; got.Driver != "amd" || !slices.Equal(got.DeviceIDs, []string{"7"}) || got.Count != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestStatesAreTranslated(t *testing.T) {
	t.Parallel()
	for _, item := range []struct {
		state   container.ContainerState
		stopped bool
		want    enclave.State
	}{
		{"created", false, enclave.StateCreated},
		{"running", false, enclave.StateRunning},
		{"running", true, enclave.StateRunning},
		{"restarting", false, enclave.StateStarting},
		{"paused", false, enclave.StateStopped},
		{"exited", false, enclave.StateExited},
		{"exited", true, enclave.StateStopped},
		{"removing", false, enclave.StateRemoving},
		{"dead", false, enclave.StateRemoving},
	} {
		if got := stateOf(item.state, item.stopped); got != item.want {
			t.Errorf("%+v: got %s", item, got)
		}
	}
	for text, want := range map[string]int{"Exited (137) 3 minutes ago": 137, "Exited (0) Less than a second ago": 0, "Up 3 seconds": 0} {
		if got := exitCodeOf(text); got != want {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

// TestPublishedPortsAreOpenOnlyBehindTheProxy stands for Docker's proxy: it accepts whether the service does or not.
func TestPublishedPortsAreOpenOnlyBehindTheProxy(t *testing.T) {
	t.Parallel()
	serve := func(handle func(net.Conn)) string {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		must(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go handle(conn)
			}
		}()
		return listener.Addr().String()
	}
	echo := serve(func(conn net.Conn) { _, _ = io.Copy(conn, conn); _ = conn.Close() })
	conn, err := dialPublished(t.Context(), "tcp", echo)
	must(t, err)
	_, err = io.WriteString(conn, "hello")
	must(t, err)
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "hello" {
		t.Errorf("got %q, %v", answer, err)
	}
	must(t, conn.Close())
	greeter := serve(func(conn net.Conn) { _, _ = io.WriteString(conn, "220 ready"); _ = conn.Close() })
	conn, err = dialPublished(t.Context(), "tcp", greeter)
	must(t, err)
	if text, err := io.ReadAll(conn); err != nil || string(text) != "220 ready" {
		t.Errorf("got %q, %v", text, err)
	}
	closed := serve(func(conn net.Conn) { _ = conn.Close() })
	if _, err := dialPublished(t.Context(), "tcp", closed); err == nil {
		t.Error("a port behind which nothing listens counts as open")
	}
}

func TestEqualEmptyImagesAreOneImage(t *testing.T) {
	t.Parallel()
	kind := platform{OS: "linux", Architecture: "amd64"}
	first, err := emptyImageArchive(kind)
	must(t, err)
	second, err := emptyImageArchive(kind)
	must(t, err)
	if !bytes.Equal(first, second) {
		t.Error("two archives differ, so the engine would take them for two images")
	}
	names := []string{}
	archive := tar.NewReader(bytes.NewReader(first))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		names = append(names, header.Name)
	}
	if !slices.Contains(names, "manifest.json") || len(names) != 3 {
		t.Errorf("the archive holds %q", names)
	}
}

func TestBuildDigestCoversAllInput(t *testing.T) {
	t.Parallel()
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM scratch")})
	must(t, err)
	seen := map[string]string{}
	for title, spec := range map[string]*plan.Build{
		"plain": {}, "other file": {BuildFile: "x"}, "other target": {TargetStage: "x"}, "argument": {Args: map[string]string{"a": "1"}}, "other argument": {Args: map[string]string{"a": "2"}},
	} {
		spec.Context = tree
		digest, err := buildDigest(spec)
		must(t, err)
		if other, found := seen[digest]; found {
			t.Errorf("%q and %q have one digest", title, other)
		}
		seen[digest] = title
		again, err := buildDigest(spec)
		must(t, err)
		if again != digest {
			t.Errorf("%q has two digests", title)
		}
	}
}

func TestLostTask(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Error response from daemon: task " + strings.Repeat("0a", 32) + ": already exists":                        true,
		"Error response from daemon: id already in use":                                                            true,
		`Conflict. The container name "/x" is already in use by container "y"`:                                     false,
		"driver failed programming external connectivity: Bind for 127.0.0.1:80 failed: port is already allocated": false,
	} {
		if got := lostTask(errors.New(text)); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}
