package language

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// composePackage writes a folder without a kurtosis.yml and opens it.
func composePackage(t testing.TB, files map[string]string) *locator.Package {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "shop")
	for name, content := range files {
		writeFile(t, directory, name, content)
	}
	opened, err := locator.New(locator.Options{CacheDir: t.TempDir(), Offline: true}).Open(context.Background(), directory, "")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// instructionNames gives the functions that a plan calls, with the services that they are about.
func instructionNames(made *plan.Plan) string {
	var names []string
	for _, instruction := range made.Instructions {
		words := []string{instruction.Name}
		switch operation := instruction.Operation.(type) {
		case *plan.AddServices:
			for i := range operation.Services {
				words = append(words, operation.Services[i].Name)
			}
		case *plan.Wait:
			words = append(words, operation.Service)
		}
		names = append(names, strings.Join(words, " "))
	}
	return strings.Join(names, ", ")
}

func TestComposePackages(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		files map[string]string
		args  map[string]any
		want  string
		look  func(t *testing.T, made *plan.Plan)
	}{
		{
			name: "web, database and cache",
			files: map[string]string{
				"docker-compose.yml": "services:\n  web:\n    build: .\n    ports: ['8000:5000']\n    depends_on: [db, redis]\n  redis: {image: 'redis:7'}\n  db: {image: 'postgres:16', volumes: ['data:/var/lib/postgresql/data'], environment: {POSTGRES_PASSWORD: pw}}\nvolumes: {data: {}}\n",
				"Dockerfile":         "FROM scratch\n",
			},
			want: "add_services db redis, add_service web",
			look: func(t *testing.T, made *plan.Plan) {
				t.Helper()
				web := made.Services()["web"]
				if web.Image.Name != "web-image" || web.Image.Build == nil || web.PublicPorts["port0"].Number != 8000 || web.Ports["port0"].Number != 5000 {
					t.Errorf("web is %+v", web)
				}
				if key := made.Services()["db"].Files["/var/lib/postgresql/data"].PersistentKey; key != "shop-data" {
					t.Errorf("the volume's key is %q", key)
				}
			},
		},
		{
			name: "WordPress and MySQL",
			files: map[string]string{
				"compose.yaml": "services:\n  db:\n    image: mysql:8\n    command: '--default-authentication-plugin=mysql_native_password'\n    restart: always\n    environment: [MYSQL_DATABASE=wordpress]\n    expose: [3306, 33060]\n    healthcheck: {test: ['CMD', 'mysqladmin', 'ping'], interval: 10s, retries: 5}\n" +
					"  wordpress:\n    image: wordpress:latest\n    ports: ['80:80']\n    depends_on: {db: {condition: service_healthy}}\n    volumes: ['./uploads.ini:/usr/local/etc/php/conf.d/uploads.ini']\n",
				"uploads.ini": "upload_max_filesize = 64M\n",
			},
			want: "add_service db, upload_files, add_service wordpress",
			look: func(t *testing.T, made *plan.Plan) {
				t.Helper()
				db := made.Services()["db"]
				recipe, _ := db.Ready.Recipe.(*plan.ExecRecipe)
				if recipe == nil || strings.Join(recipe.Command, " ") != "mysqladmin ping" || db.Ready.Condition.Field != "code" || db.Ready.Condition.Target != int64(0) {
					t.Errorf("db is ready when %+v", db.Ready)
				}
				if moved := made.Services()["wordpress"].FilesToBeMoved; moved["/.sundog/uploads-ini/uploads.ini"] != "/usr/local/etc/php/conf.d/uploads.ini" {
					t.Errorf("moved files %v", moved)
				}
				if len(made.Warnings) != 1 || made.Warnings[0].Position.String() != "compose.yaml:5:5" || !strings.HasPrefix(made.Warnings[0].Message, "services.db.restart: ") {
					t.Errorf("warnings %v", made.Warnings)
				}
			},
		},
		{
			name: "a migration that must have ended",
			files: map[string]string{
				"compose.yml": "services:\n  api: {image: api, depends_on: {migrate: {condition: service_completed_successfully}}}\n  migrate: {image: api, command: [migrate], depends_on: {db: {condition: service_started}}}\n  db: {image: 'postgres:16'}\n",
			},
			want: "add_service db, add_service migrate, wait migrate, add_service api",
			look: func(t *testing.T, made *plan.Plan) {
				t.Helper()
				wait, _ := made.Instructions[2].Operation.(*plan.Wait)
				if _, exits := wait.Recipe.(*plan.ExitRecipe); !exits || wait.Condition.Target != int64(0) {
					t.Errorf("waits for %+v", wait)
				}
			},
		},
		{
			name:  "profiles",
			files: map[string]string{"compose.yml": "services:\n  web: {image: x}\n  tool: {image: x, profiles: [debug]}\n"},
			want:  "add_services web",
		},
		{
			name:  "a profile that was asked for",
			files: map[string]string{"compose.yml": "services:\n  web: {image: x}\n  tool: {image: x, profiles: [debug]}\n"},
			args:  map[string]any{"profiles": []any{"debug"}},
			want:  "add_services web tool",
		},
		{
			name:  "variables",
			files: map[string]string{"compose.yml": "services:\n  web: {image: 'x:${TAG:-1}'}\n", ".env": "TAG=2\n"},
			args:  map[string]any{"variables": map[string]any{"TAG": "3"}},
			want:  "add_service web",
			look: func(t *testing.T, made *plan.Plan) {
				t.Helper()
				if image := made.Services()["web"].Image.Name; image != "x:3" {
					t.Errorf("image %s", image)
				}
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pkg := composePackage(t, c.files)
			made, err := Interpret(context.Background(), pkg, Request{Args: c.args})
			if err != nil {
				t.Fatal(err)
			}
			if got := instructionNames(made); got != c.want {
				t.Errorf("instructions %s; want %s", got, c.want)
			}
			if made.PackageName != "shop" || len(made.Parameters) != 2 || made.Parameters[0].Name != "profiles" || made.Parameters[1].Name != "variables" {
				t.Errorf("name %q, parameters %+v", made.PackageName, made.Parameters)
			}
			if c.look != nil {
				c.look(t, made)
			}
		})
	}
}

// What is printed is what is interpreted: saved as a main file, the text gives the same plan.
func TestConvertGivesWhatIsInterpreted(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"compose.yml": "services:\n  web: {image: 'x:$TAG', volumes: ['./html:/html'], depends_on: [db], restart: always}\n  db: {image: y, environment: {A: \"quote \\\" and \\\\ and é\"}}\n",
		"html/a":      "a",
	}
	pkg := composePackage(t, files)
	text, warnings, err := Convert(context.Background(), pkg, map[string]string{"TAG": "7"})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Position.String() != "compose.yml:2:71" {
		t.Errorf("warnings %v", warnings)
	}
	direct, err := Interpret(context.Background(), pkg, Request{Args: map[string]any{"variables": map[string]any{"TAG": "7"}}})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := Interpret(context.Background(), testPackage(t, map[string]string{"main.star": text, "html/a": "a"}), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := operations(t, saved), operations(t, direct); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, _, err := Convert(context.Background(), testPackage(t, map[string]string{"main.star": ""}), nil); err == nil || !strings.Contains(err.Error(), "is no Compose file") {
		t.Errorf("error %v", err)
	}
}

func TestComposeFileAsModuleAndText(t *testing.T) {
	t.Parallel()
	pkg := testPackage(t, map[string]string{
		"main.star":          "stack = import_module(\"./stack/docker-compose.yml\")\ndef run(plan):\n    stack.run(plan, profiles = [\"debug\"])\n    return read_file(\"./stack/docker-compose.yml\")\n",
		"stack/compose.yaml": "", "stack/docker-compose.yml": "services:\n  web: {image: x, volumes: ['./html:/html']}\n  tool: {image: x, profiles: [debug]}\n",
		"stack/html/a": "a",
	})
	made, err := Interpret(context.Background(), pkg, Request{})
	if err != nil {
		t.Fatal(err)
	}
	if got := instructionNames(made); got != "upload_files, add_services web tool" {
		t.Errorf("instructions %s", got)
	}
	if text, _ := made.Output.(string); !strings.Contains(text, "def run(plan, profiles = [], variables = {}):") {
		t.Errorf("text %q", text)
	}
}

func TestComposeErrors(t *testing.T) {
	t.Parallel()
	web := "services:\n  web: {image: x, profiles: [a], depends_on: [db]}\n  db: {image: x, profiles: [b]}\n"
	cases := []struct {
		name string
		text string
		args map[string]any
		want refused
	}{
		{"syntax", "services: [", nil, refused{at: "compose.yml:1:1", want: []string{"interpretation failed at compose.yml:1:1", "did not find"}}},
		{"key", "services:\n  web:\n    image: x\n    ports: {}\n", nil, refused{at: "compose.yml:4:5", want: []string{"services.web.ports must be a array"}}},
		{"outside", "services:\n  web:\n    build: ../other\n", nil, refused{at: "compose.yml:3:5", want: []string{"services.web.build.context: ../other leaves the package's repository"}}},
		{"link", "services:\n  web:\n    image: x\n    env_file: ./link.env\n", nil, refused{at: "compose.yml:4:5", want: []string{"services.web.env_file[0]", "leads out of"}}},
		{"included link", "include: [link.env]\nservices: {web: {image: x}}\n", nil, refused{at: "compose.yml:1:11", want: []string{"include[0].path", "leads out of"}}},
		{"profile", web, map[string]any{"profiles": []any{"a"}}, refused{want: []string{`service "web" needs service "db", which belongs to the profiles b`}}},
		{"variables", web, map[string]any{"variables": []any{}}, refused{at: "compose.yml:1:1", want: []string{"argument variables must be a dict[string, string]"}}},
		{"variable", web, map[string]any{"variables": map[string]any{"A": int64(1)}}, refused{at: "compose.yml:1:1", want: []string{`the value of "A" must be a string`}}},
		{"argument", web, map[string]any{"profile": "a"}, refused{want: []string{`unexpected keyword argument "profile"`, "profiles"}}},
		{"privileged", "services: {web: {image: x, privileged: true}}", nil, refused{want: []string{"privileged: gives the service power over the host"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pkg := composePackage(t, map[string]string{"compose.yml": c.text})
			if err := os.Symlink("/etc/hostname", filepath.Join(pkg.Directory, "link.env")); err != nil {
				t.Fatal(err)
			}
			_, err := Interpret(context.Background(), pkg, Request{Args: c.args})
			checkRefused(t, err, c.want)
		})
	}
}

// A Compose file in a Git checkout may use what lies beside its folder, as when the package is fetched.
func TestComposeInACheckout(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	writeFile(t, directory, ".git/HEAD", "ref: refs/heads/main\n")
	writeFile(t, directory, "deploy/compose.yml", "services:\n  web: {build: {context: .., dockerfile: deploy/Dockerfile}, env_file: ../common.env}\n")
	writeFile(t, directory, "deploy/Dockerfile", "FROM scratch\n")
	writeFile(t, directory, "common.env", "A=b\n")
	pkg, err := locator.New(locator.Options{CacheDir: t.TempDir(), Offline: true}).Open(context.Background(), filepath.Join(directory, "deploy", "compose.yml"), "")
	if err != nil {
		t.Fatal(err)
	}
	made, err := Interpret(context.Background(), pkg, Request{})
	if err != nil {
		t.Fatal(err)
	}
	web := made.Services()["web"]
	if web.Env["A"] != "b" || web.Image.Build.BuildFile != "deploy/Dockerfile" || len(web.Image.Build.Context.Files) != 3 {
		t.Errorf("web is %+v, built from %+v", web, web.Image.Build)
	}
}
