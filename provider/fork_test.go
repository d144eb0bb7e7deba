package provider

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

const forkType = "sundog_fork"

type forkFixture struct {
	*acctest.Server
	forker *acctest.Forker
}

func newForkFixture(t *testing.T) *forkFixture {
	t.Helper()
	f := &forkFixture{forker: &acctest.Forker{Account: "222222222222", Fail: map[string]error{}}}
	f.Server = acctest.NewServer(t, withFakes(t, memory.New(memory.Hooks{}), nil, f.forker))
	text := f.Configure(t, acctest.Values{
		"owner":      acctest.String("me"),
		"production": account(t, providerType(t, "production"), acctest.Values{"account_id": acctest.String("111111111111"), "regions": stringList("eu-west-1")}),
		"sandbox":    account(t, providerType(t, "sandbox"), acctest.Values{"account_id": acctest.String("222222222222")}),
	})
	if text != "" {
		t.Fatal(text)
	}
	return f
}

func stringList(texts ...string) tftypes.Value {
	elements := make([]tftypes.Value, len(texts))
	for i, text := range texts {
		elements[i] = acctest.String(text)
	}
	return tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, elements)
}

func (f *forkFixture) attribute(t *testing.T, name string) tftypes.Type {
	t.Helper()
	object, ok := f.Schema(t, forkType).ValueType().(tftypes.Object)
	if !ok {
		t.Fatal("the schema is no object")
	}
	return object.AttributeTypes[name]
}

// inventory makes queues of the given names and digests.
func (f *forkFixture) inventory(t *testing.T, digests map[string]string) tftypes.Value {
	t.Helper()
	typ, ok := f.attribute(t, "inventory").(tftypes.Map)
	if !ok {
		t.Fatal("the inventory is no map")
	}
	elements := map[string]tftypes.Value{}
	for name, digest := range digests {
		elements["sqs/queue/"+name] = acctest.Build(t, typ.ElementType, acctest.Values{
			"service": acctest.String("sqs"), "type": acctest.String("queue"), "name": acctest.String(name),
			"arn": acctest.String("arn:aws:sqs:eu-west-1:111111111111:" + name), "region": acctest.String("eu-west-1"),
			"digest": acctest.String(digest),
		})
	}
	return tftypes.NewValue(typ, elements)
}

func (f *forkFixture) rules(t *testing.T, rules ...acctest.Values) tftypes.Value {
	t.Helper()
	typ, ok := f.attribute(t, "rules").(tftypes.List)
	if !ok {
		t.Fatal("rules are no list")
	}
	elements := make([]tftypes.Value, len(rules))
	for i, rule := range rules {
		elements[i] = acctest.Build(t, typ.ElementType, rule)
	}
	return tftypes.NewValue(typ, elements)
}

func (f *forkFixture) ruleType(t *testing.T, attribute string) tftypes.Type {
	t.Helper()
	list, _ := f.attribute(t, "rules").(tftypes.List)
	object, ok := list.ElementType.(tftypes.Object)
	if !ok {
		t.Fatal("a rule is no object")
	}
	return object.AttributeTypes[attribute]
}

func (f *forkFixture) apply(t *testing.T, config acctest.Values, prior *acctest.State) *acctest.State {
	t.Helper()
	planned := f.Plan(t, forkType, config, prior)
	if text := acctest.Errors(planned.Diagnostics); text != "" {
		t.Fatal(text)
	}
	if again := f.Plan(t, forkType, config, prior); !again.Value.Equal(planned.Value) {
		t.Fatal("two passes disagree")
	}
	state, diagnostics := f.Apply(t, forkType, config, prior, planned)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	checkConsistent(t, nil, planned.Value, state.Value)
	return state
}

func forked(t *testing.T, value tftypes.Value, name, attribute string) string {
	t.Helper()
	return acctest.Text(t, acctest.At(t, value, "resources", "sqs/queue/"+name, attribute))
}

func TestForkIsKnownAtPlan(t *testing.T) {
	f := newForkFixture(t)
	config := acctest.Values{
		"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1", "logs": "1"}),
		"rules": f.rules(t, acctest.Values{"match": acctest.String("sqs/queue/logs"), "strategy": acctest.String("skip")},
			acctest.Values{"match": acctest.String("nothing/*"), "strategy": acctest.String("skip")}),
	}
	planned := f.Plan(t, forkType, config, nil)
	if text := acctest.Errors(planned.Diagnostics); text != "" {
		t.Fatal(text)
	}
	if text := acctest.Warnings(planned.Diagnostics); !strings.Contains(text, "rules[1]") {
		t.Errorf("a useless rule must be a warning: %q", text)
	}
	for attribute, want := range map[string]string{"strategy": "clone", "arn": "(unknown)", "url": "(unknown)", "status": "ready", "source_arn": "arn:aws:sqs:eu-west-1:111111111111:orders"} {
		if got := forked(t, planned.Value, "orders", attribute); got != want {
			t.Errorf("%s is %s, want %s", attribute, got, want)
		}
	}
	if got := forked(t, planned.Value, "orders", "name"); !strings.Contains(got, "staging") {
		t.Errorf("the name is %s", got)
	}
	for attribute, want := range map[string]string{"strategy": "skip", "arn": "(null)", "name": "(null)", "status": "skipped"} {
		if got := forked(t, planned.Value, "logs", attribute); got != want {
			t.Errorf("%s is %s, want %s", attribute, got, want)
		}
	}
	if got := acctest.Text(t, acctest.At(t, planned.Value, "id")); got != "222222222222/staging" {
		t.Errorf("id is %s", got)
	}
	if f.forker.Applied != 0 || f.forker.TagCalls != 0 {
		t.Error("planning must ask nobody")
	}
}

func TestForkLifeCycle(t *testing.T) {
	f := newForkFixture(t)
	config := acctest.Values{"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1", "mail": "1", "old": "1"})}
	state := f.apply(t, config, nil)
	refreshed, diagnostics := f.Read(t, forkType, state)
	if text := acctest.Errors(diagnostics); text != "" || !refreshed.Value.Equal(state.Value) {
		t.Fatalf("a refresh must change nothing: %s\n%s\n%s", text, state.Value, refreshed.Value)
	}
	if again := f.Plan(t, forkType, config, refreshed); !again.Value.Equal(state.Value) {
		t.Error("the second plan must be empty")
	}

	// Production: orders has changed, mail is as it was, old is gone, fresh has come.
	config["inventory"] = f.inventory(t, map[string]string{"orders": "2", "mail": "1", "fresh": "1"})
	planned := f.Plan(t, forkType, config, refreshed)
	if got := strings.Join(acctest.Keys(t, acctest.At(t, planned.Value, "resources")), " "); got != "sqs/queue/fresh sqs/queue/mail sqs/queue/orders" {
		t.Errorf("keys are %s", got)
	}
	if !acctest.At(t, planned.Value, "resources", "sqs/queue/mail").Equal(acctest.At(t, refreshed.Value, "resources", "sqs/queue/mail")) {
		t.Error("mail must keep its prior values")
	}
	for name, want := range map[string]string{"orders": "(unknown)", "fresh": "(unknown)"} {
		if got := forked(t, planned.Value, name, "arn"); got != want {
			t.Errorf("%s.arn is %s", name, got)
		}
	}
	state = f.apply(t, config, refreshed)

	// Somebody removes a copy by hand.
	f.forker.Break("staging", "sqs/queue/mail", "missing")
	refreshed, _ = f.Read(t, forkType, state)
	planned = f.Plan(t, forkType, config, refreshed)
	if got := forked(t, refreshed.Value, "mail", "status") + " -> " + forked(t, planned.Value, "mail", "status"); got != "missing -> ready" {
		t.Errorf("mail: %s", got)
	}
	state = f.apply(t, config, refreshed)

	renamed := acctest.Values{"name": acctest.String("other"), "inventory": config["inventory"]}
	if planned := f.Plan(t, forkType, renamed, state); len(planned.Replace) == 0 {
		t.Error("another name must replace the fork")
	}
	if text := acctest.Errors(f.Destroy(t, forkType, state, nil)); text != "" || f.forker.Exists("staging") {
		t.Error("the fork must be gone", text)
	}
	if text := acctest.Errors(f.Destroy(t, forkType, state, nil)); text != "" {
		t.Errorf("deleting what is gone must succeed: %s", text)
	}
	if gone, _ := f.Read(t, forkType, state); gone != nil {
		t.Error("a fork that is gone must leave the state")
	}
}

func TestForkToleratesEveryUnknown(t *testing.T) {
	f := newForkFixture(t)
	for name, want := range map[string]bool{"name": false, "inventory": false, "enclave": true, "rules": false} {
		config := acctest.Values{
			"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1"}),
			"enclave": acctest.String("docker/dev"), "rules": f.rules(t),
		}
		config[name] = acctest.Unknown(f.attribute(t, name))
		if text := acctest.Errors(f.Validate(t, forkType, config)); text != "" {
			t.Errorf("validate with unknown %s: %s", name, text)
		}
		planned := f.Plan(t, forkType, config, nil)
		if text := acctest.Errors(planned.Diagnostics); text != "" {
			t.Errorf("plan with unknown %s: %s", name, text)
		}
		if got := acctest.At(t, planned.Value, "resources").IsKnown(); got != want {
			t.Errorf("with unknown %s, resources known is %v", name, got)
		}
	}
	for _, attribute := range []string{"match", "strategy", "match_tags", "data", "seed", "image", "pin", "on_error"} {
		rule := acctest.Values{"match": acctest.String("sqs/*")}
		rule[attribute] = acctest.Unknown(f.ruleType(t, attribute))
		config := acctest.Values{"name": acctest.String("staging"), "inventory": f.inventory(t, nil), "rules": f.rules(t, rule)}
		if text := acctest.Errors(f.Validate(t, forkType, config)) + acctest.Errors(f.Plan(t, forkType, config, nil).Diagnostics); text != "" {
			t.Errorf("unknown %s: %s", attribute, text)
		}
	}
}

func TestForkRulesAreChecked(t *testing.T) {
	f := newForkFixture(t)
	data := acctest.Build(t, f.ruleType(t, "data"), acctest.Values{"mode": acctest.String("sample"), "limit": acctest.Number(5)})
	for want, rule := range map[string]acctest.Values{
		`AttributeName("rules").ElementKeyInt(1).AttributeName("match")`:                      {"match": acctest.String("sqs/[")},
		`AttributeName("rules").ElementKeyInt(1).AttributeName("strategy")`:                   {"match": acctest.String("*"), "strategy": acctest.String("copy")},
		`AttributeName("rules").ElementKeyInt(1).AttributeName("data").AttributeName("mode")`: {"match": acctest.String("*"), "strategy": acctest.String("stub"), "data": data},
	} {
		config := acctest.Values{
			"name": acctest.String("staging"), "inventory": f.inventory(t, nil),
			"rules": f.rules(t, acctest.Values{"match": acctest.String("s3/*")}, rule),
		}
		if text := acctest.Errors(f.Validate(t, forkType, config)); !strings.Contains(text, want) {
			t.Errorf("%q lacks %s", text, want)
		}
	}
}

func TestForkSeedIsFollowed(t *testing.T) {
	f := newForkFixture(t)
	seed := filepath.Join(t.TempDir(), "seed.sql")
	database := func() acctest.Values {
		typ, _ := f.attribute(t, "inventory").(tftypes.Map)
		inventory := tftypes.NewValue(typ, map[string]tftypes.Value{"rds/instance/shop": acctest.Build(t, typ.ElementType, acctest.Values{
			"service": acctest.String("rds"), "type": acctest.String("instance"), "name": acctest.String("shop"),
			"arn": acctest.String("arn:aws:rds:eu-west-1:111111111111:db:shop"), "region": acctest.String("eu-west-1"), "digest": acctest.String("1"),
		})})
		return acctest.Values{
			"name": acctest.String("staging"), "inventory": inventory, "enclave": acctest.String("docker/dev"),
			"rules": f.rules(t, acctest.Values{
				"match": acctest.String("rds/*"), "strategy": acctest.String("substitute"),
				"seed": acctest.Build(t, f.ruleType(t, "seed"), acctest.Values{"sql_file": acctest.String(seed)}),
			}),
		}
	}
	if text := acctest.Errors(f.Plan(t, forkType, database(), nil).Diagnostics); !strings.Contains(text, `AttributeName("sql_file")`) || !strings.Contains(text, "path.module") {
		t.Errorf("a seed that is not there must be named: %s", text)
	}
	write := func(text string) {
		if err := os.WriteFile(seed, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("CREATE TABLE secret_plans ();")
	state := f.apply(t, database(), nil)
	if strings.Contains(string(state.Private), "secret_plans") || strings.Contains(state.Value.String(), "secret_plans") {
		t.Error("the seed's text must not be in the state")
	}
	if again := f.Plan(t, forkType, database(), state); !again.Value.Equal(state.Value) {
		t.Error("the second plan must be empty")
	}
	write("CREATE TABLE other ();")
	if again := f.Plan(t, forkType, database(), state); again.Value.Equal(state.Value) {
		t.Error("a changed seed must show")
	}
	without := database()
	delete(without, "enclave")
	if text := acctest.Errors(f.Plan(t, forkType, without, nil).Diagnostics); !strings.Contains(text, `AttributeName("enclave")`) || !strings.Contains(text, "rds/instance/shop") {
		t.Errorf("a container needs an enclave: %s", text)
	}
}

func TestForkReadsTagsOnlyOfWhatMoved(t *testing.T) {
	f := newForkFixture(t)
	f.forker.AllTags = map[string]map[string]string{"arn:aws:sqs:eu-west-1:111111111111:batch": {"tier": "batch"}}
	tags := tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"tier": acctest.String("batch")})
	config := acctest.Values{
		"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1", "batch": "1"}),
		"rules": f.rules(t, acctest.Values{"match_tags": tags, "strategy": acctest.String("skip")}),
	}
	state := f.apply(t, config, nil)
	if got := forked(t, state.Value, "batch", "strategy") + " " + forked(t, state.Value, "orders", "strategy"); got != "skip clone" {
		t.Errorf("strategies: %s", got)
	}
	f.forker.TagCalls = 0
	config["inventory"] = f.inventory(t, map[string]string{"orders": "1", "batch": "1", "fresh": "1"})
	f.Plan(t, forkType, config, state)
	if f.forker.TagCalls != 1 {
		t.Errorf("tags of %d resources were read, want 1", f.forker.TagCalls)
	}
}

func TestFailedForkIsContinued(t *testing.T) {
	f := newForkFixture(t)
	f.forker.Fail["sqs/queue/orders"] = errors.New("AccessDenied: sqs:CreateQueue")
	config := acctest.Values{"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1", "mail": "1"})}
	state, diagnostics := f.Apply(t, forkType, config, nil, f.Plan(t, forkType, config, nil))
	if text := acctest.Errors(diagnostics); !strings.Contains(text, `Cannot create fork "staging"`) || !strings.Contains(text, "sqs:CreateQueue") {
		t.Error(text)
	}
	if state == nil || !state.Value.IsFullyKnown() || acctest.Text(t, acctest.At(t, state.Value, "status")) != "partial" {
		t.Fatalf("the state must hold what is true: %v", state)
	}
	if got := forked(t, state.Value, "mail", "status") + " " + forked(t, state.Value, "orders", "status"); got != "ready failed: AccessDenied: sqs:CreateQueue" {
		t.Error(got)
	}
	delete(f.forker.Fail, "sqs/queue/orders")
	replanned := f.Plan(t, forkType, config, nil)
	if text := acctest.Errors(f.Destroy(t, forkType, state, replanned.Private)); text != "" || !f.forker.Exists("staging") {
		t.Error("what had succeeded must be kept", text)
	}
	if _, diagnostics = f.Apply(t, forkType, config, nil, replanned); acctest.Errors(diagnostics) != "" {
		t.Error(acctest.Errors(diagnostics))
	}
	if text := acctest.Errors(f.Destroy(t, forkType, state, nil)); text != "" || f.forker.Exists("staging") {
		t.Error("a destroy must destroy", text)
	}
}

func TestToleratedFailureIsNoError(t *testing.T) {
	f := newForkFixture(t)
	f.forker.Fail["sqs/queue/orders"] = errors.New("denied")
	config := acctest.Values{
		"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1"}),
		"rules": f.rules(t, acctest.Values{"match": acctest.String("sqs/*"), "on_error": acctest.String("skip")}),
	}
	state := f.apply(t, config, nil)
	refreshed, _ := f.Read(t, forkType, state)
	if again := f.Plan(t, forkType, config, refreshed); !again.Value.Equal(state.Value) {
		t.Errorf("it must be left alone until something changes:\n%s\n%s", state.Value, again.Value)
	}
}

func TestForkOfAnotherOwnerNamesTheWayOut(t *testing.T) {
	f := newForkFixture(t)
	f.forker.Owned = &forker.OwnedError{Fork: "staging", Owner: "ci", AccountID: "222222222222", CreatedAt: time.Now().Add(-time.Hour)}
	config := acctest.Values{"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1"})}
	state, diagnostics := f.Apply(t, forkType, config, nil, f.Plan(t, forkType, config, nil))
	text := acctest.Errors(diagnostics)
	for _, want := range []string{`"ci"`, "60 minutes old", "tofu import sundog_fork.EXAMPLE 222222222222/staging"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if state != nil {
		t.Error("somebody else's fork must not enter the state")
	}
}

func TestForkOfManyResourcesPlansInSeconds(t *testing.T) {
	f := newForkFixture(t)
	digests := map[string]string{}
	for i := range 3000 {
		digests[fmt.Sprintf("q%d", i)] = "1"
	}
	config := acctest.Values{"name": acctest.String("staging"), "inventory": f.inventory(t, digests)}
	started := time.Now()
	if text := acctest.Errors(f.Plan(t, forkType, config, nil).Diagnostics); text != "" {
		t.Fatal(text)
	}
	if took := time.Since(started); took > 60*time.Second {
		t.Errorf("planning took %s", took)
	} else {
		t.Logf("planning 3000 resources took %s", took)
	}
}

func TestUnknownAccountsAreToleratedInPlans(t *testing.T) {
	f := &forkFixture{forker: &acctest.Forker{Account: "222222222222"}}
	f.Server = acctest.NewServer(t, withFakes(t, memory.New(memory.Hooks{}), nil, f.forker))
	production := account(t, providerType(t, "production"), acctest.Values{"account_id": acctest.Unknown(tftypes.String), "regions": stringList("eu-west-1")})
	if text := f.Configure(t, acctest.Values{"production": production, "sandbox": acctest.Unknown(providerType(t, "sandbox"))}); text != "" {
		t.Fatal(text)
	}
	tags := tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"tier": acctest.String("batch")})
	for name, rules := range map[string]tftypes.Value{"known": f.rules(t), "tags": f.rules(t, acctest.Values{"match_tags": tags, "strategy": acctest.String("skip")})} {
		config := acctest.Values{"name": acctest.String("staging"), "inventory": f.inventory(t, map[string]string{"orders": "1"}), "rules": rules}
		planned := f.Plan(t, forkType, config, nil)
		if text := acctest.Errors(planned.Diagnostics); text != "" {
			t.Errorf("%s: %s", name, text)
		}
		if got := acctest.At(t, planned.Value, "resources").IsKnown(); got != (name == "known") {
			t.Errorf("%s: resources known is %v", name, got)
		}
	}
	// A data source that is read must be known as a whole, so all that is left is to say how to go on.
	_, diagnostics := f.ReadData(t, "sundog_inventory", acctest.Values{})
	if text := acctest.Errors(diagnostics); !strings.Contains(text, "production.account_id") || !strings.Contains(text, "-target") {
		t.Error(text)
	}
}

func TestInventoryIsComplete(t *testing.T) {
	f := newForkFixture(t)
	f.forker.Inventories = &forker.Inventory{
		AccountID: "111111111111",
		Resources: map[string]forker.Resource{"sqs/queue/orders": {
			Service: "sqs", Type: "queue", Name: "orders", ARN: "arn", Region: "eu-west-1", Digest: "d", Tags: map[string]string{"a": "b"}, References: []string{"z", "a"},
		}},
		Uncovered: []forker.Uncovered{{Subject: "s3 in eu-west-1", Reason: "denied"}},
	}
	found, diagnostics := f.ReadData(t, "sundog_inventory", acctest.Values{"include": stringList("sqs/*")})
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	if got := acctest.At(t, found, "resources", "sqs/queue/orders", "references").String(); strings.Index(got, `"a"`) > strings.Index(got, `"z"`) {
		t.Errorf("references must be sorted: %s", got)
	}
	for path, want := range map[string]string{"account_id": "111111111111", "resources sqs/queue/orders digest": "d", "resources sqs/queue/orders tags a": "b"} {
		if got := acctest.Text(t, acctest.At(t, found, strings.Fields(path)...)); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
	if got := acctest.At(t, found, "uncovered").String(); !strings.Contains(got, "denied") {
		t.Error(got)
	}
}
