package services

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type secretsReader interface {
	ListSecrets(context.Context, *secretsmanager.ListSecretsInput, ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error)
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetResourcePolicy(context.Context, *secretsmanager.GetResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetResourcePolicyOutput, error)
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

type secretsWriter interface {
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetResourcePolicy(context.Context, *secretsmanager.GetResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetResourcePolicyOutput, error)
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	CreateSecret(context.Context, *secretsmanager.CreateSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.CreateSecretOutput, error)
	UpdateSecret(context.Context, *secretsmanager.UpdateSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	PutResourcePolicy(context.Context, *secretsmanager.PutResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutResourcePolicyOutput, error)
	DeleteResourcePolicy(context.Context, *secretsmanager.DeleteResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.DeleteResourcePolicyOutput, error)
	RestoreSecret(context.Context, *secretsmanager.RestoreSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.RestoreSecretOutput, error)
	DeleteSecret(context.Context, *secretsmanager.DeleteSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DeleteSecretOutput, error)
}

// The ARN of a secret ends in a dash and six characters that nobody can choose. Configurations also spell it without
// them, and policies with wildcards in their place; each spelling has a form of its own.
const (
	secretPartial descriptor.Form = "partial-arn"
	secretMarks   descriptor.Form = "arn-question-marks"
	secretStar    descriptor.Form = "arn-star"
	secretSuffix                  = 7
)

// secretScheduled is the status of a copy that somebody deleted in a way that can be undone.
const secretScheduled = "scheduled for deletion"

// secretReuse is how long the name of a deleted secret may stay taken.
const secretReuse = 60 * time.Second

// secretConfig is a secret's configuration, with its value once that was read or made up.
type secretConfig struct {
	Description string `json:",omitempty"`
	Policy      any    `json:",omitempty"`
	// SecretString holds madeUpMark wherever production's value may not be copied.
	SecretString *string `json:",omitempty"`
	// Binary tells that production's value is no text; the copy gets made-up bytes.
	Binary bool `json:",omitempty"`
	// MadeUp tells that the value is made up as a whole. It is written once: what a team puts in its place stays.
	MadeUp bool `json:",omitempty"`
}

func init() {
	register(descriptor.Service[secretsReader, secretsWriter]{
		Name: "secretsmanager",
		ID:   secretsmanager.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "ListSecrets", Class: descriptor.Meta, Actions: []string{"secretsmanager:ListSecrets"}},
			{Name: "DescribeSecret", Class: descriptor.Meta, Actions: []string{"secretsmanager:DescribeSecret"}},
			{Name: "GetResourcePolicy", Class: descriptor.Meta, Actions: []string{"secretsmanager:GetResourcePolicy"}},
			{Name: "GetSecretValue", Class: descriptor.Data, Actions: []string{"secretsmanager:GetSecretValue", "kms:Decrypt"}},
		},
		Reader: func(config aws.Config) secretsReader { return secretsmanager.NewFromConfig(config) },
		Writer: func(config aws.Config) secretsWriter { return secretsmanager.NewFromConfig(config) },
		Kinds: []descriptor.Kind[secretsReader, secretsWriter]{{
			Traits: descriptor.Traits{
				Name:          "secret",
				Layer:         descriptor.LayerValues,
				Naming:        descriptor.Naming{Max: 512 - secretSuffix, Allowed: "/_+=.@-"},
				Default:       descriptor.Stub,
				DefaultReason: `the value is made up without reading production's; a rule with strategy = "clone" and data = { mode = "full" } keeps the logins of databases that the fork has`,
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				DataModes:     []string{descriptor.DataFull},
				Hints:         []string{"secret"},
				Secret:        []string{"SecretString"},
			},
			List:   listSecrets,
			Read:   readSecret,
			Values: readSecretValue,
			Fake:   fakeSecretValue,
			Find:   findSecret,
			Create: createSecret,
			Wire:   wireSecret,
			Delete: deleteSecret,
			Value:  secretValue,
		}},
	})
}

func listSecrets(ctx context.Context, client secretsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := secretsmanager.NewListSecretsPaginator(client, &secretsmanager.ListSecretsInput{
			IncludePlannedDeletion: aws.Bool(false), MaxResults: aws.Int32(100),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list secrets: %w", err))
				return
			}
			for _, secret := range page.SecretList {
				if !yield(descriptor.Item{Name: aws.ToString(secret.Name), ARN: aws.ToString(secret.ARN)}, nil) {
					return
				}
			}
		}
	}
}

func readSecret(ctx context.Context, client secretsReader, scope descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(item.Name)})
	if err != nil {
		return item, fmt.Errorf("read secret %s: %w", item.Name, secretGone(err))
	}
	if output.DeletedDate != nil {
		return item, fmt.Errorf("secret %s is %s: %w", item.Name, secretScheduled, descriptor.ErrGone)
	}
	policy, err := secretPolicy(ctx, client, item.Name)
	if err != nil {
		return item, err
	}
	item.Notes = secretNotes(output, scope)
	policy, dropped := statementsInFork(policy, func(kind, principal string) bool {
		return kind == "Service" || kind == "AWS" && accountOf(principal) == scope.AccountID
	})
	if len(dropped) > 0 {
		item.Notes = append(item.Notes, descriptor.Note{Kind: "hazard", Severity: "warning", Message: "production's policy lets outsiders in, the copy's does not: " +
			strings.Join(sortedSet(dropped), ", ")})
	}
	config := secretConfig{Description: aws.ToString(output.Description), Policy: policy}
	if item.Config, err = descriptor.Tree(config); err != nil {
		return item, err
	}
	item.ARN = aws.ToString(output.ARN)
	item.Tags = secretTags(output.Tags)
	item.Identifiers = []descriptor.Identifier{{Form: descriptor.Name, Value: item.Name}}
	for form, value := range secretForms(item.ARN) {
		// What follows a slash or a colon belongs to a secret with a longer name.
		item.Identifiers = append(item.Identifiers, descriptor.Identifier{Form: form, Value: value, Whole: true})
	}
	slices.SortFunc(item.Identifiers, func(a, b descriptor.Identifier) int { return strings.Compare(string(a.Form), string(b.Form)) })
	return item, nil
}

// secretForms gives the spellings of a secret's ARN.
func secretForms(arn string) map[descriptor.Form]string {
	if len(arn) <= secretSuffix || arn[len(arn)-secretSuffix] != '-' {
		return map[descriptor.Form]string{}
	}
	partial := arn[:len(arn)-secretSuffix]
	return map[descriptor.Form]string{secretPartial: partial, secretMarks: partial + "-??????", secretStar: partial + "-*"}
}

func secretNotes(secret *secretsmanager.DescribeSecretOutput, scope descriptor.Scope) []descriptor.Note {
	var notes []descriptor.Note
	note := func(kind, severity, message string) {
		notes = append(notes, descriptor.Note{Kind: kind, Severity: severity, Message: message})
	}
	if aws.ToBool(secret.RotationEnabled) {
		note("hazard", "info", "the rotation is not copied, because it would act by itself; the copy's value stays as it is")
	}
	if key := aws.ToString(secret.KmsKeyId); key != "" && !strings.Contains(key, "alias/aws/") {
		note("not-copied", "info", "the copy is encrypted with the sandbox's default key, not with a copy of production's")
	}
	if slices.ContainsFunc(secret.ReplicationStatus, func(replica types.ReplicationStatusType) bool {
		return aws.ToString(replica.Region) != scope.Region
	}) {
		note("not-copied", "info", "the replicas in other regions are not copied")
	}
	return notes
}

// secretPolicy reads a secret's own policy; nil where it has none.
func secretPolicy(ctx context.Context, client interface {
	GetResourcePolicy(context.Context, *secretsmanager.GetResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetResourcePolicyOutput, error)
}, name string,
) (any, error) {
	output, err := client.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: aws.String(name)})
	if err != nil {
		return nil, fmt.Errorf("read the policy of secret %s: %w", name, secretGone(err))
	}
	if aws.ToString(output.ResourcePolicy) == "" {
		return nil, nil
	}
	return descriptor.ParseDocument(aws.ToString(output.ResourcePolicy)), nil
}

func secretTags(tags []types.Tag) map[string]string {
	read := map[string]string{}
	for _, tag := range tags {
		read[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return read
}

func secretGone(err error) error {
	if descriptor.HasCode(err, "ResourceNotFoundException") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

// readSecretValue reads a value and gives the part of it that may be copied: see secretForFork.
func readSecretValue(ctx context.Context, client secretsReader, scope descriptor.Scope, item descriptor.Item) (map[string]any, error) {
	output, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(item.Name)})
	switch {
	case descriptor.HasCode(err, "ResourceNotFoundException"):
		// It was there when it was described, so what is missing is a value.
		return map[string]any{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the value of secret %s: %w", item.Name, err)
	case output.SecretString == nil:
		return map[string]any{"Binary": true}, nil
	default:
		return map[string]any{"SecretString": secretForFork(aws.ToString(output.SecretString), scope)}, nil
	}
}

func fakeSecretValue(item descriptor.Item, generate func(label string) string) (map[string]any, []descriptor.Note) {
	message := `the value is made up; a rule with data = { mode = "full" } keeps its fields, and the login if it is that of a database of the fork`
	if item.Stub {
		message = "the value is made up; put one for tests into the copy where the fork needs it, it stays there"
	}
	return map[string]any{"SecretString": secretStub + generate("value"), "MadeUp": true},
		[]descriptor.Note{{Kind: "not-copied", Severity: "info", Message: message}}
}

func secretMade(arn string) descriptor.Made {
	return descriptor.Made{ARN: arn, Values: secretForms(arn)}
}

// findSecret also finds a copy that is scheduled for deletion: its name is taken, and Wire brings it back.
func findSecret(ctx context.Context, client secretsWriter, target descriptor.Target) (descriptor.Live, error) {
	output, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(target.Name)})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("look for secret %s: %w", target.Name, secretGone(err))
	}
	live := descriptor.Live{Made: secretMade(aws.ToString(output.ARN)), Tags: secretTags(output.Tags), Status: "ready"}
	if output.DeletedDate != nil {
		if !output.DeletedDate.After(time.Now()) {
			// Deleted for good; the service only takes a moment to forget it.
			return descriptor.Live{}, fmt.Errorf("secret %s was just deleted: %w", target.Name, descriptor.ErrGone)
		}
		live.Status = secretScheduled
	}
	return live, nil
}

// createSecret makes a secret without a value.
func createSecret(ctx context.Context, client secretsWriter, target descriptor.Target) (descriptor.Made, error) {
	input := &secretsmanager.CreateSecretInput{Name: aws.String(target.Name)}
	for _, key := range slices.Sorted(maps.Keys(target.Tags)) {
		input.Tags = append(input.Tags, types.Tag{Key: aws.String(key), Value: aws.String(target.Tags[key])})
	}
	deadline := time.Now().Add(secretReuse)
	for {
		output, err := client.CreateSecret(ctx, input)
		if err == nil {
			return secretMade(aws.ToString(output.ARN)), nil
		}
		forgetting := descriptor.HasCode(err, "InvalidRequestException") && strings.Contains(err.Error(), "delet")
		if !forgetting || time.Now().After(deadline) {
			return descriptor.Made{}, fmt.Errorf("create secret %s: %w", target.Name, err)
		}
		if err := descriptor.Sleep(ctx, 2*time.Second); err != nil {
			return descriptor.Made{}, fmt.Errorf("wait until the name of the deleted secret %s is free: %w", target.Name, err)
		}
	}
}

func wireSecret(ctx context.Context, client secretsWriter, target descriptor.Target) error {
	config, err := descriptor.Decode[secretConfig](target.Config)
	if err != nil {
		return err
	}
	name := aws.String(target.Name)
	live, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: name})
	if err != nil {
		return fmt.Errorf("read secret %s: %w", target.Name, err)
	}
	if live.DeletedDate != nil {
		if _, err := client.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: name}); err != nil {
			return fmt.Errorf("take back the deletion of secret %s: %w", target.Name, err)
		}
	}
	if aws.ToString(live.Description) != config.Description {
		_, err := client.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: name, Description: aws.String(config.Description)})
		if err != nil {
			return fmt.Errorf("describe secret %s: %w", target.Name, err)
		}
	}
	if err := writeSecretValue(ctx, client, target.Name, config); err != nil {
		return err
	}
	return wireSecretPolicy(ctx, client, target.Name, config.Policy)
}

// writeSecretValue completes the value with made-up parts and writes it, if it is not there already.
func writeSecretValue(ctx context.Context, client secretsWriter, name string, config secretConfig) error {
	current, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
	none := descriptor.HasCode(err, "ResourceNotFoundException")
	if err != nil && !none {
		return fmt.Errorf("read the value of secret %s: %w", name, err)
	}
	input := &secretsmanager.PutSecretValueInput{SecretId: aws.String(name)}
	switch {
	case config.MadeUp && !none:
		return nil
	case config.Binary:
		if !none && current.SecretBinary != nil {
			return nil
		}
		made, err := madeUpValue()
		if err != nil {
			return err
		}
		input.SecretBinary = []byte(base64.StdEncoding.EncodeToString([]byte(made)))
	case config.SecretString == nil:
		return nil
	default:
		before := ""
		if !none {
			before = aws.ToString(current.SecretString)
		}
		value, err := completeSecret(*config.SecretString, before)
		if err != nil || !none && current.SecretString != nil && value == before {
			return err
		}
		input.SecretString = aws.String(value)
	}
	if _, err := client.PutSecretValue(ctx, input); err != nil {
		return fmt.Errorf("write the value of secret %s: %w", name, err)
	}
	return nil
}

func wireSecretPolicy(ctx context.Context, client secretsWriter, name string, wanted any) error {
	current, err := secretPolicy(ctx, client, name)
	if err != nil || sameDocument(current, wanted) {
		return err
	}
	if wanted == nil {
		if _, err := client.DeleteResourcePolicy(ctx, &secretsmanager.DeleteResourcePolicyInput{SecretId: aws.String(name)}); err != nil {
			return fmt.Errorf("delete the policy of secret %s: %w", name, err)
		}
		return nil
	}
	text, err := descriptor.Encode(wanted)
	if err != nil {
		return err
	}
	_, err = client.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{
		SecretId: aws.String(name), ResourcePolicy: aws.String(text), BlockPublicPolicy: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("write the policy of secret %s: %w", name, err)
	}
	return nil
}

// deleteSecret deletes for good, so that the name is free for the next fork of the same name.
func deleteSecret(ctx context.Context, client secretsWriter, target descriptor.Target) error {
	// With force the service deletes even what is not there, so it is asked first.
	if _, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(target.Name)}); err != nil {
		return fmt.Errorf("look for secret %s: %w", target.Name, secretGone(err))
	}
	_, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{
		SecretId: aws.String(target.Name), ForceDeleteWithoutRecovery: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("delete secret %s: %w", target.Name, secretGone(err))
	}
	return nil
}
