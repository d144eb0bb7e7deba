package services

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// logsMock serves pages of log groups; an error takes the place of the call that it is named after.
type logsMock struct {
	pages            [][]types.LogGroup
	tags             map[string]string
	filters          int
	listing, tagging error
}

func (m *logsMock) DescribeLogGroups(_ context.Context, input *cloudwatchlogs.DescribeLogGroupsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	if m.listing != nil {
		return nil, m.listing
	}
	if len(m.pages) == 0 {
		return &cloudwatchlogs.DescribeLogGroupsOutput{}, nil
	}
	number := len(aws.ToString(input.NextToken))
	output := &cloudwatchlogs.DescribeLogGroupsOutput{}
	for _, group := range m.pages[number] {
		if strings.HasPrefix(aws.ToString(group.LogGroupName), aws.ToString(input.LogGroupNamePrefix)) {
			output.LogGroups = append(output.LogGroups, group)
		}
	}
	if number+1 < len(m.pages) {
		output.NextToken = aws.String(strings.Repeat("x", number+1))
	}
	return output, nil
}

func (m *logsMock) DescribeSubscriptionFilters(context.Context, *cloudwatchlogs.DescribeSubscriptionFiltersInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeSubscriptionFiltersOutput, error) {
	return &cloudwatchlogs.DescribeSubscriptionFiltersOutput{SubscriptionFilters: make([]types.SubscriptionFilter, m.filters)}, nil
}

func (m *logsMock) ListTagsForResource(_ context.Context, input *cloudwatchlogs.ListTagsForResourceInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	if strings.HasSuffix(aws.ToString(input.ResourceArn), "*") {
		return nil, errors.New("the service takes no ARN with a wildcard")
	}
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: m.tags}, m.tagging
}

func mockLogGroup(name string, days int32) types.LogGroup {
	group := types.LogGroup{
		LogGroupName: aws.String(name), Arn: aws.String("arn:aws:logs:eu-west-1:111111111111:log-group:" + name + ":*"),
		LogGroupClass: types.LogGroupClassStandard,
	}
	if days > 0 {
		group.RetentionInDays = aws.Int32(days)
	}
	return group
}

func TestListLogGroups(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	for name, test := range map[string]struct {
		client *logsMock
		names  []string
		denied bool
	}{
		"none": {client: &logsMock{}},
		"two pages": {
			client: &logsMock{pages: [][]types.LogGroup{{mockLogGroup("/ecs/web", 1), mockLogGroup("app", 1)}, {mockLogGroup("jobs", 1)}}},
			names:  []string{"/ecs/web", "app", "jobs"},
		},
		"denied": {client: &logsMock{listing: denied}, denied: true},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := collect(listLogGroups(t.Context(), test.client, descriptor.Scope{}))
			if descriptor.IsDenied(err) != test.denied || err != nil && !test.denied {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.names, itemNames(items)); diff != "" {
				t.Error(diff)
			}
			for _, item := range items {
				if strings.HasSuffix(item.ARN, "*") {
					t.Errorf("the ARN %s names the streams, not the group", item.ARN)
				}
			}
		})
	}
}

func TestReadLogGroup(t *testing.T) {
	gone := &smithy.GenericAPIError{Code: "ResourceNotFoundException"}
	encrypted := mockLogGroup("app", 5)
	encrypted.KmsKeyId, encrypted.MetricFilterCount = aws.String("key"), aws.Int32(2)
	encrypted.DataProtectionStatus = types.DataProtectionStatusActivated
	for name, test := range map[string]struct {
		client *logsMock
		config string
		notes  []string // kinds
		gone   bool
	}{
		"kept for ever": {
			client: &logsMock{pages: [][]types.LogGroup{{mockLogGroup("app-2", 0)}, {mockLogGroup("app", 0)}}},
			config: `{"LogGroupClass":"STANDARD","RetentionInDays":7}`, notes: []string{"changed"},
		},
		"kept for longer": {
			client: &logsMock{pages: [][]types.LogGroup{{mockLogGroup("app", 30)}}},
			config: `{"LogGroupClass":"STANDARD","RetentionInDays":7}`, notes: []string{"changed"},
		},
		"kept for a day, and sent on": {
			client: &logsMock{pages: [][]types.LogGroup{{mockLogGroup("app", 1)}}, filters: 1},
			config: `{"LogGroupClass":"STANDARD","RetentionInDays":1}`, notes: []string{"hazard"},
		},
		"encrypted, measured and masked": {
			client: &logsMock{pages: [][]types.LogGroup{{encrypted}}},
			config: `{"LogGroupClass":"STANDARD","RetentionInDays":5}`, notes: []string{"not-copied", "changed", "not-copied"},
		},
		"deleted meanwhile":                {client: &logsMock{pages: [][]types.LogGroup{{mockLogGroup("app-2", 1)}}}, gone: true},
		"deleted before its tags are read": {client: &logsMock{pages: [][]types.LogGroup{{mockLogGroup("app", 1)}}, tagging: gone}, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.client.tags = map[string]string{"app": "shop"}
			item, err := readLogGroup(t.Context(), test.client, descriptor.Scope{}, descriptor.Item{Name: "app"})
			if test.gone {
				if !errors.Is(err, descriptor.ErrGone) {
					t.Errorf("error %v, want that it is gone", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if config := must[string](t)(descriptor.Encode(item.Config)); config != test.config {
				t.Errorf("configuration %s, want %s", config, test.config)
			}
			if diff := cmp.Diff(test.notes, noteKinds(item.Notes)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(map[string]string{"app": "shop"}, item.Tags); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAWSLogGroupLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	production := cloudwatchlogs.NewFromConfig(w.production)
	for _, name := range []string{"/ecs/shop/web", "/ecs/shop/web-2"} {
		must[*cloudwatchlogs.CreateLogGroupOutput](t)(production.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{
			LogGroupName: aws.String(name), Tags: map[string]string{"app": "shop"},
		}))
	}
	retain := func(days int32) {
		must[*cloudwatchlogs.PutRetentionPolicyOutput](t)(production.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
			LogGroupName: aws.String("/ecs/shop/web"), RetentionInDays: aws.Int32(days),
		}))
	}
	retain(3)
	logs := service(t, "logs")
	items := w.read(logs, "group")
	item := items["/ecs/shop/web"]
	if len(items) != 2 || item.Tags["app"] != "shop" || item.ARN != w.scope.ARN("logs", "log-group:/ecs/shop/web") {
		t.Errorf("read %+v", items)
	}

	writer := logs.Writer(w.sandbox)["group"]
	target := w.clone(writer, "group", item.Config)
	live := must[descriptor.Live](t)(writer.Find(ctx, target))
	if diff := cmp.Diff(w.target.Tags, live.Tags); diff != "" || live.ARN != target.ARN {
		t.Errorf("found %s %s", live.ARN, diff)
	}
	copied := &world{t: t, production: w.sandbox, scope: w.scope}
	if diff := cmp.Diff(item.Config, copied.read(logs, "group")[target.Name].Config); diff != "" {
		t.Errorf("the copy's configuration differs: %s", diff)
	}

	retain(5)
	changed := target
	changed.Config = w.read(logs, "group")["/ecs/shop/web"].Config
	for range 2 {
		if err := writer.Wire(ctx, changed); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(changed.Config, copied.read(logs, "group")[target.Name].Config); diff != "" {
		t.Errorf("the copy does not follow: %s", diff)
	}

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

// collect takes a whole listing, up to its error.
func collect(listing func(yield func(descriptor.Item, error) bool)) ([]descriptor.Item, error) {
	var items []descriptor.Item
	for item, err := range listing {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

func itemNames(items []descriptor.Item) []string {
	var names []string
	for _, item := range items {
		names = append(names, item.Name)
	}
	slices.Sort(names)
	return names
}

func noteKinds(notes []descriptor.Note) []string {
	var kinds []string
	for _, note := range notes {
		kinds = append(kinds, note.Kind)
	}
	return kinds
}
