package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/serve"
)

// campaignKey is where the campaign is kept in the bucket.
const campaignKey = "campaigns/current.json"

type recommender struct {
	items         *dynamodb.Client
	objects       *s3.Client
	settings      shopSettings
	table, bucket string
	limit         int
}

// answered is what is recommended, and how much it rests on.
type answered struct {
	Environment     string           `json:"environment"`
	Item            string           `json:"item"`
	Orders          int              `json:"orders"` // that were looked at
	Recommendations []recommendation `json:"recommendations"`
}

func (r *recommender) answer(request *http.Request) (any, error) {
	item := request.URL.Query().Get("item")
	if item == "" {
		return nil, serve.Refuse(http.StatusBadRequest, "item is missing: ask for /recommendations?item=tent")
	}
	orders, err := r.orders(request.Context())
	if err != nil {
		return nil, err
	}
	promoted, err := r.readCampaign(request.Context())
	if err != nil {
		return nil, err
	}
	return answered{
		Environment: r.settings.Environment, Item: item, Orders: len(orders),
		Recommendations: recommend(orders, promoted, item, r.limit),
	}, nil
}

func (r *recommender) orders(ctx context.Context) ([]bought, error) {
	var orders []bought
	pages := dynamodb.NewScanPaginator(r.items, &dynamodb.ScanInput{
		TableName: &r.table, ProjectionExpression: aws.String("#item, #email"),
		ExpressionAttributeNames: map[string]string{"#item": "item", "#email": "email"},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot read the orders of table %s: %w", r.table, err)
		}
		for _, found := range page.Items {
			item, _ := found["item"].(*dynamodbtypes.AttributeValueMemberS)
			customer, _ := found["email"].(*dynamodbtypes.AttributeValueMemberS)
			if item != nil && customer != nil {
				orders = append(orders, bought{customer: customer.Value, item: item.Value})
			}
		}
	}
	return orders, nil
}

func (r *recommender) writeCampaign(ctx context.Context, promoted []string) error {
	body, err := json.Marshal(promoted)
	if err != nil {
		return err
	}
	if _, err := r.objects.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &r.bucket, Key: aws.String(campaignKey), Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"),
	}); err != nil {
		return fmt.Errorf("cannot write the campaign to bucket %s: %w", r.bucket, err)
	}
	return nil
}

// readCampaign returns the promoted items; none where there is no campaign.
func (r *recommender) readCampaign(ctx context.Context) ([]string, error) {
	object, err := r.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.bucket, Key: aws.String(campaignKey)})
	if missing := new(s3types.NoSuchKey); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the campaign from bucket %s: %w", r.bucket, err)
	}
	defer func() { _ = object.Body.Close() }()
	var promoted []string
	if err := json.NewDecoder(object.Body).Decode(&promoted); err != nil {
		return nil, fmt.Errorf("%s in bucket %s is no campaign: %w", campaignKey, r.bucket, err)
	}
	return promoted, nil
}
