package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

func TestAWSDeletedCopyComesBack(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	plan := w.plan(w.inventory("sqs/*", "ssm/*"))
	w.apply(plan, nil)
	if _, err := ssm.NewFromConfig(w.config(w.sandbox, w.regions[0])).DeleteParameter(t.Context(),
		&ssm.DeleteParameterInput{Name: aws.String("/staging/shop/queue-url")}); err != nil {
		t.Fatal(err)
	}
	observed, err := w.forker().Observe(t.Context(), "staging", nil)
	if err != nil || observed.Resources["ssm/parameter//shop/queue-url"].Status != "missing" {
		t.Errorf("observed %+v (%v)", observed.Resources["ssm/parameter//shop/queue-url"], err)
	}
	w.apply(plan, nil)
	if got := w.sandboxParameters()["/staging/shop/queue-url"]; !strings.HasSuffix(got, "/staging-orders") {
		t.Errorf("the parameter came back as %q", got)
	}
}

func TestAWSStrategiesChange(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	inventory := w.inventory("sqs/*", "ssm/*", "ecs/*")
	runner := &fakeRunner{}
	w.apply(w.plan(inventory), runner)
	if len(runner.containers) != 1 {
		t.Fatalf("%d containers", len(runner.containers))
	}
	result := w.apply(w.plan(inventory, forker.Rule{Match: "ecs/*", Strategy: forker.Skip}, forker.Rule{Match: "sqs/queue/invoices.fifo", Strategy: forker.Share}), runner)
	if len(runner.containers) != 0 || slices.Contains(w.sandboxQueues(), "staging-invoices.fifo") {
		t.Errorf("left are %q and %d containers", w.sandboxQueues(), len(runner.containers))
	}
	if got := result.Resources["ecs/service/shop/storefront"]; got.Status != "skipped" || got.Name != "" {
		t.Errorf("the skipped service: %+v", got)
	}
	observed, err := w.forker().Observe(t.Context(), "staging", runner)
	if err != nil || fmt.Sprint(observed) != fmt.Sprint(result) {
		t.Errorf("observed\n     %+v (%v)\nwant %+v", observed, err, result)
	}
	w.apply(w.plan(inventory), runner)
	if len(runner.containers) != 1 || !slices.Contains(w.sandboxQueues(), "staging-invoices.fifo") {
		t.Errorf("back are %q and %d containers", w.sandboxQueues(), len(runner.containers))
	}
}

func TestAWSImmutableFieldReplaces(t *testing.T) {
	w := newWorld(t)
	client := ssm.NewFromConfig(w.config(w.production, w.regions[0]))
	put := func(kind ssmtypes.ParameterType) {
		if _, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/a"), Value: aws.String("one,two"), Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	put(ssmtypes.ParameterTypeString)
	w.apply(w.plan(w.inventory("ssm/*")), nil)
	if _, err := client.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/a")}); err != nil {
		t.Fatal(err)
	}
	put(ssmtypes.ParameterTypeStringList)
	w.apply(w.plan(w.inventory("ssm/*")), nil)
	output, err := ssm.NewFromConfig(w.config(w.sandbox, w.regions[0])).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/staging/a")})
	if err != nil || output.Parameter.Type != ssmtypes.ParameterTypeStringList {
		t.Errorf("the copy is %+v (%v)", output, err)
	}
}

func TestAWSPinnedStaysAsItIs(t *testing.T) {
	w := newWorld(t)
	s := seedShop(w)
	pin := forker.Rule{Match: "sqs/*", Pin: true}
	w.apply(w.plan(w.inventory("sqs/*"), pin), nil)
	if _, err := sqs.NewFromConfig(w.config(w.production, w.regions[0])).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(s.queue), Attributes: map[string]string{"VisibilityTimeout": "99"},
	}); err != nil {
		t.Fatal(err)
	}
	w.recorder.forget()
	w.apply(w.plan(w.inventory("sqs/*"), pin), nil)
	if writes := w.writes(); len(writes) > 0 {
		t.Errorf("a pinned queue followed production: %q", writes)
	}
}

func TestAWSSecretValuesOnlyWhenAsked(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	inventory := w.inventory("ssm/*", "sqs/*")
	w.apply(w.plan(inventory, forker.Rule{Match: "ssm/parameter//shop/token", Data: &forker.Data{Mode: "full"}}), nil)
	if got := w.sandboxParameters()["/staging/shop/token"]; got != "production's token" {
		t.Errorf("the value that the rule asks for is %q", got)
	}
	table, err := dynamodb.NewFromConfig(w.config(w.sandbox, w.regions[0])).Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("sundog-fork-staging")})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range table.Items {
		if body, ok := item["body"].(*dynamotypes.AttributeValueMemberS); !ok || strings.Contains(body.Value, "production's token") {
			t.Errorf("the record holds a secret: %v", item)
		}
	}
	w.apply(w.plan(inventory), nil)
	if got := w.sandboxParameters()["/staging/shop/token"]; got == "production's token" {
		t.Error("the value stays although no rule asks for it any more")
	}
}

func TestAWSProductionsCredentialsNeverEnterAContainer(t *testing.T) {
	w := newWorld(t)
	s := seedShop(w)
	client := ecs.NewFromConfig(w.config(w.production, w.regions[0]))
	s.deploy(client, map[string]string{"AWS_ACCESS_KEY_ID": "AKIAPRODUCTION", "AWS_SECRET_ACCESS_KEY": "s", "AWS_PROFILE": "prod", "AWS_REGION": "eu-west-1"})
	if _, err := client.UpdateService(t.Context(), &ecs.UpdateServiceInput{
		Cluster: aws.String("shop"), Service: aws.String("storefront"), TaskDefinition: aws.String("storefront"),
	}); err != nil {
		t.Fatal(err)
	}
	runner := &fakeRunner{}
	result := w.apply(w.plan(w.inventory("sqs/*", "ssm/*", "ecs/*")), runner)
	for name := range runner.containers["storefront"].Env {
		if strings.HasPrefix(name, "AWS_") && !slices.Contains([]string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"}, name) {
			t.Errorf("the container has %s", name)
		}
	}
	if !slices.ContainsFunc(result.Findings, func(f forker.Finding) bool { return f.Kind == "hazard" && strings.Contains(f.Message, "AWS_PROFILE") }) {
		t.Errorf("the findings do not say so: %+v", result.Findings)
	}
}

// TestGuardsAreNotTakenOff: both guards sit in fields of the SDK's configuration that a call could reset.
func TestGuardsAreNotTakenOff(t *testing.T) {
	resets := regexp.MustCompile(`\.(APIOptions|HTTPClient)\s*=[^=]|AllowData\(`)
	read := 0
	for _, folder := range []string{"../..", "..", "../../standin", "../../descriptor", "../../internal/rewrite"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			read++
			for _, found := range resets.FindAllString(string(text), -1) {
				if found == "AllowData(" && filepath.Base(file) == "apply_cloud.go" {
					continue // The one place where a rule's wish for data is granted.
				}
				t.Errorf("%s has %q", file, found)
			}
		}
	}
	if read < 30 {
		t.Errorf("only %d files were read", read)
	}
}
