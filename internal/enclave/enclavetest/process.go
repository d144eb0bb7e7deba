package enclavetest

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// publicPort gives a number that a port can be pinned to.
func publicPort(f *fixture) int {
	f.Helper()
	if f.images.PublicPort != nil {
		return f.images.PublicPort()
	}
	return freePort(f)
}

// freePort asks the system for a TCP port that nobody has at the moment.
func freePort(f *fixture) int {
	f.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	f.must(err)
	defer listener.Close()
	_, text, err := net.SplitHostPort(listener.Addr().String())
	f.must(err)
	port, err := strconv.Atoi(text)
	f.must(err)
	return port
}

var processBehaviours = slices.Concat(builderBehaviours, []behaviour{
	{name: "service runs, is stopped and runs again", process: true, test: func(f *fixture) {
		name := f.enclave()
		started := f.start(name, "api", listen(8080, 0))
		equal(f, "state", started.State, enclave.StateRunning)
		if time.Since(started.StartedAt).Abs() > time.Minute {
			f.Errorf("started at %s, want now", started.StartedAt)
		}
		f.awaitPort(name, "api", 8080)
		f.must(f.backend.StopService(f.ctx, name, "api"))
		f.must(f.backend.StopService(f.ctx, name, "api"))
		stopped, err := f.backend.Service(f.ctx, name, "api")
		f.must(err)
		equal(f, "state", stopped.State, enclave.StateStopped)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		equal(f, "observed state", snapshot.Services["api"].State, enclave.StateStopped)
		equal(f, "address", stopped.IPAddress, started.IPAddress)
		again, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		equal(f, "ID", again.ID, started.ID)
		equal(f, "address", again.IPAddress, started.IPAddress)
		equal(f, "host port", again.Ports["http"].HostPort, started.Ports["http"].HostPort)
		_, err = f.backend.StartService(f.ctx, name, "api")
		f.must(err)
	}},
	{name: "service that was stopped has its files when it runs again", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		f.exec(name, "api", "write", "/kept/state", "kept")
		f.must(f.backend.StopService(f.ctx, name, "api"))
		_, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		equal(f, "file", f.exec(name, "api", "cat", "/kept/state"), "kept")
	}},
	{name: "service that ends shows its exit code", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", command("exit", "3"))
		ended := f.awaitState(name, "api", enclave.StateExited)
		equal(f, "exit code", ended.ExitCode, 3)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		equal(f, "observed state", snapshot.Services["api"].State, enclave.StateExited)
		equal(f, "observed exit code", snapshot.Services["api"].ExitCode, 3)
	}},
	{name: "service that was stopped and ends by itself later is exited", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", command("serve", "-after", "1500ms", "-exit", "4"))
		f.must(f.backend.StopService(f.ctx, name, "api"))
		_, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		equal(f, "exit code", f.awaitState(name, "api", enclave.StateExited).ExitCode, 4)
	}},
	{name: "service that takes too much memory is told apart", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", both(command("hog"), func(request *enclave.ServiceRequest) { request.Spec.MaxMemory = 20 }))
		equal(f, "out of memory", f.awaitState(name, "api", enclave.StateExited).OutOfMemory, true)
	}},
	{name: "service whose command is not there says so", process: true, test: func(f *fixture) {
		name := f.enclave()
		missing := func(request *enclave.ServiceRequest) { request.Spec.Entrypoint = []string{"/no/such/program"} }
		f.create(name, "api", both(missing, func(request *enclave.ServiceRequest) { request.Spec.NoInit = true }))
		_, err := f.backend.StartService(f.ctx, name, "api")
		Mentions(f, err, `"api"`, "/no/such/program")
		// With an init process it is that one which starts and finds out.
		f.create(name, "init", missing)
		if _, err := f.backend.StartService(f.ctx, name, "init"); err != nil {
			Mentions(f, err, `"init"`, "/no/such/program")
			return
		}
		equal(f, "exit code", f.awaitState(name, "init", enclave.StateExited).ExitCode, 127)
		if text := f.logs(name, "init", enclave.LogOptions{}); !strings.Contains(text, "/no/such/program") {
			f.Errorf("logs are %q", text)
		}
	}},
	{name: "service gets environment, own address, init and user", process: true, test: func(f *fixture) {
		name := f.enclave()
		group := int64(6)
		started := f.start(name, "api", func(request *enclave.ServiceRequest) {
			request.Spec.Env = map[string]string{"PLAIN": "a=b", "OWN": "http://MY_ADDRESS:80"}
			request.Spec.VolatileEnv = map[string]string{"TOKEN": "secret"}
			request.Spec.IPPlaceholder = "MY_ADDRESS"
			request.Spec.Cmd = []string{"serve", "-lines", "at MY_ADDRESS"}
			request.Spec.User = &plan.User{UID: 7, GID: &group}
		})
		equal(f, "PLAIN", f.exec(name, "api", "env", "PLAIN"), "a=b")
		equal(f, "OWN", f.exec(name, "api", "env", "OWN"), "http://"+started.IPAddress+":80")
		equal(f, "TOKEN", f.exec(name, "api", "env", "TOKEN"), "secret")
		Eventually(f, "its address in the logs", func() (bool, string) {
			text := f.logs(name, "api", enclave.LogOptions{})
			return text == "at "+started.IPAddress+"\n", text
		})
		if owner := f.exec(name, "api", "list", "/proc/1/fd"); !strings.Contains(owner, " 7:6") {
			f.Errorf("the first process belongs to %s, want 7:6", owner)
		}
		if first := f.exec(name, "api", "init"); first == "service" {
			f.Error("the service is the first process itself")
		}
		f.start(name, "bare", func(request *enclave.ServiceRequest) { request.Spec.NoInit = true })
		equal(f, "first process", f.exec(name, "bare", "init"), "service")
	}},
	{name: "service listens on its own address", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", func(request *enclave.ServiceRequest) {
			request.Spec.IPPlaceholder = "MY_ADDRESS"
			request.Spec.Cmd = []string{"serve", "-address", "MY_ADDRESS", "-tcp", "7000"}
		})
		f.awaitPort(name, "api", 7000)
	}},
	{name: "service that does not end when asked is killed", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", command("serve", "-stubborn"))
		f.must(f.backend.StopService(f.ctx, name, "api"))
		equal(f, "state", f.awaitState(name, "api", enclave.StateStopped).State, enclave.StateStopped)
	}},
	{name: "service whose host port is taken gets another one", process: true, test: func(f *fixture) {
		name := f.enclave()
		created := f.create(name, "api", both(listen(8080, 9090), func(request *enclave.ServiceRequest) {
			request.Spec.Files = map[string]plan.Mount{"/data": {Artifacts: []string{"seed"}}}
			request.Artifacts = map[string]string{"seed": f.artifact(name, plan.TextFile("a.txt", 0o644, "alpha"))}
			request.Spec.FilesToBeMoved = map[string]string{"/data/a.txt": "/etc/app/a.conf"}
		}))
		port := created.Ports["http"].HostPort
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		f.must(err)
		defer listener.Close()
		started, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		if started.Ports["http"].HostPort == port || started.Ports["http"].HostPort == 0 {
			f.Errorf("port http is %+v, want another host port than %d", started.Ports["http"], port)
		}
		equal(f, "the other port", started.Ports["tcp"].HostPort, created.Ports["tcp"].HostPort)
		equal(f, "address", started.IPAddress, created.IPAddress)
		equal(f, "mounted file", f.exec(name, "api", "cat", "/data/a.txt"), "alpha")
		equal(f, "moved file", f.exec(name, "api", "cat", "/etc/app/a.conf"), "alpha")
		// It keeps the new one, although the old one is free again.
		f.must(listener.Close())
		replaced := f.start(name, "api", listen(8080, 9090))
		equal(f, "host port", replaced.Ports["http"].HostPort, started.Ports["http"].HostPort)
		snapshot, err := f.backend.Observe(f.ctx, name)
		f.must(err)
		equal(f, "extra services", len(snapshot.Extra), 0)
	}},
	{name: "service whose pinned port is taken says which", process: true, test: func(f *fixture) {
		name := f.enclave()
		port := freePort(f)
		text := strconv.Itoa(port)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", text))
		f.must(err)
		defer listener.Close()
		pin := both(listen(8080, 0), func(request *enclave.ServiceRequest) {
			request.Spec.PublicPorts = map[string]plan.Port{"http": {Number: port}}
		})
		f.create(name, "api", pin)
		_, err = f.backend.StartService(f.ctx, name, "api")
		Mentions(f, err, `"api"`, text, `"http"`, "public_ports")
		f.must(listener.Close())
		_, err = f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		f.create(name, "second", pin)
		_, err = f.backend.StartService(f.ctx, name, "second")
		Mentions(f, err, `"second"`, text, `"http"`, `service "api"`, name)
	}},
	{name: "service that comes back has its address and its host ports", process: true, test: func(f *fixture) {
		name := f.enclave()
		created := f.create(name, "api", listen(8080, 9090))
		port := created.Ports["http"].HostPort
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		f.must(err)
		defer listener.Close()
		// It did not get its first choice, and keeps what it got when there is not even a container that tells.
		moved, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		f.must(listener.Close())
		f.must(f.backend.RemoveService(f.ctx, name, "api"))
		f.start(name, "other", listen(8080, 9090))
		again := f.start(name, "api", listen(8080, 9090))
		equal(f, "address", again.IPAddress, moved.IPAddress)
		equal(f, "host port", again.Ports["http"].HostPort, moved.Ports["http"].HostPort)
		equal(f, "the other host port", again.Ports["tcp"].HostPort, moved.Ports["tcp"].HostPort)
		f.must(f.backend.StopService(f.ctx, name, "api"))
		started, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		equal(f, "address after a stop", started.IPAddress, again.IPAddress)
		equal(f, "host port after a stop", started.Ports["http"].HostPort, again.Ports["http"].HostPort)
	}},
	{name: "service that was stopped is not robbed of its files when its host port is taken", process: true, test: func(f *fixture) {
		name := f.enclave()
		started := f.start(name, "api", listen(8080, 0))
		f.must(f.backend.StopService(f.ctx, name, "api"))
		text := strconv.Itoa(started.Ports["http"].HostPort)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", text))
		f.must(err)
		_, err = f.backend.StartService(f.ctx, name, "api")
		Mentions(f, err, `"api"`, text)
		f.must(listener.Close())
		again, err := f.backend.StartService(f.ctx, name, "api")
		f.must(err)
		equal(f, "ID", again.ID, started.ID)
	}},
	{name: "service reaches a port of the engine's machine", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		if addresses := strings.TrimSpace(f.exec(name, "api", "resolve", "host.docker.internal")); net.ParseIP(addresses) == nil {
			f.Errorf("host.docker.internal is %q, want an address", addresses)
		}
	}},
	{name: "service gets capabilities, devices, limits and host settings", process: true, test: func(f *fixture) {
		name := f.enclave()
		shared := f.TempDir()
		f.must(os.WriteFile(shared+"/of-host.txt", []byte("of the host"), 0o600))
		f.start(name, "api", func(request *enclave.ServiceRequest) {
			request.Spec.Capabilities = []string{"NET_ADMIN"}
			request.Spec.Devices = []string{"/dev/null:/dev/sundog"}
			request.Spec.BindMounts = map[string]string{shared: "/shared"}
			request.Spec.MaxCPU, request.Spec.MaxMemory = 500, 64
			request.Spec.HostPIDNamespace = true
			request.Spec.TTY = true
			request.Spec.GPU = &plan.GPU{SharedMemoryMB: 32, Ulimits: map[string]int64{"nofile": 333}}
		})
		status := f.exec(name, "api", "cat", "/proc/self/limits")
		if !strings.Contains(strings.Join(strings.Fields(status), " "), "Max open files 333 333") {
			f.Errorf("limits are %s", status)
		}
		equal(f, "shared file", f.exec(name, "api", "cat", "/shared/of-host.txt"), "of the host")
		if device := f.exec(name, "api", "list", "/dev/sundog"); !strings.Contains(device, "Dc") {
			f.Errorf("the device is %s", device)
		}
		if mounts := f.exec(name, "api", "cat", "/proc/mounts"); !strings.Contains(mounts, "/dev/shm") || !strings.Contains(mounts, "size=32768k") {
			f.Errorf("mounts are %s", mounts)
		}
		_, err := f.backend.CreateService(f.ctx, name, f.request("bad", func(request *enclave.ServiceRequest) { request.Spec.Devices = []string{"a:b:c:d"} }))
		Mentions(f, err, "a:b:c:d")
	}},
	{name: "service tells its logs", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", command("serve", "-lines", "one;two;three", "-after", "700ms"))
		equal(f, "all lines, followed", f.logs(name, "api", enclave.LogOptions{Follow: true}), "one\ntwo\nthree\nending with code 0\n")
		equal(f, "last lines", f.logs(name, "api", enclave.LogOptions{Tail: 2}), "three\nending with code 0\n")
		begun := time.Now()
		for line := range strings.Lines(f.logs(name, "api", enclave.LogOptions{Tail: 2, Timestamps: true})) {
			text, rest, _ := strings.Cut(line, " ")
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil || begun.Sub(at).Abs() > time.Minute || rest != "three\n" && rest != "ending with code 0\n" {
				f.Errorf("line with its time is %q", line)
			}
		}
		equal(f, "lines since a future time", f.logs(name, "api", enclave.LogOptions{Since: time.Now().Add(time.Hour)}), "")
		f.start(name, "both", command("both"))
		f.awaitState(name, "both", enclave.StateExited)
		if text := f.logs(name, "both", enclave.LogOptions{}); !strings.Contains(text, "to stdout\n") || !strings.Contains(text, "to stderr\n") {
			f.Errorf("logs are %q", text)
		}
		f.start(name, "terminal", both(command("echo", "typed"), func(request *enclave.ServiceRequest) { request.Spec.TTY = true }))
		f.awaitState(name, "terminal", enclave.StateExited)
		// Whether a terminal's carriage return is kept is the engine's affair.
		equal(f, "logs of a terminal", strings.ReplaceAll(f.logs(name, "terminal", enclave.LogOptions{}), "\r", ""), "typed\n")
	}},
})
