package language

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// guideBlock gives the one code block of a language in the guide about Compose files.
func guideBlock(t *testing.T, language string) string {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join("..", "..", "templates", "guides", "compose.md.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(found) != 1 {
		t.Fatalf("the guide has %d blocks of %s", len(found), language)
	}
	return found[0][1]
}

// The guide shows what is so.
func TestComposeGuide(t *testing.T) {
	t.Parallel()
	pkg := composePackage(t, map[string]string{"compose.yml": guideBlock(t, "yaml"), "web/Dockerfile": "FROM scratch\n"})
	text, warnings, err := Convert(context.Background(), pkg, nil)
	if err != nil {
		t.Fatal(err)
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), "") }
	// What fits into a line of the guide may be broken in a deeper text.
	loose := func(text string) string {
		for from, to := range map[string]string{",]": "]", ",)": ")", ",}": "}"} {
			text = strings.ReplaceAll(text, from, to)
		}
		return text
	}
	if shown := loose(words(guideBlock(t, "python"))); !strings.HasSuffix(loose(words(text)), shown) {
		t.Errorf("the text does not end as the guide shows it:\n%s", text)
	}
	if len(warnings) != 1 || warnings[0].Message != strings.TrimSpace(guideBlock(t, "text")) {
		t.Errorf("warnings %v", warnings)
	}
	made, err := Interpret(context.Background(), pkg, Request{Args: guideArguments(t)})
	if err != nil {
		t.Fatal(err)
	}
	if got := instructionNames(made); got != "add_service db, add_services migrate adminer, wait migrate, add_service web" || made.Services()["db"].Image.Name != "postgres:17" {
		t.Errorf("with the guide's arguments: %s", got)
	}
}

// guideArguments are those of the guide's resource.
func guideArguments(t *testing.T) map[string]any {
	t.Helper()
	file, problems := hclsyntax.ParseConfig([]byte(guideBlock(t, "hcl")), "guide.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok || len(body.Blocks) != 1 || body.Blocks[0].Labels[0] != "sundog_package_run" {
		t.Fatal("the guide shows no package run")
	}
	value, problems := body.Blocks[0].Body.Attributes["args"].Expr.Value(nil)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	arguments, ok := goValue(value).(map[string]any)
	if !ok {
		t.Fatalf("arguments %v", value)
	}
	return arguments
}

func goValue(value cty.Value) any {
	switch {
	case value.Type() == cty.String:
		return value.AsString()
	case value.Type().IsTupleType():
		var list []any
		for _, element := range value.AsValueSlice() {
			list = append(list, goValue(element))
		}
		return list
	}
	object := map[string]any{}
	for key, element := range value.AsValueMap() {
		object[key] = goValue(element)
	}
	return object
}
