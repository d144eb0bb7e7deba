// Command worker handles the orders of the queue: it reads each from PostgreSQL, asks for its invoice, archives it in
// the second region, tells the topic, and at last notes the result in the table that the storefront shows.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/serve"
	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/settings"
)

func main() { os.Exit(serve.Main("worker", run, nil)) }

func run(ctx context.Context, logger *slog.Logger, environment *settings.Reader, port string) error {
	w := &worker{
		logger:      logger,
		queueURL:    environment.Required("ORDERS_QUEUE_URL"),
		invoicesURL: environment.Required("INVOICES_QUEUE_URL"),
		topic:       environment.Required("ORDER_EVENTS_TOPIC_ARN"),
	}
	tableARN := environment.Required("ORDERS_TABLE_ARN")
	archiveARN := environment.Required("ARCHIVE_QUEUE_ARN")
	databaseSecret := environment.Required("DATABASE_SECRET")
	environment.Required("AWS_REGION")
	if err := environment.Err(); err != nil {
		return err
	}

	var err error
	if w.table, err = tableName(tableARN); err != nil {
		return err
	}
	if w.archive, err = arn.Parse(archiveARN); err != nil {
		return fmt.Errorf("ARCHIVE_QUEUE_ARN is %q: give the ARN of a queue", archiveARN)
	}
	databaseURL, err := connectionString(databaseSecret)
	if err != nil {
		return err
	}
	if w.database, err = pgxpool.New(ctx, databaseURL); err != nil {
		// The library's error quotes the connection string, which holds the password.
		return errors.New("DATABASE_SECRET does not make a PostgreSQL connection string: check its host and port")
	}
	defer w.database.Close()

	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the AWS configuration: %w", err)
	}
	w.queue = sqs.NewFromConfig(aws)
	w.items = dynamodb.NewFromConfig(aws)
	w.events = sns.NewFromConfig(aws)
	// The ARN says which region the archive is in.
	w.archiveQueue = sqs.NewFromConfig(aws, func(o *sqs.Options) { o.Region = w.archive.Region })

	logger.Info("starting", "queue", w.queueURL, "table", w.table, "archive", archiveARN)
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", serve.Handler(func(*http.Request) (any, error) {
		return map[string]string{"status": "ok", "handled": strconv.FormatInt(w.handled.Load(), 10)}, nil
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.consume(ctx)
	}()
	err = serve.Run(ctx, logger, port, mux)
	<-done
	return err
}

// tableName returns the name in a table's ARN.
func tableName(tableARN string) (string, error) {
	parsed, err := arn.Parse(tableARN)
	const prefix = "table/"
	if err != nil || len(parsed.Resource) <= len(prefix) || parsed.Resource[:len(prefix)] != prefix {
		return "", fmt.Errorf("ORDERS_TABLE_ARN is %q: give the ARN of a table", tableARN)
	}
	return parsed.Resource[len(prefix):], nil
}

// connectionString turns the secret's JSON into a connection string. Its errors never quote the secret.
func connectionString(secret string) (string, error) {
	var login struct {
		Host     string      `json:"host"`
		Port     json.Number `json:"port"`
		Username string      `json:"username"`
		Password string      `json:"password"`
		Database string      `json:"dbname"`
	}
	if err := json.Unmarshal([]byte(secret), &login); err != nil {
		return "", errors.New("DATABASE_SECRET is not JSON with host, port, username, password and dbname")
	}
	if login.Host == "" || login.Username == "" || login.Database == "" {
		return "", errors.New("DATABASE_SECRET lacks host, username or dbname")
	}
	if login.Port == "" {
		login.Port = "5432"
	}
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(login.Username, login.Password),
		Host:     net.JoinHostPort(login.Host, login.Port.String()),
		Path:     "/" + login.Database,
		RawQuery: "sslmode=prefer",
	}
	return address.String(), nil
}
