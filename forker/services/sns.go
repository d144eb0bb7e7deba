package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type snsReader interface {
	ListTopics(context.Context, *sns.ListTopicsInput, ...func(*sns.Options)) (*sns.ListTopicsOutput, error)
	GetTopicAttributes(context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error)
	ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error)
	GetSubscriptionAttributes(context.Context, *sns.GetSubscriptionAttributesInput, ...func(*sns.Options)) (*sns.GetSubscriptionAttributesOutput, error)
	ListTagsForResource(context.Context, *sns.ListTagsForResourceInput, ...func(*sns.Options)) (*sns.ListTagsForResourceOutput, error)
}

type snsWriter interface {
	snsReader
	CreateTopic(context.Context, *sns.CreateTopicInput, ...func(*sns.Options)) (*sns.CreateTopicOutput, error)
	SetTopicAttributes(context.Context, *sns.SetTopicAttributesInput, ...func(*sns.Options)) (*sns.SetTopicAttributesOutput, error)
	DeleteTopic(context.Context, *sns.DeleteTopicInput, ...func(*sns.Options)) (*sns.DeleteTopicOutput, error)
	Subscribe(context.Context, *sns.SubscribeInput, ...func(*sns.Options)) (*sns.SubscribeOutput, error)
	SetSubscriptionAttributes(context.Context, *sns.SetSubscriptionAttributesInput, ...func(*sns.Options)) (*sns.SetSubscriptionAttributesOutput, error)
	Unsubscribe(context.Context, *sns.UnsubscribeInput, ...func(*sns.Options)) (*sns.UnsubscribeOutput, error)
}

// Attributes of a topic that are set when it is made, those that refer to other resources, and those of a subscription.
var (
	snsShell = []string{
		"DisplayName", "FifoTopic", "ContentBasedDeduplication", "FifoThroughputScope", "SignatureVersion", "TracingConfig",
	}
	snsWired        = []string{"Policy", "DeliveryPolicy", "KmsMasterKeyId"}
	snsSubscription = []string{"FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"}
)

// snsDefaultPolicy is the id of the policy that every topic is born with. It names the account and is made anew for the
// copy, so it is not carried over.
const snsDefaultPolicy = "__default_policy_ID"

// snsTopic is a topic's configuration.
type snsTopic struct {
	Attributes    map[string]any
	Subscriptions []snsSubscriber
}

type snsSubscriber struct {
	Protocol   string
	Endpoint   string
	Attributes map[string]any
}

func init() {
	register(descriptor.Service[snsReader, snsWriter]{
		Name: "sns",
		ID:   sns.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "ListTopics", Class: descriptor.Meta, Actions: []string{"sns:ListTopics"}},
			{Name: "GetTopicAttributes", Class: descriptor.Meta, Actions: []string{"sns:GetTopicAttributes"}},
			{Name: "ListSubscriptionsByTopic", Class: descriptor.Meta, Actions: []string{"sns:ListSubscriptionsByTopic"}},
			{Name: "GetSubscriptionAttributes", Class: descriptor.Meta, Actions: []string{"sns:GetSubscriptionAttributes"}},
			{Name: "ListTagsForResource", Class: descriptor.Meta, Actions: []string{"sns:ListTagsForResource"}},
		},
		Reader: func(config aws.Config) snsReader { return sns.NewFromConfig(config) },
		Writer: func(config aws.Config) snsWriter { return sns.NewFromConfig(config) },
		Kinds: []descriptor.Kind[snsReader, snsWriter]{{
			Traits: descriptor.Traits{
				Name:          "topic",
				Layer:         descriptor.LayerMessaging,
				Naming:        descriptor.Naming{Max: 256, Allowed: "-_", Suffixes: []string{".fifo"}},
				Default:       descriptor.Clone,
				DefaultReason: "a topic of its own costs nothing; only its subscriptions inside the fork are copied, so it reaches nobody outside",
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				Hints:         []string{"topic", "sns"},
			},
			List:   listTopics,
			Read:   readTopic,
			Find:   findTopic,
			Create: createTopic,
			Wire:   wireTopic,
			Delete: deleteTopic,
		}},
	})
}

func listTopics(ctx context.Context, client snsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := sns.NewListTopicsPaginator(client, &sns.ListTopicsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list topics: %w", err))
				return
			}
			for _, topic := range page.Topics {
				arn := aws.ToString(topic.TopicArn)
				if !yield(descriptor.Item{Name: arn[strings.LastIndex(arn, ":")+1:], ARN: arn}, nil) {
					return
				}
			}
		}
	}
}

func readTopic(ctx context.Context, client snsReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(item.ARN)})
	if err != nil {
		return item, fmt.Errorf("read the attributes of topic %s: %w", item.Name, topicGone(err))
	}
	tags, err := topicTags(ctx, client, item.ARN)
	if err != nil {
		return item, err
	}
	topic := snsTopic{Attributes: map[string]any{}}
	for _, name := range slices.Concat(snsShell, snsWired) {
		value := output.Attributes[name]
		if value == "" {
			continue
		}
		if name != "Policy" && name != "DeliveryPolicy" {
			topic.Attributes[name] = value
			continue
		}
		document := descriptor.ParseDocument(value)
		if fields, ok := document.(map[string]any); ok && fields["Id"] == snsDefaultPolicy {
			continue
		}
		topic.Attributes[name] = document
	}
	outside := map[string]int{}
	err = eachSubscription(ctx, client, item.ARN, func(subscription types.Subscription) error {
		protocol := aws.ToString(subscription.Protocol)
		if protocol != "sqs" {
			outside[protocol]++
			return nil
		}
		attributes, err := subscriptionAttributes(ctx, client, aws.ToString(subscription.SubscriptionArn))
		if err != nil {
			return err
		}
		topic.Subscriptions = append(topic.Subscriptions, snsSubscriber{
			Protocol: protocol, Endpoint: aws.ToString(subscription.Endpoint), Attributes: attributes,
		})
		return nil
	})
	if err != nil {
		return item, fmt.Errorf("read the subscriptions of topic %s: %w", item.Name, topicGone(err))
	}
	slices.SortFunc(topic.Subscriptions, func(a, b snsSubscriber) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	if item.Config, err = descriptor.Tree(topic); err != nil {
		return item, err
	}
	item.Tags = tags
	item.Identifiers = []descriptor.Identifier{{Form: descriptor.Name, Value: item.Name}}
	for _, protocol := range slices.Sorted(maps.Keys(outside)) {
		item.Notes = append(item.Notes, subscriptionNote(protocol, outside[protocol]))
	}
	return item, nil
}

// subscriptionNote tells about subscriptions that are never copied. It names no address: that may be a person's.
func subscriptionNote(protocol string, count int) descriptor.Note {
	switch protocol {
	case "lambda", "firehose":
		return descriptor.Note{
			Kind: "not-copied", Severity: "warning",
			Message: fmt.Sprintf("%d subscription(s) of protocol %s are not copied: this version makes no copies of their endpoints", count, protocol),
		}
	default:
		return descriptor.Note{
			Kind: "hazard", Severity: "info",
			Message: fmt.Sprintf("%d subscription(s) of protocol %s are never copied: the fork would send messages to people and systems outside of it", count, protocol),
		}
	}
}

func topicTags(ctx context.Context, client snsReader, arn string) (map[string]string, error) {
	output, err := client.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: aws.String(arn)})
	if err != nil {
		return nil, fmt.Errorf("read the tags of topic %s: %w", arn, topicGone(err))
	}
	tags := make(map[string]string, len(output.Tags))
	for _, tag := range output.Tags {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags, nil
}

func eachSubscription(ctx context.Context, client snsReader, topic string, visit func(types.Subscription) error) error {
	pages := sns.NewListSubscriptionsByTopicPaginator(client, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(topic)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, subscription := range page.Subscriptions {
			if err := visit(subscription); err != nil {
				return err
			}
		}
	}
	return nil
}

// subscriptionAttributes reads the attributes that are carried over; a subscription that still waits for its
// confirmation has none.
func subscriptionAttributes(ctx context.Context, client snsReader, arn string) (map[string]any, error) {
	attributes := map[string]any{}
	if !strings.HasPrefix(arn, "arn:") {
		return attributes, nil
	}
	output, err := client.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: aws.String(arn)})
	if err != nil {
		return nil, err
	}
	for _, name := range snsSubscription {
		if value := output.Attributes[name]; value != "" {
			attributes[name] = descriptor.ParseDocument(value)
		}
	}
	return attributes, nil
}

func topicGone(err error) error {
	if descriptor.HasCode(err, "NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func findTopic(ctx context.Context, client snsWriter, target descriptor.Target) (descriptor.Live, error) {
	arn := target.BuildARN("sns", target.Name)
	tags, err := topicTags(ctx, client, arn)
	if err != nil {
		return descriptor.Live{}, err
	}
	return descriptor.Live{Made: descriptor.Made{ARN: arn}, Tags: tags, Status: "ready"}, nil
}

func createTopic(ctx context.Context, client snsWriter, target descriptor.Target) (descriptor.Made, error) {
	topic, err := descriptor.Decode[snsTopic](target.Config)
	if err != nil {
		return descriptor.Made{}, err
	}
	attributes, err := documentTexts(topic.Attributes, snsShell)
	if err != nil {
		return descriptor.Made{}, err
	}
	tags := make([]types.Tag, 0, len(target.Tags))
	for _, key := range slices.Sorted(maps.Keys(target.Tags)) {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(target.Tags[key])})
	}
	output, err := client.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(target.Name), Attributes: attributes, Tags: tags})
	if err != nil {
		return descriptor.Made{}, fmt.Errorf("create topic %s: %w", target.Name, err)
	}
	return descriptor.Made{ARN: aws.ToString(output.TopicArn)}, nil
}

// documentTexts picks attributes; documents become text again.
func documentTexts(config map[string]any, names []string) (map[string]string, error) {
	texts := map[string]string{}
	for _, name := range names {
		switch value := config[name].(type) {
		case nil:
		case string:
			texts[name] = value
		default:
			text, err := descriptor.Encode(value)
			if err != nil {
				return nil, err
			}
			texts[name] = text
		}
	}
	return texts, nil
}

func wireTopic(ctx context.Context, client snsWriter, target descriptor.Target) error {
	topic, err := descriptor.Decode[snsTopic](target.Config)
	if err != nil {
		return err
	}
	current, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(target.ARN)})
	if err != nil {
		return fmt.Errorf("read the attributes of topic %s: %w", target.Name, err)
	}
	wanted, err := documentTexts(topic.Attributes, slices.Concat(snsShell, snsWired))
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(snsShell, snsWired) {
		value := wanted[name]
		// What is fixed at birth cannot be set; a policy that production does not state is the one that the copy was born with.
		if name == "FifoTopic" || current.Attributes[name] == value || value == "" && name == "Policy" {
			continue
		}
		_, err := client.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
			TopicArn: aws.String(target.ARN), AttributeName: aws.String(name), AttributeValue: aws.String(value),
		})
		if err != nil {
			return fmt.Errorf("set %s of topic %s: %w", name, target.Name, err)
		}
	}
	return wireSubscriptions(ctx, client, target, topic.Subscriptions)
}

func wireSubscriptions(ctx context.Context, client snsWriter, target descriptor.Target, wanted []snsSubscriber) error {
	existing := map[[2]string]string{}
	err := eachSubscription(ctx, client, target.ARN, func(subscription types.Subscription) error {
		existing[[2]string{aws.ToString(subscription.Protocol), aws.ToString(subscription.Endpoint)}] = aws.ToString(subscription.SubscriptionArn)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the subscriptions of topic %s: %w", target.Name, err)
	}
	for _, subscriber := range wanted {
		key := [2]string{subscriber.Protocol, subscriber.Endpoint}
		arn, found := existing[key]
		delete(existing, key)
		if err := wireSubscription(ctx, client, target, subscriber, arn, found); err != nil {
			return err
		}
	}
	for key, arn := range existing {
		if !strings.HasPrefix(arn, "arn:") {
			continue
		}
		if _, err := client.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: aws.String(arn)}); err != nil {
			return fmt.Errorf("remove the %s subscription of topic %s: %w", key[0], target.Name, err)
		}
	}
	return nil
}

func wireSubscription(
	ctx context.Context, client snsWriter, target descriptor.Target, subscriber snsSubscriber, arn string, found bool,
) error {
	attributes, err := documentTexts(subscriber.Attributes, snsSubscription)
	if err != nil {
		return err
	}
	if !found {
		_, err := client.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: aws.String(target.ARN), Protocol: aws.String(subscriber.Protocol), Endpoint: aws.String(subscriber.Endpoint),
			Attributes: attributes, ReturnSubscriptionArn: true,
		})
		if err != nil {
			return fmt.Errorf("subscribe %s to topic %s: %w", subscriber.Endpoint, target.Name, err)
		}
		return nil
	}
	currentTrees, err := subscriptionAttributes(ctx, client, arn)
	if err != nil {
		return fmt.Errorf("read a subscription of topic %s: %w", target.Name, err)
	}
	current, err := documentTexts(currentTrees, snsSubscription)
	if err != nil {
		return err
	}
	for _, name := range snsSubscription {
		if current[name] == attributes[name] || attributes[name] == "" && name != "FilterPolicy" && name != "RedrivePolicy" {
			continue
		}
		value := attributes[name]
		if value == "" {
			value = "{}"
		}
		_, err := client.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: aws.String(arn), AttributeName: aws.String(name), AttributeValue: aws.String(value),
		})
		if err != nil {
			return fmt.Errorf("set %s of the subscription of %s to topic %s: %w", name, subscriber.Endpoint, target.Name, err)
		}
	}
	return nil
}

func deleteTopic(ctx context.Context, client snsWriter, target descriptor.Target) error {
	// Its subscriptions go with it, except in emulators.
	err := eachSubscription(ctx, client, target.ARN, func(subscription types.Subscription) error {
		if !strings.HasPrefix(aws.ToString(subscription.SubscriptionArn), "arn:") {
			return nil
		}
		_, err := client.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: subscription.SubscriptionArn})
		return err
	})
	if err != nil && !errors.Is(topicGone(err), descriptor.ErrGone) {
		return fmt.Errorf("remove the subscriptions of topic %s: %w", target.Name, err)
	}
	if _, err := client.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: aws.String(target.ARN)}); err != nil {
		return fmt.Errorf("delete topic %s: %w", target.Name, topicGone(err))
	}
	return nil
}
