package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// Names in the table of a record. A fork has one table; that creating a table is atomic makes a fork one owner's.
const (
	recordTablePrefix = "sundog-fork-"
	recordID          = "id"
	recordBody        = "body"
	recordSecret      = "secret"
	recordRoot        = "fork"
	recordResource    = "resource/"
	// recordWait bounds the waits for a table to come or go.
	recordWait = 5 * time.Minute
)

// NewRecordStore keeps records in tables of the sandbox account.
func NewRecordStore(config aws.Config) descriptor.RecordStore {
	return &recordStore{client: dynamodb.NewFromConfig(config)}
}

type recordStore struct{ client *dynamodb.Client }

func recordTable(fork string) *string { return aws.String(recordTablePrefix + fork) }

// Create makes the table with its tags, waits for it, and writes the root.
func (s *recordStore) Create(ctx context.Context, meta descriptor.RecordMeta, tags map[string]string) error {
	input := &dynamodb.CreateTableInput{
		TableName:            recordTable(meta.Fork),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(recordID), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(recordID), KeyType: types.KeyTypeHash}},
	}
	for name, value := range tags {
		input.Tags = append(input.Tags, types.Tag{Key: aws.String(name), Value: aws.String(value)})
	}
	if _, err := s.client.CreateTable(ctx, input); err != nil {
		if _, ok := errors.AsType[*types.ResourceInUseException](err); ok {
			return errors.Join(descriptor.ErrRecordExists, err)
		}
		return fmt.Errorf("create the record table %s: %w", *input.TableName, err)
	}
	if err := s.await(ctx, meta.Fork); err != nil {
		return err
	}
	_, err := s.PutMeta(ctx, meta)
	return err
}

// await waits until the table can be used.
func (s *recordStore) await(ctx context.Context, fork string) error {
	waiter := dynamodb.NewTableExistsWaiter(s.client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	})
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: recordTable(fork)}, recordWait); err != nil {
		return fmt.Errorf("wait for the record table %s to become active: %w", *recordTable(fork), err)
	}
	return nil
}

// Load reads all items of the table.
func (s *recordStore) Load(ctx context.Context, fork string) (descriptor.RecordMeta, []descriptor.RecordEntry, error) {
	var meta descriptor.RecordMeta
	table, err := s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: recordTable(fork)})
	if err != nil {
		return meta, nil, fmt.Errorf("read the record table %s: %w", *recordTable(fork), recordGone(err))
	}
	switch table.Table.TableStatus {
	case types.TableStatusDeleting:
		if err := s.awaitGone(ctx, fork); err != nil {
			return meta, nil, err
		}
		return meta, nil, descriptor.ErrNoRecord
	case types.TableStatusCreating:
		if err := s.await(ctx, fork); err != nil {
			return meta, nil, err
		}
	}
	var entries []descriptor.RecordEntry
	pages := dynamodb.NewScanPaginator(s.client, &dynamodb.ScanInput{TableName: recordTable(fork), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return meta, nil, fmt.Errorf("read the record table %s: %w", *recordTable(fork), recordGone(err))
		}
		for _, item := range page.Items {
			id, body := recordText(item[recordID]), recordText(item[recordBody])
			if key, isResource := strings.CutPrefix(id, recordResource); isResource {
				entries = append(entries, descriptor.RecordEntry{Key: key, Body: body})
				continue
			}
			if meta, err = recordMeta(item); err != nil {
				return meta, nil, fmt.Errorf("read the root of the record table %s: %w", *recordTable(fork), err)
			}
		}
	}
	if meta.Fork == "" {
		// The maker was killed between the table and its root: the tags say whose it is.
		return s.metaFromTags(ctx, fork, table.Table)
	}
	return meta, entries, nil
}

func (s *recordStore) metaFromTags(ctx context.Context, fork string, table *types.TableDescription) (
	descriptor.RecordMeta, []descriptor.RecordEntry, error,
) {
	meta := descriptor.RecordMeta{Fork: fork, CreatedAt: aws.ToTime(table.CreationDateTime)}
	pages := dynamodb.ListTagsOfResourceInput{ResourceArn: table.TableArn}
	for {
		page, err := s.client.ListTagsOfResource(ctx, &pages)
		if err != nil {
			return meta, nil, fmt.Errorf("read the tags of the record table %s: %w", *recordTable(fork), err)
		}
		for _, tag := range page.Tags {
			if aws.ToString(tag.Key) == descriptor.TagOwner {
				meta.Owner = aws.ToString(tag.Value)
			}
		}
		if page.NextToken == nil {
			return meta, nil, nil
		}
		pages.NextToken = page.NextToken
	}
}

func recordMeta(item map[string]types.AttributeValue) (descriptor.RecordMeta, error) {
	var meta descriptor.RecordMeta
	if err := json.Unmarshal([]byte(recordText(item[recordBody])), &meta); err != nil {
		return meta, err
	}
	if secret, ok := item[recordSecret].(*types.AttributeValueMemberB); ok {
		meta.Key = secret.Value
	}
	return meta, nil
}

// PutMeta writes the root; the first key stays.
func (s *recordStore) PutMeta(ctx context.Context, meta descriptor.RecordMeta) (descriptor.RecordMeta, error) {
	key := meta.Key
	meta.Key = nil
	body, err := json.Marshal(meta)
	if err != nil {
		return meta, fmt.Errorf("encode the root of a record: %w", err)
	}
	output, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                recordTable(meta.Fork),
		Key:                      map[string]types.AttributeValue{recordID: &types.AttributeValueMemberS{Value: recordRoot}},
		UpdateExpression:         aws.String("SET #body = :body, #secret = if_not_exists(#secret, :secret)"),
		ExpressionAttributeNames: map[string]string{"#body": recordBody, "#secret": recordSecret},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":body": &types.AttributeValueMemberS{Value: string(body)}, ":secret": &types.AttributeValueMemberB{Value: key},
		},
		ReturnValues: types.ReturnValueAllNew,
	})
	if err != nil {
		return meta, fmt.Errorf("write the root of the record table %s: %w", *recordTable(meta.Fork), err)
	}
	return recordMeta(output.Attributes)
}

// Put writes one entry.
func (s *recordStore) Put(ctx context.Context, fork string, entry descriptor.RecordEntry) error {
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: recordTable(fork), Item: map[string]types.AttributeValue{
		recordID:   &types.AttributeValueMemberS{Value: recordResource + entry.Key},
		recordBody: &types.AttributeValueMemberS{Value: entry.Body},
	}})
	if err != nil {
		return fmt.Errorf("write %s into the record table %s: %w", entry.Key, *recordTable(fork), err)
	}
	return nil
}

// Remove deletes one entry.
func (s *recordStore) Remove(ctx context.Context, fork, key string) error {
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: recordTable(fork), Key: map[string]types.AttributeValue{
		recordID: &types.AttributeValueMemberS{Value: recordResource + key},
	}})
	if err != nil {
		return fmt.Errorf("remove %s from the record table %s: %w", key, *recordTable(fork), err)
	}
	return nil
}

// Drop deletes the table and waits until its name is free.
func (s *recordStore) Drop(ctx context.Context, fork string) error {
	_, err := s.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: recordTable(fork)})
	if err != nil {
		if errors.Is(recordGone(err), descriptor.ErrNoRecord) {
			return nil
		}
		return fmt.Errorf("delete the record table %s: %w", *recordTable(fork), err)
	}
	return s.awaitGone(ctx, fork)
}

func (s *recordStore) awaitGone(ctx context.Context, fork string) error {
	waiter := dynamodb.NewTableNotExistsWaiter(s.client, func(o *dynamodb.TableNotExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	})
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: recordTable(fork)}, recordWait); err != nil {
		return fmt.Errorf("wait for the record table %s to be gone: %w", *recordTable(fork), err)
	}
	return nil
}

func recordGone(err error) error {
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return errors.Join(descriptor.ErrNoRecord, err)
	}
	return err
}

func recordText(value types.AttributeValue) string {
	if text, ok := value.(*types.AttributeValueMemberS); ok {
		return text.Value
	}
	return ""
}
