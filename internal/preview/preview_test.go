package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const source = `def run(plan, password, replicas=1):
    """Runs a database and its clients.

    Args:
        password (string): The password.
        replicas (int): How many clients.
    """
    data = plan.render_templates(name="conf", config={"a.conf": struct(template="{{ .x }}", data={"x": 1})})
    db = plan.add_service("db", ServiceConfig(
        image=ImageSpec(image="postgres:16", username="u", password=password),
        ports={"sql": PortSpec(5432, application_protocol="postgresql", wait=None)},
        env_vars={"PASSWORD": "p"},
        files={"/data": Directory(persistent_key="data"), "/conf": data, "/both": Directory(artifact_names=[data, data])},
    ))
    plan.add_service("client", ServiceConfig(image="client:1", cmd=["--db", db.ip_address]))
    plan.run_sh(name="seed", run="true", image="alpine:3")
    return {"address": db.ip_address}
`

func interpret(t *testing.T, text string, args map[string]any) (*plan.Plan, error) {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"kurtosis.yml": "name: github.com/acme/shop\n", "main.star": text} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := locator.New(locator.Options{}).Open(context.Background(), folder, folder)
	if err != nil {
		t.Fatal(err)
	}
	return language.Interpret(context.Background(), opened, language.Request{Args: args})
}

func TestDocumentOfAPlan(t *testing.T) {
	made, err := interpret(t, source, map[string]any{"password": "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	document := Of(made)
	var text bytes.Buffer
	if err := document.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "s3cret") {
		t.Error("the password of an image's registry must not be shown")
	}
	var got map[string]any
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	instructions, _ := got["instructions"].([]any)
	if len(instructions) != 4 {
		t.Errorf("%d instructions", len(instructions))
	}
	delete(got, "instructions")
	want := map[string]any{
		"ok": true, "package": "github.com/acme/shop", "error": nil, "warnings": []any{},
		"parameters": []any{
			map[string]any{"name": "password", "type": "string", "default": nil, "required": true, "doc": "The password."},
			map[string]any{"name": "replicas", "type": "int", "default": 1.0, "required": false, "doc": "How many clients."},
		},
		"services": map[string]any{
			"db": map[string]any{
				"image": "postgres:16", "build": nil, "entrypoint": []any{}, "cmd": []any{}, "env_vars": map[string]any{"PASSWORD": "p"},
				"ports": map[string]any{"sql": map[string]any{"number": 5432.0, "transport_protocol": "TCP", "application_protocol": "postgresql"}},
				"files": map[string]any{"/data": map[string]any{"persistent_key": "data"}, "/conf": "conf", "/both": map[string]any{"artifact_names": []any{"conf", "conf"}}},
			},
			"client": map[string]any{
				"image": "client:1", "build": nil, "entrypoint": []any{}, "cmd": []any{"--db", "{{db.ip_address}}"}, "env_vars": map[string]any{},
				"ports": map[string]any{}, "files": map[string]any{},
			},
		},
		"artifacts": []any{"conf"}, "images": []any{"alpine:3", "client:1", "postgres:16"}, "packages": []any{},
		"output": map[string]any{"address": "{{db.ip_address}}"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDocumentOfAFailure(t *testing.T) {
	_, err := interpret(t, "def helper():\n    fail(\"no\")\n\ndef run(plan):\n    helper()\n", nil)
	document := About("github.com/acme/shop", nil).Fail(err)
	want := &Error{
		Phase: "interpretation", Message: "fail: no", Position: "main.star:2:9",
		Backtrace: []string{"main.star:5:11: in run", "main.star:2:9: in helper"},
	}
	if diff := cmp.Diff(want, document.Error); diff != "" {
		t.Error(diff)
	}
	if document.OK {
		t.Error("a failure is not ok")
	}
}

func TestTextShowsEveryPart(t *testing.T) {
	made, err := interpret(t, source, map[string]any{"password": "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := Of(made).WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"Package github.com/acme/shop", "password  string  required", "replicas  int     = 1", "main.star:9:26", "sql 5432/TCP postgresql",
		"Files artifacts\n  conf", "Images\n  alpine:3", "\"address\": \"{{db.ip_address}}\"",
	} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the text lacks %q:\n%s", part, &text)
		}
	}
}
