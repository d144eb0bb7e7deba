package language

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// vendored opens a package whose repositories lie in a vendor folder. Keys of files start with "vendor/" or "package/".
func vendored(t *testing.T, files map[string]string) *locator.Package {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files {
		writeFile(t, directory, name, content)
	}
	opened, err := locator.New(locator.Options{VendorDir: directory + "/vendor"}).Open(context.Background(), directory+"/package", "")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func used(pkg *locator.Package) []string {
	var locators []string
	for _, reference := range pkg.Used() {
		locators = append(locators, reference.Locator)
	}
	return locators
}

func TestScanFollowsBranchesThatAreNotTaken(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"package/kurtosis.yml": "name: github.com/o/r\n",
		"package/main.star": `
lib = import_module("./lib.star")
BASE = "github.com/dep"
NAME = BASE + "/constant"
def run(plan, big=False):
    if big:
        import_module("github.com/dep/branch/main.star@v1").run(plan)
        import_module(module_file=(NAME + "/main.star"))
        plan.upload_files(name="x", src="github.com/dep/files/static")
        ServiceConfig(image=ImageBuildSpec(image_name="i", build_context_dir="github.com/dep/context"))
        import_module("github.com/" + big)
        plan.upload_files("no/such/file")
        read_file("github.com/dep/text/x.txt")
        import_module("github.com/dep/missing/main.star")
`,
		"package/lib.star":                          "x = 1\n",
		"package/other.star":                        "def never():\n    import_module(\"github.com/dep/other/main.star\")\n",
		"package/broken.star":                       "def (\n",
		"package/inner/kurtosis.yml":                "name: github.com/o/r/inner\n",
		"package/inner/x.star":                      "import_module(\"github.com/dep/inner/main.star\")\n",
		"vendor/github.com/dep/branch/kurtosis.yml": "name: github.com/dep/branch\n",
		"vendor/github.com/dep/branch/main.star":    "deep = import_module(\"./deep.star\")\ndef run(plan):\n    pass\n",
		"vendor/github.com/dep/branch/deep.star":    "def f():\n    import_module(\"github.com/dep/deep/main.star\")\n",
		"vendor/github.com/dep/branch/unused.star":  "import_module(\"github.com/dep/unused/main.star\")\n",
		"vendor/github.com/dep/files/static/a":      "a",
		"vendor/github.com/dep/context/Dockerfile":  "FROM scratch\n",
		"vendor/github.com/dep/text/kurtosis.yml":   "name: github.com/dep/text\n",
		"vendor/github.com/dep/text/x.txt":          "x",
	}
	for _, name := range []string{"constant", "deep", "other", "unused", "inner"} {
		files["vendor/github.com/dep/"+name+"/kurtosis.yml"] = "name: github.com/dep/" + name + "\n"
		files["vendor/github.com/dep/"+name+"/main.star"] = "x = 1\n"
	}
	pkg := vendored(t, files)
	if _, err := Interpret(context.Background(), pkg, Request{}); err != nil {
		t.Fatal(err)
	}
	if got := used(pkg); len(got) != 0 {
		t.Fatalf("the interpretation used %v", got)
	}
	problems, err := Scan(context.Background(), pkg)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "main.star:14:23") || !strings.Contains(problems[0].Message, "github.com/dep/missing") {
		t.Errorf("problems %v", problems)
	}
	want := []string{
		"github.com/dep/branch@v1", "github.com/dep/constant", "github.com/dep/context", "github.com/dep/deep", "github.com/dep/files",
		"github.com/dep/other", "github.com/dep/text",
	}
	if got := used(pkg); !slices.Equal(got, want) {
		t.Errorf("used %v\nwant %v", got, want)
	}
}

func TestUploadOfAURL(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		asked.Add(1)
		if request.URL.Path == "/missing" {
			http.NotFound(w, request)
			return
		}
		fmt.Fprint(w, "content")
	}))
	defer server.Close()
	directory := t.TempDir()
	writeFile(t, directory, "kurtosis.yml", "name: github.com/o/r\n")
	writeFile(t, directory, "main.star", fmt.Sprintf("def run(plan, path=\"/a/genesis.json?x=1\"):\n    return plan.upload_files(\"%s\" + path, \"a\") + plan.upload_files(\"%s\" + path)\n", server.URL, server.URL))
	opened, err := locator.New(locator.Options{CacheDir: t.TempDir()}).Open(context.Background(), directory, "")
	if err != nil {
		t.Fatal(err)
	}
	made, err := Interpret(context.Background(), opened, Request{})
	if err != nil {
		t.Fatal(err)
	}
	upload, ok := made.Instructions[0].Operation.(*plan.UploadFiles)
	if !ok || len(upload.Tree.Files) != 1 || upload.Tree.Files[0].Path != "genesis.json" || upload.Artifact != "a" || upload.Source != server.URL+"/a/genesis.json?x=1" {
		t.Fatalf("%+v", made.Instructions[0].Operation)
	}
	if asked.Load() != 1 {
		t.Errorf("the URL was asked for %d times", asked.Load())
	}
	if len(made.Warnings) != 1 || !strings.Contains(made.Warnings[0].Message, "sundog package lock") {
		t.Errorf("warnings %v", made.Warnings)
	}
	_, err = Interpret(context.Background(), opened, Request{Args: map[string]any{"path": "/missing"}})
	if err == nil || !strings.Contains(err.Error(), "404 Not Found") || !strings.Contains(err.Error(), "main.star:2:") {
		t.Errorf("missing: %v", err)
	}
}

func TestPointersOfLFSAreTold(t *testing.T) {
	t.Parallel()
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 12\n"
	pkg := testPackage(t, map[string]string{
		"main.star":    "def run(plan, how):\n    if how == \"read\":\n        read_file(\"./data/big.bin\")\n    if how == \"file\":\n        plan.upload_files(\"./data/big.bin\")\n    plan.upload_files(\"./data\")\n",
		"data/big.bin": pointer, "data/small.txt": "x",
	})
	for _, how := range []string{"read", "file", "folder"} {
		made, err := Interpret(context.Background(), pkg, Request{Args: map[string]any{"how": how}})
		if err != nil || len(made.Warnings) != 1 || !strings.Contains(made.Warnings[0].Message, "Git LFS pointer") || !strings.Contains(made.Warnings[0].Message, "data/big.bin") {
			t.Errorf("%s: %v, %v", how, made, err)
		}
	}
}

func TestLockFileIsPartOfThePackageButOfNoArtifact(t *testing.T) {
	t.Parallel()
	source := "def run(plan):\n    plan.upload_files(\"./\")\n"
	lock := "version: 1\n"
	with, err := Interpret(context.Background(), testPackage(t, map[string]string{"main.star": source, "sundog.lock": lock}), Request{})
	if err != nil {
		t.Fatal(err)
	}
	without, err := Interpret(context.Background(), testPackage(t, map[string]string{"main.star": source}), Request{})
	if err != nil {
		t.Fatal(err)
	}
	digest := func(made *plan.Plan) string {
		upload, ok := made.Instructions[0].Operation.(*plan.UploadFiles)
		if !ok {
			t.Fatalf("%T", made.Instructions[0].Operation)
		}
		return upload.Tree.Digest()
	}
	if digest(with) != digest(without) {
		t.Error("the lock file changed an artifact")
	}
	if with.Files["sundog.lock"] == "" || len(without.Files) != len(with.Files)-1 {
		t.Errorf("files %v", with.Files)
	}
	if _, err := os.Stat("sundog.lock"); err == nil {
		t.Error("an interpretation wrote a lock file")
	}
}
