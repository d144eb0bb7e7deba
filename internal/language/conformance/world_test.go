package conformance

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// world says in world.json what the containers of a case do. Commands that are not told here are carried out by the
// machine's shell if they are of the handful that every machine has; ports answer as the handler below does.
type world struct {
	Commands []answer `json:"commands"`
	// Files of services and tasks by path.
	Files map[string]map[string]string `json:"files"`
	// Closed are ports, as service:number, that never open.
	Closed []string `json:"closed"`
	// Exits are services that end as soon as they are started, with a code.
	Exits map[string]int `json:"exits"`
	// MilliCPU and MemoryMB are what the machine has; 0 means that nobody knows.
	MilliCPU int64 `json:"milli_cpu"`
	MemoryMB int64 `json:"memory_mb"`
	// Show names further parts of the result.
	Show []string `json:"show"`
}

// answer is what a command of a service gives whose words contain a text.
type answer struct {
	Service  string `json:"service"`
	Contains string `json:"contains"`
	Code     int    `json:"code"`
	Output   string `json:"output"`
	// Times bounds how often the answer is given; 0 means always.
	Times int `json:"times"`
	// Hangs until the time is up.
	Hangs bool `json:"hangs"`

	given int
}

const (
	enclaveName = "conformance"
	runName     = "case"
)

// stage is an enclave in memory whose containers behave as the case's world tells.
type stage struct {
	testing.TB
	world   world
	backend *memory.Backend
	engine  *engine.Engine
	server  *httptest.Server
	folder  string

	mutex    sync.Mutex
	commands []string
	requests []string
	visits   map[string]int
}

func (c *conformanceCase) stage(t testing.TB) *stage {
	t.Helper()
	s := &stage{TB: t, folder: t.TempDir(), visits: map[string]int{}}
	decoder := json.NewDecoder(strings.NewReader(c.extra[worldFile]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s.world); err != nil {
		t.Fatalf("%s: %v", worldFile, err)
	}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.server.Close)
	s.backend = memory.New(memory.Hooks{
		Start: func(_ string, request enclave.ServiceRequest) memory.Outcome {
			code, exits := s.world.Exits[request.Spec.Name]
			return memory.Outcome{Exited: exits, Code: code}
		},
		Exec:     s.exec,
		Dial:     s.dial,
		CopyFrom: s.copyFrom,
		Pull:     func(string) bool { return true },
		Capacity: enclave.Capacity{MilliCPU: s.world.MilliCPU, MemoryMB: s.world.MemoryMB},
	})
	s.engine = engine.New(s.backend, engine.Options{})
	if _, err := s.backend.CreateEnclave(t.Context(), enclave.Spec{Name: enclaveName, Owner: "tests"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// plain are the programs that are run on the machine itself.
var plain = map[string]bool{"sh": true, "/bin/sh": true, "echo": true, "printf": true, "true": true, "false": true}

func (s *stage) exec(ctx context.Context, _, service string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
	words := strings.Join(request.Command, " ")
	// How a task's container joins outputs and finds Python is not the language's business.
	python := len(request.Command) > 3 && strings.Contains(request.Command[2], "python")
	shown := request.Command
	if len(shown) == 5 && strings.HasSuffix(shown[2], "2>&1") && shown[3] == shown[0] {
		shown = []string{shown[0], "-c", shown[4]}
	}
	if python {
		shown = append([]string{"python"}, request.Command[4:]...)
		if strings.Contains(request.Command[2], "pip install") {
			shown[0] = "pip install"
		}
	}
	told := s.told(service, words, shown)
	switch {
	case told != nil && told.Hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case told != nil:
		return &enclave.ExecResult{Code: told.Code, Output: told.Output}, nil
	case python:
		return &enclave.ExecResult{}, nil
	case !plain[request.Command[0]]:
		return &enclave.ExecResult{Code: 127, Output: request.Command[0] + ": not found\n"}, nil
	}
	made, _ := s.backend.Request(enclaveName, service)
	command := exec.CommandContext(ctx, request.Command[0], request.Command[1:]...)
	command.Dir, command.Env = s.folder, []string{"PATH=/usr/bin:/bin"}
	for _, name := range slices.Sorted(maps.Keys(made.Spec.Env)) {
		command.Env = append(command.Env, name+"="+made.Spec.Env[name])
	}
	output, err := command.CombinedOutput()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return nil, err
	}
	return &enclave.ExecResult{Code: command.ProcessState.ExitCode(), Output: string(output)}, nil
}

// told finds the answer that world.json has, and writes the command down.
func (s *stage) told(service, words string, shown []string) *answer {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	text, err := json.Marshal(shown)
	if err != nil {
		s.Error(err)
	}
	s.commands = append(s.commands, service+" "+string(text))
	for i := range s.world.Commands {
		told := &s.world.Commands[i]
		if told.Service == service && strings.Contains(words, told.Contains) && (told.Times == 0 || told.given < told.Times) {
			told.given++
			return told
		}
	}
	return nil
}

func (s *stage) dial(ctx context.Context, _, service, transport string, port int) (net.Conn, error) {
	if slices.Contains(s.world.Closed, service+":"+strconv.Itoa(port)) {
		return nil, errors.New("connection refused")
	}
	if transport != "tcp" {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		return near, nil
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", s.server.Listener.Addr().String())
}

// serve is what every port answers: /status/N gives that code, /after/N fails before the Nth time, /text?is=X gives X,
// /away leads to another place, and everything else says as JSON what was asked.
func (s *stage) serve(out http.ResponseWriter, in *http.Request) {
	body, _ := io.ReadAll(in.Body)
	s.mutex.Lock()
	s.visits[in.URL.Path]++
	visit := s.visits[in.URL.Path]
	s.requests = append(s.requests, in.Method+" "+in.URL.String())
	s.mutex.Unlock()
	number, _ := strconv.Atoi(path.Base(in.URL.Path))
	switch {
	case strings.HasPrefix(in.URL.Path, "/status/"):
		out.WriteHeader(number)
		fmt.Fprintf(out, "status %d", number)
		return
	case strings.HasPrefix(in.URL.Path, "/after/") && visit < number:
		out.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(out, "not yet")
		return
	case in.URL.Path == "/text":
		fmt.Fprint(out, in.URL.Query().Get("is"))
		return
	case in.URL.Path == "/away":
		http.Redirect(out, in, "/here", http.StatusFound)
		return
	}
	headers := map[string]string{}
	for name := range in.Header {
		if name != "Accept-Encoding" && name != "User-Agent" && name != "Content-Length" && name != "Connection" && name != "Referer" {
			headers[name] = in.Header.Get(name)
		}
	}
	json.NewEncoder(out).Encode(map[string]any{
		"method": in.Method, "path": in.URL.Path, "query": in.URL.RawQuery, "headers": headers, "body": string(body), "host": in.Host, "visit": visit,
	})
}

// copyFrom gives a file, or the contents of a folder.
func (s *stage) copyFrom(_, service, source string) (io.ReadCloser, error) {
	files := map[string]string{}
	for name, content := range s.world.Files[service] {
		if name == source {
			files[path.Base(name)] = content
		} else if rest, inside := strings.CutPrefix(name, strings.TrimSuffix(source, "/")+"/"); inside {
			files[rest] = content
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", source, enclave.ErrNotFound)
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(archive, files[name]); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return io.NopCloser(&buffer), nil
}

// carryOut applies the case's package, twice if it has files for a second time, and shows the result.
func (c *conformanceCase) carryOut(t testing.TB) string {
	t.Helper()
	s := c.stage(t)
	shown := s.apply(c, false)
	if len(c.again) > 0 {
		shown["again"] = s.apply(c, true)
	}
	return indented(t, shown)
}

var triesPattern = regexp.MustCompile(`after \d+ tries`)

func (s *stage) apply(c *conformanceCase, again bool) object {
	s.mutex.Lock()
	s.commands, s.requests = nil, nil
	s.mutex.Unlock()
	made, err := c.interpret(s.Context(), s, again)
	if err != nil {
		return object{"error": err.Error()}
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	result, err := s.engine.Apply(ctx, engine.Request{Enclave: enclaveName, Run: runName, Owner: "tests", Plan: made})
	shown := object{}
	if err != nil {
		shown["error"] = triesPattern.ReplaceAllString(err.Error(), "after N tries")
	}
	if result == nil {
		return shown
	}
	shown.set("messages", result.Messages).set("warnings", result.Warnings)
	if err == nil {
		shown["output"] = result.Output
	}
	// Files and decisions show where the case is about them.
	show := func(part string, value any) {
		if again || slices.Contains(s.world.Show, part) {
			shown.set(part, value)
		}
	}
	var decisions []string
	for _, decision := range result.Decisions {
		text := decision.Kind + " " + decision.Object + ": " + string(decision.Action)
		if decision.Reason != "" {
			text += " (" + decision.Reason + ")"
		}
		decisions = append(decisions, text)
	}
	show("decisions", decisions)
	show("commands", s.commands)
	show("requests", s.requests)
	show("artifacts", s.artifacts(result))
	services := object{}
	for name, service := range result.Services {
		if request, ok := s.backend.Request(enclaveName, name); ok {
			spec := showService(&request.Spec)
			spec["status"] = service.Status
			services[name] = spec
		}
	}
	show("services", services)
	return s.withoutAddresses(shown, result)
}

// artifacts reads what was stored.
func (s *stage) artifacts(result *engine.Result) object {
	shown := object{}
	for name, digest := range result.Artifacts {
		stream, err := s.backend.Artifact(s.Context(), enclaveName, digest)
		if err != nil {
			s.Fatal(err)
		}
		files := map[string]string{}
		for archive := tar.NewReader(stream); ; {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				s.Fatal(err)
			}
			if header.Typeflag != tar.TypeReg {
				continue
			}
			content, err := io.ReadAll(archive)
			if err != nil {
				s.Fatal(err)
			}
			files[header.Name] = string(content)
		}
		stream.Close()
		shown[name] = files
	}
	return shown
}

// withoutAddresses replaces the addresses of services, which depend on the order in which they were made.
func (s *stage) withoutAddresses(shown object, result *engine.Result) object {
	text, err := json.Marshal(shown)
	if err != nil {
		s.Fatal(err)
	}
	replaced := string(text)
	for _, name := range slices.Sorted(maps.Keys(result.Services)) {
		if address := result.Services[name].IPAddress; address != "" {
			replaced = regexp.MustCompile(regexp.QuoteMeta(address)+`\b`).ReplaceAllString(replaced, "ADDRESS-OF-"+name)
		}
	}
	decoder := json.NewDecoder(strings.NewReader(replaced))
	decoder.UseNumber()
	var back map[string]any
	if err := decoder.Decode(&back); err != nil {
		s.Fatal(err)
	}
	return back
}
