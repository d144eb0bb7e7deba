package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

const (
	// maxFile bounds each file that takes part, maxFiles how many there are.
	maxFile  = 4 << 20
	maxFiles = 1000
	// maxDepth bounds how deep files include each other. A cycle is told by the Compose library, which names the files.
	maxDepth = 50
	// climbs is how many levels a relative path can climb out of the repository and still be told from an absolute one.
	climbs = 12
)

// stage is a private folder with copies of exactly those files of the repository that the Compose library is going to
// read. The library opens files by itself and asks nobody; so what is included and extended is found beforehand, comes
// through Files, and what was not found beforehand is refused (see guard).
type stage struct {
	files Files
	// folder is removed at the end; root, inside it, stands for the repository.
	folder, root string
	places       *places
	copied       map[string][]byte
	// named holds the values of include.path and extends.file, resolved those of include.env_file and
	// include.project_directory with the places that they lead to.
	named    map[string]bool
	resolved map[string]string
}

func newStage(files Files) (*stage, error) {
	folder, err := os.MkdirTemp("", "sundog-compose-")
	if err != nil {
		return nil, fmt.Errorf("convert a Compose file: %w", err)
	}
	root := folder + strings.Repeat(string(filepath.Separator)+"_", climbs)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("convert a Compose file: %w", err), os.RemoveAll(folder))
	}
	return &stage{
		files: files, folder: folder, root: root, places: &places{},
		copied: map[string][]byte{}, named: map[string]bool{}, resolved: map[string]string{},
	}, nil
}

func (s *stage) remove() { _ = os.RemoveAll(s.folder) }

// path is where a file of the repository stands on the stage.
func (s *stage) path(file string) string { return filepath.Join(s.root, filepath.FromSlash(file)) }

// inside gives the path in the repository of a path on the stage.
func (s *stage) inside(staged string) (string, bool) {
	relative, err := filepath.Rel(s.root, staged)
	if err != nil || !filepath.IsLocal(relative) {
		return "", false
	}
	if relative == "." {
		return "", true
	}
	return filepath.ToSlash(relative), true
}

// climbed tells that a path on the stage comes from a relative one that leaves the repository.
func (s *stage) climbed(staged string) bool {
	_, ok := s.inside(staged)
	return !ok && (staged == s.folder || strings.HasPrefix(staged, s.folder+string(filepath.Separator)))
}

// copy brings a file of the repository onto the stage.
func (s *stage) copy(file string) ([]byte, error) {
	if content, done := s.copied[file]; done {
		return content, nil
	}
	if len(s.copied) >= maxFiles {
		return nil, fmt.Errorf("more than %d files take part", maxFiles)
	}
	content, err := s.files.Read(file)
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", file, maxFile>>20)
	}
	target := s.path(file)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(target, content, 0o600); err != nil {
		return nil, err
	}
	s.copied[file] = content
	return content, nil
}

// exists tells whether a file is there.
func (s *stage) exists(file string) (bool, error) {
	kind, err := s.files.Stat(file)
	return kind == File, err
}

// resolve gives the place of a path that a key of a Compose file names, relative to a folder of the repository.
func resolve(folder, named string) (string, error) {
	switch {
	case strings.Contains(named, "://"), strings.HasPrefix(named, "git@"), strings.HasPrefix(named, "oci:"), strings.HasPrefix(named, "github.com/"):
		return "", fmt.Errorf("%q lies elsewhere: copy it into the package", named)
	case path.IsAbs(named), strings.HasPrefix(named, "~"), filepath.IsAbs(named):
		return "", fmt.Errorf("%q is a path of one machine: copy the file into the package and name it relatively", named)
	case strings.ContainsAny(named, "\\\x00"):
		return "", fmt.Errorf("%q is no path with slashes", named)
	}
	joined := path.Join(folder, named)
	if !filepath.IsLocal(filepath.FromSlash(joined)) {
		return "", fmt.Errorf("%q leaves the package's repository: copy the file into the package", named)
	}
	if joined == "." {
		joined = ""
	}
	return joined, nil
}

// document is what the Compose library sees of a file when it looks for further ones.
type document map[string]any

// documents reads a file the way the library does it before it follows include and extends. A file that cannot be read
// is left to the library, which says why.
func documents(content []byte, environment types.Mapping) []document {
	var all []document
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	for {
		var parsed map[string]any
		if err := decoder.Decode(&parsed); err != nil {
			return all
		}
		filled, err := interpolation.Interpolate(parsed, interpolation.Options{Substitute: substitute(nil), LookupValue: environment.Resolve})
		if err != nil {
			return all
		}
		all = append(all, filled)
	}
}

// follow copies a file and all that it includes and extends. Folder is what relative paths in it count from.
func (s *stage) follow(ctx context.Context, file, folder string, environment types.Mapping, base bool, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	content, err := s.copy(file)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return nil
	}
	for _, doc := range documents(content, environment) {
		if !base {
			if err := s.followIncludes(ctx, doc, file, folder, environment, depth); err != nil {
				return err
			}
		}
		if err := s.followExtends(ctx, doc, file, folder, environment, depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) followIncludes(ctx context.Context, doc document, file, folder string, environment types.Mapping, depth int) error {
	includes, _ := doc["include"].([]any)
	for i, value := range includes {
		one, isMap := value.(map[string]any)
		if !isMap {
			one = map[string]any{"path": value}
		}
		found, key, err := s.include(one, folder, environment)
		if err != nil {
			number := strconv.Itoa(i)
			return &Error{Place: s.places.of(file, "include", number, key), Message: "include[" + number + "]." + key + ": " + err.Error()}
		}
		for _, further := range found.files {
			if err := s.follow(ctx, further, found.folder, found.environment, false, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// inclusion is what one element of include brings in.
type inclusion struct {
	files       []string
	folder      string
	environment types.Mapping
}

// include copies what one element of include names. An error comes with the key that it is about.
func (s *stage) include(one map[string]any, folder string, environment types.Mapping) (found inclusion, key string, err error) {
	for _, named := range textsOf(one["path"]) {
		file, err := resolve(folder, named)
		if err != nil {
			return found, "path", err
		}
		s.named[named] = true
		if _, err := s.copy(file); err != nil {
			return found, "path", err
		}
		found.files = append(found.files, file)
	}
	if len(found.files) == 0 {
		return found, "", nil
	}
	found.folder = path.Dir(found.files[0])
	if named, ok := one["project_directory"].(string); ok && named != "" {
		if found.folder, err = s.place(folder, named); err != nil {
			return found, "project_directory", err
		}
	}
	found.environment, err = s.includedVariables(textsOf(one["env_file"]), folder, found.folder, environment)
	return found, "env_file", err
}

// includedVariables gives the variables that an included file sees: those of the file that includes it, and those of its
// env_file, or of the .env in its folder.
func (s *stage) includedVariables(named []string, folder, inner string, environment types.Mapping) (types.Mapping, error) {
	var files []string
	for _, name := range named {
		if name == os.DevNull {
			continue
		}
		file, err := s.place(folder, name)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if len(named) == 0 {
		file := path.Join(inner, dotenv.DotEnv)
		there, err := s.exists(file)
		if err != nil {
			return nil, err
		}
		if there {
			files = []string{file}
		}
	}
	staged := make([]string, len(files))
	for i, file := range files {
		if _, err := s.copy(file); err != nil {
			return nil, err
		}
		staged[i] = s.path(file)
	}
	more, err := dotenv.GetEnvFromFile(environment, staged)
	if err != nil {
		return nil, err
	}
	return environment.Clone().Merge(more), nil
}

func (s *stage) followExtends(ctx context.Context, doc document, file, folder string, environment types.Mapping, depth int) error {
	services, _ := doc["services"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		service, _ := services[name].(map[string]any)
		extends, _ := service["extends"].(map[string]any)
		named, ok := extends["file"].(string)
		if !ok {
			continue
		}
		found, err := resolve(folder, named)
		if err == nil {
			s.named[named] = true
			if err = s.follow(ctx, found, path.Dir(found), environment, true, depth+1); err == nil {
				continue
			}
		}
		var placed *Error
		if errors.As(err, &placed) || ctx.Err() != nil {
			return err
		}
		return &Error{Place: s.places.of(file, "services", name, "extends", "file"), Message: fmt.Sprintf("services.%s.extends.file: %v", name, err)}
	}
	return nil
}

// place finds what a name that the library resolves against the process's folder stands for, and remembers it.
func (s *stage) place(folder, named string) (string, error) {
	file, err := resolve(folder, named)
	if err != nil {
		return "", err
	}
	target := s.path(file)
	if earlier, known := s.resolved[named]; known && earlier != target {
		return "", fmt.Errorf("%q means different files in different folders: give one of them another name", named)
	}
	s.resolved[named] = target
	return file, nil
}

// textsOf gives the elements of what is a text or a list of texts.
func textsOf(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		var found []string
		for _, element := range value {
			if text, ok := element.(string); ok {
				found = append(found, text)
			}
		}
		return found
	}
	return nil
}
