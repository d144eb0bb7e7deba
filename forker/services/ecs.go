package services

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type ecsReader interface {
	ListClusters(context.Context, *ecs.ListClustersInput, ...func(*ecs.Options)) (*ecs.ListClustersOutput, error)
	DescribeClusters(context.Context, *ecs.DescribeClustersInput, ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error)
	ListServices(context.Context, *ecs.ListServicesInput, ...func(*ecs.Options)) (*ecs.ListServicesOutput, error)
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
}

// ecsWriter is empty: nothing of this service is made in the sandbox, its services become containers.
type ecsWriter any

func init() {
	register(descriptor.Service[ecsReader, ecsWriter]{
		Name: "ecs",
		ID:   ecs.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "ListClusters", Class: descriptor.Meta, Actions: []string{"ecs:ListClusters"}},
			{Name: "DescribeClusters", Class: descriptor.Meta, Actions: []string{"ecs:DescribeClusters"}},
			{Name: "ListServices", Class: descriptor.Meta, Actions: []string{"ecs:ListServices"}},
			{Name: "DescribeServices", Class: descriptor.Meta, Actions: []string{"ecs:DescribeServices"}},
			{Name: "DescribeTaskDefinition", Class: descriptor.Meta, Actions: []string{"ecs:DescribeTaskDefinition"}},
		},
		Reader: func(config aws.Config) ecsReader { return ecs.NewFromConfig(config) },
		Writer: func(aws.Config) ecsWriter { return nil },
		Kinds: []descriptor.Kind[ecsReader, ecsWriter]{
			{
				Traits: descriptor.Traits{
					Name:          "cluster",
					Layer:         descriptor.LayerCompute,
					Default:       descriptor.Skip,
					DefaultReason: "the enclave takes the cluster's place",
					Hints:         []string{"cluster"},
				},
				List: listClusters,
				Read: readCluster,
			},
			{
				Traits: descriptor.Traits{
					Name:          "service",
					Layer:         descriptor.LayerCompute,
					Naming:        descriptor.Naming{Container: true},
					Default:       descriptor.Substitute,
					DefaultReason: "its own containers run in the enclave, their environment pointing into the fork",
					Strategies:    []descriptor.Strategy{descriptor.Substitute},
					Secret:        []string{"TaskDefinition.Containers.*.Environment.*", "TaskDefinition.Containers.*.Command.*"},
				},
				List:  listServices,
				Read:  readService,
				Tasks: serviceTasks,
			},
		},
	})
}

func listClusters(ctx context.Context, client ecsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		for address, err := range clusterARNs(ctx, client) {
			if !yield(descriptor.Item{Name: address[strings.LastIndex(address, "/")+1:], ARN: address}, err) || err != nil {
				return
			}
		}
	}
}

func clusterARNs(ctx context.Context, client ecsReader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		pages := ecs.NewListClustersPaginator(client, &ecs.ListClustersInput{MaxResults: aws.Int32(100)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield("", fmt.Errorf("list clusters: %w", err))
				return
			}
			for _, address := range page.ClusterArns {
				if !yield(address, nil) {
					return
				}
			}
		}
	}
}

func readCluster(ctx context.Context, client ecsReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.DescribeClusters(ctx, &ecs.DescribeClustersInput{
		Clusters: []string{item.ARN}, Include: []types.ClusterField{types.ClusterFieldTags, types.ClusterFieldSettings},
	})
	if err != nil {
		return item, fmt.Errorf("describe cluster %s: %w", item.Name, err)
	}
	if len(output.Clusters) == 0 || aws.ToString(output.Clusters[0].Status) == "INACTIVE" {
		return item, fmt.Errorf("describe cluster %s: %w", item.Name, descriptor.ErrGone)
	}
	cluster := output.Clusters[0]
	settings := map[string]any{}
	for _, setting := range cluster.Settings {
		settings[string(setting.Name)] = aws.ToString(setting.Value)
	}
	item.Config = map[string]any{"Settings": settings}
	item.Tags = ecsTags(cluster.Tags)
	item.Identifiers = []descriptor.Identifier{{Form: descriptor.Name, Value: item.Name}}
	return item, nil
}

func ecsTags(list []types.Tag) map[string]string {
	tags := make(map[string]string, len(list))
	for _, tag := range list {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags
}

// listServices names services "cluster/service": a service's own name is unique in its cluster only.
func listServices(ctx context.Context, client ecsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		for cluster, err := range clusterARNs(ctx, client) {
			if err != nil {
				yield(descriptor.Item{}, err)
				return
			}
			clusterName := cluster[strings.LastIndex(cluster, "/")+1:]
			pages := ecs.NewListServicesPaginator(client, &ecs.ListServicesInput{Cluster: aws.String(cluster), MaxResults: aws.Int32(100)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if descriptor.HasCode(err, "ClusterNotFoundException") {
					break
				}
				if err != nil {
					yield(descriptor.Item{}, fmt.Errorf("list the services of cluster %s: %w", clusterName, err))
					return
				}
				for _, address := range page.ServiceArns {
					if !yield(descriptor.Item{Name: clusterName + "/" + address[strings.LastIndex(address, "/")+1:], ARN: address}, nil) {
						return
					}
				}
			}
		}
	}
}

func readService(ctx context.Context, client ecsReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	cluster, name, _ := strings.Cut(item.Name, "/")
	output, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: aws.String(cluster), Services: []string{name}, Include: []types.ServiceField{types.ServiceFieldTags},
	})
	if err != nil {
		if descriptor.HasCode(err, "ClusterNotFoundException") {
			err = fmt.Errorf("%w: %w", descriptor.ErrGone, err)
		}
		return item, fmt.Errorf("describe service %s: %w", item.Name, err)
	}
	if len(output.Services) == 0 || aws.ToString(output.Services[0].Status) == "INACTIVE" {
		return item, fmt.Errorf("describe service %s: %w", item.Name, descriptor.ErrGone)
	}
	service := output.Services[0]
	task, err := client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: service.TaskDefinition})
	if err != nil {
		return item, fmt.Errorf("describe the task definition of service %s: %w", item.Name, err)
	}
	if item.Config, err = descriptor.Tree(ecsConfig(cluster, service, task.TaskDefinition)); err != nil {
		return item, err
	}
	item.ARN = aws.ToString(service.ServiceArn)
	item.Tags = ecsTags(service.Tags)
	return item, nil
}
