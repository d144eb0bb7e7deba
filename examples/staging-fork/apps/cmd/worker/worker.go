package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/order"
)

type worker struct {
	logger       *slog.Logger
	database     *pgxpool.Pool
	queue        *sqs.Client
	archiveQueue *sqs.Client
	items        *dynamodb.Client
	events       *sns.Client

	queueURL, invoicesURL, table, topic string
	archive                             arn.ARN

	handled atomic.Int64
}

// consume takes messages until the context ends. A message that cannot be handled stays on the queue, which offers it
// again and gives it up to the dead-letter queue after a few tries.
func (w *worker) consume(ctx context.Context) {
	pause := time.Second
	for ctx.Err() == nil {
		received, err := w.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &w.queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 5,
		})
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			w.logger.Error("cannot receive", "queue", w.queueURL, "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, 30*time.Second)
			continue
		}
		pause = time.Second
		for _, message := range received.Messages {
			// What has been begun is finished, also when the program is told to stop meanwhile.
			if err := w.handle(context.WithoutCancel(ctx), message); err != nil {
				w.logger.Error("cannot handle", "message", aws.ToString(message.MessageId), "error", err.Error())
			}
		}
	}
}

func (w *worker) handle(ctx context.Context, message sqstypes.Message) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	received, err := order.ReadMessage(aws.ToString(message.Body))
	if err != nil {
		return err
	}
	var row order.Request
	if err := w.database.QueryRow(ctx, "SELECT item, quantity, email FROM orders WHERE id = $1", received.ID).
		Scan(&row.Item, &row.Quantity, &row.Email); err != nil {
		return fmt.Errorf("cannot read order %s from PostgreSQL: %w", received.ID, err)
	}
	if err := w.passOn(ctx, received, row); err != nil {
		return err
	}
	if err := w.note(ctx, received.ID, row); err != nil {
		return err
	}
	if _, err := w.queue.DeleteMessage(ctx, &sqs.DeleteMessageInput{
		QueueUrl: &w.queueURL, ReceiptHandle: message.ReceiptHandle,
	}); err != nil {
		return fmt.Errorf("cannot delete the message of order %s: %w", received.ID, err)
	}
	w.handled.Add(1)
	w.logger.Info("handled", "order", received.ID)
	return nil
}

// passOn tells the others: the invoice's queue, the archive and the topic.
func (w *worker) passOn(ctx context.Context, message order.Message, row order.Request) error {
	body, err := json.Marshal(map[string]any{"id": message.ID, "item": row.Item, "quantity": row.Quantity})
	if err != nil {
		return err
	}
	text := aws.String(string(body))
	if _, err := w.queue.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &w.invoicesURL, MessageBody: text, MessageGroupId: aws.String("invoices"),
		// A message that is handled twice makes one invoice.
		MessageDeduplicationId: &message.ID,
	}); err != nil {
		return fmt.Errorf("cannot ask for the invoice of order %s: %w", message.ID, err)
	}
	archive, err := w.archiveQueue.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &w.archive.Resource})
	if err != nil {
		return fmt.Errorf("cannot find the archive %s: %w", w.archive, err)
	}
	if _, err := w.archiveQueue.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: archive.QueueUrl, MessageBody: text,
	}); err != nil {
		return fmt.Errorf("cannot archive order %s: %w", message.ID, err)
	}
	if _, err := w.events.Publish(ctx, &sns.PublishInput{
		TopicArn: &w.topic, Message: text,
		MessageAttributes: map[string]snstypes.MessageAttributeValue{
			"event": {DataType: aws.String("String"), StringValue: aws.String("order_processed")},
		},
	}); err != nil {
		return fmt.Errorf("cannot tell %s about order %s: %w", w.topic, message.ID, err)
	}
	return nil
}

// note writes the result into the table. It is the last step: who sees it knows that the others are done.
func (w *worker) note(ctx context.Context, id string, row order.Request) error {
	text := func(value string) dynamodbtypes.AttributeValue {
		return &dynamodbtypes.AttributeValueMemberS{Value: value}
	}
	_, err := w.items.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:        &w.table,
		Key:              map[string]dynamodbtypes.AttributeValue{"order_id": text(id)},
		UpdateExpression: aws.String("SET #item = :item, #quantity = :quantity, #email = :email, #status = :status"),
		ExpressionAttributeNames: map[string]string{
			"#item": "item", "#quantity": "quantity", "#email": "email", "#status": "status",
		},
		ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{
			":item":     text(row.Item),
			":quantity": &dynamodbtypes.AttributeValueMemberN{Value: strconv.Itoa(row.Quantity)},
			":email":    text(row.Email),
			":status":   text("processed"),
		},
	})
	if err != nil {
		return fmt.Errorf("cannot note order %s in table %s: %w", id, w.table, err)
	}
	return nil
}
