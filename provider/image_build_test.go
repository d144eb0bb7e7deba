package provider

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

// A plan tells that a package builds an image which would get to no node, and asks no cluster for it.
func TestPlanWithoutAWayForBuiltImages(t *testing.T) {
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM scratch\n")})
	if err != nil {
		t.Fatal(err)
	}
	builds := func(session.PackageRequest) (*plan.Plan, error) {
		return &plan.Plan{PackageName: "github.com/acme/Shop", Instructions: []plan.Instruction{
			{Name: "add_service", Position: plan.Position{File: "main.star", Line: 2, Column: 5}, Operation: &plan.AddServices{
				Services: []plan.ServiceSpec{{Name: "web", Image: plan.Image{Name: "acme/web", Build: &plan.Build{Context: tree}}}},
			}},
		}}, nil
	}
	for registry, want := range map[string][]string{
		"": {"main.star:2", "acme/web", "image_registry", "image_load_command"}, "registry.example.com/team": nil,
	} {
		builders := acctest.Builders(memory.New(memory.Hooks{}), builds, nil)
		builders.Backend = func(settings session.Settings, _ *slog.Logger) (enclave.Backend, error) {
			options := settings.Kubernetes
			options.Builder = docker.NewImageBuilder(docker.Options{})
			return kubernetes.New(options), nil
		}
		server := acctest.NewServer(t, NewWith("test", builders, noEnvironment))
		values := acctest.Values{"backend": acctest.String("kubernetes"), "owner": acctest.String("me")}
		if registry != "" {
			values["kubernetes"] = account(t, providerType(t, "kubernetes"), acctest.Values{"image_registry": acctest.String(registry)})
		}
		if text := server.Configure(t, values); text != "" {
			t.Fatal(text)
		}
		config := runConfig(nil)
		config["enclave"] = acctest.String("kubernetes/dev")
		diagnostics := server.Plan(t, runType, config, nil).Diagnostics
		got := acctest.Errors(diagnostics)
		if want != nil && (len(diagnostics) != 1 || diagnostics[0].Attribute.String() != `AttributeName("package")`) {
			t.Errorf("got %v, want one error at the package", diagnostics)
		}
		for _, text := range want {
			if !strings.Contains(got, text) {
				t.Errorf("the error does not mention %q: %s", text, got)
			}
		}
		if want == nil && got != "" {
			t.Errorf("with a registry: %s", got)
		}
	}
}
