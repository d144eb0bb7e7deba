package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

// privateStar runs an image of a registry that asks for a password, and one that it builds.
const privateStar = `
def run(plan, private, base):
    plan.add_service("api", ServiceConfig(image = private, cmd = ["serve", "-http", "8080"]))
    plan.add_service("built", ServiceConfig(
        image = ImageBuildSpec(image_name = "acme/built", build_context_dir = "./built", build_args = {"BASE": base}),
        cmd = ["serve", "-http", "8080"],
    ))
`

// pushImage makes a registry have one of the images of an archive.
func pushImage(t *testing.T, target, archive, saved string) {
	t.Helper()
	tag, err := name.NewTag(saved)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := name.NewTag(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, image, remote.WithAuth(&authn.Basic{Username: enclavetest.RegistryUser, Password: enclavetest.RegistryPassword})); err != nil {
		t.Fatal(err)
	}
}

// Private images run with the user's credentials, built ones are pushed with them, and both are refused in words without them.
func TestAccKubernetesImages(t *testing.T) {
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names")
	}
	w := acctest.NewWorld(t)
	address := enclavetest.StartRegistry(t, enclavetest.NodeNetwork(t))
	base := enclavetest.BuildImages(t, w.Backend).Service
	private := address + "/team/service:1"
	archive := enclavetest.SaveImages(t, "service:1", "unprivileged:1")
	pushImage(t, private, archive, "service:1")
	folder := w.Package(t, "shop", map[string]string{"main.star": privateStar})
	w.Package(t, "shop/built", map[string]string{"Dockerfile": "ARG BASE\nFROM $BASE\nENV GREETING=hello\n", "kurtosis.yml": "name: github.com/acme/built\n"})
	cluster := kubernetes.New(kubernetes.Options{})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := cluster.RemoveEnclave(ctx, w.Name); err != nil {
			t.Error(err)
		}
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	// What the nodes have pulled goes with the registry.
	pulled := map[string]bool{}
	t.Cleanup(func() { enclavetest.RemoveFromNodes(t, slices.Collect(maps.Keys(pulled))...) })
	running := func(*terraform.State) error {
		seen, err := cluster.Observe(context.Background(), w.Name)
		if err != nil {
			return err
		}
		for service, found := range seen.Services {
			if !strings.HasPrefix(found.ImageID, address+"/team/") || !strings.Contains(found.ImageID, "@sha256:") {
				return fmt.Errorf("service %s runs %s, want an image of the registry by its digest", service, found.ImageID)
			}
			pulled[found.ImageID] = true
		}
		if len(seen.Services) != 2 {
			return fmt.Errorf("there are %d services, want two", len(seen.Services))
		}
		return nil
	}
	login := func(password string) func() {
		return func() { t.Setenv("DOCKER_CONFIG", enclavetest.DockerConfig(t, address, password)) }
	}
	config := func(settings string) string {
		return w.Provider("backend = \"kubernetes\"\n kubernetes = {\n"+settings+"\n}") + w.Enclave() + fmt.Sprintf(`
resource "sundog_package_run" "test" {
  enclave        = sundog_enclave.test.id
  package        = %q
  image_download = "always"
  args           = { private = %q, base = %q }
}
`, folder, private, base)
	}
	registry := fmt.Sprintf("image_registry = %q", address+"/team")
	status := func(service, want string) statecheck.StateCheck {
		return statecheck.ExpectKnownValue(runAddress, runAt("services", service, "status"), knownvalue.StringExact(want))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy: func(*terraform.State) error {
			_, err := cluster.Enclave(context.Background(), w.Name)
			if !errors.Is(err, enclave.ErrNotFound) {
				return fmt.Errorf("the enclave %q: %w", w.Name, err)
			}
			return nil
		},
		Steps: []resource.TestStep{
			{PreConfig: login(""), Config: config(""), PlanOnly: true, ExpectError: spaced(`image_registry`)},
			{PreConfig: login("wrong"), Config: config(registry), ExpectError: regexp.MustCompile(`docker[\s│|]+login`)},
			{
				PreConfig: login(enclavetest.RegistryPassword), Config: config(registry), Check: running,
				ConfigStateChecks: []statecheck.StateCheck{status("api", "running"), status("built", "running")},
			},
			{Config: config(registry), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				// Somebody gives the name to another image; only the service that runs it is touched.
				PreConfig: func() { pushImage(t, private, archive, "unprivileged:1") }, Config: config(registry), Check: running,
				ConfigPlanChecks:  planned(plancheck.ExpectResourceAction(runAddress, plancheck.ResourceActionUpdate)),
				ConfigStateChecks: []statecheck.StateCheck{status("api", "running"), status("built", "running")},
			},
			{Config: config(registry), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
		},
	})
}
