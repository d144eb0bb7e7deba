package forker

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type noReader any

// testCatalog describes a service of its own, so that the tests do not depend on the real ones.
func testCatalog(t *testing.T) *descriptor.Catalog {
	t.Helper()
	kind := func(name string, traits descriptor.Traits) descriptor.Kind[noReader, noReader] {
		traits.Name, traits.DefaultReason = name, "the reason"
		return descriptor.Kind[noReader, noReader]{
			Traits: traits,
			List: func(context.Context, noReader, descriptor.Scope) iter.Seq2[descriptor.Item, error] {
				return func(func(descriptor.Item, error) bool) {}
			},
		}
	}
	task := kind("task", descriptor.Traits{Default: Substitute, Strategies: []Strategy{Substitute}})
	task.Tasks = func(descriptor.Item) ([]descriptor.Task, []descriptor.Note, error) { return nil, nil, nil }
	base := kind("base", descriptor.Traits{Default: Substitute, Strategies: []Strategy{Substitute}})
	base.StandIn = func(descriptor.Item) (descriptor.StandInRequest, error) { return descriptor.StandInRequest{}, nil }
	catalog, err := descriptor.NewCatalog(descriptor.Bind(descriptor.Service[noReader, noReader]{
		Name: "mail", ID: "Mail",
		Reader: func(aws.Config) noReader { return nil }, Writer: func(aws.Config) noReader { return nil },
		Kinds: []descriptor.Kind[noReader, noReader]{
			kind("queue", descriptor.Traits{
				Default: Clone, Strategies: []Strategy{Clone, Stub}, DataModes: []string{"sample", "full"},
				Naming: descriptor.Naming{Max: 30, Allowed: "-_", Suffixes: []string{".fifo"}},
			}),
			kind("ground", descriptor.Traits{Default: Skip}), task, base,
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func resources(keys ...string) map[string]Resource {
	result := map[string]Resource{}
	for _, key := range keys {
		parts := strings.SplitN(key, "/", 3)
		name, _, _ := strings.Cut(parts[2], "@")
		result[key] = Resource{Service: parts[0], Type: parts[1], Name: name, ARN: "arn:aws:" + key, Tags: map[string]string{"name": name}}
	}
	return result
}

func TestGlobs(t *testing.T) {
	for _, test := range []struct {
		pattern, key string
		want         bool
	}{
		{"*", "a/b/c", true},
		{"", "a/b/c", true},
		{"a/*", "a/b/c/d", true},
		{"a/*/d", "a/b/c/d", true},
		{"a/b", "a/b/c", false},
		{"a/?", "a/b", true},
		{"a/?", "a/", false},
		{"a/[a-c]", "a/b", true},
		{"a/[!a-c]", "a/b", false},
		{"a/[!a-c]", "a/d", true},
		{`a/\*`, "a/*", true},
		{`a/\*`, "a/b", false},
		{"a.c", "abc", false},
		{"s3/bucket/x.*", "s3/bucket/x.y", true},
		{"ssm/parameter//app/*", "ssm/parameter//app/db", true},
		{"a+b", "a+b", true},
		{"(a)", "(a)", true},
		{"[*]", "*", true},
		{"[]]", "]", false},
	} {
		compiled, err := compileGlob(test.pattern)
		if err != nil {
			if test.pattern != "[]]" {
				t.Errorf("%q: %v", test.pattern, err)
			}
			continue
		}
		if got := compiled.matches(test.key); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.key, got)
		}
	}
	for _, bad := range []string{"a/[b", `a\`, "[z-a]", "[]", "[!]"} {
		if _, err := compileGlob(bad); err == nil || !strings.Contains(err.Error(), "glob") {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	keys := resources("mail/queue/a", "mail/task/t", "mail/base/b")
	for name, test := range map[string]struct {
		rules []Rule
		field string
		text  string
	}{
		"glob":                  {[]Rule{{Match: "*"}, {Match: "[a"}}, "match", "rules[1].match"},
		"nothing to match":      {[]Rule{{Strategy: Skip}}, "match", `match = "*"`},
		"strategy":              {[]Rule{{Match: "*", Strategy: "copy"}}, "strategy", "clone, substitute, share, stub, skip"},
		"strategy of a kind":    {[]Rule{{Match: "mail/*", Strategy: Clone}}, "strategy", "mail/base can be had by substitute, share, skip"},
		"data mode":             {[]Rule{{Match: "*", Data: &Data{Mode: "all"}}}, "data.mode", "none, schema, sample, full"},
		"data of a share":       {[]Rule{{Match: "*", Strategy: Share, Data: &Data{Mode: "full"}}}, "data.mode", "share"},
		"data mode of a kind":   {[]Rule{{Match: "mail/queue/*", Data: &Data{Mode: "schema"}}}, "data.mode", "none, sample, full"},
		"data of a stand-in":    {[]Rule{{Match: "mail/base/*", Data: &Data{Mode: "full"}}}, "data.mode", "mail/base/b"},
		"limit of full":         {[]Rule{{Match: "*", Data: &Data{Mode: "full", Limit: 3}}}, "data.limit", "sample"},
		"negative limit":        {[]Rule{{Match: "*", Data: &Data{Mode: "sample", Limit: -1}}}, "data.limit", "-1"},
		"mask":                  {[]Rule{{Match: "*", Data: &Data{Mode: "sample", Mask: map[string]string{"email": "blur"}}}}, "data.mask", "hash, null, fixed"},
		"seed of a clone":       {[]Rule{{Match: "*", Strategy: Clone, Seed: &Seed{SQL: "x"}}}, "seed", "substitute"},
		"seed of a container":   {[]Rule{{Match: "mail/task/*", Seed: &Seed{SQL: "x"}}}, "seed", "no stand-in"},
		"image of a clone":      {[]Rule{{Match: "*", Strategy: Clone, Image: "x"}}, "image", "substitute"},
		"what to do on failure": {[]Rule{{Match: "*", OnError: "ignore"}}, "on_error", "fail, skip"},
	} {
		_, err := newPlan(testCatalog(t), PlanRequest{Fork: "f", Resources: keys, Rules: test.rules})
		var wrong *RuleError
		if !errors.As(err, &wrong) || wrong.Field != test.field || wrong.Index != len(test.rules)-1 || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

func TestPlanChoosesTheFirstMatch(t *testing.T) {
	request := PlanRequest{
		Fork: "f", Resources: resources("mail/queue/a", "mail/queue/b", "mail/queue/c.fifo", "mail/task/x/web", "mail/task/y/web", "mail/ground/g", "far/away/z"),
		Rules: []Rule{
			{MatchTags: map[string]string{"name": "b"}, Strategy: Skip},
			{Match: "mail/queue/*", Strategy: Stub},
			{Match: "mail/queue/b", Strategy: Clone},
			{Match: "none/*", Strategy: Skip},
		},
	}
	plan, err := newPlan(testCatalog(t), request)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for key, planned := range plan.Resources {
		got[key] = string(planned.Strategy) + " " + planned.Name
		if planned.Reason == "" {
			t.Errorf("%s has no reason", key)
		}
	}
	hashed := plan.Resources["mail/task/y/web"].Name
	if !regexp.MustCompile(`^web-[0-9a-f]{8}$`).MatchString(hashed) {
		t.Errorf("the second container called web is %q", hashed)
	}
	want := map[string]string{
		"mail/queue/a": "stub f-a", "mail/queue/b": "skip ", "mail/queue/c.fifo": "stub f-c.fifo", "mail/task/x/web": "substitute web",
		"mail/task/y/web": "substitute " + hashed, "mail/ground/g": "skip ", "far/away/z": "skip ",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if len(plan.Warnings) != 2 || !strings.Contains(plan.Warnings[0], "rules[2]") || !strings.Contains(plan.Warnings[0], "rules[0]") ||
		!strings.Contains(plan.Warnings[1], "rules[3]") {
		t.Errorf("warnings %q", plan.Warnings)
	}
	again, err := newPlan(testCatalog(t), request)
	if err != nil || !reflect.DeepEqual(again, plan) {
		t.Errorf("planning again gives another plan (%v)", err)
	}
}

func TestNames(t *testing.T) {
	queue := descriptor.Naming{Max: 30, Allowed: "-_", Suffixes: []string{".fifo"}}
	bucket := descriptor.Naming{Max: 20, Allowed: "-.", Lower: true}
	long := strings.Repeat("n", 40)
	for _, test := range []struct {
		naming     descriptor.Naming
		name, want string
	}{
		{queue, "orders", "^f-orders$"},
		{queue, "orders.fifo", `^f-orders\.fifo$`},
		{queue, "a.b", "^f-a-b-[0-9a-f]{8}$"},
		{queue, long, "^f-n{19}-[0-9a-f]{8}$"},
		{queue, long + ".fifo", `^f-n{14}-[0-9a-f]{8}\.fifo$`},
		{bucket, "Big.Data", `^f-big\.data-[0-9a-f]{8}$`},
		{bucket, "data", "^f-data$"},
		{descriptor.Naming{Max: 100, Allowed: "-_./", Path: true}, "/app/db", "^/f/app/db$"},
		{descriptor.Naming{Max: 100, Allowed: "-_./", Path: true}, "app", "^/f/app$"},
		{descriptor.Naming{Container: true}, "shop/Store_Front", "^store-front-[0-9a-f]{8}$"},
		{descriptor.Naming{Container: true}, "shop/web", "^web$"},
		{descriptor.Naming{Container: true}, "1st", "^x1st-[0-9a-f]{8}$"},
	} {
		got := test.naming.Plan("f", test.name, "arn:"+test.name)
		if !regexp.MustCompile(test.want).MatchString(got) || test.naming.Max > 0 && len(got) > test.naming.Max {
			t.Errorf("%q becomes %q (%d), want %s", test.name, got, len(got), test.want)
		}
		if test.naming.Plan("f", test.name, "arn:"+test.name) != got {
			t.Errorf("%q becomes something else the second time", test.name)
		}
	}
	if queue.Plan("f", long, "arn:1") == queue.Plan("f", long, "arn:2") {
		t.Error("two sources share a shortened name")
	}
	for name, good := range map[string]bool{"staging": true, "a-1": true, "A": false, "1a": false, "a-": false, "": false, "aws-x": false, strings.Repeat("a", 31): false} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("the fork name %q gave %v", name, err)
		}
	}
}

func TestRegionsNeverShareATarget(t *testing.T) {
	for _, test := range []struct{ production, sandbox, want []string }{
		{[]string{"a", "b"}, []string{"a"}, []string{"a", "b"}},
		{[]string{"a", "b"}, []string{"b"}, []string{"b", "a"}},
		{[]string{"a", "b", "c"}, []string{"x"}, []string{"x", "b", "c"}},
		{[]string{"a", "b"}, []string{"x", "y", "z"}, []string{"x", "y"}},
	} {
		f := &Forker{options: Options{Production: Account{Regions: test.production}, Sandbox: Account{Regions: test.sandbox}}}
		var got []string
		for _, region := range test.production {
			got = append(got, f.targetRegion(region))
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q into %q: %q, want %q", test.production, test.sandbox, got, test.want)
		}
	}
}

func TestDigestsHideSecrets(t *testing.T) {
	config := map[string]any{"Env": map[string]any{"PASSWORD": "hunter2"}, "Name": "x", "List": []any{map[string]any{"Value": "hunter2"}}}
	paths := []string{"Env.*", "List.*.Value", "Missing.*"}
	one, two := masked(config, paths, []byte("key")), masked(config, paths, []byte("other"))
	text, err := descriptor.Encode(one)
	if err != nil || strings.Contains(text, "hunter2") || !strings.Contains(text, `"Name":"x"`) {
		t.Errorf("masked: %s (%v)", text, err)
	}
	if reflect.DeepEqual(one, two) {
		t.Error("the hash does not depend on the key")
	}
	if config["Env"].(map[string]any)["PASSWORD"] != "hunter2" { //nolint:forcetypeassert // It was made so above.
		t.Error("masking has changed the configuration itself")
	}
}

func TestInventoryRenderings(t *testing.T) {
	inventory := &Inventory{AccountID: "111111111111", Resources: map[string]Resource{
		"a/q/one":  {Service: "a", Type: "q", Region: "r", References: []string{"b/p/tw|o", "c/x/unknown"}},
		"b/p/tw|o": {Service: "b", Type: "p", Region: "r"},
	}, Uncovered: []Uncovered{{Subject: "c/x", Reason: "denied\nfor good"}}}
	if got, want := inventory.Mermaid(), "flowchart LR\n  subgraph a\n    n0[\"q/one\"]\n  end\n  subgraph b\n    n1[\"p/tw|o\"]\n  end\n  n0 --> n1\n"; got != want {
		t.Errorf("mermaid:\n%s\nwant\n%s", got, want)
	}
	markdown := inventory.Markdown()
	for _, want := range []string{"account 111111111111", "2 resources", "| `a/q/one` | r | `b/p/tw\\|o`, `c/x/unknown` |", "- `c/x`: denied for good"} {
		if !strings.Contains(markdown, want) {
			t.Errorf("markdown lacks %q:\n%s", want, markdown)
		}
	}
	many := &Inventory{Resources: map[string]Resource{}}
	for index := range 100 {
		many.Resources["a/q/"+string(rune('A'+index))] = Resource{Service: "a", Type: "q"}
	}
	if text := many.Mermaid(); !strings.Contains(text, `"q (100)"`) {
		t.Errorf("a large inventory is drawn as %q", text)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	account := func(id string, regions ...string) Account { return Account{AccountID: id, Regions: regions} }
	for name, test := range map[string]struct {
		options Options
		text    string
	}{
		"account id":  {Options{Production: account("12", "r")}, `production.account_id is "12"`},
		"region":      {Options{Sandbox: account("222222222222")}, "sandbox has no region"},
		"one account": {Options{Production: account("222222222222", "r"), Sandbox: account("222222222222", "r")}, "222222222222"},
	} {
		test.options.Catalog = testCatalog(t)
		if _, err := New(test.options); err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	bare, err := New(Options{Catalog: testCatalog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Inventory(t.Context(), Selection{}); err == nil || !strings.Contains(err.Error(), "set production.account_id") {
		t.Errorf("an inventory without production gave %v", err)
	}
	if err := bare.Destroy(t.Context(), "f", nil); err == nil || !strings.Contains(err.Error(), "set sandbox.account_id") {
		t.Errorf("destroying without a sandbox gave %v", err)
	}
	if _, err := bare.Inventory(t.Context(), Selection{Include: []string{"[x"}}); err == nil || !strings.Contains(err.Error(), "include[0]") {
		t.Errorf("a bad glob gave %v", err)
	}
}
