package acceptance

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// TestAWSIdentitiesAndSecrets forks roles, policies, secrets and log groups that name each other in every spelling.
func TestAWSIdentitiesAndSecrets(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	config := w.config(w.production, w.regions[0])
	identities, secrets, logs := iam.NewFromConfig(config), secretsmanager.NewFromConfig(config), cloudwatchlogs.NewFromConfig(config)
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("shop/payment"), SecretString: aws.String(`{"key":"sk_live_1","retries":3}`),
	})
	check(key, err)
	check(secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("shop/token"), SecretString: aws.String("live-token")}))
	check(logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/ecs/web")}))
	allow := func(resources ...string) *string {
		return aws.String(mustJSON(t, map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Effect": "Allow", "Action": "*", "Resource": resources},
		}}))
	}
	partial := aws.ToString(key.ARN)[:len(aws.ToString(key.ARN))-7]
	group := "arn:aws:logs:eu-west-1:" + w.production + ":log-group:/ecs/web"
	policy, err := identities.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("secrets"), Path: aws.String("/shop/"),
		PolicyDocument: allow(aws.ToString(key.ARN), partial+"-??????", partial+"-*", partial),
	})
	check(policy, err)
	trust := func(principal map[string]any) *string {
		return aws.String(mustJSON(t, map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal},
		}}))
	}
	web, err := identities.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("web"), Path: aws.String("/shop/"),
		AssumeRolePolicyDocument: trust(map[string]any{"Service": "ecs-tasks.amazonaws.com", "AWS": "arn:aws:iam::" + w.production + ":root"}),
	})
	check(web, err)
	check(identities.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("web"), PolicyArn: policy.Policy.Arn}))
	check(identities.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("jobs"), AssumeRolePolicyDocument: trust(map[string]any{"AWS": aws.ToString(web.Role.Arn)}),
	}))
	check(identities.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String("jobs"), PolicyName: aws.String("logs"), PolicyDocument: allow(group+":*", aws.ToString(web.Role.Arn)),
	}))

	inventory := w.inventory("iam/*", "secretsmanager/*", "logs/*")
	references := map[string][]string{}
	for name, resource := range inventory.Resources {
		references[name] = resource.References
	}
	for name, want := range map[string][]string{
		"iam/policy/secrets": {"secretsmanager/secret/shop/payment"},
		"iam/role/web":       {"iam/policy/secrets"},
		"iam/role/jobs":      {"iam/role/web", "logs/group//ecs/web"},
	} {
		if !slices.Equal(references[name], want) {
			t.Errorf("%s refers to %q, want %q", name, references[name], want)
		}
	}
	plan := w.plan(inventory, forker.Rule{
		Match: "secretsmanager/secret/shop/payment", Strategy: forker.Clone, Data: &forker.Data{Mode: "full"},
	})
	result := w.apply(plan, nil)

	copies := w.config(w.sandbox, w.regions[0])
	identities, secrets, logs = iam.NewFromConfig(copies), secretsmanager.NewFromConfig(copies), cloudwatchlogs.NewFromConfig(copies)
	for name, forbidden := range map[string]string{"staging-shop/payment": "sk_live_1", "staging-shop/token": "live-token"} {
		value, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
		check(value, err)
		if text := aws.ToString(value.SecretString); strings.Contains(text, forbidden) || name == "staging-shop/payment" && !strings.Contains(text, `"retries":3`) {
			t.Errorf("the copy %s holds %s", name, text)
		}
	}
	secret := result.Resources["secretsmanager/secret/shop/payment"].ARN
	copied, err := identities.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{
		PolicyArn: aws.String("arn:aws:iam::" + w.sandbox + ":policy/fork/staging/staging-secrets"), VersionId: aws.String("v2"),
	})
	check(copied, err)
	got := resourcesOf(t, aws.ToString(copied.PolicyVersion.Document))
	copiedPartial := secret[:len(secret)-7]
	if want := []string{secret, copiedPartial + "-??????", copiedPartial + "-*", copiedPartial}; !slices.Equal(got, want) {
		t.Errorf("the policy speaks of %q, want %q", got, want)
	}
	inline, err := identities.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String("staging-jobs"), PolicyName: aws.String("logs")})
	check(inline, err)
	if got, want := resourcesOf(t, aws.ToString(inline.PolicyDocument)), []string{
		"arn:aws:logs:eu-west-1:" + w.sandbox + ":log-group:/staging/ecs/web:*", "arn:aws:iam::" + w.sandbox + ":role/fork/staging/staging-web",
	}; !slices.Equal(got, want) {
		t.Errorf("the role's policy speaks of %q, want %q", got, want)
	}

	w.recorder.forget()
	w.apply(w.plan(w.inventory("iam/*", "secretsmanager/*", "logs/*"), forker.Rule{
		Match: "secretsmanager/secret/shop/payment", Strategy: forker.Clone, Data: &forker.Data{Mode: "full"},
	}), nil)
	for _, call := range w.writes() {
		if call != "UpdateItem" && call != "PutItem" {
			t.Errorf("nothing has changed, but the sandbox was sent %s", call)
		}
	}
	w.checkReads()

	if err := w.forker().Destroy(ctx, "staging", nil); err != nil {
		t.Fatal(err)
	}
	roles, err := identities.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: aws.String("/fork/")})
	check(roles, err)
	policies, err := identities.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal})
	check(policies, err)
	left, err := secrets.ListSecrets(ctx, &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	check(left, err)
	groups, err := logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	check(groups, err)
	if len(roles.Roles)+len(policies.Policies)+len(left.SecretList)+len(groups.LogGroups) > 0 {
		t.Errorf("left over: %v %v %v %v", roles.Roles, policies.Policies, left.SecretList, groups.LogGroups)
	}
}

// resourcesOf gives the resources of a policy's first statement.
func resourcesOf(t *testing.T, document string) []string {
	t.Helper()
	if !strings.Contains(document, "{") {
		document, _ = url.PathUnescape(document)
	}
	var policy struct{ Statement []struct{ Resource []string } }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		t.Fatal(err)
	}
	return policy.Statement[0].Resource
}
