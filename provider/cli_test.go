package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	acctest.RemoveBinary()
	os.Exit(code)
}

const secretRun = `
variable "token" {
  type      = string
  ephemeral = true
}

resource "sundog_package_run" "test" {
  enclave                   = sundog_enclave.test.id
  package                   = %q
  args                      = { image = %q%s }
  sensitive_args_wo         = { token = var.token }
  sensitive_args_wo_version = 1
}
`

func TestAccCLI_writeOnlySecretIsNowhere(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	config := func(more string) string {
		return w.Provider("") + w.Enclave() + fmt.Sprintf(secretRun, folder, image, more)
	}
	const secret = "wo-9f31c6-hunter22"
	c := acctest.NewCLI(t, config(`, cmd = ["serve", "-after", "1ms", "-exit", "3"]`))
	head := strings.TrimSuffix(c.Read("main.tf"), config(`, cmd = ["serve", "-after", "1ms", "-exit", "3"]`))
	defer c.Run("destroy", "-auto-approve", "-var", "token="+secret)

	text := c.Fails("apply", "-auto-approve", "-var", "token="+secret)
	if !strings.Contains(text, `service "api" exited with code 3`) {
		t.Errorf("the error must be the service's: %s", text)
	}
	if strings.Contains(text, "invalid result object") || strings.Contains(text, "inconsistent result") || strings.Contains(text, secret) {
		t.Errorf("no second error, and no secret: %s", text)
	}
	if state := c.Read("terraform.tfstate"); !strings.Contains(state, "sundog_package_run") || !strings.Contains(state, `"partial"`) {
		t.Error("what had been made must be in the state")
	}
	c.Secrets(secret)

	c.Write("main.tf", head+config(""))
	c.Must("apply", "-auto-approve", "-var", "token="+secret)
	c.Must("plan", "-detailed-exitcode", "-var", "token="+secret)
	// The service has it all the same.
	exec, err := w.Backend.Service(t.Context(), w.Name, "api")
	if err != nil || exec.State != "running" {
		t.Fatalf("%v %v", exec, err)
	}
	c.Secrets(secret)
	if err := filepath.WalkDir(w.Folder, func(file string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(file)
		if strings.Contains(string(content), secret) {
			t.Errorf("%s holds the secret", file)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// Another value of the same version changes nothing.
	c.Must("plan", "-detailed-exitcode", "-var", "token=another-value-entirely")
	c.Must("destroy", "-auto-approve", "-var", "token="+secret)
}

func TestAccCLI_plansWithTheSocketClosed(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	c := acctest.NewCLI(t, shopConfig(w, folder, image, ""))
	c.Must("apply", "-auto-approve")
	closed := append(c.Environment, "DOCKER_HOST=unix:///nonexistent/docker.sock")
	open := c.Environment
	c.Environment = closed
	if output := c.Must("plan", "-refresh=false", "-detailed-exitcode"); !strings.Contains(output, "No changes") {
		t.Error(output)
	}
	c.Write("main.tf", strings.Replace(c.Read("main.tf"), "args = {", "args = {\n    message = \"changed\"", 1))
	output, err := c.Run("plan", "-refresh=false", "-detailed-exitcode")
	if err == nil || !strings.Contains(output, "1 to change") {
		t.Errorf("the change must be planned without the engine: %s", output)
	}
	// "Could not ask" is an error and keeps the state.
	if text := c.Fails("plan"); !strings.Contains(text, "unix:///nonexistent/docker.sock") || !strings.Contains(text, "DOCKER_HOST") {
		t.Error(text)
	}
	if text := c.Fails("destroy", "-auto-approve"); !strings.Contains(text, "unix:///nonexistent/docker.sock") {
		t.Error(text)
	}
	c.Environment = open
	c.Must("destroy", "-auto-approve")
}

func TestAccCLI_validatesOnABareMachine(t *testing.T) {
	c := acctest.NewCLI(t, `
provider "sundog" {
  production = { account_id = "111111111111", regions = ["eu-west-1"] }
  sandbox    = { account_id = "222222222222" }
}

resource "sundog_enclave" "test" {
  name = "dev"
}

data "sundog_inventory" "test" {}

resource "sundog_fork" "test" {
  name      = "staging"
  inventory = data.sundog_inventory.test.resources
  enclave   = sundog_enclave.test.id
}

resource "sundog_package_run" "test" {
  enclave = sundog_enclave.test.id
  package = "./not-there"
  args    = { url = sundog_fork.test.resources["sqs/queue/orders"].url }
}
`)
	c.Environment = append(c.Environment, "PATH=/nonexistent", "DOCKER_HOST=unix:///nonexistent/docker.sock")
	c.Must("validate")
}

func TestAccCLI_changedFilesAreRefused(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	c := acctest.NewCLI(t, shopConfig(w, folder, image, ""))
	c.Must("plan", "-out", "saved.tfplan")
	w.Package(t, "shop", map[string]string{"main.star": shopStar + "\n# changed\n"})
	if text := c.Fails("apply", "saved.tfplan"); !strings.Contains(text, `files["main.star"]`) {
		t.Errorf("the file must be named: %s", text)
	}
	c.Must("apply", "-auto-approve")
	c.Must("destroy", "-auto-approve")
}

// Every example is validated with the provider's own binary.
func TestAccCLI_examplesAreValid(t *testing.T) {
	var files []string
	for _, pattern := range []string{"examples/provider/*.tf", "examples/resources/*/*.tf", "examples/data-sources/*/*.tf"} {
		found, err := filepath.Glob(filepath.Join(acctest.ModuleRoot(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 6 {
		t.Fatalf("only %d examples were found", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := acctest.NewCLI(t, "")
			if strings.Contains(string(content), "required_providers") {
				c.Write("main.tf", string(content))
			} else {
				c.Write("example.tf", string(content))
			}
			c.Must("validate")
		})
	}
}

func TestAccCLI_interruptKeepsWhatSucceeded(t *testing.T) {
	w := acctest.NewWorld(t)
	image := w.Image(t)
	folder := w.Package(t, "shop", map[string]string{"main.star": shopStar})
	waiting := "cmd = [\"serve\", \"-http\", \"9999\"]\n    wait = \"2m\""
	c := acctest.NewCLI(t, shopConfig(w, folder, image, waiting))
	running := func() bool {
		found, err := w.Backend.Service(t.Context(), w.Name, "api")
		return err == nil && found.State == "running"
	}
	output, took := c.Interrupt(running, "apply", "-auto-approve")
	if took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
	if !strings.Contains(output, "apply again to go on") {
		t.Error(output)
	}
	if state := c.Read("terraform.tfstate"); !strings.Contains(state, `"partial"`) {
		t.Error("what had been made must be in the state")
	}
	before, err := w.Backend.Service(t.Context(), w.Name, "db")
	if err != nil {
		t.Fatal(err)
	}
	c.Write("main.tf", strings.Replace(c.Read("main.tf"), waiting, "", 1))
	c.Must("apply", "-auto-approve")
	if after, err := w.Backend.Service(t.Context(), w.Name, "db"); err != nil || after.ID != before.ID {
		t.Errorf("db must be the same container: %v, %v, %v", before, after, err)
	}
	c.Must("destroy", "-auto-approve")
}
