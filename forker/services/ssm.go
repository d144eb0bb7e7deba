package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type ssmReader interface {
	DescribeParameters(context.Context, *ssm.DescribeParametersInput, ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error)
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	ListTagsForResource(context.Context, *ssm.ListTagsForResourceInput, ...func(*ssm.Options)) (*ssm.ListTagsForResourceOutput, error)
}

type ssmWriter interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	ListTagsForResource(context.Context, *ssm.ListTagsForResourceInput, ...func(*ssm.Options)) (*ssm.ListTagsForResourceOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	DeleteParameter(context.Context, *ssm.DeleteParameterInput, ...func(*ssm.Options)) (*ssm.DeleteParameterOutput, error)
}

// ssmParameter is a parameter's configuration. Its key and its policies are left out: production's key cannot be used
// by a copy, and an expiration policy would delete it.
type ssmParameter struct {
	Type        types.ParameterType
	Tier        types.ParameterTier `json:",omitempty"`
	Description string              `json:",omitempty"`
	// Value of a parameter that is not encrypted, or one that was read or made up for a copy.
	Value string `json:",omitempty"`
	// Version of an encrypted parameter: its value is not read, but that it changed can be told.
	Version int64 `json:",omitempty"`
}

// ssmPending is in a parameter between its creation and its wiring.
const ssmPending = "pending"

func init() {
	register(descriptor.Service[ssmReader, ssmWriter]{
		Name: "ssm",
		ID:   ssm.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "DescribeParameters", Class: descriptor.Meta, Actions: []string{"ssm:DescribeParameters"}},
			{
				Name: "GetParameter", Class: descriptor.Meta, Actions: []string{"ssm:GetParameter"},
				DataWhen: func(input any) bool {
					get, ok := input.(*ssm.GetParameterInput)
					return !ok || aws.ToBool(get.WithDecryption)
				},
				DataField: "WithDecryption",
			},
			{Name: "ListTagsForResource", Class: descriptor.Meta, Actions: []string{"ssm:ListTagsForResource"}},
		},
		Reader: func(config aws.Config) ssmReader { return ssm.NewFromConfig(config) },
		Writer: func(config aws.Config) ssmWriter { return ssm.NewFromConfig(config) },
		Kinds: []descriptor.Kind[ssmReader, ssmWriter]{{
			Traits: descriptor.Traits{
				Name:  "parameter",
				Layer: descriptor.LayerValues,
				// Another account would allow to keep the path, but many forks share one sandbox.
				Naming:        descriptor.Naming{Max: 1011, Allowed: "-_./", Path: true},
				Default:       descriptor.Clone,
				DefaultReason: "a parameter of its own, its value pointing into the fork; encrypted values are made up unless the rule asks for data",
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				DataModes:     []string{descriptor.DataFull},
				Hints:         []string{"param", "ssm"},
				Secret:        []string{"Value"},
				Immutable:     []string{"Type"},
			},
			List:   listParameters,
			Read:   readParameter,
			Values: readParameterValue,
			Fake:   fakeParameterValue,
			Find:   findParameter,
			Create: createParameter,
			Wire:   wireParameter,
			Delete: deleteParameter,
			Value:  parameterValue,
		}},
	})
}

// parameterARN puts a slash before names that do not begin with one.
func parameterARN(scope descriptor.Scope, name string) string {
	return scope.ARN("ssm", "parameter/"+strings.TrimPrefix(name, "/"))
}

func listParameters(ctx context.Context, client ssmReader, scope descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := ssm.NewDescribeParametersPaginator(client, &ssm.DescribeParametersInput{MaxResults: aws.Int32(50)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list parameters: %w", err))
				return
			}
			for _, parameter := range page.Parameters {
				name := aws.ToString(parameter.Name)
				if !yield(descriptor.Item{Name: name, ARN: parameterARN(scope, name)}, nil) {
					return
				}
			}
		}
	}
}

func readParameter(ctx context.Context, client ssmReader, scope descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	described, err := client.DescribeParameters(ctx, &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{item.Name}}},
	})
	if err != nil {
		return item, fmt.Errorf("describe parameter %s: %w", item.Name, err)
	}
	if len(described.Parameters) == 0 {
		return item, fmt.Errorf("describe parameter %s: %w", item.Name, descriptor.ErrGone)
	}
	metadata := described.Parameters[0]
	config := ssmParameter{Type: metadata.Type, Tier: metadata.Tier, Description: aws.ToString(metadata.Description)}
	if metadata.Type == types.ParameterTypeSecureString {
		config.Version = metadata.Version
	} else {
		value, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: metadata.Name, WithDecryption: aws.Bool(false)})
		if err != nil {
			return item, fmt.Errorf("read parameter %s: %w", item.Name, parameterGone(err))
		}
		config.Value = aws.ToString(value.Parameter.Value)
	}
	if key := aws.ToString(metadata.KeyId); key != "" && !strings.HasPrefix(key, "alias/aws/") {
		item.Notes = append(item.Notes, descriptor.Note{
			Kind: "not-copied", Severity: "info", Message: "the copy is encrypted with the sandbox's default key, not with a copy of production's",
		})
	}
	if len(metadata.Policies) > 0 {
		item.Notes = append(item.Notes, descriptor.Note{
			Kind: "hazard", Severity: "info", Message: "the parameter's policies are not copied: an expiration would delete the copy",
		})
	}
	if item.Tags, err = parameterTags(ctx, client, item.Name); err != nil {
		return item, err
	}
	if item.Config, err = descriptor.Tree(config); err != nil {
		return item, err
	}
	item.ARN = parameterARN(scope, item.Name)
	item.Identifiers = []descriptor.Identifier{
		// What follows a slash would be another parameter.
		{Form: descriptor.ARN, Value: item.ARN, Whole: true},
		{Form: descriptor.Name, Value: item.Name},
	}
	return item, nil
}

// parameterTagsAPI is what both sides have.
type parameterTagsAPI interface {
	ListTagsForResource(context.Context, *ssm.ListTagsForResourceInput, ...func(*ssm.Options)) (*ssm.ListTagsForResourceOutput, error)
}

func parameterTags(ctx context.Context, client parameterTagsAPI, name string) (map[string]string, error) {
	output, err := client.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(name),
	})
	if err != nil {
		return nil, fmt.Errorf("read the tags of parameter %s: %w", name, parameterGone(err))
	}
	tags := make(map[string]string, len(output.TagList))
	for _, tag := range output.TagList {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags, nil
}

func parameterGone(err error) error {
	if descriptor.HasCode(err, "ParameterNotFound", "InvalidResourceId") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func readParameterValue(ctx context.Context, client ssmReader, _ descriptor.Scope, item descriptor.Item) (map[string]any, error) {
	config, err := descriptor.Decode[ssmParameter](item.Config)
	if err != nil || config.Type != types.ParameterTypeSecureString {
		return nil, err
	}
	output, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(item.Name), WithDecryption: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("read the value of parameter %s: %w", item.Name, parameterGone(err))
	}
	return map[string]any{"Value": aws.ToString(output.Parameter.Value)}, nil
}

func fakeParameterValue(item descriptor.Item, generate func(string) string) (map[string]any, []descriptor.Note) {
	config, err := descriptor.Decode[ssmParameter](item.Config)
	if err != nil || config.Type != types.ParameterTypeSecureString && !item.Stub {
		return nil, nil
	}
	note := descriptor.Note{
		Kind: "not-copied", Severity: "info", Message: "the value is made up; a rule with data = { mode = \"full\" } copies production's",
	}
	if item.Stub {
		note.Message = "the value is made up, as the rule says"
	}
	return map[string]any{"Value": generate("value")}, []descriptor.Note{note}
}

func findParameter(ctx context.Context, client ssmWriter, target descriptor.Target) (descriptor.Live, error) {
	_, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(target.Name), WithDecryption: aws.Bool(false)})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("look for parameter %s: %w", target.Name, parameterGone(err))
	}
	tags, err := parameterTags(ctx, client, target.Name)
	if err != nil {
		return descriptor.Live{}, err
	}
	return descriptor.Live{Made: madeParameter(target), Tags: tags, Status: "ready"}, nil
}

func madeParameter(target descriptor.Target) descriptor.Made {
	return descriptor.Made{ARN: target.BuildARN("ssm", "parameter/"+strings.TrimPrefix(target.Name, "/"))}
}

func createParameter(ctx context.Context, client ssmWriter, target descriptor.Target) (descriptor.Made, error) {
	config, err := descriptor.Decode[ssmParameter](target.Config)
	if err != nil {
		return descriptor.Made{}, err
	}
	input := &ssm.PutParameterInput{
		Name: aws.String(target.Name), Value: aws.String(ssmPending), Type: config.Type, Tier: config.Tier, Overwrite: aws.Bool(false),
	}
	for name, value := range target.Tags {
		input.Tags = append(input.Tags, types.Tag{Key: aws.String(name), Value: aws.String(value)})
	}
	if _, err := client.PutParameter(ctx, input); err != nil {
		return descriptor.Made{}, fmt.Errorf("create parameter %s: %w", target.Name, err)
	}
	return madeParameter(target), nil
}

func wireParameter(ctx context.Context, client ssmWriter, target descriptor.Target) error {
	config, err := descriptor.Decode[ssmParameter](target.Config)
	if err != nil {
		return err
	}
	input := &ssm.PutParameterInput{
		Name: aws.String(target.Name), Value: aws.String(config.Value), Type: config.Type, Tier: config.Tier, Overwrite: aws.Bool(true),
	}
	if config.Description != "" {
		input.Description = aws.String(config.Description)
	}
	if _, err := client.PutParameter(ctx, input); err != nil {
		return fmt.Errorf("set parameter %s: %w", target.Name, err)
	}
	return nil
}

func deleteParameter(ctx context.Context, client ssmWriter, target descriptor.Target) error {
	if _, err := client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(target.Name)}); err != nil {
		return fmt.Errorf("delete parameter %s: %w", target.Name, parameterGone(err))
	}
	return nil
}

func parameterValue(ctx context.Context, client ssmWriter, target descriptor.Target, selector string) (string, error) {
	if selector != "" {
		return "", fmt.Errorf("a parameter has no parts, but %q follows its name", selector)
	}
	output, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(target.Name), WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", fmt.Errorf("read parameter %s: %w", target.Name, parameterGone(err))
	}
	return aws.ToString(output.Parameter.Value), nil
}
