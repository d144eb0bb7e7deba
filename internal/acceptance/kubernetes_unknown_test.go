package acceptance

import (
	"context"
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clusterOfTheSameApply is a configuration whose provider learns only during the apply where the cluster is.
const clusterOfTheSameApply = `
terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
  }
}

variable "kubeconfig" {
  type = string
}

variable "name" {
  type = string
}

variable "pods" {
  type = string
}

resource "terraform_data" "cluster" {
  input = var.kubeconfig
}

provider "sundog" {
  backend = "kubernetes"
  owner   = "acceptance"
  kubernetes = {
    config_path = terraform_data.cluster.output
  }
}

resource "sundog_enclave" "dev" {
  name = var.name
  kubernetes = {
    pod_security   = "restricted"
    resource_quota = { pods = var.pods }
  }
}

resource "sundog_package_run" "shop" {
  enclave = sundog_enclave.dev.id
  package = "./shop"
}

output "greeting" {
  value = sundog_package_run.shop.output.greeting
}
`

// The cluster may be made by the same apply, and by one that replaces it: a plan then asks nobody.
func TestAccKubernetesClusterOfTheSameApply(t *testing.T) {
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names")
	}
	eachCLI(t, clusterOfTheSameApplyTest)
}

func clusterOfTheSameApplyTest(t *testing.T, cli string) {
	t.Helper()
	w := configuration(t, cli, map[string]string{
		"main.tf":           clusterOfTheSameApply,
		"shop/kurtosis.yml": "name: github.com/example/shop\n",
		"shop/main.star":    "def run(plan):\n    plan.render_templates({\"a.txt\": struct(template = \"{{.A}}\", data = {\"A\": \"a\"})}, name = \"page\")\n    return {\"greeting\": \"hello\"}\n",
	})
	name := "acc" + strings.ToLower(rand.Text()[:8])
	w.environment = append(w.environment, "TF_VAR_kubeconfig="+os.Getenv("KUBECONFIG"), "TF_VAR_name="+name, "KUBECONFIG=")
	set := func(pods string) { w.environment = append(w.environment, "TF_VAR_pods="+pods) }
	set("5")
	w.terraform("init", "-no-color")
	all := []string{"sundog_enclave.dev", "sundog_package_run.shop", "terraform_data.cluster"}
	if changes := slices.Sorted(maps.Keys(w.plan())); !slices.Equal(changes, all) {
		t.Errorf("the first plan changes %v", changes)
	}
	w.terraform("apply", "-no-color", "test.tfplan")
	t.Cleanup(func() {
		if _, err := try(context.Background(), w.folder, w.environment, w.cli, "destroy", "-auto-approve", "-no-color"); err != nil {
			t.Error(err)
		}
	})
	if got := w.output("greeting"); got != "hello" {
		t.Errorf("the output is %q", got)
	}
	if changes := w.plan(); len(changes) > 0 {
		t.Errorf("the second plan changes %v", changes)
	}
	set("7")
	if changes := w.plan(); len(changes) != 1 || !slices.Equal(changes["sundog_enclave.dev"], []string{"update"}) {
		t.Errorf("another quota changes %v, want the enclave in place", changes)
	}
	w.terraform("apply", "-no-color", "test.tfplan")

	// Where the cluster is is unknown again. Nothing is refreshed, and nothing is forgotten.
	text := w.terraform("plan", "-no-color", "-replace=terraform_data.cluster", "-out", "test.tfplan")
	if !strings.Contains(text, "not refreshed") || !strings.Contains(text, "kubernetes.config_path") || strings.Contains(text, "sundog_enclave.dev will be") {
		t.Errorf("the plan says:\n%s", text)
	}
	w.terraform("apply", "-no-color", "test.tfplan")
	if changes := w.plan(); len(changes) > 0 {
		t.Errorf("the last plan changes %v", changes)
	}
}

// configuration is a workspace of these files.
func configuration(t *testing.T, cli string, files map[string]string) *workspace {
	t.Helper()
	plugins, err := provider()
	if err != nil {
		t.Fatal(err)
	}
	w := &workspace{t: t, root: repository(t), cli: cli, folder: t.TempDir()}
	for name, text := range files {
		file := filepath.Join(w.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.environment = []string{
		"TF_CLI_CONFIG_FILE=" + filepath.Join(plugins, "cli.tfrc"), "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
	}
	return w
}
