package services

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

func TestAWSTopicLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	production, sandbox := sns.NewFromConfig(w.production), sns.NewFromConfig(w.sandbox)
	must[*sqs.CreateQueueOutput](t)(sqs.NewFromConfig(w.production).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")}))
	must[*sqs.CreateQueueOutput](t)(sqs.NewFromConfig(w.sandbox).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("staging-orders")}))
	topic := aws.ToString(must[*sns.CreateTopicOutput](t)(production.CreateTopic(ctx, &sns.CreateTopicInput{
		Name: aws.String("order-events"), Attributes: map[string]string{"DisplayName": "Orders"},
	})).TopicArn)
	must[*sns.SubscribeOutput](t)(production.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: aws.String(w.scope.ARN("sqs", "orders")),
		Attributes: map[string]string{"FilterPolicy": `{"kind":["order"]}`, "RawMessageDelivery": "true"},
	}))
	must[*sns.SubscribeOutput](t)(production.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("email"), Endpoint: aws.String("ops@example.com"),
	}))

	snsService := service(t, "sns")
	item := w.read(snsService, "topic")["order-events"]
	text := must[string](t)(descriptor.Encode(item.Config))
	if strings.Contains(text, "ops@example.com") || strings.Contains(text, snsDefaultPolicy) {
		t.Errorf("neither the e-mail subscription nor the policy of birth belongs to the configuration: %s", text)
	}
	if len(item.Notes) != 1 || item.Notes[0].Kind != "hazard" || strings.Contains(item.Notes[0].Message, "ops@") {
		t.Errorf("the e-mail subscription must be noted as a hazard without its address: %+v", item.Notes)
	}

	writer := snsService.Writer(w.sandbox)["topic"]
	rewrite := func(text string) any {
		return must[any](t)(descriptor.ParseTree([]byte(strings.ReplaceAll(text,
			w.scope.ARN("sqs", "orders"), w.target.BuildARN("sqs", "staging-orders")))))
	}
	target := w.clone(writer, "order-events", rewrite(text))
	live := must[descriptor.Live](t)(writer.Find(ctx, target))
	if diff := cmp.Diff(w.target.Tags, live.Tags); diff != "" {
		t.Error(diff)
	}
	subscriptions := func() []string {
		var endpoints []string
		output := must[*sns.ListSubscriptionsByTopicOutput](t)(sandbox.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &target.ARN}))
		for _, subscription := range output.Subscriptions {
			attributes := must[map[string]any](t)(subscriptionAttributes(ctx, sandbox, aws.ToString(subscription.SubscriptionArn)))
			endpoints = append(endpoints, aws.ToString(subscription.Endpoint)+" "+must[string](t)(descriptor.Encode(attributes["FilterPolicy"])))
		}
		return endpoints
	}
	if diff := cmp.Diff([]string{w.target.BuildARN("sqs", "staging-orders") + ` {"kind":["order"]}`}, subscriptions()); diff != "" {
		t.Error(diff)
	}

	changed := target
	changed.Config = rewrite(strings.ReplaceAll(text, `["order"]`, `["refund"]`))
	for range 2 {
		if err := writer.Wire(ctx, changed); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{w.target.BuildARN("sqs", "staging-orders") + ` {"kind":["refund"]}`}, subscriptions()); diff != "" {
		t.Errorf("a changed filter must change the one subscription: %s", diff)
	}

	if err := writer.Delete(ctx, target); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Find(ctx, target); !errors.Is(err, descriptor.ErrGone) {
		t.Errorf("after deletion: %v", err)
	}
}
