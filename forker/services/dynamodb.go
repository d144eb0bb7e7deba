package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type dynamoReader interface {
	ListTables(context.Context, *dynamodb.ListTablesInput, ...func(*dynamodb.Options)) (*dynamodb.ListTablesOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	ListTagsOfResource(context.Context, *dynamodb.ListTagsOfResourceInput, ...func(*dynamodb.Options)) (*dynamodb.ListTagsOfResourceOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

type dynamoWriter interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	ListTagsOfResource(context.Context, *dynamodb.ListTagsOfResourceInput, ...func(*dynamodb.Options)) (*dynamodb.ListTagsOfResourceOutput, error)
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	UpdateTable(context.Context, *dynamodb.UpdateTableInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	DeleteTable(context.Context, *dynamodb.DeleteTableInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteTableOutput, error)
}

// dynamoTable is a table's configuration. Capacity is left out: copies are always billed by request.
type dynamoTable struct {
	AttributeDefinitions   []types.AttributeDefinition
	KeySchema              []types.KeySchemaElement
	GlobalSecondaryIndexes []dynamoIndex
	LocalSecondaryIndexes  []dynamoIndex
	StreamViewType         types.StreamViewType
	TimeToLiveAttribute    string
}

type dynamoIndex struct {
	IndexName  string
	KeySchema  []types.KeySchemaElement
	Projection *types.Projection
}

const (
	// dynamoBatch is the greatest number of items in one BatchWriteItem.
	dynamoBatch = 25
	// dynamoSample is how many items a sample has without a limit of its own.
	dynamoSample = 1000
	// dynamoPage is how many items one Scan reads, small enough to spread the read capacity that it takes.
	dynamoPage = 200
	// dynamoTries bounds how often unprocessed items are sent again.
	dynamoTries = 10
	// dynamoReady bounds the wait for a table.
	dynamoReady = 5 * time.Minute
)

func init() {
	register(descriptor.Service[dynamoReader, dynamoWriter]{
		Name: "dynamodb",
		ID:   dynamodb.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "ListTables", Class: descriptor.Meta, Actions: []string{"dynamodb:ListTables"}},
			{Name: "DescribeTable", Class: descriptor.Meta, Actions: []string{"dynamodb:DescribeTable"}},
			{Name: "DescribeTimeToLive", Class: descriptor.Meta, Actions: []string{"dynamodb:DescribeTimeToLive"}},
			{Name: "ListTagsOfResource", Class: descriptor.Meta, Actions: []string{"dynamodb:ListTagsOfResource"}},
			{Name: "Scan", Class: descriptor.Data, Actions: []string{"dynamodb:Scan"}},
		},
		Reader: func(config aws.Config) dynamoReader { return dynamodb.NewFromConfig(config) },
		Writer: func(config aws.Config) dynamoWriter { return dynamodb.NewFromConfig(config) },
		Kinds: []descriptor.Kind[dynamoReader, dynamoWriter]{{
			Traits: descriptor.Traits{
				Name:          "table",
				Layer:         descriptor.LayerData,
				Naming:        descriptor.Naming{Max: 255, Allowed: "-_."},
				Default:       descriptor.Clone,
				DefaultReason: "a table of its own, billed by request, costs next to nothing; items are copied only where a rule asks for them",
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				DataModes:     []string{descriptor.DataSample, descriptor.DataFull},
				Hints:         []string{"table", "dynamo", "ddb"},
				Immutable:     []string{"KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"},
			},
			List:   listTables,
			Read:   readTable,
			Find:   findTable,
			Create: createTable,
			Wire:   wireTable,
			Delete: deleteTable,
			Export: exportItems,
			Import: importItems,
		}},
	})
}

func listTables(ctx context.Context, client dynamoReader, scope descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list tables: %w", err))
				return
			}
			for _, name := range page.TableNames {
				if !yield(descriptor.Item{Name: name, ARN: scope.ARN("dynamodb", "table/"+name)}, nil) {
					return
				}
			}
		}
	}
}

func readTable(ctx context.Context, client dynamoReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(item.Name)})
	if err != nil {
		return item, fmt.Errorf("read table %s: %w", item.Name, tableGone(err))
	}
	table := output.Table
	config := dynamoTable{AttributeDefinitions: table.AttributeDefinitions, KeySchema: table.KeySchema}
	for _, index := range table.GlobalSecondaryIndexes {
		config.GlobalSecondaryIndexes = append(config.GlobalSecondaryIndexes,
			dynamoIndex{IndexName: aws.ToString(index.IndexName), KeySchema: index.KeySchema, Projection: index.Projection})
	}
	for _, index := range table.LocalSecondaryIndexes {
		config.LocalSecondaryIndexes = append(config.LocalSecondaryIndexes,
			dynamoIndex{IndexName: aws.ToString(index.IndexName), KeySchema: index.KeySchema, Projection: index.Projection})
	}
	// The service returns these in no fixed order.
	slices.SortFunc(config.AttributeDefinitions, func(a, b types.AttributeDefinition) int {
		return compareText(a.AttributeName, b.AttributeName)
	})
	byName := func(a, b dynamoIndex) int { return compareText(&a.IndexName, &b.IndexName) }
	slices.SortFunc(config.GlobalSecondaryIndexes, byName)
	slices.SortFunc(config.LocalSecondaryIndexes, byName)
	if stream := table.StreamSpecification; stream != nil && aws.ToBool(stream.StreamEnabled) {
		config.StreamViewType = stream.StreamViewType
	}
	if config.TimeToLiveAttribute, err = timeToLive(ctx, client, item.Name); err != nil {
		return item, err
	}
	item.ARN = aws.ToString(table.TableArn)
	if item.Tags, err = tableTags(ctx, client, item.ARN); err != nil {
		return item, err
	}
	if item.Config, err = compactTree(config); err != nil {
		return item, err
	}
	item.Identifiers = []descriptor.Identifier{{Form: descriptor.Name, Value: item.Name}}
	item.Notes = tableNotes(table)
	return item, nil
}

func tableNotes(table *types.TableDescription) []descriptor.Note {
	var notes []descriptor.Note
	if billing := table.BillingModeSummary; billing == nil || billing.BillingMode == types.BillingModeProvisioned {
		notes = append(notes, descriptor.Note{
			Kind: "changed", Severity: "info", Message: "the copy is billed by request; production has provisioned capacity, so throttling differs",
		})
	}
	if len(table.Replicas) > 0 {
		notes = append(notes, descriptor.Note{
			Kind: "not-copied", Severity: "warning", Message: fmt.Sprintf("%d replica(s) in other regions are not copied", len(table.Replicas)),
		})
	}
	return notes
}

func compareText(a, b *string) int {
	switch left, right := aws.ToString(a), aws.ToString(b); {
	case left < right:
		return -1
	case left > right:
		return 1
	default:
		return 0
	}
}

// timeToLive gives the attribute by which items expire; empty when they do not.
func timeToLive(ctx context.Context, client interface {
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
}, table string,
) (string, error) {
	output, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(table)})
	if err != nil {
		return "", fmt.Errorf("read how items of table %s expire: %w", table, tableGone(err))
	}
	description := output.TimeToLiveDescription
	if description == nil || description.TimeToLiveStatus == types.TimeToLiveStatusDisabled ||
		description.TimeToLiveStatus == types.TimeToLiveStatusDisabling {
		return "", nil
	}
	return aws.ToString(description.AttributeName), nil
}

func tableTags(ctx context.Context, client interface {
	ListTagsOfResource(context.Context, *dynamodb.ListTagsOfResourceInput, ...func(*dynamodb.Options)) (*dynamodb.ListTagsOfResourceOutput, error)
}, arn string,
) (map[string]string, error) {
	tags := map[string]string{}
	input := &dynamodb.ListTagsOfResourceInput{ResourceArn: aws.String(arn)}
	for {
		page, err := client.ListTagsOfResource(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("read the tags of table %s: %w", arn, tableGone(err))
		}
		for _, tag := range page.Tags {
			tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		if aws.ToString(page.NextToken) == "" {
			break
		}
		input.NextToken = page.NextToken
	}
	return tags, nil
}

func tableGone(err error) error {
	if descriptor.HasCode(err, "ResourceNotFoundException") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func findTable(ctx context.Context, client dynamoWriter, target descriptor.Target) (descriptor.Live, error) {
	output, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(target.Name)})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("look for table %s: %w", target.Name, tableGone(err))
	}
	if output.Table.TableStatus == types.TableStatusDeleting {
		if err := waitTableGone(ctx, client, target.Name); err != nil {
			return descriptor.Live{}, err
		}
		return descriptor.Live{}, fmt.Errorf("table %s was just deleted: %w", target.Name, descriptor.ErrGone)
	}
	arn := aws.ToString(output.Table.TableArn)
	tags, err := tableTags(ctx, client, arn)
	if err != nil {
		return descriptor.Live{}, err
	}
	status := "ready"
	if output.Table.TableStatus != types.TableStatusActive {
		status = string(output.Table.TableStatus)
	}
	return descriptor.Live{Made: descriptor.Made{ARN: arn}, Tags: tags, Status: status}, nil
}

func createTable(ctx context.Context, client dynamoWriter, target descriptor.Target) (descriptor.Made, error) {
	config, err := descriptor.Decode[dynamoTable](target.Config)
	if err != nil {
		return descriptor.Made{}, err
	}
	input := &dynamodb.CreateTableInput{
		TableName: aws.String(target.Name), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: config.AttributeDefinitions, KeySchema: config.KeySchema,
	}
	for _, key := range slices.Sorted(maps.Keys(target.Tags)) {
		input.Tags = append(input.Tags, types.Tag{Key: aws.String(key), Value: aws.String(target.Tags[key])})
	}
	for _, index := range config.GlobalSecondaryIndexes {
		input.GlobalSecondaryIndexes = append(input.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index.IndexName), KeySchema: index.KeySchema, Projection: index.Projection,
		})
	}
	for _, index := range config.LocalSecondaryIndexes {
		input.LocalSecondaryIndexes = append(input.LocalSecondaryIndexes, types.LocalSecondaryIndex{
			IndexName: aws.String(index.IndexName), KeySchema: index.KeySchema, Projection: index.Projection,
		})
	}
	if config.StreamViewType != "" {
		input.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: config.StreamViewType}
	}
	output, err := client.CreateTable(ctx, input)
	if err != nil {
		return descriptor.Made{}, fmt.Errorf("create table %s: %w", target.Name, err)
	}
	return descriptor.Made{ARN: aws.ToString(output.TableDescription.TableArn)}, nil
}

func waitTableReady(ctx context.Context, client dynamoWriter, name string) (*types.TableDescription, error) {
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 250*time.Millisecond, 5*time.Second
	})
	output, err := waiter.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}, dynamoReady)
	if err != nil {
		return nil, fmt.Errorf("wait until table %s is ACTIVE: %w", name, err)
	}
	return output.Table, nil
}

func waitTableGone(ctx context.Context, client dynamoWriter, name string) error {
	waiter := dynamodb.NewTableNotExistsWaiter(client, func(o *dynamodb.TableNotExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 250*time.Millisecond, 5*time.Second
	})
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}, dynamoReady); err != nil {
		return fmt.Errorf("wait until table %s is deleted: %w", name, err)
	}
	return nil
}

func wireTable(ctx context.Context, client dynamoWriter, target descriptor.Target) error {
	config, err := descriptor.Decode[dynamoTable](target.Config)
	if err != nil {
		return err
	}
	table, err := waitTableReady(ctx, client, target.Name)
	if err != nil {
		return err
	}
	if err := wireStream(ctx, client, target.Name, table, config.StreamViewType); err != nil {
		return err
	}
	current, err := timeToLive(ctx, client, target.Name)
	if err != nil || current == config.TimeToLiveAttribute {
		return err
	}
	// One attribute at a time: the old one is switched off first.
	if current != "" {
		if err := setTimeToLive(ctx, client, target.Name, current, false); err != nil {
			return err
		}
	}
	if config.TimeToLiveAttribute == "" {
		return nil
	}
	return setTimeToLive(ctx, client, target.Name, config.TimeToLiveAttribute, true)
}

func wireStream(
	ctx context.Context, client dynamoWriter, name string, table *types.TableDescription, wanted types.StreamViewType,
) error {
	var current types.StreamViewType
	if stream := table.StreamSpecification; stream != nil && aws.ToBool(stream.StreamEnabled) {
		current = stream.StreamViewType
	}
	if current == wanted {
		return nil
	}
	var changes []*types.StreamSpecification
	if current != "" {
		changes = append(changes, &types.StreamSpecification{StreamEnabled: aws.Bool(false)})
	}
	if wanted != "" {
		changes = append(changes, &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: wanted})
	}
	for _, change := range changes {
		input := &dynamodb.UpdateTableInput{TableName: aws.String(name), StreamSpecification: change}
		if _, err := client.UpdateTable(ctx, input); err != nil {
			return fmt.Errorf("change the stream of table %s: %w", name, err)
		}
		if _, err := waitTableReady(ctx, client, name); err != nil {
			return err
		}
	}
	return nil
}

func setTimeToLive(ctx context.Context, client dynamoWriter, table, attribute string, enabled bool) error {
	_, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               aws.String(table),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(attribute), Enabled: aws.Bool(enabled)},
	})
	if err != nil {
		return fmt.Errorf("set how items of table %s expire: %w", table, err)
	}
	return nil
}

func deleteTable(ctx context.Context, client dynamoWriter, target descriptor.Target) error {
	if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(target.Name)}); err != nil {
		return fmt.Errorf("delete table %s: %w", target.Name, tableGone(err))
	}
	return waitTableGone(ctx, client, target.Name)
}

func exportItems(
	ctx context.Context, client dynamoReader, _ descriptor.Scope, item descriptor.Item, request descriptor.DataRequest,
) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		left := request.Limit
		if left == 0 && request.Mode == descriptor.DataSample {
			left = dynamoSample
		}
		bounded := left > 0
		input := &dynamodb.ScanInput{TableName: aws.String(item.Name), Limit: aws.Int32(dynamoPage)}
		pages := dynamodb.NewScanPaginator(client, input)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, fmt.Errorf("read items of table %s: %w", item.Name, err))
				return
			}
			for _, record := range page.Items {
				if bounded && left == 0 {
					return
				}
				left--
				if !yield(maskItem(record, request), nil) {
					return
				}
			}
		}
	}
}

// maskItem masks fields by name at any depth. A masked value that is no text is left out: a hash is not a number.
func maskItem(record map[string]types.AttributeValue, request descriptor.DataRequest) map[string]types.AttributeValue {
	if request.Masked == nil {
		return record
	}
	masked := make(map[string]types.AttributeValue, len(record))
	for name, value := range record {
		if !request.Masked(name) {
			masked[name] = maskInside(value, request)
			continue
		}
		text, isText := value.(*types.AttributeValueMemberS)
		if !isText {
			continue
		}
		if replaced, keep := request.Mask(name, text.Value); keep {
			masked[name] = &types.AttributeValueMemberS{Value: replaced}
		}
	}
	return masked
}

func maskInside(value types.AttributeValue, request descriptor.DataRequest) types.AttributeValue {
	switch value := value.(type) {
	case *types.AttributeValueMemberM:
		return &types.AttributeValueMemberM{Value: maskItem(value.Value, request)}
	case *types.AttributeValueMemberL:
		elements := make([]types.AttributeValue, len(value.Value))
		for i, element := range value.Value {
			elements[i] = maskInside(element, request)
		}
		return &types.AttributeValueMemberL{Value: elements}
	default:
		return value
	}
}

func importItems(
	ctx context.Context, client dynamoWriter, target descriptor.Target, records iter.Seq2[any, error],
) (int, error) {
	count := 0
	batch := make([]types.WriteRequest, 0, dynamoBatch)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := writeItems(ctx, client, target.Name, batch); err != nil {
			return err
		}
		count += len(batch)
		batch = batch[:0]
		return nil
	}
	for record, err := range records {
		if err != nil {
			return count, err
		}
		item, ok := record.(map[string]types.AttributeValue)
		if !ok {
			return count, fmt.Errorf("write items into table %s: a record of an unknown kind", target.Name)
		}
		batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		if len(batch) == dynamoBatch {
			if err := flush(); err != nil {
				return count, err
			}
		}
	}
	return count, flush()
}

// writeItems writes one batch; what the service could not take at once is sent again, more slowly each time.
func writeItems(ctx context.Context, client dynamoWriter, table string, batch []types.WriteRequest) error {
	pending := map[string][]types.WriteRequest{table: batch}
	for try := range dynamoTries {
		output, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: pending})
		if err != nil {
			return fmt.Errorf("write items into table %s: %w", table, err)
		}
		pending = output.UnprocessedItems
		if len(pending) == 0 {
			return nil
		}
		if err := descriptor.Sleep(ctx, 50*time.Millisecond<<try); err != nil {
			return fmt.Errorf("write items into table %s: %w", table, err)
		}
	}
	return fmt.Errorf("write items into table %s: %d item(s) were still refused after %d tries", table, len(pending[table]), dynamoTries)
}
