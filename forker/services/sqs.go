package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// sqsReader is all that production's queues are asked. ReceiveMessage is not among it: it hides messages from their
// real consumers, although IAM classes it as a read.
type sqsReader interface {
	ListQueues(context.Context, *sqs.ListQueuesInput, ...func(*sqs.Options)) (*sqs.ListQueuesOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	ListQueueTags(context.Context, *sqs.ListQueueTagsInput, ...func(*sqs.Options)) (*sqs.ListQueueTagsOutput, error)
}

type sqsWriter interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	ListQueueTags(context.Context, *sqs.ListQueueTagsInput, ...func(*sqs.Options)) (*sqs.ListQueueTagsOutput, error)
	CreateQueue(context.Context, *sqs.CreateQueueInput, ...func(*sqs.Options)) (*sqs.CreateQueueOutput, error)
	SetQueueAttributes(context.Context, *sqs.SetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.SetQueueAttributesOutput, error)
	DeleteQueue(context.Context, *sqs.DeleteQueueInput, ...func(*sqs.Options)) (*sqs.DeleteQueueOutput, error)
}

// Attributes of a queue that are set when it is made, and those that refer to other resources.
var (
	sqsShell = []string{
		"VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "MaximumMessageSize",
		"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit", "SqsManagedSseEnabled",
		"KmsDataKeyReusePeriodSeconds",
	}
	sqsWired = []string{"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"}
)

// sqsReuse is how long the name of a deleted queue stays taken, with a margin.
const sqsReuse = 75 * time.Second

func init() {
	register(descriptor.Service[sqsReader, sqsWriter]{
		Name: "sqs",
		ID:   sqs.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "ListQueues", Class: descriptor.Meta, Actions: []string{"sqs:ListQueues"}},
			{Name: "GetQueueAttributes", Class: descriptor.Meta, Actions: []string{"sqs:GetQueueAttributes"}},
			{Name: "ListQueueTags", Class: descriptor.Meta, Actions: []string{"sqs:ListQueueTags"}},
		},
		Reader: func(config aws.Config) sqsReader { return sqs.NewFromConfig(config) },
		Writer: func(config aws.Config) sqsWriter { return sqs.NewFromConfig(config) },
		Kinds: []descriptor.Kind[sqsReader, sqsWriter]{{
			Traits: descriptor.Traits{
				Name:          "queue",
				Layer:         descriptor.LayerMessaging,
				Naming:        descriptor.Naming{Max: 80, Allowed: "-_", Suffixes: []string{".fifo"}},
				Default:       descriptor.Clone,
				DefaultReason: "a queue of its own costs nothing while it is empty; messages are never copied",
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				Hints:         []string{"queue", "sqs", "dlq"},
				Immutable:     []string{"FifoQueue"},
			},
			List:   listQueues,
			Read:   readQueue,
			Find:   findQueue,
			Create: createQueue,
			Wire:   wireQueue,
			Delete: deleteQueue,
		}},
	})
}

func listQueues(ctx context.Context, client sqsReader, scope descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		// Without MaxResults the service gives the first 1,000 queues and no token for the rest.
		pages := sqs.NewListQueuesPaginator(client, &sqs.ListQueuesInput{MaxResults: aws.Int32(1000)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list queues: %w", err))
				return
			}
			for _, address := range page.QueueUrls {
				name := address[strings.LastIndex(address, "/")+1:]
				if !yield(descriptor.Item{Name: name, ARN: scope.ARN("sqs", name)}, nil) {
					return
				}
			}
		}
	}
}

func readQueue(ctx context.Context, client sqsReader, scope descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	// The service, emulators included, takes the account and the name off the URL that real AWS would give.
	urls := queueURLs(scope, item.Name)
	address := aws.String(urls[0].Value)
	output, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: address, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return item, fmt.Errorf("read the attributes of queue %s: %w", item.Name, queueGone(err))
	}
	tags, err := client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: address})
	if err != nil {
		return item, fmt.Errorf("read the tags of queue %s: %w", item.Name, queueGone(err))
	}
	config := map[string]any{}
	for _, name := range slices.Concat(sqsShell, sqsWired) {
		value, found := output.Attributes[name]
		if !found {
			continue
		}
		config[name] = value
		if name == "Policy" || name == "RedrivePolicy" || name == "RedriveAllowPolicy" {
			config[name] = descriptor.ParseDocument(value)
		}
	}
	item.ARN = output.Attributes["QueueArn"]
	item.Config = config
	item.Tags = tags.Tags
	item.Identifiers = append(urls, descriptor.Identifier{Form: descriptor.Name, Value: item.Name})
	return item, nil
}

// queueURLs gives the spellings of a queue's URL: today's, the older one that some SDKs still hand out, the emulator's.
func queueURLs(scope descriptor.Scope, name string) []descriptor.Identifier {
	return scope.URLs("/"+scope.AccountID+"/"+name,
		"sqs."+scope.Region+"."+scope.DNSSuffix(), scope.Region+".queue."+scope.DNSSuffix())
}

func queueGone(err error) error {
	if descriptor.HasCode(err, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func findQueue(ctx context.Context, client sqsWriter, target descriptor.Target) (descriptor.Live, error) {
	address, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(target.Name)})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("look for queue %s: %w", target.Name, queueGone(err))
	}
	tags, err := client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: address.QueueUrl})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("read the tags of queue %s: %w", target.Name, queueGone(err))
	}
	return descriptor.Live{
		Made: descriptor.Made{
			ARN:    target.BuildARN("sqs", target.Name),
			Values: map[descriptor.Form]string{descriptor.URL: aws.ToString(address.QueueUrl)},
		},
		Tags: tags.Tags, Status: "ready",
	}, nil
}

func createQueue(ctx context.Context, client sqsWriter, target descriptor.Target) (descriptor.Made, error) {
	attributes, err := queueAttributes(target, sqsShell)
	if err != nil {
		return descriptor.Made{}, err
	}
	input := &sqs.CreateQueueInput{QueueName: aws.String(target.Name), Attributes: attributes, Tags: target.Tags}
	// The name of a queue that was deleted stays taken for a minute.
	deadline := time.Now().Add(sqsReuse)
	for {
		output, err := client.CreateQueue(ctx, input)
		if err == nil {
			return descriptor.Made{
				ARN:    target.BuildARN("sqs", target.Name),
				Values: map[descriptor.Form]string{descriptor.URL: aws.ToString(output.QueueUrl)},
			}, nil
		}
		if !descriptor.HasCode(err, "QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently") || time.Now().After(deadline) {
			return descriptor.Made{}, fmt.Errorf("create queue %s: %w", target.Name, err)
		}
		if err := descriptor.Sleep(ctx, 5*time.Second); err != nil {
			return descriptor.Made{}, fmt.Errorf("wait until the name of the deleted queue %s is free: %w", target.Name, err)
		}
	}
}

func wireQueue(ctx context.Context, client sqsWriter, target descriptor.Target) error {
	names := slices.DeleteFunc(slices.Concat(sqsShell, sqsWired), func(name string) bool { return name == "FifoQueue" })
	attributes, err := queueAttributes(target, names)
	if err != nil {
		return err
	}
	// An attribute that production does not have any more is cleared by writing nothing into it.
	current, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(target.Values[descriptor.URL]), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return fmt.Errorf("read the attributes of queue %s: %w", target.Name, err)
	}
	for _, name := range sqsWired {
		if _, wanted := attributes[name]; !wanted && current.Attributes[name] != "" {
			attributes[name] = ""
		}
	}
	maps.DeleteFunc(attributes, func(name, value string) bool { return current.Attributes[name] == value })
	if len(attributes) == 0 {
		return nil
	}
	_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(target.Values[descriptor.URL]), Attributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("set the attributes of queue %s: %w", target.Name, err)
	}
	return nil
}

// queueAttributes picks attributes out of a target's configuration; documents become text again.
func queueAttributes(target descriptor.Target, names []string) (map[string]string, error) {
	config, err := descriptor.Decode[map[string]json.RawMessage](target.Config)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	for _, name := range names {
		value, found := config[name]
		if !found {
			continue
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		attributes[name] = text
	}
	return attributes, nil
}

func deleteQueue(ctx context.Context, client sqsWriter, target descriptor.Target) error {
	_, err := client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String(target.Values[descriptor.URL])})
	if err != nil {
		return fmt.Errorf("delete queue %s: %w", target.Name, queueGone(err))
	}
	return nil
}
