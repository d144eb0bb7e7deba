package services

import (
	"errors"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

func TestAWSTableLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	production, sandbox := dynamodb.NewFromConfig(w.production), dynamodb.NewFromConfig(w.sandbox)
	name := aws.String("orders")
	must[*dynamodb.CreateTableOutput](t)(production.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: name, BillingMode: types.BillingModeProvisioned,
		ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(5)},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("customer"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-customer"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			KeySchema:             []types.KeySchemaElement{{AttributeName: aws.String("customer"), KeyType: types.KeyTypeHash}},
			ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)},
		}},
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	}))
	if err := setTimeToLive(ctx, production, "orders", "expires", true); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		must[*dynamodb.PutItemOutput](t)(production.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: map[string]types.AttributeValue{
			"id": &types.AttributeValueMemberS{Value: strconv.Itoa(i)}, "customer": &types.AttributeValueMemberS{Value: "c"},
			"email": &types.AttributeValueMemberS{Value: "person@example.com"}, "phone": &types.AttributeValueMemberN{Value: "123"},
			"nested": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"email": &types.AttributeValueMemberS{Value: "x@example.com"}}},
		}}))
	}

	tables := service(t, "dynamodb")
	item := w.read(tables, "table")["orders"]
	writer := tables.Writer(w.sandbox)["table"]
	target := w.clone(writer, "orders", item.Config)
	live := must[descriptor.Live](t)(writer.Find(ctx, target))
	if diff := cmp.Diff(w.target.Tags, live.Tags); diff != "" || live.Status != "ready" {
		t.Errorf("%s %s", live.Status, diff)
	}
	copied := &world{t: t, production: w.sandbox, scope: w.scope}
	if diff := cmp.Diff(item.Config, copied.read(tables, "table")[target.Name].Config); diff != "" {
		t.Errorf("the copy's configuration differs: %s", diff)
	}

	masked := func(field string) bool { return field == "email" || field == "phone" }
	count := must[int](t)(tables.Copier(w.production, w.sandbox)["table"].Copy(ctx, w.scope, item, target, descriptor.DataRequest{
		Mode: descriptor.DataSample, Limit: 33, Masked: masked, Mask: func(string, string) (string, bool) { return "masked", true },
	}))
	scanned := must[*dynamodb.ScanOutput](t)(sandbox.Scan(ctx, &dynamodb.ScanInput{TableName: &target.Name}))
	if count != 33 || len(scanned.Items) != 33 {
		t.Errorf("copied %d, the copy holds %d, want 33", count, len(scanned.Items))
	}
	for _, record := range scanned.Items {
		email, _ := record["email"].(*types.AttributeValueMemberS)
		nested, _ := record["nested"].(*types.AttributeValueMemberM)
		inside, _ := nested.Value["email"].(*types.AttributeValueMemberS)
		if email.Value != "masked" || inside.Value != "masked" || record["phone"] != nil {
			t.Fatalf("personal data reached the copy: %v", record)
		}
	}

	changed := target
	config, _ := item.Config.(map[string]any)
	delete(config, "TimeToLiveAttribute")
	delete(config, "StreamViewType")
	changed.Config = config
	if err := writer.Wire(ctx, changed); err != nil {
		t.Fatal(err)
	}
	if attribute := must[string](t)(timeToLive(ctx, sandbox, target.Name)); attribute != "" {
		t.Errorf("items still expire by %s", attribute)
	}

	if err := writer.Delete(ctx, target); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Find(ctx, target); !errors.Is(err, descriptor.ErrGone) {
		t.Errorf("after deletion: %v", err)
	}
}
