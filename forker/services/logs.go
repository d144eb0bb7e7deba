package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// logsReader never reads entries: they may hold personal data, and a fork has no use for them.
type logsReader interface {
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
	DescribeSubscriptionFilters(context.Context, *cloudwatchlogs.DescribeSubscriptionFiltersInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeSubscriptionFiltersOutput, error)
	ListTagsForResource(context.Context, *cloudwatchlogs.ListTagsForResourceInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.ListTagsForResourceOutput, error)
}

type logsWriter interface {
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
	ListTagsForResource(context.Context, *cloudwatchlogs.ListTagsForResourceInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.ListTagsForResourceOutput, error)
	CreateLogGroup(context.Context, *cloudwatchlogs.CreateLogGroupInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogGroupOutput, error)
	PutRetentionPolicy(context.Context, *cloudwatchlogs.PutRetentionPolicyInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutRetentionPolicyOutput, error)
	DeleteLogGroup(context.Context, *cloudwatchlogs.DeleteLogGroupInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DeleteLogGroupOutput, error)
}

// logGroup is a log group's configuration as its copy gets it: retention is capped already, so that production's moving
// from 30 days to 60 changes nothing in a fork.
type logGroup struct {
	RetentionInDays int32
	LogGroupClass   types.LogGroupClass
}

// logsRetention is how many days a copy keeps its entries at most: a fork's are read while it is tested, or never.
const logsRetention = 7

func init() {
	register(descriptor.Service[logsReader, logsWriter]{
		Name: "logs",
		ID:   cloudwatchlogs.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "DescribeLogGroups", Class: descriptor.Meta, Actions: []string{"logs:DescribeLogGroups"}},
			{Name: "DescribeSubscriptionFilters", Class: descriptor.Meta, Actions: []string{"logs:DescribeSubscriptionFilters"}},
			{Name: "ListTagsForResource", Class: descriptor.Meta, Actions: []string{"logs:ListTagsForResource"}},
		},
		Reader: func(config aws.Config) logsReader { return cloudwatchlogs.NewFromConfig(config) },
		Writer: func(config aws.Config) logsWriter { return cloudwatchlogs.NewFromConfig(config) },
		Kinds: []descriptor.Kind[logsReader, logsWriter]{{
			Traits: descriptor.Traits{
				Name:          "group",
				Layer:         descriptor.LayerLeaf,
				Naming:        descriptor.Naming{Max: 512, Allowed: "_-/.#", Path: true},
				Default:       descriptor.Clone,
				DefaultReason: "an empty log group of its own costs nothing, and keeps what the fork logs for a few days; entries are never copied",
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				Hints:         []string{"log"},
				Immutable:     []string{"LogGroupClass"},
			},
			List:   listLogGroups,
			Read:   readLogGroup,
			Find:   findLogGroup,
			Create: createLogGroup,
			Wire:   wireLogGroup,
			Delete: deleteLogGroup,
		}},
	})
}

func listLogGroups(ctx context.Context, client logsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(client, &cloudwatchlogs.DescribeLogGroupsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list log groups: %w", err))
				return
			}
			for _, group := range page.LogGroups {
				if !yield(descriptor.Item{Name: aws.ToString(group.LogGroupName), ARN: logGroupARN(group)}, nil) {
					return
				}
			}
		}
	}
}

// logGroupARN is the ARN that other configurations begin with: the listing's own ends in ":*", which stands for the
// group's streams.
func logGroupARN(group types.LogGroup) string {
	return strings.TrimSuffix(aws.ToString(group.Arn), ":*")
}

// oneLogGroup finds a group by its whole name: the service only knows prefixes.
func oneLogGroup(ctx context.Context, client cloudwatchlogs.DescribeLogGroupsAPIClient, name string) (types.LogGroup, error) {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(client, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return types.LogGroup{}, fmt.Errorf("look for log group %s: %w", name, err)
		}
		for _, group := range page.LogGroups {
			if aws.ToString(group.LogGroupName) == name {
				return group, nil
			}
		}
	}
	return types.LogGroup{}, fmt.Errorf("look for log group %s: %w", name, descriptor.ErrGone)
}

func readLogGroup(ctx context.Context, client logsReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	group, err := oneLogGroup(ctx, client, item.Name)
	if err != nil {
		return item, err
	}
	item.ARN = logGroupARN(group)
	if item.Tags, err = logGroupTags(ctx, client, item.Name, item.ARN); err != nil {
		return item, err
	}
	filters := 0
	pages := cloudwatchlogs.NewDescribeSubscriptionFiltersPaginator(client,
		&cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String(item.Name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return item, fmt.Errorf("read where log group %s sends its entries: %w", item.Name, logGroupGone(err))
		}
		filters += len(page.SubscriptionFilters)
	}
	retention := aws.ToInt32(group.RetentionInDays)
	if retention == 0 || retention > logsRetention {
		retention = logsRetention
	}
	if item.Config, err = compactTree(logGroup{RetentionInDays: retention, LogGroupClass: group.LogGroupClass}); err != nil {
		return item, err
	}
	item.Identifiers = []descriptor.Identifier{{Form: descriptor.Name, Value: item.Name}}
	item.Notes = logGroupNotes(group, filters)
	return item, nil
}

func logGroupNotes(group types.LogGroup, filters int) []descriptor.Note {
	var notes []descriptor.Note
	note := func(kind, severity, format string, values ...any) {
		notes = append(notes, descriptor.Note{Kind: kind, Severity: severity, Message: fmt.Sprintf(format, values...)})
	}
	switch days := aws.ToInt32(group.RetentionInDays); {
	case days == 0:
		note("changed", "info", "the copy keeps entries for %d days; production keeps them for ever", logsRetention)
	case days > logsRetention:
		note("changed", "info", "the copy keeps entries for %d days; production keeps them for %d", logsRetention, days)
	}
	if filters > 0 {
		note("hazard", "warning", "%d subscription filter(s) are not copied, because they send entries on to others", filters)
	}
	if metrics := aws.ToInt32(group.MetricFilterCount); metrics > 0 {
		note("not-copied", "info", "%d metric filter(s) are not copied, so the copy feeds no metrics or alarms", metrics)
	}
	if aws.ToString(group.KmsKeyId) != "" {
		note("changed", "info", "the copy is encrypted with a key of the service's own; production has a key of its own for it")
	}
	if group.DataProtectionStatus == types.DataProtectionStatusActivated {
		note("not-copied", "warning", "the data protection policy is not copied, so the copy masks nothing in its entries")
	}
	return notes
}

func logGroupTags(ctx context.Context, client interface {
	ListTagsForResource(context.Context, *cloudwatchlogs.ListTagsForResourceInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.ListTagsForResourceOutput, error)
}, name, arn string,
) (map[string]string, error) {
	output, err := client.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: aws.String(arn)})
	if err != nil {
		return nil, fmt.Errorf("read the tags of log group %s: %w", name, logGroupGone(err))
	}
	return output.Tags, nil
}

func logGroupGone(err error) error {
	if descriptor.HasCode(err, "ResourceNotFoundException") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func findLogGroup(ctx context.Context, client logsWriter, target descriptor.Target) (descriptor.Live, error) {
	group, err := oneLogGroup(ctx, client, target.Name)
	if err != nil {
		return descriptor.Live{}, err
	}
	arn := logGroupARN(group)
	tags, err := logGroupTags(ctx, client, target.Name, arn)
	if err != nil {
		return descriptor.Live{}, err
	}
	return descriptor.Live{Made: descriptor.Made{ARN: arn}, Tags: tags, Status: "ready"}, nil
}

func createLogGroup(ctx context.Context, client logsWriter, target descriptor.Target) (descriptor.Made, error) {
	config, err := descriptor.Decode[logGroup](target.Config)
	if err != nil {
		return descriptor.Made{}, err
	}
	_, err = client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: aws.String(target.Name), LogGroupClass: config.LogGroupClass, Tags: target.Tags,
	})
	if err != nil {
		return descriptor.Made{}, fmt.Errorf("create log group %s: %w", target.Name, err)
	}
	return descriptor.Made{ARN: target.BuildARN("logs", "log-group:"+target.Name)}, nil
}

func wireLogGroup(ctx context.Context, client logsWriter, target descriptor.Target) error {
	config, err := descriptor.Decode[logGroup](target.Config)
	if err != nil {
		return err
	}
	group, err := oneLogGroup(ctx, client, target.Name)
	if err != nil || aws.ToInt32(group.RetentionInDays) == config.RetentionInDays {
		return err
	}
	_, err = client.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
		LogGroupName: aws.String(target.Name), RetentionInDays: aws.Int32(config.RetentionInDays),
	})
	if err != nil {
		return fmt.Errorf("set how long log group %s keeps entries: %w", target.Name, err)
	}
	return nil
}

func deleteLogGroup(ctx context.Context, client logsWriter, target descriptor.Target) error {
	_, err := client.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(target.Name)})
	if err != nil {
		return fmt.Errorf("delete log group %s: %w", target.Name, logGroupGone(err))
	}
	return nil
}
