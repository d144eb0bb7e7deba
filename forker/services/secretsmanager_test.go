package services

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// secretsMock serves pages of secrets; an error takes the place of the call that it is named after.
type secretsMock struct {
	pages            [][]string
	described        *secretsmanager.DescribeSecretOutput
	policy           string
	value            *secretsmanager.GetSecretValueOutput
	listing, reading error
	policing, asking error
	asked            int
}

func (m *secretsMock) ListSecrets(_ context.Context, input *secretsmanager.ListSecretsInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error) {
	page, next, _ := pageOf(m.pages, input.NextToken)
	output := &secretsmanager.ListSecretsOutput{NextToken: next}
	for _, name := range page {
		output.SecretList = append(output.SecretList, types.SecretListEntry{Name: aws.String(name), ARN: aws.String(mockSecretARN(name))})
	}
	return output, m.listing
}

func (m *secretsMock) DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error) {
	return m.described, m.reading
}

func (m *secretsMock) GetResourcePolicy(context.Context, *secretsmanager.GetResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetResourcePolicyOutput, error) {
	output := &secretsmanager.GetResourcePolicyOutput{}
	if m.policy != "" {
		output.ResourcePolicy = aws.String(m.policy)
	}
	return output, m.policing
}

func (m *secretsMock) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	m.asked++
	return m.value, m.asking
}

func mockSecretARN(name string) string {
	return "arn:aws:secretsmanager:eu-west-1:111111111111:secret:" + name + "-AbCdEf"
}

var secretScope = descriptor.Scope{AccountID: "111111111111", Region: "eu-west-1", Partition: "aws", Bases: []string{"http://127.0.0.1:5000"}}

func TestListSecrets(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException"}
	for name, test := range map[string]struct {
		client *secretsMock
		names  []string
		denied bool
	}{
		"none":      {client: &secretsMock{}},
		"two pages": {client: &secretsMock{pages: [][]string{{"shop/db", "shop/key"}, {"token"}}}, names: []string{"shop/db", "shop/key", "token"}},
		"denied":    {client: &secretsMock{listing: denied}, denied: true},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := collect(listSecrets(t.Context(), test.client, secretScope))
			if descriptor.IsDenied(err) != test.denied || err != nil && !test.denied {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.names, itemNames(items)); diff != "" {
				t.Error(diff)
			}
			if test.client.asked > 0 {
				t.Error("a listing asked for values")
			}
		})
	}
}

func TestReadSecret(t *testing.T) {
	gone := &smithy.GenericAPIError{Code: "ResourceNotFoundException"}
	describe := func(change func(*secretsmanager.DescribeSecretOutput)) *secretsmanager.DescribeSecretOutput {
		output := &secretsmanager.DescribeSecretOutput{
			Name: aws.String("shop/db"), ARN: aws.String(mockSecretARN("shop/db")), Description: aws.String("Login"),
			Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}},
		}
		if change != nil {
			change(output)
		}
		return output
	}
	for name, test := range map[string]struct {
		client *secretsMock
		config string
		notes  []string
		gone   bool
	}{
		"plain": {client: &secretsMock{described: describe(nil)}, config: `{"Description":"Login"}`},
		"with a policy, its outsiders dropped": {
			client: &secretsMock{described: describe(nil), policy: `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*",` +
				`"Principal":{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::333333333333:root"]}}]}`},
			config: `{"Description":"Login","Policy":{"Statement":[{"Action":"*","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Resource":"*"}]}}`,
			notes:  []string{"hazard"},
		},
		"rotated, encrypted and replicated": {
			client: &secretsMock{described: describe(func(output *secretsmanager.DescribeSecretOutput) {
				output.RotationEnabled, output.KmsKeyId = aws.Bool(true), aws.String("arn:aws:kms:eu-west-1:111111111111:key/1")
				output.ReplicationStatus = []types.ReplicationStatusType{{Region: aws.String("us-east-1")}}
			})},
			config: `{"Description":"Login"}`, notes: []string{"hazard", "not-copied", "not-copied"},
		},
		"deleted meanwhile":        {client: &secretsMock{reading: gone}, gone: true},
		"deleted while it is read": {client: &secretsMock{described: describe(nil), policing: gone}, gone: true},
		"scheduled for deletion": {
			client: &secretsMock{described: describe(func(output *secretsmanager.DescribeSecretOutput) { output.DeletedDate = aws.Time(time.Now()) })},
			gone:   true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			item, err := readSecret(t.Context(), test.client, secretScope, descriptor.Item{Name: "shop/db"})
			if test.client.asked > 0 {
				t.Error("reading a configuration asked for the value")
			}
			if test.gone {
				if !errors.Is(err, descriptor.ErrGone) {
					t.Errorf("error %v, want that it is gone", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if config := must[string](t)(descriptor.Encode(item.Config)); config != test.config || item.Tags["app"] != "shop" {
				t.Errorf("read %s %v, want %s", config, item.Tags, test.config)
			}
			if diff := cmp.Diff(test.notes, noteKinds(item.Notes)); diff != "" {
				t.Error(diff)
			}
			base := strings.TrimSuffix(mockSecretARN("shop/db"), "-AbCdEf")
			want := []descriptor.Identifier{
				{Form: secretMarks, Value: base + "-??????", Whole: true},
				{Form: secretStar, Value: base + "-*", Whole: true},
				{Form: descriptor.Name, Value: "shop/db"},
				{Form: secretPartial, Value: base, Whole: true},
			}
			if diff := cmp.Diff(want, item.Identifiers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretForFork(t *testing.T) {
	const host = "orders.abc123.eu-west-1.rds.amazonaws.com"
	same := "="
	for name, test := range map[string]struct{ value, want string }{
		"a database's login": {
			value: `{"engine":"postgres","host":"` + host + `","port":5432,"username":"shop","password":"hunter2","dbname":"orders"}`,
			want:  `{"dbname":"orders","engine":"postgres","host":"` + host + `","password":"hunter2","port":5432,"username":"shop"}`,
		},
		"two logins by prefix, one not at AWS": {
			value: `{"DB_HOST":"` + host + `","DB_PASSWORD":"a","DB_USER":"u","FTP_HOST":"ftp.example.com","FTP_PASSWORD":"b","FTP_USER":"key"}`,
			want: `{"DB_HOST":"` + host + `","DB_PASSWORD":"a","DB_USER":"u","FTP_HOST":"sundog:made-up","FTP_PASSWORD":"sundog:made-up",` +
				`"FTP_USER":"sundog:made-up"}`,
		},
		"a database's login with a key beside it": {
			value: `{"host":"` + host + `","password":"a","api_key":"sk_live_1","pin":1234}`,
			want:  `{"api_key":"sundog:made-up","host":"` + host + `","password":"a","pin":0}`,
		},
		"a third party's key":        {value: "sk_live_1", want: madeUpMark},
		"a key that looks like JSON": {value: "12345678", want: madeUpMark},
		"keys of a third party, nested": {
			value: `{"stripe":{"key":"sk","retries":3,"live":true},"hooks":["https://hooks.example.com/T0/B0/x"]}`,
			want:  `{"hooks":["sundog:made-up"],"stripe":{"key":"sundog:made-up","live":true,"retries":3}}`,
		},
		"identifiers": {
			value: `{"queue":"https://sqs.eu-west-1.amazonaws.com/111111111111/orders","emulated":"http://127.0.0.1:5000/111111111111/orders","topic":"arn:aws:sns:eu-west-1:111111111111:t"}`,
			want:  `{"emulated":"http://127.0.0.1:5000/111111111111/orders","queue":"https://sqs.eu-west-1.amazonaws.com/111111111111/orders","topic":"arn:aws:sns:eu-west-1:111111111111:t"}`,
		},
		"a signed URL":                    {value: "https://b.s3.eu-west-1.amazonaws.com/x?X-Amz-Signature=1", want: madeUpMark},
		"an address with a login":         {value: "postgres://shop:pw@" + host + ":5432/orders?sslmode=require", want: same},
		"one of Java's":                   {value: "jdbc:postgresql://" + host + "/orders?user=shop&password=pw", want: same},
		"one with a key in it":            {value: "postgres://shop:pw@" + host + "/orders?apikey=sk", want: madeUpMark},
		"one that hides its password":     {value: "postgres://shop:p'w@" + host + "/orders", want: madeUpMark},
		"one elsewhere":                   {value: "postgres://shop:pw@db.example.com/orders", want: madeUpMark},
		"one that only looks like AWS":    {value: "postgres://shop:pw@a.b.c.amazonaws.com.example.com/orders", want: madeUpMark},
		"a connection string":             {value: "host=" + host + " user=shop password='p w' dbname=orders", want: same},
		"a connection string, semicolons": {value: "Server=" + host + ";Uid=shop;Pwd=pw;", want: same},
		"a connection string with a key":  {value: "host=" + host + " password=pw apikey=sk", want: madeUpMark},
		"a connection string elsewhere":   {value: "host=db.example.com password=pw", want: madeUpMark},
		"a private key":                   {value: "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----", want: madeUpMark},
		"nothing":                         {value: "", want: same},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want == same {
				want = test.value
			}
			if got := secretForFork(test.value, secretScope); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestReadSecretValue(t *testing.T) {
	for name, test := range map[string]struct {
		client *secretsMock
		want   map[string]any
		failed bool
	}{
		"text":   {client: &secretsMock{value: &secretsmanager.GetSecretValueOutput{SecretString: aws.String("sk_live")}}, want: map[string]any{"SecretString": madeUpMark}},
		"bytes":  {client: &secretsMock{value: &secretsmanager.GetSecretValueOutput{SecretBinary: []byte("x")}}, want: map[string]any{"Binary": true}},
		"none":   {client: &secretsMock{asking: &smithy.GenericAPIError{Code: "ResourceNotFoundException"}}, want: map[string]any{}},
		"denied": {client: &secretsMock{asking: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readSecretValue(t.Context(), test.client, secretScope, descriptor.Item{Name: "key"})
			if (err != nil) != test.failed || test.failed && !descriptor.IsDenied(err) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompleteSecret(t *testing.T) {
	first := must[string](t)(completeSecret(`{"key":"sundog:made-up","list":["sundog:made-up"],"n":1}`, ""))
	if strings.Contains(first, madeUpMark) || strings.Count(first, secretStub) != 2 {
		t.Fatalf("every mark becomes a value: %s", first)
	}
	if again := must[string](t)(completeSecret(`{"key":"sundog:made-up","list":["sundog:made-up"],"n":1}`, first)); again != first {
		t.Errorf("what was made up stays: %s, then %s", first, again)
	}
	for name, test := range map[string]struct{ wanted, current, want string }{
		"a team's own test key stays": {`{"key":"sundog:made-up","port":2}`, `{"key":"sk_test","port":1}`, `{"key":"sk_test","port":2}`},
		"so does one that is text":    {madeUpMark, "sk_test", "sk_test"},
		"a login is always followed":  {`{"password":"new"}`, `{"password":"old"}`, `{"password":"new"}`},
		"text":                        {"host=x", "host=y", "host=x"},
	} {
		if got := must[string](t)(completeSecret(test.wanted, test.current)); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestAWSSecretLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	production, sandbox := secretsmanager.NewFromConfig(w.production), secretsmanager.NewFromConfig(w.sandbox)
	const value = `{"host":"orders.abc123.eu-west-1.rds.amazonaws.com","password":"hunter2","username":"shop","api_key":"sk_live"}`
	must[*secretsmanager.CreateSecretOutput](t)(production.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("shop/db"), Description: aws.String("Login"), SecretString: aws.String(value),
		Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}},
	}))
	must[*secretsmanager.CreateSecretOutput](t)(production.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("empty")}))
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Principal":{"AWS":"arn:aws:iam::` + w.scope.AccountID + `:role/web"}}]}`
	must[*secretsmanager.PutResourcePolicyOutput](t)(production.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{
		SecretId: aws.String("shop/db"), ResourcePolicy: aws.String(policy),
	}))

	secrets := service(t, "secretsmanager")
	reader := secrets.Reader(w.production)["secret"]
	items := w.read(secrets, "secret")
	item := items["shop/db"]
	if len(items) != 2 || item.Tags["app"] != "shop" {
		t.Errorf("read %+v", items)
	}
	if text := must[string](t)(descriptor.Encode(item.Config)); strings.Contains(text, "hunter2") {
		t.Errorf("a value was read without being asked for: %s", text)
	}
	if none := must[map[string]any](t)(reader.Values(ctx, w.scope, items["empty"])); len(none) != 0 {
		t.Errorf("a secret without a value has none: %v", none)
	}
	config := map[string]any{"Description": "Login", "Policy": parseIAMDocument(strings.ReplaceAll(policy, w.scope.AccountID, w.target.AccountID))}
	for name, field := range must[map[string]any](t)(reader.Values(ctx, w.scope, item)) {
		// What the forker does to a login.
		text, _ := field.(string)
		config[name] = strings.NewReplacer("orders.abc123.eu-west-1.rds.amazonaws.com", "orders", "hunter2", "the fork's").Replace(text)
	}

	writer := secrets.Writer(w.sandbox)["secret"]
	target := w.clone(writer, "shop/db", config)
	live := must[descriptor.Live](t)(writer.Find(ctx, target))
	if diff := cmp.Diff(target.Values, live.Values); diff != "" || live.ARN != target.ARN || live.Values[secretStar] == "" {
		t.Errorf("found other identifiers than were made: %s", diff)
	}
	valueOf := func(selector string) string { return must[string](t)(writer.Value(ctx, target, selector)) }
	if valueOf(":host::") != "orders" || valueOf(":password::") != "the fork's" || !strings.HasPrefix(valueOf(":api_key::"), secretStub) {
		t.Errorf("the copy's value is %s", valueOf(""))
	}
	if _, err := writer.Value(ctx, target, ":missing::"); err == nil || strings.Contains(err.Error(), "the fork's") {
		t.Errorf("a missing field is an error without the value: %v", err)
	}
	if got := must[any](t)(secretPolicy(ctx, sandbox, target.Name)); !sameDocument(got, config["Policy"]) {
		t.Errorf("the copy's policy is %v", got)
	}

	// Written again, nothing changes.
	before := valueOf("")
	versions := func() int {
		return len(must[*secretsmanager.ListSecretVersionIdsOutput](t)(sandbox.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{
			SecretId: aws.String(target.Name), IncludeDeprecated: aws.Bool(true),
		})).Versions)
	}
	made := versions()
	if err := writer.Wire(ctx, target); err != nil || valueOf("") != before || versions() != made {
		t.Errorf("writing again made %d versions of %d and the value %s: %v", versions(), made, valueOf(""), err)
	}
	changed := target
	changed.Config = map[string]any{"Description": "Changed", "SecretString": config["SecretString"]}
	if err := writer.Wire(ctx, changed); err != nil {
		t.Fatal(err)
	}
	described := must[*secretsmanager.DescribeSecretOutput](t)(sandbox.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(target.Name)}))
	if got, err := secretPolicy(ctx, sandbox, target.Name); err != nil || got != nil || aws.ToString(described.Description) != "Changed" {
		t.Errorf("the copy keeps %v, %q: %v", got, aws.ToString(described.Description), err)
	}

	// Somebody deletes the copy in a way that can be undone: it is found, and brought back.
	must[*secretsmanager.DeleteSecretOutput](t)(sandbox.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String(target.Name)}))
	live = must[descriptor.Live](t)(writer.Find(ctx, target))
	if live.Status != secretScheduled || live.Tags["sundog.dev/fork"] != "staging" {
		t.Errorf("found %+v", live)
	}
	if err := writer.Wire(ctx, target); err != nil || valueOf("") != before {
		t.Errorf("brought back as %s: %v", valueOf(""), err)
	}
	must[*secretsmanager.DeleteSecretOutput](t)(sandbox.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String(target.Name)}))
	if err := writer.Delete(ctx, target); err != nil {
		t.Fatal(err)
	}
	if err := writer.Delete(ctx, target); !errors.Is(err, descriptor.ErrGone) {
		t.Errorf("deleting again: %v", err)
	}
	if _, err := writer.Find(ctx, target); !errors.Is(err, descriptor.ErrGone) {
		t.Errorf("after deletion: %v", err)
	}
}

func TestAWSSecretMadeUp(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	sandbox := secretsmanager.NewFromConfig(w.sandbox)
	values, notes := fakeSecretValue(descriptor.Item{Stub: true}, func(label string) string { return "derived from " + label })
	if len(notes) != 1 {
		t.Errorf("that it is made up must be noted: %v", notes)
	}
	writer := service(t, "secretsmanager").Writer(w.sandbox)["secret"]
	target := w.clone(writer, "key", values)
	// Which fields production's has was not read: the value stands for each.
	for _, selector := range []string{"", ":api_key::"} {
		if got := must[string](t)(writer.Value(ctx, target, selector)); got != secretStub+"derived from value" {
			t.Errorf("%q: %s", selector, got)
		}
	}
	must[*secretsmanager.PutSecretValueOutput](t)(sandbox.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(target.Name), SecretString: aws.String("sk_test"),
	}))
	if err := writer.Wire(ctx, target); err != nil {
		t.Fatal(err)
	}
	if got := must[string](t)(writer.Value(ctx, target, "")); got != "sk_test" {
		t.Errorf("a team's own test key must stay: %s", got)
	}

	binary := w.clone(writer, "bytes", map[string]any{"Binary": true})
	first := must[string](t)(writer.Value(ctx, binary, ""))
	if err := writer.Wire(ctx, binary); err != nil || first == "" || must[string](t)(writer.Value(ctx, binary, "")) != first {
		t.Errorf("made-up bytes stay: %q: %v", first, err)
	}
}
