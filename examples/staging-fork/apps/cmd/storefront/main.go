// Command storefront takes orders over HTTP: it writes them to PostgreSQL, sends them to the queue and keeps a receipt
// in the bucket. Asked for an order, it shows what all of them, and the worker's table, know about it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/serve"
	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/settings"
)

func main() { os.Exit(serve.Main("storefront", run, nil)) }

func run(ctx context.Context, logger *slog.Logger, environment *settings.Reader, port string) error {
	shop := &storefront{
		queueURL:        environment.Required("ORDERS_QUEUE_URL"),
		table:           environment.Required("ORDERS_TABLE"),
		receiptsBucket:  environment.Required("RECEIPTS_BUCKET"),
		referenceBucket: environment.Required("REFERENCE_BUCKET"),
		signingKey:      environment.Required("RECEIPT_SIGNING_KEY"),
		banner:          environment.Optional("BANNER", ""),
		payments:        paymentMode(environment.Required("PAYMENT_API_KEY")),
	}
	databaseURL := environment.Required("DATABASE_URL")
	databaseHost := environment.Required("DATABASE_HOST")
	environment.Required("AWS_REGION")
	if err := environment.Err(); err != nil {
		return err
	}

	pool, err := pgxpool.New(ctx, databaseURL)
	if err != nil {
		// The library's error quotes the connection string, which holds the password.
		return errors.New("DATABASE_URL is no PostgreSQL connection string such as postgres://user:password@host:5432/name")
	}
	defer pool.Close()
	shop.database = pool

	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the AWS configuration: %w", err)
	}
	shop.queue = sqs.NewFromConfig(aws)
	shop.items = dynamodb.NewFromConfig(aws)
	shop.objects = s3.NewFromConfig(aws, func(o *s3.Options) {
		// An emulator's host name has no sub-domain for each bucket.
		o.UsePathStyle = true
		o.DisableLogOutputChecksumValidationSkipped = true
	})

	logger.Info("starting", "database_host", databaseHost, "table", shop.table, "bucket", shop.receiptsBucket,
		"payments", shop.payments)
	return serve.Run(ctx, logger, port, shop.routes())
}

// paymentMode says whose money an order would move, without giving the key away. The example charges nobody.
func paymentMode(key string) string {
	if len(key) > 5 && key[:5] == "live-" {
		return "live"
	}
	return "test"
}

func (s *storefront) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", serve.Handler(s.placeOrder))
	mux.Handle("GET /orders/{id}", serve.Handler(s.showOrder))
	mux.Handle("GET /prices/{item}", serve.Handler(s.showPrice))
	mux.Handle("GET /healthz", serve.Handler(s.health))
	return mux
}
