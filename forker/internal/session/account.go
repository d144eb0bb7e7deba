// Package session makes the two kinds of credentials that the forker works with. Production and Sandbox are different
// types, so that passing the wrong one does not compile, and neither hands out its configuration: a client is made in
// here, by a constructor that yields a narrow interface.
package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// ErrWrongAccount tells that credentials belong to another account than the one that was named.
var ErrWrongAccount = errors.New("the credentials belong to another account")

// Access says how to reach one account.
type Access struct {
	AccountID         string
	Region            string
	Profile           string
	AccessKey         string
	SecretKey         string
	Token             string
	SharedConfigFiles []string
	RoleARN           string
	ExternalID        string
	SessionName       string
	EndpointURL       string
}

// side is what both sides share: a configuration that is loaded and checked once, when it is first needed.
type side struct {
	name   string // "production" or "sandbox"
	access Access
	// adapt puts the guards of the side into its configuration.
	adapt func(*aws.Config)

	mutex  sync.Mutex
	loaded *aws.Config
}

// configuration loads the side's credentials and proves that they belong to the account; a failure is tried again by
// the next caller.
func (s *side) configuration(ctx context.Context) (aws.Config, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.loaded != nil {
		return *s.loaded, nil
	}
	loaded, err := s.load(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	identity, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return aws.Config{}, fmt.Errorf("ask whom the %s credentials belong to: %w; check the credentials of %s.account_id = %q",
			s.name, err, s.name, s.access.AccountID)
	}
	if account := aws.ToString(identity.Account); account != s.access.AccountID {
		return aws.Config{}, fmt.Errorf("%w: %s.account_id is %q but its credentials belong to account %q (%s); "+
			"mend the credentials or the account id", ErrWrongAccount, s.name, s.access.AccountID, account, aws.ToString(identity.Arn))
	}
	s.loaded = &loaded
	return loaded, nil
}

// load builds the configuration: base credentials, then the role.
func (s *side) load(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(s.access.Region),
		config.WithRetryMode(aws.RetryModeAdaptive),
		config.WithRetryMaxAttempts(6),
	}
	if s.access.EndpointURL != "" {
		options = append(options, config.WithBaseEndpoint(s.access.EndpointURL))
	}
	if s.access.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(s.access.Profile))
	}
	if len(s.access.SharedConfigFiles) > 0 {
		for _, file := range s.access.SharedConfigFiles {
			if _, err := os.Stat(file); err != nil {
				return aws.Config{}, fmt.Errorf("read %s.shared_config_files: %w", s.name, err)
			}
		}
		options = append(options, config.WithSharedConfigFiles(s.access.SharedConfigFiles))
	}
	if s.access.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(s.access.AccessKey, s.access.SecretKey, s.access.Token)))
	}
	base, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the %s credentials: %w", s.name, err)
	}
	if s.access.RoleARN != "" {
		guardBase(&base)
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), s.access.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = s.access.SessionName
			if o.RoleSessionName == "" {
				o.RoleSessionName = "sundog"
			}
			if s.access.ExternalID != "" {
				o.ExternalID = aws.String(s.access.ExternalID)
			}
		})
		base.Credentials = aws.NewCredentialsCache(role)
		base.APIOptions = nil
	}
	if base.HTTPClient == nil {
		base.HTTPClient = &http.Client{}
	}
	s.adapt(&base)
	return base, nil
}
