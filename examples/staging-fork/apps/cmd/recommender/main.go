// Command recommender is the team's feature branch: it is in no task definition yet. It tells what customers who
// ordered an item also ordered, by the orders in the table, and promotes what a campaign in the bucket asks for.
//
// Its sub-command import puts the campaign file into the bucket.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/serve"
	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/settings"
)

func main() {
	os.Exit(serve.Main("recommender", run, map[string]serve.Program{"import": importCampaign}))
}

func run(ctx context.Context, logger *slog.Logger, environment *settings.Reader, port string) error {
	r, err := connect(ctx, environment)
	if err != nil {
		return err
	}
	logger.Info("starting", "table", r.table, "bucket", r.bucket, "limit", r.limit)
	mux := http.NewServeMux()
	mux.Handle("GET /recommendations", serve.Handler(r.answer))
	mux.Handle("GET /healthz", serve.Handler(func(*http.Request) (any, error) {
		return map[string]string{"status": "ok"}, nil
	}))
	return serve.Run(ctx, logger, port, mux)
}

func importCampaign(ctx context.Context, logger *slog.Logger, environment *settings.Reader, _ string) error {
	path := environment.Required("CAMPAIGN_FILE")
	r, err := connect(ctx, environment)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read CAMPAIGN_FILE: %w", err)
	}
	defer func() { _ = file.Close() }()
	promoted, err := readCampaign(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := r.writeCampaign(ctx, promoted); err != nil {
		return err
	}
	logger.Info("campaign imported", "items", len(promoted), "bucket", r.bucket)
	return nil
}

func connect(ctx context.Context, environment *settings.Reader) (*recommender, error) {
	r := &recommender{
		table:  environment.Required("ORDERS_TABLE"),
		bucket: environment.Required("RECEIPTS_BUCKET"),
	}
	settingsFile := environment.Required("SETTINGS_FILE")
	environment.Required("AWS_REGION")
	role := environment.Optional("ASSUME_ROLE_ARN", "")
	limit := environment.Optional("RECOMMENDATIONS", "3")
	if err := environment.Err(); err != nil {
		return nil, err
	}
	var err error
	if r.limit, err = strconv.Atoi(limit); err != nil || r.limit < 1 {
		return nil, fmt.Errorf("RECOMMENDATIONS is %q: give a number from 1", limit)
	}
	if r.settings, err = readSettings(settingsFile); err != nil {
		return nil, err
	}
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the AWS configuration: %w", err)
	}
	if role != "" {
		// The branch has no task role yet: it works with the role that it is told to assume.
		aws.Credentials = awssdk.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(aws), role))
	}
	r.items = dynamodb.NewFromConfig(aws)
	r.objects = s3.NewFromConfig(aws, func(o *s3.Options) {
		// An emulator's host name has no sub-domain for each bucket.
		o.UsePathStyle = true
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return r, nil
}

// shopSettings is what the company's own module says about the environment.
type shopSettings struct {
	Environment string `json:"environment"`
}

func readSettings(path string) (shopSettings, error) {
	var read shopSettings
	content, err := os.ReadFile(path)
	if err != nil {
		return read, fmt.Errorf("cannot read SETTINGS_FILE: %w", err)
	}
	if err := json.Unmarshal(content, &read); err != nil || read.Environment == "" {
		return read, fmt.Errorf("SETTINGS_FILE %s is no settings file of the shop: it names no environment", path)
	}
	return read, nil
}
