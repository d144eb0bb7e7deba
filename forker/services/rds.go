package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type rdsReader interface {
	DescribeDBInstances(context.Context, *rds.DescribeDBInstancesInput, ...func(*rds.Options)) (*rds.DescribeDBInstancesOutput, error)
	DescribeDBClusters(context.Context, *rds.DescribeDBClustersInput, ...func(*rds.Options)) (*rds.DescribeDBClustersOutput, error)
}

// rdsWriter is empty: databases have stand-ins in the enclave.
type rdsWriter any

// rdsDatabase is what a stand-in and the digest need of an instance or a cluster. Storage that grows by itself and the
// status are left out.
type rdsDatabase struct {
	Engine         string
	EngineVersion  string
	DatabaseName   string `json:",omitempty"`
	MasterUsername string
	Host           string   `json:",omitempty"`
	OtherHosts     []string `json:",omitempty"`
	Port           int32
	Class          string   `json:",omitempty"`
	MultiAZ        bool     `json:",omitempty"`
	IAMLogin       bool     `json:",omitempty"`
	Encrypted      bool     `json:",omitempty"`
	KmsKeyID       string   `json:",omitempty"`
	SecretARN      string   `json:",omitempty"`
	SecurityGroups []string `json:",omitempty"`
	Parameters     []string `json:",omitempty"`
}

func init() {
	traits := func(name string) descriptor.Traits {
		return descriptor.Traits{
			Name:          name,
			Layer:         descriptor.LayerData,
			Naming:        descriptor.Naming{Container: true},
			Default:       descriptor.Substitute,
			DefaultReason: "a stand-in in the enclave speaks the same protocol at no cost; production's data is never copied",
			Strategies:    []descriptor.Strategy{descriptor.Substitute},
			Hints:         []string{"rds"},
		}
	}
	register(descriptor.Service[rdsReader, rdsWriter]{
		Name: "rds",
		ID:   rds.ServiceID,
		Operations: []descriptor.Operation{
			{Name: "DescribeDBInstances", Class: descriptor.Meta, Actions: []string{"rds:DescribeDBInstances"}},
			{Name: "DescribeDBClusters", Class: descriptor.Meta, Actions: []string{"rds:DescribeDBClusters"}},
		},
		Reader: func(config aws.Config) rdsReader { return rds.NewFromConfig(config) },
		Writer: func(aws.Config) rdsWriter { return nil },
		Kinds: []descriptor.Kind[rdsReader, rdsWriter]{
			{Traits: traits("instance"), List: listInstances, Read: readInstance, StandIn: databaseStandIn},
			{Traits: traits("cluster"), List: listDatabaseClusters, Read: readDatabaseCluster, StandIn: databaseStandIn},
		},
	})
}

// listInstances leaves out the members of clusters, which the cluster stands for.
func listInstances(ctx context.Context, client rdsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := rds.NewDescribeDBInstancesPaginator(client, &rds.DescribeDBInstancesInput{MaxRecords: aws.Int32(100)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list database instances: %w", err))
				return
			}
			for _, instance := range page.DBInstances {
				if aws.ToString(instance.DBClusterIdentifier) != "" {
					continue
				}
				if item, err := instanceItem(instance); !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

func readInstance(ctx context.Context, client rdsReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(item.Name)})
	if err != nil {
		return item, fmt.Errorf("describe database instance %s: %w", item.Name, databaseGone(err))
	}
	if len(output.DBInstances) == 0 {
		return item, fmt.Errorf("describe database instance %s: %w", item.Name, descriptor.ErrGone)
	}
	return instanceItem(output.DBInstances[0])
}

func databaseGone(err error) error {
	if descriptor.HasCode(err, "DBInstanceNotFound", "DBInstanceNotFoundFault", "DBClusterNotFoundFault") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func instanceItem(instance types.DBInstance) (descriptor.Item, error) {
	config := rdsDatabase{
		Engine: aws.ToString(instance.Engine), EngineVersion: aws.ToString(instance.EngineVersion),
		DatabaseName: aws.ToString(instance.DBName), MasterUsername: aws.ToString(instance.MasterUsername),
		Class: aws.ToString(instance.DBInstanceClass), MultiAZ: aws.ToBool(instance.MultiAZ),
		IAMLogin: aws.ToBool(instance.IAMDatabaseAuthenticationEnabled), Encrypted: aws.ToBool(instance.StorageEncrypted),
		KmsKeyID: aws.ToString(instance.KmsKeyId),
	}
	if instance.Endpoint != nil {
		config.Host, config.Port = aws.ToString(instance.Endpoint.Address), aws.ToInt32(instance.Endpoint.Port)
	}
	if instance.MasterUserSecret != nil {
		config.SecretARN = aws.ToString(instance.MasterUserSecret.SecretArn)
	}
	for _, group := range instance.VpcSecurityGroups {
		config.SecurityGroups = append(config.SecurityGroups, aws.ToString(group.VpcSecurityGroupId))
	}
	for _, group := range instance.DBParameterGroups {
		config.Parameters = append(config.Parameters, aws.ToString(group.DBParameterGroupName))
	}
	return databaseItem(aws.ToString(instance.DBInstanceIdentifier), aws.ToString(instance.DBInstanceArn),
		aws.ToString(instance.DbiResourceId), config, instance.TagList)
}

// databaseItem builds the item of an instance or a cluster. Its plain name is no identifier: databases, schemas and
// users are called the same all too often.
func databaseItem(name, address, id string, config rdsDatabase, tags []types.Tag) (descriptor.Item, error) {
	slices.Sort(config.SecurityGroups)
	slices.Sort(config.Parameters)
	item := descriptor.Item{Name: name, ARN: address, Tags: make(map[string]string, len(tags))}
	for _, tag := range tags {
		item.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for _, host := range append([]string{config.Host}, config.OtherHosts...) {
		item.Identifiers = append(item.Identifiers, descriptor.Identifier{Form: descriptor.Host, Value: host})
	}
	item.Identifiers = append(item.Identifiers, descriptor.Identifier{Form: descriptor.ID, Value: id})
	if config.IAMLogin {
		item.Notes = append(item.Notes, descriptor.Note{
			Kind: "not-copied", Severity: "warning", Message: "logins with IAM tokens do not work with the stand-in; use the password of the fork's secret",
		})
	}
	item.Notes = append(item.Notes, descriptor.Note{
		Kind: "not-copied", Severity: "info", Message: "production's data is not copied; seed the stand-in with a rule's seed",
	})
	var err error
	item.Config, err = descriptor.Tree(config)
	return item, err
}

func listDatabaseClusters(ctx context.Context, client rdsReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := rds.NewDescribeDBClustersPaginator(client, &rds.DescribeDBClustersInput{MaxRecords: aws.Int32(100)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list database clusters: %w", err))
				return
			}
			for _, cluster := range page.DBClusters {
				// The call also lists the clusters of other services, which have engines of their own.
				engine := aws.ToString(cluster.Engine)
				if !strings.HasPrefix(engine, "aurora") && engine != "postgres" && engine != "mysql" {
					continue
				}
				if !yield(descriptor.Item{Name: aws.ToString(cluster.DBClusterIdentifier), ARN: aws.ToString(cluster.DBClusterArn)}, nil) {
					return
				}
			}
		}
	}
}

func readDatabaseCluster(ctx context.Context, client rdsReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(item.Name)})
	if err != nil {
		return item, fmt.Errorf("describe database cluster %s: %w", item.Name, databaseGone(err))
	}
	if len(output.DBClusters) == 0 {
		return item, fmt.Errorf("describe database cluster %s: %w", item.Name, descriptor.ErrGone)
	}
	cluster := output.DBClusters[0]
	config := rdsDatabase{
		Engine: aws.ToString(cluster.Engine), EngineVersion: aws.ToString(cluster.EngineVersion),
		DatabaseName: aws.ToString(cluster.DatabaseName), MasterUsername: aws.ToString(cluster.MasterUsername),
		Host: aws.ToString(cluster.Endpoint), Port: aws.ToInt32(cluster.Port), Encrypted: aws.ToBool(cluster.StorageEncrypted),
		IAMLogin: aws.ToBool(cluster.IAMDatabaseAuthenticationEnabled), KmsKeyID: aws.ToString(cluster.KmsKeyId),
	}
	if reader := aws.ToString(cluster.ReaderEndpoint); reader != "" {
		config.OtherHosts = append(config.OtherHosts, reader)
	}
	config.OtherHosts = append(config.OtherHosts, cluster.CustomEndpoints...)
	if cluster.MasterUserSecret != nil {
		config.SecretARN = aws.ToString(cluster.MasterUserSecret.SecretArn)
	}
	for _, group := range cluster.VpcSecurityGroups {
		config.SecurityGroups = append(config.SecurityGroups, aws.ToString(group.VpcSecurityGroupId))
	}
	// Programs may also use the addresses of the members.
	members := rds.NewDescribeDBInstancesPaginator(client, &rds.DescribeDBInstancesInput{
		Filters: []types.Filter{{Name: aws.String("db-cluster-id"), Values: []string{item.Name}}},
	})
	for members.HasMorePages() {
		page, err := members.NextPage(ctx)
		if err != nil {
			return item, fmt.Errorf("list the members of database cluster %s: %w", item.Name, err)
		}
		for _, member := range page.DBInstances {
			if member.Endpoint != nil {
				config.OtherHosts = append(config.OtherHosts, aws.ToString(member.Endpoint.Address))
			}
		}
	}
	slices.Sort(config.OtherHosts)
	return databaseItem(item.Name, aws.ToString(cluster.DBClusterArn), aws.ToString(cluster.DbClusterResourceId), config, cluster.TagList)
}

// databaseStandIn chooses the stand-in by the engine.
func databaseStandIn(item descriptor.Item) (descriptor.StandInRequest, error) {
	config, err := descriptor.Decode[rdsDatabase](item.Config)
	if err != nil {
		return descriptor.StandInRequest{}, err
	}
	if !strings.Contains(config.Engine, "postgres") {
		return descriptor.StandInRequest{}, fmt.Errorf("there is no stand-in for the engine %s; put a rule with strategy = \"skip\" for it", config.Engine)
	}
	return descriptor.StandInRequest{
		StandIn: "postgres", Version: config.EngineVersion, Host: config.Host, Aliases: config.OtherHosts, Port: int(config.Port),
		Database: config.DatabaseName, User: config.MasterUsername,
	}, nil
}
