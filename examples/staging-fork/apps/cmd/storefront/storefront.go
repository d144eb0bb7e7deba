package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/order"
	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/serve"
)

type storefront struct {
	database *pgxpool.Pool
	queue    *sqs.Client
	items    *dynamodb.Client
	objects  *s3.Client

	queueURL, table                 string
	receiptsBucket, referenceBucket string
	signingKey, banner, payments    string
}

// placed is the answer to a new order.
type placed struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Receipt  string `json:"receipt"`
	Payments string `json:"payments"`
	Banner   string `json:"banner,omitempty"`
}

// shown is all that is known about an order, by where it is kept.
type shown struct {
	ID       string            `json:"id"`
	Database databaseRow       `json:"postgresql"`
	Worker   map[string]string `json:"dynamodb"` // null until the worker has handled the order
	Receipt  *shownReceipt     `json:"s3"`       // null where there is none, as for orders that a test brought along
}

type databaseRow struct {
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
	Email    string `json:"email"`
}

type shownReceipt struct {
	Key     string `json:"key"`
	Genuine bool   `json:"genuine"`
}

func (s *storefront) placeOrder(r *http.Request) (any, error) {
	var request order.Request
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&request); err != nil {
		return nil, serve.Refuse(http.StatusBadRequest, "the body is no order: %v", err)
	}
	if err := request.Check(); err != nil {
		return nil, serve.Refuse(http.StatusBadRequest, "%v", err)
	}
	ctx, id := r.Context(), order.NewID()
	if _, err := s.database.Exec(ctx, "INSERT INTO orders (id, item, quantity, email) VALUES ($1, $2, $3, $4)",
		id, request.Item, request.Quantity, request.Email); err != nil {
		return nil, fmt.Errorf("cannot write the order to PostgreSQL: %w", err)
	}
	receipt := order.Receipt{ID: id, Item: request.Item, Quantity: request.Quantity}.Sign(s.signingKey)
	body, err := json.Marshal(receipt)
	if err != nil {
		return nil, err
	}
	if _, err := s.objects.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.receiptsBucket, Key: aws.String(receipt.Key()), Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"),
	}); err != nil {
		return nil, fmt.Errorf("cannot keep the receipt in bucket %s: %w", s.receiptsBucket, err)
	}
	// Last: the worker may take the message at once, and finds everything in its place.
	message, err := json.Marshal(order.Message{ID: id})
	if err != nil {
		return nil, err
	}
	if _, err := s.queue.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &s.queueURL, MessageBody: aws.String(string(message)),
	}); err != nil {
		return nil, fmt.Errorf("cannot send the order to queue %s: %w", s.queueURL, err)
	}
	return placed{ID: id, Status: "accepted", Receipt: receipt.Key(), Payments: s.payments, Banner: s.banner}, nil
}

func (s *storefront) showOrder(r *http.Request) (any, error) {
	ctx := r.Context()
	answer := shown{ID: r.PathValue("id")}
	err := s.database.QueryRow(ctx, "SELECT item, quantity, email FROM orders WHERE id = $1", answer.ID).
		Scan(&answer.Database.Item, &answer.Database.Quantity, &answer.Database.Email)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, serve.Refuse(http.StatusNotFound, "no order %s", answer.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the order from PostgreSQL: %w", err)
	}
	if answer.Worker, err = s.workerResult(ctx, answer.ID); err != nil {
		return nil, err
	}
	if answer.Receipt, err = s.receipt(ctx, answer.ID); err != nil {
		return nil, err
	}
	return answer, nil
}

// workerResult reads the order's item, or nil where the worker has not handled it yet.
func (s *storefront) workerResult(ctx context.Context, id string) (map[string]string, error) {
	found, err := s.items.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, ConsistentRead: aws.Bool(true),
		Key: map[string]dynamodbtypes.AttributeValue{"order_id": &dynamodbtypes.AttributeValueMemberS{Value: id}},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the order from table %s: %w", s.table, err)
	}
	if found.Item == nil {
		return nil, nil
	}
	result := make(map[string]string, len(found.Item))
	for name, value := range found.Item {
		switch value := value.(type) {
		case *dynamodbtypes.AttributeValueMemberS:
			result[name] = value.Value
		case *dynamodbtypes.AttributeValueMemberN:
			result[name] = value.Value
		}
	}
	return result, nil
}

// receipt reads the order's receipt, or nil where there is none.
func (s *storefront) receipt(ctx context.Context, id string) (*shownReceipt, error) {
	key := order.Receipt{ID: id}.Key()
	var receipt order.Receipt
	err := s.readObject(ctx, s.receiptsBucket, key, &receipt)
	if missing := new(serve.StatusError); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &shownReceipt{Key: key, Genuine: receipt.Genuine(s.signingKey)}, nil
}

// showPrice reads the price list that all environments share.
func (s *storefront) showPrice(r *http.Request) (any, error) {
	var prices map[string]int
	if err := s.readObject(r.Context(), s.referenceBucket, "prices.json", &prices); err != nil {
		return nil, err
	}
	item := r.PathValue("item")
	cents, found := prices[item]
	if !found {
		return nil, serve.Refuse(http.StatusNotFound, "no price for %s", item)
	}
	return map[string]string{"item": item, "price": strconv.Itoa(cents/100) + "." + fmt.Sprintf("%02d", cents%100)}, nil
}

func (s *storefront) readObject(ctx context.Context, bucket, key string, target any) error {
	object, err := s.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if missing := new(s3types.NoSuchKey); errors.As(err, &missing) {
		return serve.Refuse(http.StatusNotFound, "no object %s in bucket %s", key, bucket)
	}
	if err != nil {
		return fmt.Errorf("cannot read %s from bucket %s: %w", key, bucket, err)
	}
	defer func() { _ = object.Body.Close() }()
	if err := json.NewDecoder(object.Body).Decode(target); err != nil {
		return fmt.Errorf("%s in bucket %s is not what it should be: %w", key, bucket, err)
	}
	return nil
}

// health is good while the database answers: without it no order can be taken.
func (s *storefront) health(r *http.Request) (any, error) {
	if err := s.database.Ping(r.Context()); err != nil {
		return nil, serve.Refuse(http.StatusServiceUnavailable, "the database does not answer: %v", err)
	}
	return map[string]string{"status": "ok", "payments": s.payments}, nil
}
