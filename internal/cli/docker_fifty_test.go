package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// fifty is a package of fifty services with an instruction on each. Its arguments change one thing each.
const fifty = `
def run(plan, image, program, built, level="0", shared="0", word="same", quiet="0", inserted=False, dropped=False, moved=False, count=48):
    conf = plan.upload_files("./conf", name="conf")
    configs = {"built": ServiceConfig(
        ImageBuildSpec(image_name=built, build_context_dir="./image", build_args={"BASE": image}), entrypoint=[program], cmd=["serve"],
    )}
    for i in range(count):
        name = "s%d" % i
        env = {"NAME": name}
        files = {}
        if i == 7:
            env["LEVEL"] = level
        if i in (20, 21, 22):
            env["SHARED"] = shared
        if i == 40:
            env["QUIET"] = quiet
        if i == 12:
            files["/etc/conf"] = conf
        if i == 30:
            if dropped:
                continue
            files["/keep"] = Directory(persistent_key="keep")
        configs[name] = ServiceConfig(image, entrypoint=[program], cmd=["serve"], env_vars=env, files=files)
    plan.add_services(configs)
    if moved:
        plan.print("moved")
    names = list(configs)
    heard = {"output": "nothing"}
    for name in (reversed(names) if moved else names):
        said = plan.exec(name, ExecRecipe([program, "echo", word if name == "s40" else name]))
        if name == "s40":
            heard = said
        if inserted and name == "s3":
            plan.exec(name, ExecRecipe([program, "echo", "inserted"]))
    plan.add_service("last", ServiceConfig(image, entrypoint=[program], cmd=["serve"], env_vars={"HEARD": heard["output"]}))
`

// fiftyWorld is the package on a real engine.
type fiftyWorld struct {
	*world
	backend *docker.Backend
	name    string
	folder  string
	args    map[string]any
}

func newFiftyWorld(t *testing.T) *fiftyWorld {
	t.Helper()
	w, name, encoded := dockerWorld(t)
	f := &fiftyWorld{world: w, name: name, backend: docker.New(docker.Options{}), args: map[string]any{}}
	if err := json.Unmarshal([]byte(encoded), &f.args); err != nil {
		t.Fatal(err)
	}
	built := "sundog-test/fifty:" + name
	f.args["built"] = built
	t.Cleanup(func() {
		// The image cannot go before the services that are made of it.
		enclavetest.RemoveEnclave(t, f.backend, name)
		enclavetest.RemoveImage(t, f.backend, built)
		if err := f.backend.Close(); err != nil {
			t.Error(err)
		}
	})
	f.folder = writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/fifty\n", "main.star": fifty, "conf/app.conf": "one\n",
		"image/Dockerfile": "ARG BASE\nFROM ${BASE}\nCOPY note /note\n", "image/note": "one\n",
	})
	return f
}

// containers gives the containers' IDs by service, as the engine itself tells.
func (f *fiftyWorld) containers() map[string]string {
	f.Helper()
	snapshot, err := f.backend.Observe(f.Context(), f.name)
	if err != nil {
		f.Fatal(err)
	}
	ids := map[string]string{}
	for name, service := range snapshot.Services {
		ids[name] = service.ID
	}
	return ids
}

// apply runs the package and gives the decisions other than keep.
func (f *fiftyWorld) apply() []string {
	f.Helper()
	encoded, err := json.Marshal(f.args)
	if err != nil {
		f.Fatal(err)
	}
	diff := decodeInto[diffDocument](f, f.ok("enclave", "diff", f.name, f.folder, "--args", string(encoded), "--format", "json"))
	ran := decodeInto[runResult](f, f.ok("run", f.folder, "--enclave", f.name, "--args", string(encoded), "--parallelism", "8", "--format", "json"))
	changes := func(decisions []decisionDocument) (lines []string) {
		for _, decision := range decisions {
			if decision.Action != "keep" && decision.Kind != "artifact" {
				lines = append(lines, decision.Action+" "+decision.Object+": "+decision.Reason)
			}
		}
		return lines
	}
	done := changes(ran.Decisions)
	// What the comparison leaves for later is the one thing that it does not know yet.
	foreseen := slices.DeleteFunc(changes(diff.Decisions), func(line string) bool { return strings.HasPrefix(line, "later ") })
	if diff.Exists && !slices.Equal(foreseen, done) {
		f.Errorf("the diff said %q, the run did %q", foreseen, done)
	}
	return done
}

// TestDockerFiftyServices changes one thing after the other in a package of fifty services. Whatever does not depend on
// it keeps its container.
func TestDockerFiftyServices(t *testing.T) {
	f := newFiftyWorld(t)
	f.apply()
	before := f.containers()
	if len(before) != 50 {
		t.Fatalf("there are %d services", len(before))
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(f.folder, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	started := time.Now()
	for _, c := range []struct {
		name     string
		change   func()
		replaced []string
		removed  []string
		done     []string
	}{
		{name: "nothing", change: func() {}},
		{
			name: "one service's environment", change: func() { f.args["level"] = "1" }, replaced: []string{"s7"},
			done: []string{"replace s7: environment variable LEVEL changed", `run s7#1: service "s7" was replaced`},
		},
		{
			name: "an artifact's content", change: func() { write("conf/app.conf", "two\n") }, replaced: []string{"s12"},
			done: []string{"replace s12: files at /etc/conf changed", `run s12#1: service "s12" was replaced`},
		},
		{
			name: "a build context's file", change: func() { write("image/note", "two\n") }, replaced: []string{"built"},
			done: []string{"replace built: image changed", `run built#1: service "built" was replaced`},
		},
		{
			// It yields the same, so that nothing happens to the service that uses what it yields.
			name: "a service whose instruction tells the same", change: func() { f.args["quiet"] = "1" }, replaced: []string{"s40"},
			done: []string{"replace s40: environment variable QUIET changed", `run s40#1: service "s40" was replaced`},
		},
		{name: "an inserted instruction", change: func() { f.args["inserted"] = true }, done: []string{"run s3#2: it has not run yet"}},
		{name: "instructions in another order", change: func() { f.args["moved"] = true }},
		{
			name: "a removed service", change: func() { f.args["dropped"] = true }, removed: []string{"s30"},
			done: []string{"remove s30: the plan does not have it any more"},
		},
		{
			name: "an argument that touches three services", change: func() { f.args["shared"] = "1" }, replaced: []string{"s20", "s21", "s22"},
			done: []string{
				"replace s20: environment variable SHARED changed", "replace s21: environment variable SHARED changed",
				"replace s22: environment variable SHARED changed", `run s22#1: service "s22" was replaced`,
				`run s21#1: service "s21" was replaced`, `run s20#1: service "s20" was replaced`,
			},
		},
	} {
		c.change()
		done := f.apply()
		if !slices.Equal(done, c.done) {
			t.Errorf("%s:\n did %q\nwant %q", c.name, done, c.done)
		}
		after := f.containers()
		var replaced, removed []string
		for _, name := range slices.Sorted(maps.Keys(before)) {
			switch now, found := after[name]; {
			case !found:
				removed = append(removed, name)
			case now != before[name]:
				replaced = append(replaced, name)
				t.Logf("%s: container of %s was %.12s and is %.12s", c.name, name, before[name], now)
			}
		}
		if !slices.Equal(replaced, c.replaced) || !slices.Equal(removed, c.removed) || len(after) != len(before)-len(removed) {
			t.Errorf("%s: replaced %q, want %q; removed %q, want %q; %d services are left of %d", c.name, replaced, c.replaced, removed, c.removed, len(after), len(before))
		}
		before = after
		t.Logf("%s: %s for a diff and a run", c.name, time.Since(started).Round(time.Millisecond))
		started = time.Now()
	}

	// What was in its persistent directory is still there when the service comes back.
	f.args["dropped"] = false
	if done := f.apply(); !slices.Equal(done, []string{"create s30: it does not exist yet", "run s30#1: it has not run yet"}) {
		t.Errorf("a service that comes back: %q", done)
	}
	f.looksAsOftenAt(5)
}

// looksAsOftenAt compares how many requests looking at this enclave takes with how many a small one takes.
func (f *fiftyWorld) looksAsOftenAt(count int) {
	f.Helper()
	var requests atomic.Int64
	counted := docker.New(docker.Options{Host: countingEngine(f.T, &requests)})
	defer func() {
		if err := counted.Close(); err != nil {
			f.Error(err)
		}
	}()
	look := func() int64 {
		f.Helper()
		e := engine.New(counted, engine.Options{})
		// The first look also finds out which version of the API is spoken.
		for range 2 {
			requests.Store(0)
			view, err := e.View(f.Context(), f.name, "fifty")
			if err != nil {
				f.Fatal(err)
			}
			if services := len(view.Result().Services); services < count {
				f.Fatalf("it sees %d services", services)
			}
		}
		return requests.Load()
	}
	large := look()
	f.args["count"] = count - 2
	f.apply()
	small := look()
	f.Logf("looking at 50 services takes %d requests, at %d services %d", large, len(f.containers()), small)
	// Two who ask the same at the same time are told by one answer, so there may be one request less.
	if large > small+1 || large == 0 || len(f.containers()) != count {
		f.Errorf("looking at 50 services takes %d requests, at %d %d", large, len(f.containers()), small)
	}
}

// countingEngine stands before the Docker Engine and counts requests. It gives its address.
func countingEngine(t *testing.T, requests *atomic.Int64) string {
	t.Helper()
	socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if socket == "" {
		socket = "/var/run/docker.sock"
	}
	if !strings.HasPrefix(socket, "/") {
		t.Skipf("the engine at %s is not behind a socket", socket)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return fmt.Sprintf("tcp://%s", listener.Addr())
}
