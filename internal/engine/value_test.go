package engine

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestValuesKeepTheirTypesInTheRecord(t *testing.T) {
	t.Parallel()
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	want := map[string]any{
		"int": int64(9007199254740993), "huge": huge, "float": 2.0, "tiny": 1e-9, "large": 1e300, "text": "1", "none": nil, "yes": true,
		"list": []any{int64(1), 1.5, []any{}, map[string]any{"a": int64(2)}},
	}
	text, err := json.Marshal(typedValue{want})
	if err != nil {
		t.Fatal(err)
	}
	var got typedValue
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(want), got.value, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
		t.Error(diff)
	}
}

func TestRecordOfALaterFormatIsRefused(t *testing.T) {
	t.Parallel()
	_, err := decodeRecord("shop", []byte(`{"version": 99}`))
	mention(t, err, `run "shop"`, "format 99", "use the version that wrote it")
	_, err = decodeRecord("shop", []byte(`{`))
	mention(t, err, `read the record of run "shop"`)
}

func TestRenderTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(testRun, emptyObservation())
	w.setResults("task", map[string]any{"output": "a \"quoted\"\nline \\", "code": int64(0)})
	for text, want := range map[string]string{
		`{{.text}}`: "x=a \"quoted\"\nline \\",
		`{{.big}} {{.float}} {{.whole}} {{.list}}`:     "9007199254740993 0.5 2.0 [1 2]",
		`{{if eq .one 1}}yes{{end}}`:                   "yes",
		`{{if gt .float 0.1}}yes{{end}}`:               "yes",
		`{{printf "%.2f %05d" .float .one}}`:           "0.50 00001",
		`{{.missing}} {{.flag}} {{.none}}`:             "<no value> true <no value>",
		`{{range $k, $v := .map}}{{$k}}={{$v}}{{end}}`: "a=1b=2",
	} {
		got, err := renderTemplate(plan.Template{Path: "x", Text: text, Data: map[string]any{
			"text": "x=" + value("task", "output"), "big": int64(9007199254740993), "float": 0.5, "whole": 2.0, "one": int64(1), "flag": true, "none": nil,
			"list": []any{int64(1), int64(2)}, "map": map[string]any{"a": int64(1), "b": int64(2)},
		}}, w)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	_, err := renderTemplates(&plan.RenderTemplates{Artifact: "a", Templates: []plan.Template{{Path: "conf/a.yaml", Text: "{{.a.b.c}}", Data: map[string]any{"a": int64(1)}}}}, w)
	mention(t, err, `template of "conf/a.yaml"`)
}

func tarOf(t *testing.T, headers ...*tar.Header) *bytes.Buffer {
	t.Helper()
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, header := range headers {
		content := header.PAXRecords["content"]
		header.PAXRecords = nil
		header.Size = int64(len(content))
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return &buffer
}

func TestSpooledFilesHaveADigestOfTheirContent(t *testing.T) {
	t.Parallel()
	file := func(name, content string, uid int) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Uid: uid, PAXRecords: map[string]string{"content": content}}
	}
	one, err := spoolTar(tarOf(t, file("./b", "beta", 0), &tar.Header{Name: "sub/", Typeflag: tar.TypeDir, Mode: 0o755}, file("sub/a", "alpha", 0),
		&tar.Header{Name: "again", Typeflag: tar.TypeLink, Linkname: "sub/a"}, &tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "b", Mode: 0o777},
		&tar.Header{Name: "pipe", Typeflag: tar.TypeFifo}))
	if err != nil {
		t.Fatal(err)
	}
	two, err := spoolTar(tarOf(t, &tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "b", Mode: 0o777}, file("again", "alpha", 7),
		&tar.Header{Name: "sub/", Typeflag: tar.TypeDir, Mode: 0o755}, file("sub/a", "alpha", 7), file("b", "beta", 7)))
	if err != nil {
		t.Fatal(err)
	}
	if one.tree.Digest() != two.tree.Digest() {
		t.Error("order, owners and hard links must not matter")
	}
	same(t, "left out", one.skipped, []string{"pipe"})
	var buffer bytes.Buffer
	if err := one.tree.WriteTar(&buffer); err != nil {
		t.Fatal(err)
	}
	again, err := spoolTar(&buffer)
	if err != nil {
		t.Fatal(err)
	}
	if again.tree.Digest() != one.tree.Digest() {
		t.Error("what is written must be what was read")
	}
	for _, spooled := range []*spooledTree{one, two, again} {
		if err := spooled.close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := spoolTar(tarOf(t, file("../escape", "x", 0))); err == nil {
		t.Error("a path that leaves the archive must be refused")
	}
	if _, err := spoolTar(bytes.NewBufferString("this is no archive at all, but it is long enough to be one....")); err == nil {
		t.Error("what is no archive must be an error")
	}
}
