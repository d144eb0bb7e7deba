package descriptor

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

type reads interface {
	ListThings(context.Context) error
}

type wide struct{}

func (wide) ListThings(context.Context) error  { return nil }
func (wide) DeleteThing(context.Context) error { return nil }

func described[R any](reader func(aws.Config) R, operations ...Operation) Descriptor {
	return Bind(Service[R, any]{
		Name: "thing", ID: "Thing", Operations: operations, Reader: reader, Writer: func(aws.Config) any { return nil },
		Kinds: []Kind[R, any]{{Traits: Traits{Name: "thing", Default: Skip, DefaultReason: "a test"}}},
	})
}

var listThings = Operation{Name: "ListThings", Class: Meta, Actions: []string{"thing:List"}}

func TestCheckRefusesReadersThatCanWrite(t *testing.T) {
	if err := described(func(aws.Config) reads { return wide{} }, listThings).Check(); err != nil {
		t.Errorf("a narrow reader: %v", err)
	}
	for name, test := range map[string]struct {
		descriptor Descriptor
		text       string
	}{
		"a client":       {described(func(aws.Config) wide { return wide{} }, listThings), "could write"},
		"an unknown row": {described(func(aws.Config) reads { return wide{} }), "ListThings"},
		"no actions":     {described(func(aws.Config) reads { return wide{} }, Operation{Name: "ListThings", Class: Meta}), "IAM actions"},
		"no class":       {described(func(aws.Config) reads { return wide{} }, Operation{Name: "ListThings", Actions: []string{"x"}}), "class"},
	} {
		if err := test.descriptor.Check(); err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

func panics(run func()) (message string) {
	defer func() {
		if text, ok := recover().(string); ok {
			message = text
		}
	}()
	run()
	return ""
}

func TestRegistryClosesAndSorts(t *testing.T) {
	registry := NewRegistry("word", func(word string) string { return word })
	registry.Register("b")
	registry.Register("a")
	if text := panics(func() { registry.Register("a") }); !strings.Contains(text, "twice") {
		t.Errorf("a duplicate gave %q", text)
	}
	if got := registry.All(); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("all: %q", got)
	}
	if text := panics(func() { registry.Register("c") }); !strings.Contains(text, "after") {
		t.Errorf("a late one gave %q", text)
	}
}

func TestEndpointSpellings(t *testing.T) {
	got := EndpointSpellings("http://127.0.0.1:5000/", "http://host.docker.internal:5000")
	want := []string{"http://127.0.0.1:5000", "http://localhost:5000", "http://host.docker.internal:5000"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	if got := EndpointSpellings("https://emulator.example.com"); !reflect.DeepEqual(got, []string{"https://emulator.example.com"}) {
		t.Errorf("got %q", got)
	}
	if got := EndpointSpellings(""); got != nil {
		t.Errorf("real AWS: %q", got)
	}
	for given, want := range map[string]string{
		"http://localhost:5000": "http://host.docker.internal:5000", "http://[::1]:5000": "http://host.docker.internal:5000",
		"http://10.0.0.1:5000/": "http://10.0.0.1:5000", "": "",
	} {
		if got := EnclaveEndpoint(given); got != want {
			t.Errorf("%q as containers see it: %q", given, got)
		}
	}
}

func TestTrees(t *testing.T) {
	tree, err := Tree(struct {
		A int64
		B string
	}{1 << 62, "<x>"})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := Encode(tree); err != nil || text != `{"A":4611686018427387904,"B":"<x>"}` {
		t.Errorf("%s (%v)", text, err)
	}
	if _, err := ParseTree([]byte(`{} {}`)); err == nil {
		t.Error("text after the end was accepted")
	}
	want := map[string]any{"Version": "x"}
	for _, text := range []string{`{"Version":"x"}`, `%7B%22Version%22%3A%22x%22%7D`} {
		if got := ParseDocument(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v", text, got)
		}
	}
	if got := ParseDocument("no document"); got != "no document" {
		t.Errorf("text is %v", got)
	}
}
