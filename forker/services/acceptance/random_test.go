package acceptance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// account is a production account that is made at random, with the truth about who refers to whom.
type account struct {
	*world
	dice  *rand.Rand
	nodes []node
	// edges are the true references: from key to keys.
	edges map[string]map[string]bool
	// variables of services' environments: by variable, the node that its value means and the form it is spelled in.
	variables map[string]variable
	roles     []string
	used      map[string]bool
}

// node is something that others can refer to.
type node struct {
	key, region string
	// spellings by form, each a way in which a reference may be written.
	spellings map[string][]string
}

type variable struct {
	target node
	form   string
}

var words = []string{"orders", "billing", "ship", "cart", "events", "user", "image", "audit", "mail", "price", "dlq", "archive", "eu", "v2", "main"}

// name is of two to four words, so that some names begin with others.
func (a *account) name(separator string) string {
	for {
		var parts []string
		for range 2 + a.dice.IntN(3) {
			parts = append(parts, words[a.dice.IntN(len(words))])
		}
		name := strings.Join(parts, separator)
		if !a.used[name] {
			a.used[name] = true
			return name
		}
	}
}

func (a *account) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *account) arn(service, region, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + a.production + ":" + resource
}

func (a *account) key(kind, name, region string) string {
	if region != a.regions[0] {
		return kind + "/" + name + "@" + region
	}
	return kind + "/" + name
}

func (a *account) add(key, region string, spellings map[string][]string) node {
	made := node{key: key, region: region, spellings: spellings}
	a.nodes = append(a.nodes, made)
	return made
}

// reference picks a resource and one of its spellings.
func (a *account) reference(from string) (spelling string, to variable) {
	for {
		target := a.nodes[a.dice.IntN(len(a.nodes))]
		if target.key == from {
			continue
		}
		forms := keysOf(target.spellings)
		form := forms[a.dice.IntN(len(forms))]
		choices := target.spellings[form]
		if a.edges[from] == nil {
			a.edges[from] = map[string]bool{}
		}
		a.edges[from][target.key] = true
		return choices[a.dice.IntN(len(choices))], variable{target: target, form: form}
	}
}

// arnReference picks a resource that a policy can name.
func (a *account) arnReference(from string) string {
	for {
		target := a.nodes[a.dice.IntN(len(a.nodes))]
		if arns := target.spellings["arn"]; len(arns) > 0 && target.key != from {
			if a.edges[from] == nil {
				a.edges[from] = map[string]bool{}
			}
			a.edges[from][target.key] = true
			return arns[0]
		}
	}
}

// build makes an account. Names, counts, regions and references are the dice's.
func build(w *world, dice *rand.Rand) *account {
	a := &account{world: w, dice: dice, edges: map[string]map[string]bool{}, variables: map[string]variable{}, used: map[string]bool{}}
	for _, region := range w.regions {
		a.leaves(region)
	}
	a.policies()
	for _, region := range w.regions {
		a.values(region)
		a.services(region)
	}
	return a
}

// leaves makes what refers to nothing yet.
func (a *account) leaves(region string) {
	ctx, config := a.t.Context(), a.config(a.production, region)
	queues := sqs.NewFromConfig(config)
	for range 2 + a.dice.IntN(3) {
		name, attributes := a.name("-"), map[string]string{}
		if a.dice.IntN(3) == 0 {
			name, attributes = name+".fifo", map[string]string{"FifoQueue": "true"}
		}
		output, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
		a.must(err)
		a.add(a.key("sqs/queue", name, region), region, map[string][]string{
			"arn": {a.arn("sqs", region, name)},
			"url": {
				*output.QueueUrl, strings.Replace(*output.QueueUrl, "127.0.0.1", "host.docker.internal", 1),
				"https://sqs." + region + ".amazonaws.com/" + a.production + "/" + name,
			},
		})
	}
	a.twin(region, queues)
	topics := sns.NewFromConfig(config)
	for range 1 + a.dice.IntN(2) {
		name := a.name("_")
		output, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(name)})
		a.must(err)
		a.add(a.key("sns/topic", name, region), region, map[string][]string{"arn": {*output.TopicArn}})
	}
	tables := dynamodb.NewFromConfig(config)
	for range 1 + a.dice.IntN(2) {
		name := a.name(".")
		_, err := tables.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: aws.String(name), BillingMode: dynamotypes.BillingModePayPerRequest,
			AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
			KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: dynamotypes.KeyTypeHash}},
		})
		a.must(err)
		a.add(a.key("dynamodb/table", name, region), region, map[string][]string{
			"arn": {a.arn("dynamodb", region, "table/"+name)}, "name": {name},
		})
	}
	buckets := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	for range 1 + a.dice.IntN(2) {
		// Buckets are alone in the world, and so is the account's number in the name, as many have it.
		name := a.name("-") + "-" + a.production
		_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{
			Bucket: aws.String(name), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)},
		})
		a.must(err)
		a.add(a.key("s3/bucket", name, region), region, map[string][]string{"arn": {"arn:aws:s3:::" + name}, "name": {name}})
	}
	secrets := secretsmanager.NewFromConfig(config)
	for range 1 + a.dice.IntN(2) {
		name := "prod/" + a.name("-")
		output, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String("production's secret")})
		a.must(err)
		a.add(a.key("secretsmanager/secret", name, region), region, map[string][]string{"arn": {*output.ARN}})
	}
	databases := rds.NewFromConfig(config)
	name := a.name("-")
	output, err := databases.CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: aws.String(name), Engine: aws.String("postgres"), EngineVersion: aws.String("16.3"), DBInstanceClass: aws.String("db.t4g.micro"),
		AllocatedStorage: aws.Int32(20), MasterUsername: aws.String("root"), MasterUserPassword: aws.String("production's password"),
	})
	a.must(err)
	host := *output.DBInstance.Endpoint.Address
	a.add(a.key("rds/instance", name, region), region, map[string][]string{
		"host": {host, host + ":5432"}, "login": {"postgres://app:production-password@" + host + ":5432/app"},
	})
}

// twin makes a queue with the name of one in the first region. The emulator spells both addresses alike, so that others
// name it by what holds its region.
func (a *account) twin(region string, queues *sqs.Client) {
	name, isQueue := strings.CutPrefix(a.nodes[0].key, "sqs/queue/")
	if region == a.regions[0] || !isQueue {
		return
	}
	attributes := map[string]string{}
	if strings.HasSuffix(name, ".fifo") {
		attributes["FifoQueue"] = "true"
	}
	_, err := queues.CreateQueue(a.t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
	a.must(err)
	a.nodes[0].spellings["url"] = []string{"https://sqs." + a.regions[0] + ".amazonaws.com/" + a.production + "/" + name}
	a.add(a.key("sqs/queue", name, region), region, map[string][]string{
		"arn": {a.arn("sqs", region, name)}, "url": {"https://sqs." + region + ".amazonaws.com/" + a.production + "/" + name},
	})
}

// policies puts references into what was made: they go in circles.
func (a *account) policies() {
	ctx := a.t.Context()
	for _, one := range slices.Clone(a.nodes) {
		name, isQueue := strings.CutPrefix(one.key, "sqs/queue/")
		if !isQueue || a.dice.IntN(2) == 0 {
			continue
		}
		name, _, _ = strings.Cut(name, "@")
		policy := mustJSON(a.t, map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Sid": "x", "Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + a.production + ":root"}, "Action": "sqs:SendMessage",
			"Resource":  one.spellings["arn"][0],
			"Condition": map[string]any{"ArnLike": map[string]any{"aws:SourceArn": a.arnReference(one.key)}},
		}}})
		_, err := sqs.NewFromConfig(a.config(a.production, one.region)).SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
			QueueUrl:   aws.String("https://sqs." + one.region + ".amazonaws.com/" + a.production + "/" + name),
			Attributes: map[string]string{"Policy": policy},
		})
		a.must(err)
	}
	roles := iam.NewFromConfig(a.config(a.production, a.regions[0]))
	for range 1 + a.dice.IntN(2) {
		name := a.name("-")
		output, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(mustJSON(a.t, map[string]any{
			"Version": "2012-10-17", "Statement": []any{map[string]any{
				"Effect": "Allow", "Action": "sts:AssumeRole",
				"Principal": map[string]any{"Service": "ecs-tasks.amazonaws.com"},
			}},
		}))})
		a.must(err)
		key := "iam/role/" + name
		resources := []any{a.arnReference(key), a.arnReference(key)}
		_, err = roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String("inline"), PolicyDocument: aws.String(mustJSON(a.t, map[string]any{
			"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": resources}},
		}))})
		a.must(err)
		a.roles = append(a.roles, *output.Role.Arn)
	}
}

// values makes parameters that hold references, as text, as JSON, as JSON inside of JSON.
func (a *account) values(region string) {
	parameters := ssm.NewFromConfig(a.config(a.production, region))
	for range 2 + a.dice.IntN(3) {
		name := "/" + a.name("/")
		key := a.key("ssm/parameter", name, region)
		value, _ := a.reference(key)
		switch a.dice.IntN(3) {
		case 1:
			value = mustJSON(a.t, map[string]any{"deep": []any{map[string]any{"value": value}, 1}})
		case 2:
			value = mustJSON(a.t, []any{mustJSON(a.t, map[string]any{"deeper": value})})
		}
		_, err := parameters.PutParameter(a.t.Context(), &ssm.PutParameterInput{Name: aws.String(name), Value: aws.String(value), Type: ssmtypes.ParameterTypeString})
		a.must(err)
		a.add(key, region, map[string][]string{"arn": {a.arn("ssm", region, "parameter"+name)}, "name": {name}})
	}
}

func (a *account) services(region string) {
	ctx, client := a.t.Context(), ecs.NewFromConfig(a.config(a.production, region))
	cluster := a.name("-")
	_, err := client.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String(cluster)})
	a.must(err)
	for range 1 + a.dice.IntN(2) {
		name := a.name("-")
		key := a.key("ecs/service", cluster+"/"+name, region)
		a.edges[key] = map[string]bool{a.key("ecs/cluster", cluster, region): true}
		container := ecstypes.ContainerDefinition{Name: aws.String("main"), Image: aws.String("example/" + name), Essential: aws.Bool(true), Memory: aws.Int32(64)}
		for index := range 5 + a.dice.IntN(5) {
			value, to := a.reference(key)
			variable := fmt.Sprintf("V%d_%d", len(a.variables), index)
			a.variables[key+" "+variable] = to
			container.Environment = append(container.Environment, ecstypes.KeyValuePair{Name: aws.String(variable), Value: aws.String(value)})
		}
		role := a.roles[a.dice.IntN(len(a.roles))]
		a.edges[key]["iam/role/"+role[strings.LastIndex(role, "/")+1:]] = true
		_, err := client.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String(name), TaskRoleArn: aws.String(role), ContainerDefinitions: []ecstypes.ContainerDefinition{container},
		})
		a.must(err)
		_, err = client.CreateService(ctx, &ecs.CreateServiceInput{
			Cluster: aws.String(cluster), ServiceName: aws.String(name), TaskDefinition: aws.String(name), DesiredCount: aws.Int32(1),
		})
		a.must(err)
	}
}

// resolves asks the sandbox, or the enclave, whether a value means something that is there.
func (a *account) resolves(value string, to variable, runner *fakeRunner) error {
	ctx, region := a.t.Context(), to.target.region
	config := a.config(a.sandbox, region)
	kind, _, _ := strings.Cut(to.target.key, "/")
	last := value[strings.LastIndexAny(value, "/:")+1:]
	switch kind + " " + to.form {
	case "sqs url":
		_, err := sqs.NewFromConfig(config).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(last)})
		if inside := strings.Replace(a.endpoint, "127.0.0.1", "host.docker.internal", 1); !strings.HasPrefix(value, inside+"/"+a.sandbox+"/") {
			return errors.New("it is no address inside of the enclave")
		}
		return err
	case "sqs arn":
		_, err := sqs.NewFromConfig(config).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(last)})
		return err
	case "sns arn":
		_, err := sns.NewFromConfig(config).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(value)})
		return err
	case "dynamodb arn", "dynamodb name":
		_, err := dynamodb.NewFromConfig(config).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(last)})
		return err
	case "s3 arn", "s3 name":
		_, err := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }).HeadBucket(ctx, &s3.HeadBucketInput{
			Bucket: aws.String(last), ExpectedBucketOwner: aws.String(a.sandbox),
		})
		return err
	case "secretsmanager arn":
		_, err := secretsmanager.NewFromConfig(config).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(value)})
		return err
	case "ssm arn":
		_, err := ssm.NewFromConfig(config).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(value[strings.Index(value, ":parameter")+10:])})
		return err
	case "ssm name":
		_, err := ssm.NewFromConfig(config).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(value)})
		return err
	case "rds host", "rds login":
		_, after, _ := strings.Cut("@"+value, "@")
		if at := strings.LastIndex(after, "@"); at >= 0 {
			after = after[at+1:]
		}
		host, _, _ := strings.Cut(after, ":")
		host, _, _ = strings.Cut(host, "/")
		database, runs := runner.containers[host]
		if !runs {
			return fmt.Errorf("no container is called %q", host)
		}
		if _, password, has := strings.Cut(strings.TrimPrefix(value, "postgres://"), ":"); to.form == "login" && has {
			password, _, _ = strings.Cut(password, "@")
			if !strings.Contains(database.Files["/sundog"]["logins.sql"], "'"+password+"'") {
				return errors.New("the stand-in does not know the password")
			}
		}
		return nil
	default:
		return fmt.Errorf("the test does not know how to resolve %s %s", kind, to.form)
	}
}

func TestAWSRandomAccounts(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w := newWorld(t, "eu-west-1", "eu-central-1")
			a := build(w, rand.New(rand.NewPCG(seed, 7)))
			inventory := w.inventory()
			if len(inventory.Uncovered) > 0 {
				t.Errorf("not covered: %+v", inventory.Uncovered)
			}
			for _, key := range keysOf(a.edges) {
				got, want := inventory.Resources[key].References, keysOf(a.edges[key])
				if !slices.Equal(got, want) {
					t.Errorf("%s refers to\n     %q\nwant %q", key, got, want)
				}
			}
			t.Logf("%d resources, %d of them refer to others, %d variables", len(inventory.Resources), len(a.edges), len(a.variables))
			if len(a.nodes) < 15 || len(a.variables) < 10 {
				t.Fatalf("the account is too small to prove anything: %d resources, %d variables", len(a.nodes), len(a.variables))
			}
			runner := &fakeRunner{}
			plan := w.plan(inventory)
			result, err := w.forker().Apply(t.Context(), plan, runner)
			if err != nil || result.Status != "complete" {
				t.Fatalf("apply: %v", err)
			}
			for _, name := range keysOf(a.variables) {
				key, variable, _ := strings.Cut(name, " ")
				container := runner.containers[result.Resources[key].Name]
				value := container.Env[variable]
				if err := a.resolves(value, a.variables[name], runner); err != nil {
					t.Errorf("%s = %q, for %s: %v", name, value, a.variables[name].target.key, err)
				}
				if container.VolatileEnv["AWS_SESSION_TOKEN"] == "" {
					t.Errorf("%s has no credentials", key)
				}
			}
			w.recorder.forget()
			w.apply(w.plan(w.inventory()), runner)
			if writes := slices.DeleteFunc(w.writes(), func(call string) bool { return call == "AssumeRole" }); len(writes) > 0 {
				t.Errorf("a second apply wrote %q", writes)
			}
			w.checkReads()
			if err := w.forker().Destroy(t.Context(), "staging", runner); err != nil {
				t.Fatal(err)
			}
			left, err := w.forkerFor(w.sandbox, "123456789012").Inventory(t.Context(), forker.Selection{})
			if err != nil {
				t.Fatal(err)
			}
			if len(left.Resources) > 0 {
				t.Errorf("left behind in the sandbox: %q", keysOf(left.Resources))
			}
		})
	}
}

// forkerFor looks at any account as if it were production: a second opinion about what is there.
func (w *world) forkerFor(account, other string) *forker.Forker {
	w.t.Helper()
	options := w.options()
	options.Production, options.Sandbox = w.side(account, w.regions...), w.side(other, w.regions[0])
	made, err := forker.New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}
