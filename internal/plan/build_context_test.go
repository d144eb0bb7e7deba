package plan

import (
	"io/fs"
	"strings"
	"testing"
)

// buildOf makes a build of files given as path=content.
func buildOf(t *testing.T, buildFile string, files ...string) *Build {
	t.Helper()
	list := make([]File, 0, len(files))
	for _, text := range files {
		name, content, _ := strings.Cut(text, "=")
		list = append(list, TextFile(name, 0o644, content))
	}
	tree, err := NewFileTree(list)
	if err != nil {
		t.Fatal(err)
	}
	return &Build{Context: tree, BuildFile: buildFile}
}

func paths(tree *FileTree) string {
	names := make([]string, 0, len(tree.Files))
	for _, file := range tree.Files {
		names = append(names, file.Path)
	}
	return strings.Join(names, " ")
}

func TestBuildSeesWhatIsNotIgnored(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		build           *Build
		visible, pruned string
	}{
		"nothing is ignored": {buildOf(t, "", "Dockerfile=", "a="), "Dockerfile a", "Dockerfile a"},
		"patterns": {
			buildOf(t, "", "Dockerfile=", ".dockerignore=# comment\n*.log\n!keep.log\nnode_modules\n**/*.tmp\n", "a.log=", "keep.log=", "b/c.log=", "b/x.tmp=", "node_modules/x/y="),
			".dockerignore Dockerfile b/c.log keep.log", ".dockerignore Dockerfile b/c.log keep.log",
		},
		"a folder is left out but for one file": {
			buildOf(t, "", "Dockerfile=", ".dockerignore=docs\n!docs/README.md\n", "docs/a=", "docs/README.md="),
			".dockerignore Dockerfile docs/README.md", ".dockerignore Dockerfile docs/README.md",
		},
		"everything but one folder": {
			buildOf(t, "", "Dockerfile=", ".dockerignore=*\n!src\n", "src/a=", "b="),
			"src/a", ".dockerignore Dockerfile src/a",
		},
		"the build file's own goes before": {
			buildOf(t, "docker/Dockerfile", "docker/Dockerfile=", "docker/Dockerfile.dockerignore=b\n", ".dockerignore=a\n", "a=", "b="),
			".dockerignore a docker/Dockerfile docker/Dockerfile.dockerignore", ".dockerignore a docker/Dockerfile docker/Dockerfile.dockerignore",
		},
	} {
		visible, err := c.build.Visible()
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		if got := paths(visible); got != c.visible {
			t.Errorf("%s: visible are %q, want %q", title, got, c.visible)
		}
		before, err := c.build.InputDigest()
		if err != nil {
			t.Errorf("%s: %v", title, err)
		}
		if err := c.build.Prune(); err != nil {
			t.Errorf("%s: %v", title, err)
		}
		if got := paths(c.build.Context); got != c.pruned {
			t.Errorf("%s: pruned it is %q, want %q", title, got, c.pruned)
		}
		after, err := c.build.InputDigest()
		if err != nil || after != before {
			t.Errorf("%s: pruning changed the input's digest, %v", title, err)
		}
	}
}

func TestInputDigestCoversWhatTheBuildSees(t *testing.T) {
	t.Parallel()
	files := func(changes ...string) []string {
		contents := map[string]string{"Dockerfile": "FROM scratch", ".dockerignore": "*\n!a", "a": "1", "b": "1"}
		for _, change := range changes {
			name, content, _ := strings.Cut(change, "=")
			contents[name] = content
		}
		var texts []string
		for _, name := range sortedKeys(contents) {
			texts = append(texts, name+"="+contents[name])
		}
		return texts
	}
	digest := func(build *Build) string {
		t.Helper()
		text, err := build.InputDigest()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	base := digest(buildOf(t, "", files()...))
	if digest(buildOf(t, "Dockerfile", files("b=2", "c=3")...)) != base {
		t.Error("what is ignored counts")
	}
	if digest(buildOf(t, "", files(".dockerignore=*\n!a\n# b\n")...)) != base {
		t.Error("the ignore file counts although it is ignored itself")
	}
	for title, build := range map[string]*Build{
		"a file":         buildOf(t, "", files("a=2")...),
		"the build file": buildOf(t, "", files("Dockerfile=FROM x")...),
		"what is left":   buildOf(t, "", files(".dockerignore=*\n!a\n!b")...),
		"the path":       buildOf(t, "b", files()...),
		"the stage":      {Context: buildOf(t, "", files()...).Context, TargetStage: "x"},
	} {
		if digest(build) == base {
			t.Errorf("%s does not count", title)
		}
	}
}

func TestIgnoreFileThatIsWrongIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := buildOf(t, "", "Dockerfile=", ".dockerignore=[", "a=").Visible(); err == nil || !strings.Contains(err.Error(), ".dockerignore") {
		t.Errorf("got error %v, want one that names the file", err)
	}
	tree, err := NewFileTree([]File{{Path: ".dockerignore", Mode: fs.ModeSymlink | 0o777, Link: "x"}, TextFile("Dockerfile", 0o644, "")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Build{Context: tree}).Visible(); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("got error %v, want one about a link", err)
	}
}
