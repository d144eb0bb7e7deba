package session

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Production can only read.
type Production struct {
	side  side
	table *Table
}

// Sandbox is the account that forks are written to.
type Sandbox struct {
	side side
}

// NewProduction makes the read-only side. No connection is made.
func NewProduction(access Access, table *Table) *Production {
	production := &Production{table: table}
	production.side = side{name: "production", access: access, adapt: func(config *aws.Config) {
		table.guard(config, access.EndpointURL == "")
	}}
	return production
}

// NewSandbox makes the written side. No connection is made.
func NewSandbox(access Access) *Sandbox {
	return &Sandbox{side: side{name: "sandbox", access: access, adapt: func(*aws.Config) {}}}
}

// Check proves that the credentials belong to the account that was named.
func (p *Production) Check(ctx context.Context) error {
	_, err := p.side.configuration(ctx)
	return err
}

// Check proves that the credentials belong to the account that was named.
func (s *Sandbox) Check(ctx context.Context) error {
	_, err := s.side.configuration(ctx)
	return err
}

// Read makes a client of production in a region. The constructor yields narrow read interfaces; whatever it makes is
// guarded.
func Read[R any](ctx context.Context, production *Production, region string, construct func(aws.Config) R) (R, error) {
	config, err := production.side.configuration(ctx)
	if err != nil {
		var none R
		return none, err
	}
	config.Region = region
	return construct(config), nil
}

// Write makes a client of the sandbox in a region.
func Write[W any](ctx context.Context, sandbox *Sandbox, region string, construct func(aws.Config) W) (W, error) {
	config, err := sandbox.side.configuration(ctx)
	if err != nil {
		var none W
		return none, err
	}
	config.Region = region
	return construct(config), nil
}

// Copy makes something that reads production in one region and writes the sandbox in another.
func Copy[C any](ctx context.Context, production *Production, from string, sandbox *Sandbox, to string,
	construct func(production, sandbox aws.Config) C,
) (C, error) {
	var none C
	source, err := production.side.configuration(ctx)
	if err != nil {
		return none, err
	}
	target, err := sandbox.side.configuration(ctx)
	if err != nil {
		return none, err
	}
	source.Region, target.Region = from, to
	return construct(source, target), nil
}

// AssumeRole borrows the credentials of a role of the sandbox account, for as long as the role allows.
func (s *Sandbox) AssumeRole(ctx context.Context, roleARN, sessionName string) (aws.Credentials, error) {
	config, err := s.side.configuration(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	client := sts.NewFromConfig(config)
	// Twelve hours is what a role may allow at most; a chained session gets one hour whatever the role says.
	var last error
	for _, seconds := range []int32{12 * 3600, 3600} {
		output, err := client.AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn: aws.String(roleARN), RoleSessionName: aws.String(sessionName), DurationSeconds: aws.Int32(seconds),
		})
		if err == nil {
			return aws.Credentials{
				AccessKeyID:     aws.ToString(output.Credentials.AccessKeyId),
				SecretAccessKey: aws.ToString(output.Credentials.SecretAccessKey),
				SessionToken:    aws.ToString(output.Credentials.SessionToken),
			}, nil
		}
		last = err
	}
	return aws.Credentials{}, fmt.Errorf("assume the role %s: %w", roleARN, last)
}
