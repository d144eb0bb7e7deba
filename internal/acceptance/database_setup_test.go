package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// postgresqlVersion stands for the version of the PostgreSQL provider, whose sources tools/lib/postgresql.sh pins.
const postgresqlVersion = "1.26.0"

// TestAccDatabaseSetup has the PostgreSQL provider that people use set up a database inside of an enclave, in the apply that
// makes the enclave, and at the end of the one that takes it away.
func TestAccDatabaseSetup(t *testing.T) {
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		setUpDatabase(t, cli, "docker")
	})
}

// TestAccKubernetesDatabaseSetup does the same where nothing but the API server of a cluster is reached.
func TestAccKubernetesDatabaseSetup(t *testing.T) {
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names (make test-kubernetes)")
	}
	eachCLI(t, func(t *testing.T, cli string) {
		t.Helper()
		setUpDatabase(t, cli, "kubernetes")
	})
}

func setUpDatabase(t *testing.T, cli, backend string) {
	t.Helper()
	binary := os.Getenv("SUNDOG_TEST_POSTGRESQL_PROVIDER")
	if binary == "" {
		t.Skip("SUNDOG_TEST_POSTGRESQL_PROVIDER names no binary of the PostgreSQL provider (see tools/lib/postgresql.sh)")
	}
	w := newDatabase(t, cli, backend, binary)
	w.terraform("apply", "-auto-approve", "-no-color")
	for sql, want := range map[string]string{
		"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'": "shop",
		"SELECT rolcanlogin FROM pg_roles WHERE rolname = 'shop'":                "t",
	} {
		if got := w.query("postgres", sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	if got := w.query("shop", "SELECT count(*) FROM pg_extension WHERE extname = 'pgcrypto'"); got != "1" {
		t.Errorf("the extension is not there: %q", got)
	}
	if got := w.output("database"); got != "shop of shop, with pgcrypto" {
		t.Errorf("output: %q", got)
	}
	if changes := w.plan(); len(changes) > 0 {
		t.Errorf("a second plan must be empty: %v", changes)
	}

	// What somebody has changed in the database shows in a plan: it is looked at through the forwarded port.
	w.query("postgres", "ALTER ROLE shop NOLOGIN")
	if diff := cmp.Diff(map[string][]string{"postgresql_role.shop": {"update"}}, w.plan()); diff != "" {
		t.Errorf("a plan must see what is in the database: %s", diff)
	}
	w.terraform("apply", "-auto-approve", "-no-color", "test.tfplan")
	if got := w.query("postgres", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'shop'"); got != "t" {
		t.Errorf("the role cannot log in: %q", got)
	}

	state, err := os.ReadFile(filepath.Join(w.folder, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(state), `"type": "sundog_port_forward"`) {
		t.Error("an ephemeral resource must not be in the state")
	}
	w.terraform("destroy", "-auto-approve", "-no-color")
	if left := w.enclaves(); strings.Contains(left, w.enclave) {
		t.Errorf("the enclave is left: %s", left)
	}
	if backend == "docker" {
		for _, kind := range []string{"ps -a", "network ls", "volume ls"} {
			arguments := append(strings.Fields(kind), "--quiet", "--filter", "label=sundog.dev/enclave="+w.enclave)
			if left := run(t, ".", nil, "docker", arguments...); left != "" {
				t.Errorf("docker %s: something is left: %s", kind, left)
			}
		}
	}
}

// database is the example, with its image made.
type database struct {
	*workspace
	enclave, sundog string
}

func newDatabase(t *testing.T, cli, backend, binary string) *database {
	t.Helper()
	plugins, err := provider()
	if err != nil {
		t.Fatal(err)
	}
	w := &database{workspace: newWorkspace(t, cli, "database-setup"), enclave: "database-setup-" + filepath.Base(cli), sundog: filepath.Join(plugins, "terraform-provider-sundog_v"+version)}
	image := lastLine(run(t, w.root, nil, "examples/database-setup/images.sh"))
	name, value, _ := strings.Cut(image, " = ")
	if name != "postgres_image" {
		t.Fatalf("images.sh printed %q", image)
	}
	image = strings.Trim(value, `"`)
	if backend == "kubernetes" {
		archive := filepath.Join(t.TempDir(), "image.tar")
		run(t, ".", nil, "docker", "save", "--output", archive, image)
		load := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_LOAD"))
		run(t, ".", nil, load[0], append(load[1:], archive)...)
	}
	w.environment = append(w.environment, "TF_CLI_CONFIG_FILE="+mirrorWith(t, plugins, binary), "SUNDOG_BACKEND="+backend, "SUNDOG_OWNER=acceptance",
		"TF_VAR_enclave="+w.enclave, "TF_VAR_password=a secret of the test", "TF_VAR_postgres_image="+image)
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = try(context.Background(), w.folder, w.environment, w.sundog, "enclave", "rm", w.enclave, "--yes")
		}
	})
	w.terraform("init", "-no-color")
	return w
}

// mirrorWith makes a CLI configuration by which both providers are found, and gives its file.
func mirrorWith(t *testing.T, plugins, binary string) string {
	t.Helper()
	mirror := t.TempDir()
	platform := runtime.GOOS + "_" + runtime.GOARCH
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		for target, source := range map[string]string{
			filepath.Join("sundog-dev", "sundog", version, platform, "terraform-provider-sundog_v"+version):                           filepath.Join(plugins, "terraform-provider-sundog_v"+version),
			filepath.Join("cyrilgdn", "postgresql", postgresqlVersion, platform, "terraform-provider-postgresql_v"+postgresqlVersion): binary,
		} {
			target = filepath.Join(mirror, host, target)
			if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(source, target); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(mirror, "cli.tfrc")
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// query asks the database in its own container, by the program that comes with it.
func (w *database) query(database, sql string) string {
	w.t.Helper()
	return strings.TrimSpace(run(w.t, w.folder, w.environment, w.sundog, "exec", w.enclave, "postgres", "--", "psql", "-U", "postgres", "-d", database, "-Atc", sql))
}

func (w *database) enclaves() string {
	w.t.Helper()
	return run(w.t, w.folder, w.environment, w.sundog, "enclave", "ls")
}
