package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// memory is a repository of texts.
type memory map[string]string

func (m memory) Read(file string) ([]byte, error) {
	content, found := m[file]
	if !found {
		return nil, fmt.Errorf("%w: %q", fs.ErrNotExist, file)
	}
	return []byte(content), nil
}

func (m memory) Stat(file string) (Kind, error) {
	if _, found := m[file]; found {
		return File, nil
	}
	for name := range m {
		if file == "" || file == "." || strings.HasPrefix(name, path.Clean(file)+"/") {
			return Folder, nil
		}
	}
	return Missing, nil
}

// composed gives a repository with a Compose file of these lines, and further files by name and content.
func composed(text string, further ...string) memory {
	files := memory{"compose.yml": text}
	for i := 0; i+1 < len(further); i += 2 {
		files[further[i]] = further[i+1]
	}
	return files
}

func convertAll(t testing.TB, files memory, variables map[string]string) (*Result, error) {
	t.Helper()
	return Convert(context.Background(), Source{Files: files, File: "compose.yml", Name: "shop"}, Options{Variables: variables})
}

func TestKeysOfAService(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		service  string // keys of the service web, each line indented by four
		files    []string
		want     []string // in the text, blanks at the ends of lines left out
		not      []string
		warnings []string // all of them, by key
	}{
		{name: "image", service: "image: nginx:1", want: []string{`name = "web",`, `image = "nginx:1"`}},
		{name: "build", service: "build: ./src", files: []string{"src/Dockerfile", "FROM x"}, want: []string{`image_name = "web-image"`, `build_context_dir = "./src"`}, not: []string{"build_file"}},
		{
			name: "build with everything", service: "image: me/web:2\n    build: {context: ., dockerfile: docker/prod.Dockerfile, target: prod, args: {A: '1', B: }}", files: []string{"docker/prod.Dockerfile", "FROM x", ".env", "B=two"},
			want: []string{`image_name = "me/web:2"`, `build_context_dir = "./"`, `build_file = "docker/prod.Dockerfile"`, "keep_context = True", `target_stage = "prod"`, `"A": "1"`, `"B": "two"`},
		},
		{
			name: "ports", service: "image: x\n    ports: ['8080:80', '443', '5000-5001:6000-6001/udp', {target: 9000, published: '9999', name: admin, app_protocol: grpc}]",
			want: []string{
				`"port0": PortSpec(number = 80, application_protocol = "http")`, `"port0": PortSpec(number = 8080)`, `"port1": PortSpec(number = 443, application_protocol = "https")`,
				`"port2": PortSpec(number = 6000, transport_protocol = "UDP")`, `"port3": PortSpec(number = 5001, transport_protocol = "UDP")`,
				`"admin": PortSpec(number = 9000, application_protocol = "grpc")`, `"admin": PortSpec(number = 9999)`, "publish_udp = True",
			},
		},
		{name: "port at an address", service: "image: x\n    ports: ['192.168.0.1:80:80', '127.0.0.1:81:81']", warnings: []string{"services.web.ports[0]"}},
		{name: "port of a range", service: "image: x\n    ports: ['8000-8010:80']", not: []string{"public_ports"}, warnings: []string{"services.web.ports[0]"}},
		{name: "exposed ports are not awaited", service: "image: x\n    ports: ['80']\n    expose: ['80', '3000-3001']", want: []string{"number = 3000, wait = None", "number = 3001, wait = None"}, not: []string{"number = 80, wait"}},
		{name: "command and entrypoint", service: "image: x\n    command: sh -c 'echo \"a b\"'\n    entrypoint: [/init, --now]", want: []string{`entrypoint = ["/init", "--now"]`, `cmd = ["sh", "-c", "echo \"a b\""]`}},
		{name: "empty command", service: "image: x\n    command: []", warnings: []string{"services.web.command"}},
		{
			name: "healthcheck", service: "image: x\n    ports: ['80']\n    healthcheck: {test: [CMD, curl, -f, 'http://localhost'], interval: 2s, timeout: 1s, retries: 100, start_period: 10s}",
			want: []string{`command = ["curl", "-f", "http://localhost"]`, `interval = "2s"`, `timeout = "5m10s"`, "target_value = 0", "wait = None"},
		},
		{name: "healthcheck by the shell", service: "image: x\n    healthcheck: {test: 'pg_isready -U $$USER'}", want: []string{`"/bin/sh", "-c", "pg_isready -U $USER"`, `interval = "5s"`, `timeout = "3m0s"`}},
		{name: "no healthcheck", service: "image: x\n    ports: ['80']\n    healthcheck: {disable: true}", not: []string{"ready_conditions", "wait = None"}},
		{name: "healthcheck NONE", service: "image: x\n    healthcheck: {test: [NONE]}", not: []string{"ready_conditions"}},
		{name: "healthcheck of the image", service: "image: x\n    healthcheck: {interval: 1s}", not: []string{"ready_conditions"}, warnings: []string{"services.web.healthcheck"}},
		{
			name: "volumes", service: "image: x\n    volumes: [/anon, ./src:/src:ro, ./one.conf:/etc/one.conf, ./new:/new, /etc/hosts:/h, '~/x:/y', {type: tmpfs, target: /t}]", files: []string{"src/a", "", "one.conf", ""},
			want: []string{
				`"/anon": Directory(persistent_key = "shop-web-anon")`, `"/src": "src"`, `"/.sundog/one-conf/one.conf": "/etc/one.conf"`, `"/.sundog/one-conf": "one-conf"`,
				`plan.upload_files(src = "./src", name = "src")`, `plan.upload_files(src = "./one.conf", name = "one-conf")`, `"/new": Directory(persistent_key = "shop-new")`,
			},
			warnings: []string{"services.web.volumes[4]", "services.web.volumes[5]", "services.web.volumes[6]"},
		},
		{name: "the engine's socket", service: "image: x\n    volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']", want: []string{`"/var/run/docker.sock": "/var/run/docker.sock"`, "bind_mounts"}},
		{
			name: "resources", service: "image: x\n    deploy: {resources: {limits: {cpus: '1.5', memory: 512M, pids: 5}, reservations: {cpus: '0.25', memory: 100M, devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}",
			want: []string{"max_cpu = 1500", "min_cpu = 250", "max_memory = 537", "min_memory = 105", `GpuConfig(count = 1, driver = "nvidia")`}, warnings: []string{"services.web.deploy.resources.limits.pids"},
		},
		{name: "older resources", service: "image: x\n    cpus: 0.5\n    mem_limit: 1g\n    mem_reservation: 64m\n    shm_size: 64m\n    ulimits: {nofile: 1024, nproc: {soft: 1, hard: 2}}", want: []string{"max_cpu = 500", "max_memory = 1074", "min_memory = 68", "shm_size = 64", `"nofile": 1024`, `"nproc": 2`}, warnings: []string{"services.web.ulimits.nproc"}},
		{name: "user by number", service: "image: x\n    user: '1000:1001'", want: []string{"user = User(uid = 1000, gid = 1001)"}},
		{name: "user by name", service: "image: x\n    user: postgres", not: []string{"User("}, warnings: []string{"services.web.user"}},
		{name: "root", service: "image: x\n    user: root", want: []string{"User(uid = 0)"}},
		{name: "labels", service: "image: x\n    labels: {app: shop, traefik.http.rule: 'Host(`x`)'}", want: []string{`"app": "shop"`}, not: []string{"traefik"}, warnings: []string{"services.web.labels.traefik.http.rule"}},
		{name: "powers", service: "image: x\n    cap_add: [NET_ADMIN]\n    devices: ['/dev/fuse:/dev/fuse:rwm']\n    privileged: true\n    pid: host\n    init: false\n    tty: true\n    working_dir: /srv", want: []string{`capabilities = ["NET_ADMIN"]`, `devices = ["/dev/fuse:/dev/fuse:rwm"]`, "privileged = True", "host_pid_namespace = True", "tini_enabled = False", "tty_enabled = True", `working_dir = "/srv"`}},
		{name: "other names", service: "image: x\n    container_name: My_Web\n    hostname: www\n    domainname: example.org\n    networks: {default: {aliases: [front.local]}}", want: []string{`name = "my-web"`, `aliases = ["web", "My_Web", "www", "www.example.org", "front.local"]`}},
		{name: "replicas", service: "image: x\n    ports: ['80:80']\n    deploy: {replicas: 2}", want: []string{`"web-1": ServiceConfig(`, `"web-2": ServiceConfig(`, `aliases = ["web"]`}, not: []string{"public_ports"}, warnings: []string{"services.web.ports[0]"}},
		{
			name: "what is lost", service: "image: x\n    restart: always\n    cap_drop: [ALL]\n    dns: 1.1.1.1\n    extra_hosts: ['a:1.2.3.4']\n    read_only: true\n    security_opt: ['no-new-privileges:true']\n    stop_signal: SIGINT\n    sysctls: {a: '1'}\n    tmpfs: /t\n    ipc: host",
			warnings: []string{"services.web.cap_drop", "services.web.dns", "services.web.extra_hosts", "services.web.ipc", "services.web.read_only", "services.web.restart", "services.web.security_opt", "services.web.stop_signal", "services.web.sysctls", "services.web.tmpfs"},
		},
		{name: "what does not matter", service: "image: x\n    restart: 'no'\n    logging: {driver: none}\n    stdin_open: true\n    stop_grace_period: 1s\n    platform: linux/amd64\n    pull_policy: always\n    x-mine: 1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			result, err := convertAll(t, composed("services:\n  web:\n    "+c.service+"\n", c.files...), nil)
			if err != nil {
				t.Fatal(err)
			}
			check(t, result, c.want, c.not)
			var keys []string
			for _, warning := range result.Warnings {
				keys = append(keys, warning.Key)
				if !strings.HasPrefix(warning.Message, warning.Key+": ") || warning.Line < 3 || warning.File != "compose.yml" {
					t.Errorf("warning %+v", warning)
				}
			}
			if strings.Join(keys, " ") != strings.Join(c.warnings, " ") {
				t.Errorf("warnings about %q; want %q", keys, c.warnings)
			}
		})
	}
}

// check looks for pieces of a text, however it is broken into lines.
func check(t testing.TB, result *Result, want, not []string) {
	t.Helper()
	joined := strings.Join(strings.Fields(result.Text), " ")
	for from, to := range map[string]string{"[ ": "[", ", ]": "]", "( ": "(", ", )": ")"} {
		joined = strings.ReplaceAll(joined, from, to)
	}
	for _, piece := range want {
		if !strings.Contains(joined, piece) {
			t.Errorf("the text lacks %s:\n%s", piece, result.Text)
		}
	}
	for _, piece := range not {
		if strings.Contains(joined, piece) {
			t.Errorf("the text has %s:\n%s", piece, result.Text)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("HOST", "of the machine")
	t.Setenv("V", "of the machine")
	files := composed("services:\n  web:\n    image: x:$V\n    env_file: [a.env, {path: none.env, required: false}]\n    environment: [A=mine, HOST, EMPTY=, 'D=${NONE}', \"E=${NONE:-else}\", 'F=$$V']\n",
		"a.env", "A=file\nB=\"two words\"\nC=${A}-${V}\n", ".env", "V=of the file\n")
	result, err := convertAll(t, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, result, []string{`image = "x:of the file"`, `"A": "mine", "B": "two words", "C": "mine-of the file", "D": "", "E": "else", "EMPTY": "", "F": "$V"`}, []string{"machine"})
	var keys []string
	for _, warning := range result.Warnings {
		keys = append(keys, warning.Key)
	}
	if got := strings.Join(keys, " "); got != "${NONE} services.web.environment.HOST" {
		t.Errorf("warnings about %s", got)
	}
	if result, err = convertAll(t, files, map[string]string{"V": "given", "HOST": "h"}); err != nil {
		t.Fatal(err)
	}
	check(t, result, []string{`image = "x:given"`, `"HOST": "h"`}, nil)
}

func TestSecretsAndConfigs(t *testing.T) {
	t.Parallel()
	text := `
services:
  web:
    image: x
    secrets:
      - plain
      - {source: token, target: api_token}
      - {source: token, target: /etc/token, mode: 0400, uid: "5"}
      - outside
    configs:
      - app
      - {source: inline, target: /etc/inline.yml}
secrets:
  plain: {file: ./plain.txt}
  token: {environment: TOKEN}
  outside: {external: true}
configs:
  app: {file: ./app.conf}
  inline: {content: "a: {{ b }}\n"}
`
	result, err := convertAll(t, composed(text, "plain.txt", "p", "app.conf", "c"), map[string]string{"TOKEN": "t0k3n"})
	if err != nil {
		t.Fatal(err)
	}
	check(t, result, []string{
		`"/.sundog/plain-txt/plain.txt": "/run/secrets/plain"`, `"/.sundog/secret-token/content": "/etc/token"`, `"/.sundog/2/secret-token/content": "/run/secrets/api_token"`, `"/.sundog/app-conf/app.conf": "/app"`,
		`"/.sundog/config-inline/content": "/etc/inline.yml"`, `template = "{{ .content }}", data = { "content": "t0k3n", }`, `"content": "a: {{ b }}\n"`,
	}, nil)
	if !strings.Contains(fmt.Sprint(result.Warnings), "secrets.outside.external: it lies outside") || !strings.Contains(fmt.Sprint(result.Warnings), "services.web.secrets[2]: uid and gid are not carried over") {
		t.Errorf("warnings %v", result.Warnings)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	text := `
services:
  web: {image: x, depends_on: {api: {condition: service_healthy}, seed: {condition: service_completed_successfully}}}
  api: {image: x, healthcheck: {test: [CMD, "true"]}, depends_on: [db]}
  seed: {image: x, ports: ["80"], depends_on: [db]}
  db: {image: x}
  cache: {image: x}
`
	result, err := convertAll(t, composed(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, piece := range []string{"\"cache\": Serv", "\"db\": Serv", "\"api\": Serv", "\"seed\": Serv", "wait = None", "plan.wait(", "name = \"web\""} {
		at := strings.Index(result.Text, piece)
		if at < last {
			t.Errorf("%s stands at %d, after %d:\n%s", piece, at, last, result.Text)
		}
		last = at
	}
	check(t, result, []string{`service_name = "seed", recipe = ExitRecipe(), field = "code", assertion = "==", target_value = 0`}, nil)
}

func TestSharedVolumes(t *testing.T) {
	t.Parallel()
	text := `
services:
  a: {image: x, volumes: ["data_1:/a", "named:/n"]}
  b: {image: x, volumes: ["data_1:/b", "data-1:/other"]}
volumes: {data_1: , data-1: , named: {name: of_all}}
`
	result, err := convertAll(t, composed(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, result, []string{
		`"/a": Directory(persistent_key = "shop-data-1")`, `"/b": Directory(persistent_key = "shop-data-1")`,
		`"/other": Directory(persistent_key = "shop-data-1-2")`, `"/n": Directory(persistent_key = "of-all")`,
	}, nil)
}

func TestSeveralFiles(t *testing.T) {
	t.Parallel()
	files := composed(`
include:
  - parts/queue.yml
  - {path: parts/mail/compose.yml, env_file: mail.env, project_directory: parts}
services:
  web: {image: x, extends: {file: base/common.yml, service: app}, ports: ["80"]}
`,
		"compose.override.yml", "services: {web: {image: y, ports: !override ['81'], environment: {OVER: '1'}}}",
		"base/common.yml", "services: {app: {image: z, extends: {file: deeper.yml, service: app}, environment: {BASE: $ROOT}, env_file: ./base.env, volumes: ['./files:/files']}}",
		"base/deeper.yml", "services: {app: {environment: {DEEP: '1'}}}",
		"base/base.env", "FROM_BASE=1", "base/files/a", "",
		"parts/queue.yml", "include: [{path: inner/compose.yml, env_file: inner.env}]\nservices: {queue: {image: 'q:$PARTS', volumes: ['./q:/q']}}",
		"parts/.env", "PARTS=parts", "parts/q/a", "",
		"parts/inner.env", "INNER=inner",
		"parts/inner/compose.yml", "services: {inner: {image: 'i:$INNER-$PARTS', build: ./ctx}}", "parts/inner/ctx/Dockerfile", "FROM x",
		"parts/mail/compose.yml", "services: {mail: {image: 'm:$MAIL', volumes: ['./m:/m']}}", "mail.env", "MAIL=mail", "parts/m/a", "",
		".env", "ROOT=root",
	)
	result, err := convertAll(t, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, result, []string{
		`image = "y"`, "number = 81", `"OVER": "1"`, `"BASE": "root"`, `"DEEP": "1"`, `"FROM_BASE": "1"`, `"./base/files"`,
		`image = "q:parts"`, `"./parts/q"`, `image_name = "i:inner-parts"`, `"./parts/inner/ctx"`, `image = "m:mail"`, `"./parts/m"`,
	}, []string{"number = 80"})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		text string
		file []string
		at   string
		want string
	}{
		{"no yaml", "services:\n  web: [", nil, "compose.yml:2", "did not find"},
		{"unknown key", "services:\n  web:\n    image: x\n    imagee: y\n", nil, "compose.yml:4", "services.web.imagee is no key of Compose"},
		{"wrong type", "services:\n  web:\n    image: x\n    ports: 80\n", nil, "compose.yml:4", "services.web.ports must be a array"},
		{"no image", "services:\n  web: {command: a}\n", nil, "compose.yml:2", `service "web" has neither an image nor a build context`},
		{"unknown dependency", "services:\n  web: {image: x, depends_on: [db]}\n", nil, "compose.yml:2", `service "web" depends on undefined service "db"`},
		{"cycle", "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n", nil, "", "dependency cycle detected"},
		{"required variable", "services:\n  web: {image: 'x:${TAG:?say which}'}\n", nil, "compose.yml:2", "required variable TAG is missing a value: say which"},
		{"two of one name", "services:\n  my_web: {image: x}\n  my-web: {image: x}\n", nil, "compose.yml:2", `it has the name "my-web", as service "my-web" has`},
		{"missing env_file", "services:\n  web:\n    image: x\n    env_file: a.env\n", nil, "compose.yml:4", "services.web.env_file[0]: there is no file ./a.env"},
		{"missing build folder", "services:\n  web:\n    build: ./nowhere\n", nil, "compose.yml:3", "services.web.build.context: there is no folder ./nowhere"},
		{"missing secret", "services:\n  web: {image: x, secrets: [s]}\nsecrets:\n  s:\n    file: ./s\n", nil, "compose.yml:5", "secrets.s.file: there is no file ./s"},
		{"missing variable of a secret", "services:\n  web: {image: x, secrets: [s]}\nsecrets:\n  s:\n    environment: S\n", nil, "compose.yml:5", "secrets.s.environment: the variable S has no value"},
		{"include of nothing", "include: [a.yml]\nservices: {web: {image: x}}\n", nil, "compose.yml:1", "include[0].path:"},
		{"include cycle", "include: [a.yml]\nservices: {web: {image: x}}\n", []string{"a.yml", "include: [compose.yml]"}, "", "include cycle detected"},
		{"extends of nothing", "services:\n  web:\n    extends:\n      file: a.yml\n      service: b\n", nil, "compose.yml:4", "services.web.extends.file:"},
		{"shapes that break the library", "services:\n  web: {image: x, ulimits: {nofile: {soft: a, hard: b}}}\n", nil, "compose.yml:2", "ulimits"},
		{"nothing", "", nil, "", "empty compose file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := convertAll(t, composed(c.text, c.file...), nil)
			wantError(t, err, c.at, c.want)
		})
	}
}

func wantError(t testing.TB, err error, at, want string) {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("error %v; want one of type *Error", err)
	}
	if !strings.Contains(failure.Message, want) || !strings.HasPrefix(failure.Error(), at) {
		t.Errorf("error %q; want %q at %s", failure.Error(), want, at)
	}
	for _, not := range []string{"/tmp", "sundog-compose-", "interface", "[]any"} {
		if strings.Contains(failure.Message, not) {
			t.Errorf("error %q holds %q", failure.Message, not)
		}
	}
}

// Nothing from outside of the repository may be read, whoever names it.
func TestConfinement(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside.yml")
	if err := os.WriteFile(outside, []byte("services: {stolen: {image: stolen}}\nSTOLEN=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	climb := strings.Repeat("../", 40) + strings.TrimPrefix(outside, "/")
	cases := map[string]string{
		"include":                  "include: [%s]\nservices: {web: {image: x}}",
		"include with a variable":  "include: ['${NONE}%s']\nservices: {web: {image: x}}",
		"include, its variables":   "include: [{path: a.yml, env_file: %s}]\nservices: {web: {image: x}}",
		"include, its folder":      "include: [{path: a.yml, project_directory: %s}]\nservices: {web: {image: x}}",
		"include in an include":    "include: [nested.yml]\nservices: {web: {image: x}}",
		"extends":                  "services: {web: {image: x, extends: {file: %s, service: stolen}}}",
		"env_file":                 "services: {web: {image: x, env_file: %s}}",
		"env_file as an object":    "services: {web: {image: x, env_file: [{path: %s, required: false}]}}",
		"label_file":               "services: {web: {image: x, label_file: %s}}",
		"build":                    "services: {web: {build: %s}}",
		"build file":               "services: {web: {build: {context: ., dockerfile: %s}}}",
		"secret":                   "services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {file: %s}}",
		"config":                   "services: {web: {image: x, configs: [s]}}\nconfigs: {s: {file: %s}}",
		"home":                     "services: {web: {image: x, env_file: ~/%s}}",
		"extends in a base":        "services: {web: {image: x, extends: {file: base.yml, service: app}}}",
		"project folder of nested": "include: [nested-folder.yml]\nservices: {web: {image: x}}",
	}
	for name, text := range cases {
		for _, target := range []string{outside, climb} {
			t.Run(name+"/"+map[bool]string{true: "absolute", false: "climbing"}[target == outside], func(t *testing.T) {
				t.Parallel()
				files := composed(strings.ReplaceAll(text, "%s", target), "a.yml", "services: {a: {image: x}}",
					"nested.yml", "include: [{path: a.yml, env_file: ["+target+"]}]", "base.yml", "services: {app: {extends: {file: "+target+", service: stolen}}}",
					"nested-folder.yml", "include: [{path: a.yml, project_directory: "+target+"}]")
				result, err := convertAll(t, files, nil)
				if err == nil {
					t.Fatalf("no error:\n%s", result.Text)
				}
				var failure *Error
				if !errors.As(err, &failure) || failure.Line == 0 && failure.File == "" {
					t.Errorf("error %v", err)
				}
				if !strings.Contains(err.Error(), "copy") && !strings.Contains(err.Error(), "package") {
					t.Errorf("error %v names no remedy", err)
				}
			})
		}
	}
	t.Run("a bind that climbs", func(t *testing.T) {
		t.Parallel()
		_, err := convertAll(t, composed("services:\n  web:\n    image: x\n    volumes: ['../x:/x']\n"), nil)
		wantError(t, err, "compose.yml:4", "services.web.volumes[0]: ../x leaves the package's repository")
	})
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	text := `
services:
  web: {image: x, depends_on: {tool: {condition: service_started, required: false}}}
  tool: {image: x, profiles: [debug, all], env_file: none.env}
  user: {image: x, profiles: [debug], depends_on: [tool]}
  other: {image: x, profiles: [ci], depends_on: [tool]}
  cpu: {image: x, profiles: [cpu], container_name: model, volumes: ["./m:/m"]}
  gpu: {image: x, profiles: [gpu], container_name: model, volumes: ["./m:/m"]}
`
	result, err := convertAll(t, composed(text, ".env", "COMPOSE_PROFILES=debug, ci", "m/a", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, result, []string{
		`profiles = ["debug", "ci"]`, `if _active(profiles, ["all", "debug"]): fail("services.tool.env_file[0]: there is no file ./none.env`,
		`if _active(profiles, ["ci"]) and not _active(profiles, ["all", "debug"]): fail("service \"other\" needs service \"tool\"`,
		`if _active(profiles, ["cpu"]) and _active(profiles, ["gpu"]): fail("services \"cpu\" and \"gpu\" have the same name \"model\"`,
		`if _active(profiles, ["cpu", "gpu"]): plan.upload_files(`,
	}, []string{`service \"user\" needs`, `service \"web\" needs`})
}

func TestConversionIsDeterministic(t *testing.T) {
	t.Parallel()
	files := composed(`
services:
  a: {image: x, environment: {B: 1, A: 2, C: 3}, labels: {x: a, y: b, "Bad!": c, "Worse!": d}, volumes: ["v:/v", "w:/w", "./f:/f"], ports: ["1", "2:2"], depends_on: [c, d, b]}
  b: {image: x, profiles: [p, q, r], restart: always, cap_drop: [A], dns: 1.1.1.1}
  c: {image: x, ulimits: {a: 1, b: 2, c: 3}, networks: {n: {aliases: [z, y]}, m: {aliases: [q]}}}
  d: {image: "x:$NONE$OTHER"}
volumes: {v: , w: }
networks: {n: {internal: true}, m: {external: true}}
`, "f/a", "")
	files["compose.yml"] = strings.Replace(files["compose.yml"], "[c, d, b]", "{c: {condition: service_started}, d: {condition: service_healthy}, b: {condition: service_started, required: false}}", 1)
	first, err := convertAll(t, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := convertAll(t, files, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again.Text != first.Text || fmt.Sprint(again.Warnings) != fmt.Sprint(first.Warnings) {
			t.Fatalf("two conversions differ:\n%s\n%v\n%s\n%v", first.Text, first.Warnings, again.Text, again.Warnings)
		}
	}
}

func TestNothingStaysBehind(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	for _, text := range []string{"services: {web: {image: x}}", "services: [", "include: [/etc/passwd]"} {
		_, _ = convertAll(t, composed(text), nil)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"web": "web", "My_Web.1": "my-web-1", "1st": "x-1st", "__": "x", "": "x", "a--b": "a-b", strings.Repeat("a", 70): strings.Repeat("a", 63), "é": "x",
	} {
		if got := normalise(given); got != want {
			t.Errorf("normalise(%q) = %q; want %q", given, got, want)
		}
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{{".", "a/b", "a/b"}, {"a", "a/b", "b"}, {"a/b", "a", ".."}, {"a/b", "c", "../../c"}, {".", "", "."}, {"a", "", ".."}} {
		if got := relative(c[0], c[1]); got != c[2] {
			t.Errorf("relative(%q, %q) = %q; want %q", c[0], c[1], got, c[2])
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"services: {web: {image: x}}", "services:\n  a: &a {image: x}\n  b: *a\n", "services: {web: {image: '${A:-b}', ports: ['1-2:3-4/udp'], volumes: ['a:/b:ro', ./c:/d]}}\nvolumes: {a: }",
		"include: [other.yml]\nservices: {web: {build: {context: .}, extends: {file: other.yml, service: o}}}", "services: {web: {image: x, deploy: {resources: {limits: {cpus: '1'}}}, healthcheck: {test: a, retries: 3}}}",
		"services: {w: {image: x, ulimits: {nofile: {soft: 1, hard: 2}}, user: '1:2', depends_on: {v: {condition: service_completed_successfully}}}, v: {image: y, profiles: [p]}}",
		"services: {web: {image: x, secrets: [a], configs: [{source: b, target: /c}]}}\nsecrets: {a: {environment: A}}\nconfigs: {b: {content: c}}",
		"services: !reset null", "services: {web: !override {image: x}}", "a: &a [*a]", "---\nservices: {web: {image: x}}\n---\nservices: {web: {ports: !reset []}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		files := composed(text, "other.yml", "services: {o: {image: x, environment: {A: b}}}", ".env", "A=b", "Dockerfile", "FROM x", "c/d", "")
		first, err := convertAll(t, files, nil)
		if err != nil {
			var failure *Error
			if !errors.As(err, &failure) || failure.Message == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		again, err := convertAll(t, files, nil)
		if err != nil || again.Text != first.Text {
			t.Fatalf("two conversions differ: %v", err)
		}
	})
}
