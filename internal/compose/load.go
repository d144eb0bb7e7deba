package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

// project is a Compose project as the library understands it.
type project struct {
	*types.Project
	stage *stage
	// keys holds the keys that each service has, as written or as the library added them.
	keys map[string]map[string]any
	// variables fill in what has no value of its own, profiles are those that COMPOSE_PROFILES of .env names.
	variables types.Mapping
	profiles  []string
	// unset are the variables that stand in a file without a value or a default.
	unset []string
}

// quiet keeps the library from writing to the process's standard error, which belongs to whoever started it. What it
// would say there is found again as a warning.
var quiet = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// load reads a project. Nothing is left behind.
func load(ctx context.Context, source Source, options Options) (*project, error) {
	quiet()
	staged, err := newStage(source.Files)
	if err != nil {
		return nil, &Error{Place: Place{File: source.File}, Message: err.Error()}
	}
	defer staged.remove()
	loaded := &project{stage: staged}
	if err := loaded.load(ctx, source, options); err != nil {
		if ours, ok := errors.AsType[*Error](err); ok {
			return nil, ours
		}
		message := clean(err.Error(), staged)
		return nil, &Error{Place: staged.places.guess(source.File, message), Message: message}
	}
	return loaded, nil
}

func (p *project) load(ctx context.Context, source Source, options Options) error {
	folder := path.Dir(source.File)
	files := []string{source.File}
	override, err := p.override(folder)
	if err != nil {
		return err
	}
	if override != "" {
		files = append(files, override)
	}
	if err := p.readVariables(folder, options.Variables); err != nil {
		return err
	}
	details := types.ConfigDetails{WorkingDir: p.stage.path(folder), Environment: p.variables.Clone()}
	for _, file := range files {
		content, err := p.stage.copy(file)
		if err != nil {
			return err
		}
		p.stage.places.add(file, content)
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: p.stage.path(file), Content: content})
	}
	name := loader.NormalizeProjectName(source.Name)
	if name == "" {
		name = "compose"
	}
	given := p.variables["COMPOSE_PROJECT_NAME"]
	if given != "" {
		name = given
	} else {
		details.Environment["COMPOSE_PROJECT_NAME"] = name
	}
	for _, file := range files {
		if err := p.stage.follow(ctx, file, folder, details.Environment, false, 0); err != nil {
			return err
		}
	}
	unset := map[string]bool{}
	err = p.ask(ctx, details, func(o *loader.Options) {
		o.SetProjectName(name, given != "")
		o.Profiles = []string{"*"}
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.Interpolate.Substitute = substitute(unset)
		p.stage.guard(o)
	})
	p.unset = slices.Sorted(maps.Keys(unset))
	return err
}

// ask has the library read the files. It takes shapes for granted here and there, and a file that breaks that must not
// take the process with it.
func (p *project) ask(ctx context.Context, details types.ConfigDetails, option func(*loader.Options)) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the Compose library cannot read the file, some value has a form that it does not expect (%v): check the file with \"docker compose config\"", reason)
		}
	}()
	options := loader.ToOptions(&details, []func(*loader.Options){option})
	model, err := loader.LoadModelWithContext(ctx, details, option)
	if err != nil {
		return err
	}
	p.keys = map[string]map[string]any{}
	services, _ := model["services"].(map[string]any)
	for name, value := range services {
		service, _ := value.(map[string]any)
		p.keys[name] = maps.Clone(service)
	}
	if named, ok := model["name"].(string); ok {
		options.SetProjectName(named, true)
	}
	p.Project, err = loader.ModelToProject(model, options, details)
	return err
}

// override finds the file that is merged over the Compose file without anybody asking for it.
func (p *project) override(folder string) (string, error) {
	for _, name := range overrideNames {
		file := path.Join(folder, name)
		there, err := p.stage.exists(file)
		if err != nil || there {
			return file, err
		}
	}
	return "", nil
}

// readVariables gathers what ${NAME} can stand for: what the caller gives, and the file .env.
func (p *project) readVariables(folder string, given map[string]string) error {
	p.variables = types.Mapping{}
	maps.Copy(p.variables, given)
	file := path.Join(folder, dotenv.DotEnv)
	there, err := p.stage.exists(file)
	if err != nil {
		return err
	}
	if there {
		content, err := p.stage.copy(file)
		if err != nil {
			return err
		}
		read, err := dotenv.ParseWithLookup(bytes.NewReader(content), p.variables.Resolve)
		if err != nil {
			message := err.Error()
			return &Error{Place: (&places{}).guess(file, message), Message: message}
		}
		p.variables.Merge(read)
	}
	for name := range strings.SplitSeq(p.variables["COMPOSE_PROFILES"], ",") {
		if name = strings.TrimSpace(name); name != "" {
			p.profiles = append(p.profiles, name)
		}
	}
	return nil
}

// substitute fills in variables and notes those that are not there and have no default.
func substitute(unset map[string]bool) func(string, template.Mapping) (string, error) {
	return func(text string, variables template.Mapping) (string, error) {
		return template.SubstituteWithOptions(text, variables, template.WithoutLogging,
			template.WithReplacementFunction(func(part string, variables template.Mapping, config *template.Config) (string, error) {
				value, applied, err := template.DefaultReplacementAppliedFunc(part, variables, config)
				if name := strings.Trim(part, "${}"); !applied && err == nil && unset != nil {
					unset[name] = true
				}
				return value, err
			}))
	}
}

// guard lets the library follow only what was found beforehand, and keeps it from putting the user's home into paths.
func (s *stage) guard(o *loader.Options) {
	casts := maps.Clone(o.Interpolate.TypeCastMapping)
	expected := func(value string) (any, error) {
		if !s.named[value] {
			return nil, fmt.Errorf("%q was not expected here: write the path without variables", value)
		}
		return value, nil
	}
	placed := func(value string) (any, error) {
		target, known := s.resolved[value]
		if value == os.DevNull {
			return value, nil
		}
		if !known && value != "" {
			return nil, fmt.Errorf("%q was not expected here: write the path without variables", value)
		}
		return target, nil
	}
	homeless := func(value string) (any, error) {
		if strings.HasPrefix(value, "~") {
			return "/" + value, nil
		}
		return value, nil
	}
	for _, rule := range []struct {
		cast interpolation.Cast
		keys []string
	}{
		{expected, []string{"include.[]", "include.[].path", "include.[].path.[]", "services.*.extends.file"}},
		{placed, []string{"include.[].env_file", "include.[].env_file.[]", "include.[].project_directory"}},
		{homeless, []string{
			"services.*.volumes.[]", "services.*.volumes.[].source", "services.*.build", "services.*.build.context", "services.*.build.additional_contexts.*",
			"services.*.env_file", "services.*.env_file.[]", "services.*.env_file.[].path", "services.*.label_file", "services.*.label_file.[]",
			"secrets.*.file", "configs.*.file", "volumes.*.driver_opts.device",
		}},
	} {
		for _, key := range rule.keys {
			casts[tree.NewPath(strings.Split(key, ".")...)] = rule.cast
		}
	}
	o.Interpolate.TypeCastMapping = casts
}

var (
	goType     = regexp.MustCompile(`\b(?:map\[string\]interface ?\{\}|map\[string\]any)`)
	validating = regexp.MustCompile(`^validating \S+: `)
	goList     = regexp.MustCompile(`\[\](?:interface ?\{\}|any)`)
)

// clean takes out of a message what only the library's own language knows, and the stage's folder.
func clean(message string, staged *stage) string {
	message = strings.ReplaceAll(message, staged.root+"/", "")
	message = strings.ReplaceAll(message, staged.root, ".")
	message = goType.ReplaceAllString(message, "mapping")
	message = goList.ReplaceAllString(message, "list")
	message = validating.ReplaceAllString(message, "")
	message = strings.ReplaceAll(message, " false schema", " is no key of Compose")
	message = strings.ReplaceAll(message, "\n", " ")
	message = strings.TrimSuffix(message, ": invalid compose project")
	return strings.TrimSpace(message)
}
