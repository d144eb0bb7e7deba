package plan

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFileTreeTarIsReproducibleAndComplete(t *testing.T) {
	build := func(files ...File) *FileTree {
		tree, err := NewFileTree(files)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	a, b := TextFile("conf/app/a.yaml", 0o644, "a: 1\n"), TextFile("run.sh", 0o755, "#!/bin/sh\n")
	link := File{Path: "conf/link", Mode: fs.ModeSymlink | 0o777, Link: "app/a.yaml"}
	one, two := build(a, b, link), build(link, b, a)
	if one.Digest() != two.Digest() {
		t.Error("the order in which files were given must not matter")
	}
	if build(a, b).Digest() == one.Digest() {
		t.Error("a missing link must change the digest")
	}
	if changed := build(TextFile("conf/app/a.yaml", 0o600, "a: 1\n"), b, link); changed.Digest() == one.Digest() {
		t.Error("a mode must change the digest")
	}

	var first, second bytes.Buffer
	if err := errors.Join(one.WriteTar(&first), two.WriteTar(&second)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("equal trees must give equal streams")
	}
	got := map[string]string{}
	archive := tar.NewReader(&first)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		got[header.Name] = string(content) + header.Linkname
	}
	want := map[string]string{"conf/": "", "conf/app/": "", "conf/app/a.yaml": "a: 1\n", "conf/link": "app/a.yaml", "run.sh": "#!/bin/sh\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewFileTreeRefusesEscapes(t *testing.T) {
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", ".."} {
		if _, err := NewFileTree([]File{{Path: name}}); err == nil {
			t.Errorf("path %q must be refused", name)
		}
	}
	if _, err := NewFileTree([]File{TextFile("a", 0o644, "1"), TextFile("a", 0o644, "2")}); err == nil {
		t.Error("a path that stands twice must be refused")
	}
}
