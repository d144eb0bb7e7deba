package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/compare"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

const forkAddress = "sundog_fork.test"

func forkConfig(a *accounts, name, more string) string {
	return a.provider("acc", a.production) + fmt.Sprintf(`
data "sundog_inventory" "test" {
  include = ["sqs/*"]
}

resource "sundog_fork" "test" {
  name      = %q
  inventory = data.sundog_inventory.test.resources
%s
}
`, name, more)
}

// checkForkGone tells "gone" from "could not ask", and that production has kept what it had.
func checkForkGone(a *accounts, production int) resource.TestCheckFunc {
	return func(*terraform.State) error {
		left, err := a.queues(a.sandbox)
		if err != nil {
			return fmt.Errorf("cannot tell whether the fork is gone: %w", err)
		}
		if len(left) > 0 {
			return fmt.Errorf("left in the sandbox: %v", left)
		}
		kept, err := a.queues(a.production)
		if err != nil || len(kept) != production {
			return fmt.Errorf("production must have its %d queues: %v, %w", production, kept, err)
		}
		return nil
	}
}

func TestAccFork_lifeCycle(t *testing.T) {
	a := newAccounts(t)
	a.createQueue("orders")
	a.createQueue("mail")
	sameARN := statecheck.CompareValue(compare.ValuesSame())
	at := func(key, attribute string) statecheck.StateCheck {
		return sameARN.AddStateValue(forkAddress, runAt("resources", key, attribute))
	}
	known := func(want, key, attribute string) plancheck.PlanCheck {
		return plancheck.ExpectKnownValue(forkAddress, runAt("resources", key, attribute), knownvalue.StringExact(want))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             checkForkGone(a, 3),
		Steps: []resource.TestStep{
			{
				Config: forkConfig(a, "staging", ""),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionCreate),
					known("clone", "sqs/queue/orders", "strategy"), known("ready", "sqs/queue/orders", "status"),
					known("staging-orders", "sqs/queue/orders", "name"),
					plancheck.ExpectUnknownValue(forkAddress, runAt("resources", "sqs/queue/orders", "arn")),
				),
				ConfigStateChecks: []statecheck.StateCheck{
					at("sqs/queue/mail", "arn"),
					statecheck.ExpectKnownValue(forkAddress, runAt("id"), knownvalue.StringExact(a.sandbox+"/staging")),
					statecheck.ExpectKnownValue(forkAddress, runAt("status"), knownvalue.StringExact("complete")),
					statecheck.ExpectKnownValue("data.sundog_inventory.test", runAt("account_id"), knownvalue.StringExact(a.production)),
				},
			},
			{Config: forkConfig(a, "staging", ""), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				ResourceName: forkAddress, ImportState: true, ImportStateVerify: true,
				ImportStateVerifyIgnore: []string{"inventory", "rules", "enclave"},
			},
			{
				// Production gains a queue: the plan shows it by itself, and nothing else is touched.
				PreConfig: func() { a.createQueue("fresh") },
				Config:    forkConfig(a, "staging", ""),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionUpdate),
					known("clone", "sqs/queue/fresh", "strategy"),
					plancheck.ExpectKnownValue(forkAddress, runAt("resources", "sqs/queue/mail", "arn"), knownvalue.NotNull()),
				),
				ConfigStateChecks: []statecheck.StateCheck{at("sqs/queue/mail", "arn")},
			},
			{
				// The rules leave one out: its copy goes.
				Config: forkConfig(a, "staging", `  rules = [{ match = "*/orders", strategy = "skip" }]`),
				ConfigPlanChecks: planned(
					plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionUpdate),
					known("skip", "sqs/queue/orders", "strategy"),
				),
				Check: func(*terraform.State) error {
					left, err := a.queues(a.sandbox)
					if err != nil || strings.Contains(strings.Join(left, " "), "orders") {
						return fmt.Errorf("the copy of orders must be gone: %v, %w", left, err)
					}
					return nil
				},
			},
			{
				Config:           forkConfig(a, "other", ""),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionDestroyBeforeCreate)),
			},
		},
	})
}

// One of production's own services runs as a container in the enclave, dies, is healed, and moves to another enclave.
func TestAccFork_containers(t *testing.T) {
	w := acctest.NewWorld(t)
	a := newAccounts(t)
	a.createQueue("orders")
	image := w.Image(t)
	queue := a.endpoint + "/" + a.production + "/orders"
	a.createService("web", image, queue)
	config := func(enclave string) string {
		return a.provider(w.Owner, a.production) + w.Enclave() + fmt.Sprintf(`
resource "sundog_enclave" "other" {
  name = "%s-b"
}

data "sundog_inventory" "test" {
  include = ["sqs/*", "ecs/service/*"]
}

resource "sundog_fork" "test" {
  name      = "staging"
  inventory = data.sundog_inventory.test.resources
  enclave   = sundog_enclave.%s.id
  rules     = [{ match = "ecs/service/*", strategy = "substitute" }]
}
`, w.Name, enclave)
	}
	const key = "ecs/service/shop/web"
	status := func(want string) plancheck.PlanCheck {
		return plancheck.ExpectKnownValue(forkAddress, runAt("resources", key, "status"), knownvalue.StringExact(want))
	}
	containers := func(enclave string) []string {
		snapshot, err := w.Backend.Observe(t.Context(), enclave)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(snapshot.Services))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             resource.ComposeTestCheckFunc(w.CheckDestroyed, checkForkGone(a, 1)),
		Steps: []resource.TestStep{
			{
				Config:           config("test"),
				ConfigPlanChecks: planned(status("running")),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(forkAddress, runAt("resources", key, "url"), knownvalue.NotNull()),
				},
			},
			{Config: config("test"), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				ResourceName: forkAddress, ImportState: true, ImportStateVerify: true,
				ImportStateId:           a.sandbox + "/staging@docker/" + w.Name,
				ImportStateVerifyIgnore: []string{"inventory", "rules"},
			},
			{
				PreConfig: func() {
					for _, name := range containers(w.Name) {
						if err := w.Backend.StopService(t.Context(), w.Name, name); err != nil {
							t.Fatal(err)
						}
					}
				},
				Config:           config("test"),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionUpdate), status("running")),
			},
			{
				PreConfig: func() {
					for _, name := range containers(w.Name) {
						if err := w.Backend.RemoveService(t.Context(), w.Name, name); err != nil {
							t.Fatal(err)
						}
					}
				},
				Config:           config("test"),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionUpdate), status("running")),
			},
			{Config: config("test"), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
			{
				Config:           config("other"),
				ConfigPlanChecks: planned(plancheck.ExpectResourceAction(forkAddress, plancheck.ResourceActionUpdate)),
				Check: func(*terraform.State) error {
					if left, here := containers(w.Name), containers(w.Name+"-b"); len(left) != 0 || len(here) == 0 {
						return fmt.Errorf("the containers must have moved: %v, %v", left, here)
					}
					return nil
				},
			},
			{Config: config("other"), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
		},
	})
}

func TestAccBadInput_wrongAccount(t *testing.T) {
	a := newAccounts(t)
	a.createQueue("orders")
	wrong := strings.Replace(forkConfig(a, "staging", ""), fmt.Sprintf("account_id = %q", a.production), `account_id = "999999999999"`, 1)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             checkForkGone(a, 1),
		Steps: []resource.TestStep{
			{Config: wrong, ExpectError: spaced(`(?s)Cannot read inventory of production.*` + a.production + `.*999999999999|Cannot read inventory of production.*999999999999.*` + a.production)},
			{Config: forkConfig(a, "staging", "")},
			{Config: forkConfig(a, "staging", ""), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
		},
	})
}

func TestAccBadInput_deniedCalls(t *testing.T) {
	a := newAccounts(t)
	a.createQueue("orders")
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		CheckDestroy:             checkForkGone(a, 1),
		Steps: []resource.TestStep{
			{
				PreConfig:   func() { a.denied.Store("CreateQueue") },
				Config:      forkConfig(a, "staging", ""),
				ExpectError: spaced(`(?s)Cannot create fork "staging".*sqs/queue/orders.*CreateQueue`),
			},
			{PreConfig: func() { a.denied.Store("") }, Config: forkConfig(a, "staging", "")},
			{Config: forkConfig(a, "staging", ""), ConfigPlanChecks: planned(plancheck.ExpectEmptyPlan())},
		},
	})
}

func TestAccBadInput_deniedReadsAreUncovered(t *testing.T) {
	a := newAccounts(t)
	a.createQueue("orders")
	a.denied.Store("GetQueueAttributes")
	config := a.provider("acc", a.production) + "data \"sundog_inventory\" \"test\" {\n  include = [\"sqs/*\"]\n}\n"
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(),
		Steps: []resource.TestStep{{
			Config: config,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("data.sundog_inventory.test", runAt("resources"), knownvalue.MapSizeExact(0)),
				statecheck.ExpectKnownValue("data.sundog_inventory.test", runAt("uncovered"), knownvalue.ListSizeExact(1)),
			},
		}},
	})
}
