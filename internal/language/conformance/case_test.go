package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// The files of a case that are no part of its package.
const (
	argsFile    = "args.json"
	yamlFile    = "args.yaml"
	requestFile = "request.json"
	worldFile   = "world.json"
	planFile    = "plan.json"
	errorFile   = "error.txt"
	resultFile  = "result.json"
)

var expectations = []string{planFile, errorFile, resultFile}

// conformanceCase is one case of the suite.
type conformanceCase struct {
	path    string
	area    string
	name    string
	comment string
	covers  []string
	archive *txtar.Archive
	package_, vendor, again,
	extra map[string]string
}

var coversPattern = regexp.MustCompile(`(?m)^covers:\s*(.+)$`)

// readCase reads one case.
func readCase(file string) (*conformanceCase, error) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	c := &conformanceCase{
		path: file, area: filepath.Base(filepath.Dir(file)), name: strings.TrimSuffix(filepath.Base(file), ".txtar"),
		comment: string(archive.Comment), archive: archive,
		package_: map[string]string{}, vendor: map[string]string{}, again: map[string]string{}, extra: map[string]string{},
	}
	for _, line := range coversPattern.FindAllStringSubmatch(c.comment, -1) {
		for point := range strings.SplitSeq(line[1], ",") {
			c.covers = append(c.covers, strings.TrimSpace(point))
		}
	}
	for _, item := range archive.Files {
		content := string(item.Data)
		switch first, rest, _ := strings.Cut(item.Name, "/"); {
		case slices.Contains([]string{argsFile, yamlFile, requestFile, worldFile, planFile, errorFile, resultFile}, item.Name):
			c.extra[item.Name] = content
		case first == "vendor":
			c.vendor[rest] = content
		case first == "again":
			c.again[rest] = content
		default:
			c.package_[item.Name] = content
		}
	}
	if _, ok := c.package_["kurtosis.yml"]; !ok {
		c.package_["kurtosis.yml"] = "name: github.com/test/package\n"
	}
	return c, nil
}

// expectation names the one file that says what the case must give; empty if it is not written yet.
func (c *conformanceCase) expectation() (string, error) {
	var found []string
	for _, name := range expectations {
		if _, ok := c.extra[name]; ok {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s has several expectations: %v", c.path, found)
}

// rewrite replaces the expectation.
func (c *conformanceCase) rewrite(name, content string) error {
	c.archive.Files = slices.DeleteFunc(c.archive.Files, func(file txtar.File) bool { return slices.Contains(expectations, file.Name) })
	c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(content)})
	return os.WriteFile(c.path, txtar.Format(c.archive), 0o600)
}

// request is how a case's package is interpreted, in request.json.
type request struct {
	Backend      string                             `json:"backend"`
	Privileged   bool                               `json:"privileged"`
	MainFile     string                             `json:"main_file"`
	MainFunction string                             `json:"main_function"`
	Existing     map[string]map[string]existingPort `json:"existing"`
	Artifacts    []string                           `json:"artifacts"`
	Shared       bool                               `json:"shared_enclave"`
	Steps        uint64                             `json:"steps"`
	MemoryMiB    int64                              `json:"memory_mib"`
	Time         string                             `json:"time"`
	// Package is the folder of the package inside the case, for packages that are no repository's root.
	Package string `json:"package"`
}

type existingPort struct {
	Number      int    `json:"number"`
	Transport   string `json:"transport_protocol"`
	Application string `json:"application_protocol"`
}

func (c *conformanceCase) request() (language.Request, request, error) {
	var given request
	if text, ok := c.extra[requestFile]; ok {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&given); err != nil {
			return language.Request{}, given, fmt.Errorf("%s: %w", requestFile, err)
		}
	}
	asked := language.Request{
		MainFile: given.MainFile, MainFunction: given.MainFunction, Backend: given.Backend, AllowPrivileged: given.Privileged,
		ExistingArtifacts: given.Artifacts, SharedEnclave: given.Shared, Limits: language.Limits{Steps: given.Steps, Memory: given.MemoryMiB << 20},
	}
	if given.Time != "" {
		limit, err := time.ParseDuration(given.Time)
		if err != nil {
			return asked, given, err
		}
		asked.Limits.Time = limit
	}
	for name, ports := range given.Existing {
		if asked.Existing == nil {
			asked.Existing = map[string]map[string]plan.Port{}
		}
		asked.Existing[name] = map[string]plan.Port{}
		for id, port := range ports {
			asked.Existing[name][id] = plan.Port{Number: port.Number, Transport: port.Transport, Application: port.Application, Wait: 2 * time.Minute}
		}
	}
	return asked, given, nil
}

// lay writes the case's files and opens its package. Files of again replace those of the package.
func (c *conformanceCase) lay(t testing.TB, root, folder string, again bool) (*locator.Package, error) {
	t.Helper()
	files := map[string]string{}
	for name, content := range c.package_ {
		files["package/"+name] = content
	}
	if again {
		for name, content := range c.again {
			files["package/"+name] = content
		}
	}
	options := locator.Options{CacheDir: filepath.Join(root, "cache"), Offline: true}
	if len(c.vendor) > 0 {
		options.VendorDir = filepath.Join(root, "vendor")
		for name, content := range c.vendor {
			files["vendor/"+name] = content
		}
	}
	for name, content := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return locator.New(options).Open(t.Context(), filepath.Join(root, "package", filepath.FromSlash(folder)), "")
}

// interpret interprets the case's package. Errors do not tell where on this machine its files lie.
func (c *conformanceCase) interpret(ctx context.Context, t testing.TB, again bool) (*plan.Plan, error) {
	t.Helper()
	asked, given, err := c.request()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	made, err := func() (*plan.Plan, error) {
		opened, err := c.lay(t, root, given.Package, again)
		if err != nil {
			return nil, err
		}
		if asked.OrderedArgs, err = language.ParseArgs(c.extra[argsFile] + c.extra[yamlFile]); err != nil {
			return nil, err
		}
		return language.Interpret(ctx, opened, asked)
	}()
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), root, "$CASE"))
	}
	return made, nil
}

var placePattern = regexp.MustCompile(`(?s) at main\.star:\d+:\d+|\nbacktrace.*`)

// show gives the name and the content of the expectation that the case fulfils.
func (c *conformanceCase) show(t testing.TB) (name, content string) {
	t.Helper()
	if _, ok := c.extra[worldFile]; ok {
		return resultFile, c.carryOut(t)
	}
	made, err := c.interpret(t.Context(), t, false)
	if err != nil {
		text := err.Error()
		if _, given, _ := c.request(); given.Time != "" || given.MemoryMiB != 0 {
			// Where the package was stopped differs from run to run.
			text = placePattern.ReplaceAllString(text, "")
		}
		return errorFile, strings.TrimRight(text, "\n") + "\n"
	}
	return planFile, showPlan(t, made)
}

func indented(t testing.TB, value any) string {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return plan.ReadableRuntimeValues(out.String())
}
