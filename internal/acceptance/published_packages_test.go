package acceptance

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAccPublishedPackages applies the example of packages that others have published, and looks at what their containers
// really hold. The packages come from the folder that SUNDOG_TEST_PACKAGES names: it plays their Git host first, and is a
// vendor folder then.
func TestAccPublishedPackages(t *testing.T) {
	withPackages(t)
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		w := newPublished(t, cli)
		before := docker(t)

		w.terraform("apply", "-auto-approve", "-no-color")
		w.found("hello", "hello")
		w.answers("hello", "hello")
		w.inspected()
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a second plan must be empty: %v", changes)
		}

		// The same packages out of a vendor folder are the same. Nothing is fetched from here on.
		w.environment = append(w.environment, "SUNDOG_PACKAGES_VENDOR_DIR="+w.packages, "GIT_CONFIG_COUNT=0", "XDG_CACHE_HOME="+t.TempDir())
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a plan from a vendor folder must be empty: %v", changes)
		}

		// A setting of the database replaces the database's container and no other; what it holds stays.
		ids := w.containers()
		w.environment = append(w.environment, `TF_VAR_database_settings=["max_connections=37"]`)
		changes := w.plan()
		if _, ok := changes["sundog_package_run.database"]; !ok {
			t.Errorf("the plan must change the database's run: %v", changes)
		}
		w.terraform("apply", "-auto-approve", "-no-color", "test.tfplan")
		if diff := cmp.Diff([]string{"postgres"}, replaced(ids, w.containers())); diff != "" {
			t.Errorf("a setting of the database must replace its container alone: %s", diff)
		}
		if got := w.query("SHOW max_connections"); got != "37" {
			t.Errorf("max_connections is %q", got)
		}
		w.answers("hello", "hello")
		if changes := w.plan(); len(changes) > 0 {
			t.Errorf("a plan after the change must be empty: %v", changes)
		}

		// Another greeting is another task of the client, and another page; cache and database are only written to.
		ids = w.containers()
		w.environment = append(w.environment, "TF_VAR_greeting=goodbye")
		w.terraform("apply", "-auto-approve", "-no-color")
		if diff := cmp.Diff([]string{"nginx"}, replaced(ids, w.containers())); diff != "" {
			t.Errorf("another page must replace the web server alone: %s", diff)
		}
		w.found("goodbye", "hello, goodbye")
		w.answers("goodbye", "hello, goodbye")

		volumes := w.anonymousVolumes()
		if len(volumes) == 0 {
			t.Error("the database's image asks for a volume, and its container has none")
		}
		w.terraform("destroy", "-auto-approve", "-no-color")
		if diff := cmp.Diff(before, docker(t)); diff != "" {
			t.Errorf("objects are left on the engine: %s", diff)
		}
		left := strings.Fields(run(t, ".", nil, "docker", "volume", "ls", "--quiet"))
		for _, volume := range volumes {
			if slices.Contains(left, volume) {
				t.Errorf("a volume that an image asked for is left on the engine: %s", volume)
			}
		}
	})
}

// withPackages skips a test where published packages cannot be had.
func withPackages(t *testing.T) {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_PACKAGES") == "" {
		t.Skip("SUNDOG_TEST_PACKAGES names no folder with the published packages")
	}
}

// published is the example, with its images made and a folder that plays the packages' host.
type published struct {
	*workspace
	images   map[string]string
	packages string // the folder
	// inService runs a command in a service's container.
	inService func(service string, command ...string) string
}

func newPublished(t *testing.T, cli string) *published {
	t.Helper()
	packages, err := filepath.Abs(os.Getenv("SUNDOG_TEST_PACKAGES"))
	if err != nil {
		t.Fatal(err)
	}
	w := &published{workspace: newWorkspace(t, cli, "published-packages"), images: map[string]string{}, packages: packages}
	w.inService = w.inContainer
	values := run(t, w.root, nil, "examples/published-packages/images.sh")
	if err := os.WriteFile(filepath.Join(w.folder, "images.auto.tfvars"), []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(values) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "_image = ")
		w.images[name] = strings.Trim(value, `"`)
	}
	w.environment = append(w.environment, "TF_VAR_enclave=acceptance", "XDG_CACHE_HOME="+t.TempDir())
	w.environment = append(w.environment, playHost(t, packages)...)
	w.terraform("init", "-no-color")
	return w
}

// playHost gives the variables that send git to the repositories of a folder instead of to their hosts.
func playHost(t *testing.T, folder string) []string {
	t.Helper()
	repositories, err := fs.Glob(os.DirFS(folder), "*/*/*/.git")
	if err != nil || len(repositories) == 0 {
		t.Fatalf("SUNDOG_TEST_PACKAGES=%s must hold Git repositories at <host>/<owner>/<name>: %v", folder, err)
	}
	environment := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(repositories))}
	for index, repository := range repositories {
		name := filepath.ToSlash(filepath.Dir(repository))
		environment = append(environment,
			fmt.Sprintf("GIT_CONFIG_KEY_%d=url.file://%s/%s.insteadOf", index, filepath.ToSlash(folder), name),
			fmt.Sprintf("GIT_CONFIG_VALUE_%d=https://%s.git", index, name))
	}
	return environment
}

// found checks what the client's run gave to the rest of the configuration.
func (w *published) found(cached, stored string) {
	w.t.Helper()
	var got map[string]string
	if err := json.Unmarshal([]byte(w.terraform("output", "-json", "found")), &got); err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"cached": cached, "stored": stored, "site": "site"}, got); diff != "" {
		w.t.Errorf("the client's output: %s", diff)
	}
}

// addresses are those that terraform_data holds.
func (w *published) addresses() map[string]string {
	w.t.Helper()
	var addresses map[string]string
	if err := json.Unmarshal([]byte(w.terraform("output", "-json", "addresses")), &addresses); err != nil {
		w.t.Fatal(err)
	}
	return addresses
}

// answers asks everything that answers: the page and the front end over HTTP, the cache and the database in their
// containers.
func (w *published) answers(cached, stored string) {
	w.t.Helper()
	addresses := w.addresses()
	page := request(w.t, http.MethodGet, addresses["page"], "")
	for _, want := range []string{"The cache holds: " + cached + "<", "The database holds: " + stored + "<"} {
		if !strings.Contains(page, want) {
			w.t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	// The front end sends its visitor to the database that the run named, and keeps the login in cookies.
	if tables := w.browse(addresses["adminer"]); !strings.Contains(tables, "greetings") {
		w.t.Errorf("the front end does not show the table greetings:\n%s", tables)
	}
	if got := w.inService("redis", "redis-cli", "GET", "greeting"); got != cached {
		w.t.Errorf("the cache holds %q", got)
	}
	if got := w.query("SELECT string_agg(text, ', ' ORDER BY id) FROM greetings"); got != stored {
		w.t.Errorf("the database holds %q", got)
	}
}

// browse follows a page's redirects with cookies, as a browser does.
func (w *published) browse(address string) string {
	w.t.Helper()
	cookies, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return send(w.t, &http.Client{Jar: cookies, Timeout: 30 * time.Second}, http.MethodGet, address, "")
}

// inspected compares what the state says of the services with what the engine says of their containers.
func (w *published) inspected() {
	w.t.Helper()
	addresses := w.addresses()
	for service, want := range map[string]struct{ image, address, port string }{
		"redis":    {w.images["redis"], addresses["cache"], "6379/tcp"},
		"postgres": {w.images["postgres"], addresses["database"], "5432/tcp"},
		"nginx":    {w.images["nginx"], addresses["page"], "80/tcp"},
		"adminer":  {w.images["adminer"], addresses["adminer"], "8080/tcp"},
	} {
		var container []struct {
			Config          struct{ Image string }
			NetworkSettings struct {
				Ports map[string][]struct{ HostPort string }
			}
		}
		if err := json.Unmarshal([]byte(run(w.t, ".", nil, "docker", "inspect", w.container(service))), &container); err != nil {
			w.t.Fatal(err)
		}
		if got := container[0].Config.Image; got != want.image {
			w.t.Errorf("%s runs on %q, not on %q", service, got, want.image)
		}
		bindings := container[0].NetworkSettings.Ports[want.port]
		if len(bindings) == 0 || bindings[0].HostPort != port(w.t, want.address) {
			w.t.Errorf("%s is published at %v, the state says %s", service, bindings, want.address)
		}
	}
}

// port is the port of a URL, or of host:port.
func port(t *testing.T, address string) string {
	t.Helper()
	if !strings.Contains(address, "://") {
		address = "tcp://" + address
	}
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Port()
}

func (w *published) container(service string) string {
	w.t.Helper()
	return strings.TrimSpace(run(w.t, ".", nil, "docker", "ps", "--quiet", "--filter", enclaveLabel,
		"--filter", "label=sundog.dev/service="+service))
}

func (w *published) inContainer(service string, command ...string) string {
	w.t.Helper()
	return strings.TrimSpace(run(w.t, ".", nil, "docker", append([]string{"exec", w.container(service)}, command...)...))
}

func (w *published) query(sql string) string {
	w.t.Helper()
	return w.inService("postgres", "psql", "-U", "shop", "-d", "shop", "-Atc", sql)
}

// containers gives the ids of the services' containers by service.
func (w *published) containers() map[string]string {
	w.t.Helper()
	ids := map[string]string{}
	output := run(w.t, ".", nil, "docker", "ps", "--format", `{{.Label "sundog.dev/service"}} {{.ID}}`, "--filter", enclaveLabel,
		"--filter", "label=sundog.dev/service")
	for line := range strings.Lines(output) {
		service, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		ids[service] = id
	}
	return ids
}

// replaced names the services whose container is another one now, or is gone, or is new.
func replaced(before, after map[string]string) []string {
	var names []string
	for service := range before {
		if after[service] != before[service] {
			names = append(names, service)
		}
	}
	for service := range after {
		if before[service] == "" {
			names = append(names, service)
		}
	}
	slices.Sort(names)
	return names
}

// anonymous holds for the names that the engine draws.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// anonymousVolumes are those that images ask for (VOLUME) and the engine makes: they carry no label of Sundog's.
func (w *published) anonymousVolumes() []string {
	w.t.Helper()
	var volumes []string
	for _, id := range w.containers() {
		names := run(w.t, ".", nil, "docker", "inspect", "--format", `{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}`, id)
		for name := range strings.FieldsSeq(names) {
			if anonymous.MatchString(name) {
				volumes = append(volumes, name)
			}
		}
	}
	return volumes
}
