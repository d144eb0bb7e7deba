package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/compare"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

func factories() map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){"sundog": providerserver.NewProtocol6WithError(New("test")())}
}

func planned(checks ...plancheck.PlanCheck) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: checks}
}

// spaced matches an error's words wherever a CLI breaks its lines.
func spaced(words string) *regexp.Regexp {
	return regexp.MustCompile(regexp.MustCompile(`\s+`).ReplaceAllString(words, `[\s│|]+`))
}

func TestAccEnclave_lifeCycle(t *testing.T) {
	w := acctest.NewWorld(t)
	config := func(name, more string) string {
		return w.Provider("") + fmt.Sprintf("resource \"sundog_enclave\" \"test\" {\n  name = %q\n%s\n}\n", name, more)
	}
	sameBirth := statecheck.CompareValue(compare.ValuesSame())
	at := func(attribute string) tfjsonpath.Path { return tfjsonpath.New(attribute) }
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{
				Config: config(w.Name, `ttl = "8h"`+"\n  labels = { team = \"shop\" }"),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction("sundog_enclave.test", plancheck.ResourceActionCreate),
					plancheck.ExpectKnownValue("sundog_enclave.test", at("backend"), knownvalue.StringExact("docker"))),
				ConfigStateChecks: []statecheck.StateCheck{
					sameBirth.AddStateValue("sundog_enclave.test", at("created_at")),
					statecheck.ExpectKnownValue("sundog_enclave.test", at("id"), knownvalue.StringExact("docker/"+w.Name)),
					statecheck.ExpectKnownValue("sundog_enclave.test", at("network"), knownvalue.StringRegexp(regexp.MustCompile(w.Name))),
					statecheck.ExpectKnownValue("sundog_enclave.test", at("expires_at"), knownvalue.StringRegexp(regexp.MustCompile(`^20.*Z$`))),
				},
			},
			{ResourceName: "sundog_enclave.test", ImportState: true, ImportStateVerify: true},
			{
				Config:           config(w.Name, `labels = { team = "checkout" }`),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction("sundog_enclave.test", plancheck.ResourceActionUpdate)),
				ConfigStateChecks: []statecheck.StateCheck{
					sameBirth.AddStateValue("sundog_enclave.test", at("created_at")),
					statecheck.ExpectKnownValue("sundog_enclave.test", at("expires_at"), knownvalue.Null()),
					statecheck.ExpectKnownValue("sundog_enclave.test", at("labels").AtMapKey("team"), knownvalue.StringExact("checkout")),
				},
			},
			{Config: config(w.Name, `labels = { team = "checkout" }`), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				Config:           config(w.Name+"-b", ""),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction("sundog_enclave.test", plancheck.ResourceActionDestroyBeforeCreate)),
			},
		},
	})
}

func TestAccEnclave_isMadeAgainWhenGone(t *testing.T) {
	w := acctest.NewWorld(t)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{Config: w.Provider("") + w.Enclave()},
			{
				PreConfig: func() {
					if err := w.Backend.RemoveEnclave(t.Context(), w.Name); err != nil {
						t.Fatal(err)
					}
				},
				Config:           w.Provider("") + w.Enclave(),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction("sundog_enclave.test", plancheck.ResourceActionCreate)),
			},
		},
	})
}

func TestAccBadInput_enclaveOfAnotherOwner(t *testing.T) {
	w := acctest.NewWorld(t)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{
				PreConfig: func() {
					if _, err := w.Backend.CreateEnclave(t.Context(), enclave.Spec{Name: w.Name, Owner: "somebody-else"}); err != nil {
						t.Fatal(err)
					}
				},
				Config:      w.Provider("") + w.Enclave(),
				ExpectError: spaced(`(?s)Cannot create enclave "` + w.Name + `".*somebody-else.*tofu import sundog_enclave\.EXAMPLE docker/` + w.Name),
			},
			// The mend: the owner is named.
			{Config: "provider \"sundog\" {\n  owner = \"somebody-else\"\n}\n" + w.Enclave()},
		},
	})
}

func TestAccBadInput_noDaemon(t *testing.T) {
	w := acctest.NewWorld(t)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{
				Config:      w.Provider(`docker = { host = "unix:///nonexistent/docker.sock" }`) + w.Enclave(),
				ExpectError: spaced(`(?s)Cannot create enclave.*unix:///nonexistent/docker\.sock.*docker\.host.*Start the engine`),
			},
			{Config: w.Provider("") + w.Enclave()},
		},
	})
}

// TestAccBadInput_subnetPoolUsedUp has a pool with one subnet, which another enclave has.
func TestAccBadInput_subnetPoolUsedUp(t *testing.T) {
	w := acctest.NewWorld(t)
	const pool = "10.213.81.0/28"
	subnets, err := docker.ParseSubnetPool(pool, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, first := docker.New(docker.Options{Subnets: subnets}), w.Name+"-first"
	t.Cleanup(func() {
		if err := errors.Join(other.RemoveEnclave(context.Background(), first), other.Close()); err != nil {
			t.Error(err)
		}
	})
	configured := w.Provider(`docker = { subnet_pool = "` + pool + `" }`)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             w.CheckDestroyed,
		Steps: []resource.TestStep{
			{
				PreConfig: func() {
					if _, err := other.CreateEnclave(t.Context(), enclave.Spec{Name: first, Owner: w.Owner}); err != nil {
						t.Fatal(err)
					}
				},
				Config:      configured + w.Enclave(),
				ExpectError: spaced(`(?s)Cannot create enclave "` + w.Name + `".*10\.213\.81\.0/28 is free.*sundog enclave rm.*docker\.subnet_pool`),
			},
			{
				PreConfig: func() {
					if err := other.RemoveEnclave(t.Context(), first); err != nil {
						t.Fatal(err)
					}
				},
				Config: configured + w.Enclave(),
			},
		},
	})
}

func TestAccBadInput_values(t *testing.T) {
	acctest.NewWorld(t) // Only where acceptance tests are wanted.
	for name, test := range map[string]struct{ config, want string }{
		"enclave name": {`resource "sundog_enclave" "test" { name = "No Good" }`, `(?s)on .* line .*name = "No Good".*no valid name.*40 lower-case`},
		"ttl":          {"resource \"sundog_enclave\" \"test\" {\n  name = \"dev\"\n  ttl = \"soon\"\n}", `(?s)Invalid.*ttl`},
		"args":         {"resource \"sundog_package_run\" \"test\" {\n  enclave = \"docker/dev\"\n  package = \"./x\"\n  args = [1]\n}", `(?s)args = \[1\].*are an object`},
		"enclave id":   {"resource \"sundog_package_run\" \"test\" {\n  enclave = \"dev\"\n  package = \"./x\"\n}", `(?s)no enclave id.*docker/dev`},
		"policy":       {"resource \"sundog_package_run\" \"test\" {\n  enclave = \"docker/dev\"\n  package = \"./x\"\n  image_download = \"sometimes\"\n}", `(?s)image_download.*"missing" "always" "never"`},
		"glob":         {"resource \"sundog_fork\" \"test\" {\n  name = \"x\"\n  inventory = {}\n  rules = [{ match = \"sqs/*\" }, { match = \"s3/[\", strategy = \"skip\" }]\n}", `(?s)Invalid rule 2.*rules\[1\]\.match`},
		"account":      {"provider \"sundog\" {\n  production = { account_id = \"12\" }\n}\nresource \"sundog_enclave\" \"test\" { name = \"dev\" }", `(?s)production\.account_id.*12 digits`},
		"subnet pool":  {"provider \"sundog\" {\n  docker = { subnet_pool = \"10.210.0.1/16\" }\n}\nresource \"sundog_enclave\" \"test\" { name = \"dev\" }", `(?s)subnet_pool.*10\.210\.0\.1/16.*IPv4 network`},
	} {
		t.Run(name, func(t *testing.T) {
			resource.Test(t, resource.TestCase{
				ProtoV6ProviderFactories: factories(),
				Steps:                    []resource.TestStep{{Config: test.config, ExpectError: spaced(test.want), PlanOnly: true}},
			})
		})
	}
}
