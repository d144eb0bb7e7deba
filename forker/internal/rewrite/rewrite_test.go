package rewrite

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

const (
	production = "111111111111"
	sandbox    = "222222222222"
	region     = "eu-west-1"
)

func arnOf(service, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + production + ":" + resource
}

// testRewriter knows two queues, one of which has the other's name as a beginning, a parameter, a bucket that is shared,
// a table that is skipped and a database with a stand-in. Its services are made up: the package knows none.
func testRewriter() *Rewriter {
	index := NewIndex()
	scope := descriptor.Scope{AccountID: production, Region: region, Partition: "aws", Bases: descriptor.EndpointSpellings("http://127.0.0.1:5000")}
	queue := func(name string) {
		index.Add("mail/queue/"+name, region, []string{"queue"}, append(scope.URLs("/"+production+"/"+name, "mail."+region+".amazonaws.com"),
			descriptor.Identifier{Form: descriptor.ARN, Value: arnOf("mail", name)}, descriptor.Identifier{Form: descriptor.Name, Value: name}))
	}
	queue("orders")
	queue("orders-dlq")
	index.Add("box/table/orders", region, []string{"table"}, []descriptor.Identifier{
		{Form: descriptor.ARN, Value: arnOf("box", "table/orders")}, {Form: descriptor.Name, Value: "orders"},
	})
	index.Add("box/param//a/b", region, []string{"param"}, []descriptor.Identifier{
		{Form: descriptor.ARN, Value: arnOf("box", "param/a/b"), Whole: true}, {Form: descriptor.Name, Value: "/a/b"},
	})
	index.Add("box/shared/x", region, nil, []descriptor.Identifier{{Form: descriptor.ARN, Value: arnOf("box", "shared/x")}})
	index.Add("box/skipped/x", region, nil, []descriptor.Identifier{{Form: descriptor.ARN, Value: arnOf("box", "skipped/x")}})
	index.Add("data/db/main", region, nil, []descriptor.Identifier{
		{Form: descriptor.Host, Value: "main.abc123.eu-west-1.data.amazonaws.com"}, {Form: descriptor.ID, Value: "db-ABCDEF"},
	})
	rewriter := NewRewriter(index, Accounts{
		Production: production, Sandbox: sandbox, Bases: scope.Bases, SandboxBases: descriptor.EndpointSpellings("http://127.0.0.1:6000"),
		Endpoint: "http://host.docker.internal:6000",
	})
	copyOf := func(key, arn, url, name string) {
		rewriter.Set(key, Counterpart{Values: map[descriptor.Form]string{descriptor.ARN: arn, descriptor.URL: url, descriptor.Name: name}})
	}
	to := func(service, resource string) string {
		return "arn:aws:" + service + ":" + region + ":" + sandbox + ":" + resource
	}
	copyOf("mail/queue/orders", to("mail", "f-orders"), "http://127.0.0.1:6000/"+sandbox+"/f-orders", "f-orders")
	copyOf("mail/queue/orders-dlq", to("mail", "f-orders-dlq"), "http://127.0.0.1:6000/"+sandbox+"/f-orders-dlq", "f-orders-dlq")
	copyOf("box/table/orders", to("box", "table/f-orders"), "", "f-orders-table")
	copyOf("box/param//a/b", to("box", "param/f/a/b"), "", "/f/a/b")
	rewriter.Set("box/shared/x", Counterpart{Shared: true})
	rewriter.Set("data/db/main", Counterpart{
		Values: map[descriptor.Form]string{descriptor.Host: "main-db"}, Port: 5432, User: "root",
		Password: func(user string) string { return "fork-of-" + user },
	})
	return rewriter
}

func TestRewriteText(t *testing.T) {
	const inside, host = "http://host.docker.internal:6000/" + sandbox, "main.abc123.eu-west-1.data.amazonaws.com"
	to := func(resource string) string { return "arn:aws:mail:" + region + ":" + sandbox + ":" + resource }
	for name, test := range map[string]struct{ field, text, want string }{
		"an ARN":                        {"X", arnOf("mail", "orders"), to("f-orders")},
		"the longest of two":            {"X", arnOf("mail", "orders-dlq"), to("f-orders-dlq")},
		"an unknown one that is longer": {"X", arnOf("mail", "orders-new"), arnOf("mail", "orders-new")},
		"an ARN in a sentence":          {"X", "to " + arnOf("mail", "orders") + ".", "to " + to("f-orders") + "."},
		"two in one text":               {"X", arnOf("mail", "orders") + "," + arnOf("mail", "orders-dlq"), to("f-orders") + "," + to("f-orders-dlq")},
		"a part of a resource":          {"X", arnOf("box", "table/orders/index/i"), "arn:aws:box:eu-west-1:" + sandbox + ":table/f-orders/index/i"},
		"a longer path":                 {"X", arnOf("box", "param/a/b/c"), arnOf("box", "param/a/b/c")},
		"a pattern over copies":         {"X", arnOf("mail", "orders*"), to("f-orders*")},
		"a pattern over nothing known":  {"X", arnOf("other", "a/*"), "arn:aws:other:eu-west-1:" + sandbox + ":a/*"},
		"the account's root":            {"X", "arn:aws:iam::" + production + ":root", "arn:aws:iam::" + sandbox + ":root"},
		"the account itself":            {"ACCOUNT", production, sandbox},
		"the account in a text":         {"X", "order " + production, "order " + production},
		"real spelling":                 {"X", "https://mail.eu-west-1.amazonaws.com/" + production + "/orders", inside + "/f-orders"},
		"the host's spelling":           {"X", "http://localhost:5000/" + production + "/orders", inside + "/f-orders"},
		"the containers' spelling":      {"X", "http://host.docker.internal:5000/" + production + "/orders-dlq", inside + "/f-orders-dlq"},
		"a longer address":              {"X", "http://localhost:5000/" + production + "/orders2", "http://host.docker.internal:6000/" + production + "/orders2"},
		"the bare endpoint":             {"X", "http://127.0.0.1:5000", "http://host.docker.internal:6000"},
		"another port":                  {"X", "http://127.0.0.1:50001/x", "http://127.0.0.1:50001/x"},
		"a service's own endpoint":      {"X", "https://mail.eu-west-1.amazonaws.com", "http://host.docker.internal:6000"},
		"a name with a separator":       {"X", "orders-dlq", "f-orders-dlq"},
		"an ambiguous name":             {"X", "orders", "orders"},
		"a name, by its field":          {"QUEUE_NAME", "orders", "f-orders"},
		"another, by its field":         {"ordersTable", "orders", "f-orders-table"},
		"a name in a text":              {"QUEUE_NAME", "orders and more", "orders and more"},
		"a path":                        {"X", "/a/b", "/f/a/b"},
		"a host":                        {"X", host, "main-db"},
		"a host in capitals":            {"X", strings.ToUpper(host), "main-db"},
		"a host below it":               {"X", "x." + host, "x." + host},
		"host and port":                 {"X", host + ":6432", "main-db:5432"},
		"an address with a login":       {"X", "postgres://app:p%40ss@" + host + "/shop?sslmode=require", "postgres://app:fork-of-app@main-db:5432/shop?sslmode=require"},
		"an address without password":   {"X", "postgres://app@" + host + ":5432/shop", "postgres://app@main-db:5432/shop"},
		"a password with an @":          {"X", "postgres://app:a@b@" + host + ":5432/shop", "postgres://app:fork-of-app@main-db:5432/shop"},
		"jdbc":                          {"X", "jdbc:postgresql://" + host + ":5432/shop?user=app&password=x&ssl=true", "jdbc:postgresql://main-db:5432/shop?user=app&password=fork-of-app&ssl=true"},
		"keywords":                      {"X", "host=" + host + " port=6432 user=app password=x dbname=shop", "host=main-db port=5432 user=app password=fork-of-app dbname=shop"},
		"keywords with semicolons":      {"X", "Server=" + host + ";Port=6432;User Id=app;Password=x;Database=shop", "Server=main-db;Port=5432;User Id=app;Password=fork-of-app;Database=shop"},
		"nothing":                       {"X", "hello", "hello"},
		"JSON in a string": {
			"X", `{"queue": "` + arnOf("mail", "orders") + `", "n": 12345678901234567890, "html": "<b>"}`,
			`{"html":"<b>","n":12345678901234567890,"queue":"` + to("f-orders") + `"}`,
		},
		"JSON in JSON in a string":     {"X", `["{\"a\":\"` + arnOf("mail", "orders") + `\"}"]`, `["{\"a\":\"` + to("f-orders") + `\"}"]`},
		"JSON that stays":              {"X", `{"b": 1,  "a": "x"}`, `{"b": 1,  "a": "x"}`},
		"a document encoded for a URL": {"X", "%7B%22a%22%3A%22" + arnOf("mail", "orders") + "%22%7D", "%7B%22a%22%3A%22arn%3Aaws%3Amail%3Aeu-west-1%3A" + sandbox + "%3Af-orders%22%7D"},
		"a secret": {
			"X", `{"host":"` + host + `","port":6432,"username":"app","password":"x"}`,
			`{"host":"main-db","password":"fork-of-app","port":5432,"username":"app"}`,
		},
		"shared": {"X", arnOf("box", "shared/x"), arnOf("box", "shared/x")},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := testRewriter().Rewrite(map[string]any{test.field: test.text}, Origin{Key: "k", Region: region})
			if text := got.(map[string]any)[test.field]; text != test.want { //nolint:forcetypeassert // The tree was an object.
				t.Errorf("%q\n got %q\nwant %q", test.text, text, test.want)
			}
		})
	}
}

func TestRewriteFieldsBesideEachOther(t *testing.T) {
	got, report := testRewriter().Rewrite(map[string]any{
		"DB_HOST": "main.abc123.eu-west-1.data.amazonaws.com", "DB_PORT": "6432", "DB_USER": "app", "DB_PASSWORD": "x", "DB_NAME": "shop",
		"OTHER_PASSWORD": "y", "dbHost": "main.abc123.eu-west-1.data.amazonaws.com:6432", "dbPassword": "z", "dbPort": json.Number("6432"),
	}, Origin{Key: "k", Region: region})
	want := map[string]any{
		"DB_HOST": "main-db", "DB_PORT": "5432", "DB_USER": "app", "DB_PASSWORD": "fork-of-app", "DB_NAME": "shop",
		"OTHER_PASSWORD": "y", "dbHost": "main-db:5432", "dbPassword": "fork-of-root", "dbPort": json.Number("5432"),
	}
	// The second group names no user: it is the owner's.
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for _, login := range report.Logins {
		if login.Key != "data/db/main" || login.User != "app" && login.User != "root" {
			t.Errorf("login %+v", login)
		}
	}
}

func TestResidual(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string // the key or the text of the only hit; empty for none
	}{
		"a skipped resource":          {arnOf("box", "skipped/x"), "box/skipped/x"},
		"a shared one":                {arnOf("box", "shared/x") + "/object", ""},
		"an unknown ARN":              {arnOf("other", "thing"), arnOf("other", "thing")},
		"another account's ARN":       {"arn:aws:mail:eu-west-1:333333333333:x", ""},
		"the account in an address":   {"https://x.example.com/" + production + "/q", "account 111111111111 in x.example.com/111111111111/q"},
		"the account in a word":       {"order 111111111111 of today", ""},
		"a longer number":             {"https://x.example.com/9111111111111", ""},
		"the account alone":           {production, "account " + production},
		"a host of somebody's":        {"other.abc.eu-west-1.data.amazonaws.com", "other.abc.eu-west-1.data.amazonaws.com"},
		"a service's endpoint":        {"https://mail.eu-west-1.amazonaws.com", ""},
		"the fork's own":              {"arn:aws:mail:eu-west-1:" + sandbox + ":f-orders", ""},
		"the fork's own with account": {"http://host.docker.internal:6000/" + sandbox + "/f-orders/" + "x", ""},
		"inside of a document":        {`{"a":["` + arnOf("box", "skipped/x") + `"]}`, "box/skipped/x"},
		"a password in an address":    {"https://u:secret@x.example.com/" + production, "account 111111111111 in x.example.com/111111111111"},
	} {
		t.Run(name, func(t *testing.T) {
			hits := testRewriter().Residual(map[string]any{"A": test.text}, Origin{Key: "k", Region: region})
			if test.want == "" {
				if len(hits) > 0 {
					t.Errorf("%q: %+v", test.text, hits)
				}
				return
			}
			if len(hits) != 1 || hits[0].Key != test.want && hits[0].What != test.want || !strings.HasPrefix(hits[0].Path, "A") {
				t.Errorf("%q: %+v, want %s", test.text, hits, test.want)
			}
		})
	}
}

func TestScrubLeavesOutWhatPointsAtProduction(t *testing.T) {
	got := testRewriter().Scrub(map[string]any{
		"keep": "x", "drop": arnOf("other", "y"), "list": []any{"a", arnOf("other", "y")},
		"inner":               map[string]any{"drop": `{"x":"` + arnOf("box", "skipped/x") + `"}`, "number": json.Number("1")},
		arnOf("other", "key"): "x",
	}, Origin{Key: "k", Region: region})
	want := map[string]any{"keep": "x", "list": []any{"a"}, "inner": map[string]any{"number": json.Number("1")}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNothingLeftIsNothingFound: what was rewritten whole never trips the residual check.
func TestNothingLeftIsNothingFound(t *testing.T) {
	rewriter := testRewriter()
	tree := map[string]any{
		"a": arnOf("mail", "orders"), "b": []any{"http://localhost:5000/" + production + "/orders", production},
		"c": `{"x":"` + arnOf("box", "table/orders/stream/1") + `","y":"` + arnOf("mail", "*") + `"}`,
		"d": "postgres://a:b@main.abc123.eu-west-1.data.amazonaws.com/x",
	}
	changed, report := rewriter.Rewrite(tree, Origin{Key: "k", Region: region})
	if hits := rewriter.Residual(changed, Origin{Key: "k", Region: region}); len(hits) > 0 {
		t.Errorf("%v\nleaves %+v", changed, hits)
	}
	if len(report.Changes) != 6 {
		t.Errorf("%d changes: %+v", len(report.Changes), report.Changes)
	}
	again, report := rewriter.Rewrite(changed, Origin{Key: "k", Region: region})
	if !reflect.DeepEqual(again, changed) || len(report.Changes) != 0 {
		t.Errorf("rewriting again changes %+v", report.Changes)
	}
}
