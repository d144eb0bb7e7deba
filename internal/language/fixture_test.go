package language

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// testPackage writes a package and opens it. A kurtosis.yml is added where the files hold none.
func testPackage(t testing.TB, files map[string]string) *locator.Package {
	t.Helper()
	directory := t.TempDir()
	if _, ok := files["kurtosis.yml"]; !ok {
		writeFile(t, directory, "kurtosis.yml", "name: github.com/test/package\n")
	}
	for name, content := range files {
		writeFile(t, directory, name, content)
	}
	opened, err := locator.New(locator.Options{CacheDir: t.TempDir(), Offline: true}).Open(context.Background(), directory, "")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func writeFile(t testing.TB, directory, name, content string) {
	t.Helper()
	file := filepath.Join(directory, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// interpret interprets main.star.
func interpret(t testing.TB, source string, request Request) (*plan.Plan, error) {
	t.Helper()
	return Interpret(context.Background(), testPackage(t, map[string]string{"main.star": source}), request)
}

// mustInterpret interprets a package that is right.
func mustInterpret(t testing.TB, source string) *plan.Plan {
	t.Helper()
	made, err := interpret(t, source, Request{})
	if err != nil {
		t.Fatalf("interpret: %v", err)
	}
	return made
}
