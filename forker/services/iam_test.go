package services

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

const (
	serviceTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	readQueue1   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:eu-west-1:111111111111:orders"}]}`
)

// iamMock serves pages of roles and policies. An error takes the place of the call that it is named after.
type iamMock struct {
	roles                    [][]types.Role
	policies                 [][]types.Policy
	inline                   map[string]string
	attached                 []string
	listing, details, single error
	calls                    int
}

func pageOf[T any](pages [][]T, marker *string) (page []T, next *string, truncated bool) {
	number := len(aws.ToString(marker))
	if number >= len(pages) {
		return nil, nil, false
	}
	if number+1 < len(pages) {
		return pages[number], aws.String(strings.Repeat("x", number+1)), true
	}
	return pages[number], nil, false
}

func (m *iamMock) ListRoles(_ context.Context, input *iam.ListRolesInput, _ ...func(*iam.Options)) (*iam.ListRolesOutput, error) {
	page, next, truncated := pageOf(m.roles, input.Marker)
	var bare []types.Role
	for _, role := range page {
		role.Tags, role.PermissionsBoundary = nil, nil
		bare = append(bare, role)
	}
	return &iam.ListRolesOutput{Roles: bare, Marker: next, IsTruncated: truncated}, m.listing
}

func (m *iamMock) GetAccountAuthorizationDetails(_ context.Context, input *iam.GetAccountAuthorizationDetailsInput, _ ...func(*iam.Options)) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	if m.details != nil {
		return nil, m.details
	}
	page, next, truncated := pageOf(m.roles, input.Marker)
	output := &iam.GetAccountAuthorizationDetailsOutput{Marker: next, IsTruncated: truncated}
	for _, role := range page {
		detail := types.RoleDetail{
			Arn: role.Arn, RoleName: role.RoleName, Path: role.Path, RoleId: role.RoleId, Tags: role.Tags,
			AssumeRolePolicyDocument: role.AssumeRolePolicyDocument, PermissionsBoundary: role.PermissionsBoundary,
		}
		for name, document := range m.inline {
			detail.RolePolicyList = append(detail.RolePolicyList, types.PolicyDetail{PolicyName: aws.String(name), PolicyDocument: aws.String(document)})
		}
		for _, arn := range m.attached {
			detail.AttachedManagedPolicies = append(detail.AttachedManagedPolicies, types.AttachedPolicy{PolicyArn: aws.String(arn)})
		}
		output.RoleDetailList = append(output.RoleDetailList, detail)
	}
	return output, nil
}

func (m *iamMock) GetRole(_ context.Context, input *iam.GetRoleInput, _ ...func(*iam.Options)) (*iam.GetRoleOutput, error) {
	m.calls++
	for _, page := range m.roles {
		for _, role := range page {
			if aws.ToString(role.RoleName) == aws.ToString(input.RoleName) {
				return &iam.GetRoleOutput{Role: &role}, nil
			}
		}
	}
	return nil, &smithy.GenericAPIError{Code: "NoSuchEntity"}
}

func (m *iamMock) ListRolePolicies(context.Context, *iam.ListRolePoliciesInput, ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error) {
	output := &iam.ListRolePoliciesOutput{}
	for name := range m.inline {
		output.PolicyNames = append(output.PolicyNames, name)
	}
	return output, nil
}

func (m *iamMock) GetRolePolicy(_ context.Context, input *iam.GetRolePolicyInput, _ ...func(*iam.Options)) (*iam.GetRolePolicyOutput, error) {
	return &iam.GetRolePolicyOutput{PolicyDocument: aws.String(m.inline[aws.ToString(input.PolicyName)])}, m.single
}

func (m *iamMock) ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error) {
	output := &iam.ListAttachedRolePoliciesOutput{}
	for _, arn := range m.attached {
		output.AttachedPolicies = append(output.AttachedPolicies, types.AttachedPolicy{PolicyArn: aws.String(arn)})
	}
	return output, nil
}

func (m *iamMock) ListPolicies(_ context.Context, input *iam.ListPoliciesInput, _ ...func(*iam.Options)) (*iam.ListPoliciesOutput, error) {
	if input.Scope != types.PolicyScopeTypeLocal {
		return nil, errors.New("AWS's own policies are no part of the account")
	}
	page, next, truncated := pageOf(m.policies, input.Marker)
	return &iam.ListPoliciesOutput{Policies: page, Marker: next, IsTruncated: truncated}, m.listing
}

func (m *iamMock) GetPolicy(_ context.Context, input *iam.GetPolicyInput, _ ...func(*iam.Options)) (*iam.GetPolicyOutput, error) {
	for _, page := range m.policies {
		for _, policy := range page {
			if aws.ToString(policy.Arn) == aws.ToString(input.PolicyArn) {
				return &iam.GetPolicyOutput{Policy: &policy}, nil
			}
		}
	}
	return nil, &smithy.GenericAPIError{Code: "NoSuchEntity"}
}

func (m *iamMock) GetPolicyVersion(_ context.Context, input *iam.GetPolicyVersionInput, _ ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error) {
	if aws.ToString(input.VersionId) != "v3" {
		return nil, errors.New("this is not the version that holds")
	}
	return &iam.GetPolicyVersionOutput{PolicyVersion: &types.PolicyVersion{Document: aws.String(url.PathEscape(readQueue1))}}, m.single
}

func mockRole(name, path string) types.Role {
	return types.Role{
		RoleName: aws.String(name), Path: aws.String(path), Arn: aws.String("arn:aws:iam::111111111111:role" + path + name),
		RoleId: aws.String("AROA" + strings.ToUpper(name)), AssumeRolePolicyDocument: aws.String(url.PathEscape("\n  " + serviceTrust)),
		Description: aws.String("of " + name), MaxSessionDuration: aws.Int32(7200),
		Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}},
	}
}

var iamScope = descriptor.Scope{AccountID: "111111111111", Region: "eu-west-1", Partition: "aws"}

func TestListRoles(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDenied"}
	two := [][]types.Role{
		{mockRole("web", "/shop/"), mockRole("support", "/aws-service-role/support.amazonaws.com/")},
		{mockRole("admin", "/aws-reserved/sso.amazonaws.com/"), mockRole("worker", "/")},
	}
	for name, test := range map[string]struct {
		client *iamMock
		names  []string
		whole  bool
		denied bool
	}{
		"none":                    {client: &iamMock{}},
		"two pages":               {client: &iamMock{roles: two}, names: []string{"web", "worker"}, whole: true},
		"details may not be read": {client: &iamMock{roles: two, details: denied}, names: []string{"web", "worker"}},
		"denied":                  {client: &iamMock{listing: denied}, denied: true},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := collect(listRoles(t.Context(), test.client, iamScope))
			if descriptor.IsDenied(err) != test.denied || err != nil && !test.denied {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.names, itemNames(items)); diff != "" {
				t.Error(diff)
			}
			for _, item := range items {
				if (item.Config != nil) != test.whole {
					t.Errorf("%s: whole is %t, want %t", item.Name, item.Config != nil, test.whole)
				}
			}
			if test.client.calls > 0 {
				t.Errorf("%d roles were asked for one by one", test.client.calls)
			}
		})
	}
}

func TestReadRoleAgreesWithTheListing(t *testing.T) {
	client := &iamMock{
		roles:    [][]types.Role{{mockRole("web", "/shop/")}},
		inline:   map[string]string{"queue": url.PathEscape(readQueue1)},
		attached: []string{"arn:aws:iam::aws:policy/Z", "arn:aws:iam::111111111111:policy/A"},
	}
	client.roles[0][0].PermissionsBoundary = &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: aws.String("arn:aws:iam::111111111111:policy/limit")}
	listed, err := collect(listRoles(t.Context(), client, iamScope))
	if err != nil {
		t.Fatal(err)
	}
	read := must[descriptor.Item](t)(readRole(t.Context(), client, iamScope, descriptor.Item{Name: "web"}))
	if diff := cmp.Diff([]descriptor.Item{read}, listed); diff != "" {
		t.Errorf("what is listed and what is read differ: %s", diff)
	}
	want := `{"Attached":["arn:aws:iam::111111111111:policy/A","arn:aws:iam::aws:policy/Z"],"Description":"of web",` +
		`"Inline":{"queue":{"Statement":[{"Action":"sqs:*","Effect":"Allow","Resource":"arn:aws:sqs:eu-west-1:111111111111:orders"}],"Version":"2012-10-17"}},` +
		`"MaxSessionDuration":7200,"Trust":{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"}}],"Version":"2012-10-17"}}`
	if config := must[string](t)(descriptor.Encode(read.Config)); config != want {
		t.Errorf("configuration %s, want %s", config, want)
	}
	if diff := cmp.Diff([]string{"changed"}, noteKinds(read.Notes)); diff != "" {
		t.Errorf("the boundary that is replaced must be noted: %s", diff)
	}
	if read.Tags["app"] != "shop" {
		t.Errorf("tags %v", read.Tags)
	}
}

func TestReadRoleGone(t *testing.T) {
	gone := &smithy.GenericAPIError{Code: "NoSuchEntity"}
	for name, client := range map[string]*iamMock{
		"before it is read": {},
		"while it is read":  {roles: [][]types.Role{{mockRole("web", "/")}}, inline: map[string]string{"queue": "{}"}, single: gone},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readRole(t.Context(), client, iamScope, descriptor.Item{Name: "web"}); !errors.Is(err, descriptor.ErrGone) {
				t.Errorf("error %v, want that it is gone", err)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	policy := func(name string) types.Policy {
		return types.Policy{
			PolicyName: aws.String(name), Arn: aws.String("arn:aws:iam::111111111111:policy/" + name), DefaultVersionId: aws.String("v3"),
			Description: aws.String("of " + name), Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}},
		}
	}
	client := &iamMock{policies: [][]types.Policy{{policy("data")}, {policy("queue")}}}
	items, err := collect(listPolicies(t.Context(), client, iamScope))
	if diff := cmp.Diff([]string{"data", "queue"}, itemNames(items)); diff != "" || err != nil {
		t.Fatalf("%v %s", err, diff)
	}
	item := must[descriptor.Item](t)(readPolicy(t.Context(), client, iamScope, items[0]))
	want := `{"Description":"of data","Document":{"Statement":[{"Action":"sqs:*","Effect":"Allow","Resource":"arn:aws:sqs:eu-west-1:111111111111:orders"}],"Version":"2012-10-17"}}`
	if config := must[string](t)(descriptor.Encode(item.Config)); config != want || item.Tags["app"] != "shop" {
		t.Errorf("read %s %v", config, item.Tags)
	}

	if items, err := collect(listPolicies(t.Context(), &iamMock{}, iamScope)); err != nil || items != nil {
		t.Errorf("none: %v %v", items, err)
	}
	denied := &smithy.GenericAPIError{Code: "AccessDenied"}
	if _, err := collect(listPolicies(t.Context(), &iamMock{listing: denied}, iamScope)); !descriptor.IsDenied(err) {
		t.Errorf("denied: %v", err)
	}
	for name, client := range map[string]*iamMock{
		"before it is read": {},
		"while it is read":  {policies: client.policies, single: &smithy.GenericAPIError{Code: "NoSuchEntity"}},
	} {
		if _, err := readPolicy(t.Context(), client, iamScope, items[0]); !errors.Is(err, descriptor.ErrGone) {
			t.Errorf("%s: %v, want that it is gone", name, err)
		}
	}
}

func TestTrustInFork(t *testing.T) {
	statement := func(fields string) string { return `{"Statement":[{"Action":"sts:AssumeRole",` + fields + `}]}` }
	for name, test := range map[string]struct {
		trust, kept string
		notes       []string
	}{
		"a service": {
			trust: statement(`"Effect":"Allow","Principal":{"Service":["ecs-tasks.amazonaws.com"]}`),
			kept:  statement(`"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"}`),
		},
		"a role that may have a copy": {
			trust: statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/shop/web"}`),
			kept:  statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/shop/web"}`),
		},
		"the account, by either name": {
			trust: statement(`"Effect":"Allow","Principal":{"AWS":["111111111111","arn:aws:iam::111111111111:root"],"Service":"ec2.amazonaws.com"}`),
			kept:  statement(`"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}`), notes: []string{"not-copied"},
		},
		"a person and a role of AWS's": {
			trust: statement(`"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:user/ann","arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/x"]}`),
			kept:  "null", notes: []string{"not-copied"},
		},
		"another account": {
			trust: statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::333333333333:root"}`), kept: "null", notes: []string{"hazard"},
		},
		"an identity provider": {
			trust: statement(`"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/x"}`),
			kept:  "null", notes: []string{"not-copied"},
		},
		"everybody": {trust: statement(`"Effect":"Allow","Principal":"*"`), kept: "null", notes: []string{"hazard"}},
		"nobody from elsewhere": {
			trust: statement(`"Effect":"Deny","Principal":{"AWS":"*"},"Condition":{"Null":{"aws:MultiFactorAuthAge":"true"}}`),
			kept:  statement(`"Condition":{"Null":{"aws:MultiFactorAuthAge":"true"}},"Effect":"Deny","Principal":{"AWS":"*"}`),
		},
		"everybody but": {trust: statement(`"Effect":"Allow","NotPrincipal":{"AWS":"111111111111"}`), kept: "null", notes: []string{"hazard"}},
		"one statement without a list": {
			trust: `{"Statement":{"Effect":"Allow","Principal":{"Service":"a"},"Action":"sts:AssumeRole"}}`,
			kept:  `{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"a"}}]}`,
		},
		"unreadable": {trust: `"?"`, kept: "null", notes: []string{"not-copied"}},
	} {
		t.Run(name, func(t *testing.T) {
			kept, notes := trustInFork(must[any](t)(descriptor.ParseTree([]byte(test.trust))), "111111111111")
			want := must[any](t)(descriptor.ParseTree([]byte(test.kept)))
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.notes, noteKinds(notes)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTrustOfCopy(t *testing.T) {
	lent := must[string](t)(descriptor.Encode(trustOfCopy(parseIAMDocument(serviceTrust), "aws", "222222222222")))
	if !strings.Contains(lent, `"arn:aws:iam::222222222222:root"`) || !strings.Contains(lent, "ecs-tasks") {
		t.Errorf("a service's role lends its credentials to containers: %s", lent)
	}
	byRole := parseIAMDocument(strings.Replace(serviceTrust, `"Service":"ecs-tasks.amazonaws.com"`, `"AWS":"arn:aws:iam::222222222222:role/a"`, 1))
	if diff := cmp.Diff(byRole, trustOfCopy(byRole, "aws", "222222222222")); diff != "" {
		t.Errorf("a role's trust is not widened: %s", diff)
	}
	for _, nobody := range []any{nil, map[string]any{}, map[string]any{"Statement": []any{}}} {
		if diff := cmp.Diff(closedTrust(), trustOfCopy(nobody, "aws", "222222222222")); diff != "" {
			t.Errorf("%v: %s", nobody, diff)
		}
	}
}

func TestAWSRoleLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	production, sandbox := iam.NewFromConfig(w.production), iam.NewFromConfig(w.sandbox)
	queue := strings.ReplaceAll(readQueue1, "111111111111", w.scope.AccountID)
	productionPolicy := must[*iam.CreatePolicyOutput](t)(production.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("data"), Path: aws.String("/shop/"), PolicyDocument: aws.String(queue), Description: aws.String("Data"),
		Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}},
	})).Policy.Arn
	role := aws.String("web")
	must[*iam.CreateRoleOutput](t)(production.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: role, Path: aws.String("/shop/"), AssumeRolePolicyDocument: aws.String(serviceTrust), Description: aws.String("Web"),
		MaxSessionDuration: aws.Int32(7200), Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}},
	}))
	must[*iam.AttachRolePolicyOutput](t)(production.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: productionPolicy}))
	must[*iam.PutRolePolicyOutput](t)(production.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("queue"), PolicyDocument: aws.String(queue)}))

	service := service(t, "iam")
	policy, item := w.read(service, "policy")["data"], w.read(service, "role")["web"]
	alone := must[descriptor.Item](t)(service.Reader(w.production)["role"].Read(ctx, w.scope, descriptor.Item{Name: "web", ARN: item.ARN}))
	if diff := cmp.Diff(item, alone); diff != "" {
		t.Errorf("what is listed and what is read differ: %s", diff)
	}
	if item.Tags["app"] != "shop" || policy.Tags["app"] != "shop" {
		t.Errorf("tags %v %v", item.Tags, policy.Tags)
	}

	roles, policies := service.Writer(w.sandbox)["role"], service.Writer(w.sandbox)["policy"]
	rewrite := func(config any) any {
		text := strings.ReplaceAll(must[string](t)(descriptor.Encode(config)), aws.ToString(productionPolicy), policyARN(w.target, "staging-data"))
		text = strings.ReplaceAll(text, w.scope.ARN("sqs", "orders"), w.target.BuildARN("sqs", "staging-orders"))
		return must[any](t)(descriptor.ParseTree([]byte(text)))
	}
	policyTarget := w.clone(policies, "data", rewrite(policy.Config))
	roleTarget := w.clone(roles, "web", rewrite(item.Config))
	if roleTarget.ARN != "arn:aws:iam::"+w.target.AccountID+":role/fork/staging/staging-web" {
		t.Errorf("the copy is %s", roleTarget.ARN)
	}
	live := must[descriptor.Live](t)(roles.Find(ctx, roleTarget))
	if diff := cmp.Diff(live.Values, roleTarget.Values); diff != "" || live.Values[descriptor.ID] == "" {
		t.Errorf("found other identifiers than were made: %s", diff)
	}

	parts := must[roleParts](t)(partsOfRole(ctx, sandbox, "staging-web"))
	got := parts.configuration()
	if trust := trustOfCopy(parseIAMDocument(serviceTrust), "aws", w.target.AccountID); !sameDocument(trust, got.Trust) {
		t.Errorf("the copy trusts %v", got.Trust)
	}
	got.Trust = nil
	want := must[iamRole](t)(descriptor.Decode[iamRole](rewrite(item.Config)))
	want.Trust = nil
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b map[string]any) bool { return sameDocument(a, b) })); diff != "" {
		t.Errorf("the copy's configuration differs: %s", diff)
	}
	boundary := aws.ToString(parts.role.PermissionsBoundary.PermissionsBoundaryArn)
	document := must[string](t)(descriptor.Encode(must[any](t)(policyDocument(ctx, sandbox, boundary, "v1"))))
	if !strings.Contains(document, `"StringNotEquals":{"aws:ResourceAccount":"`+w.target.AccountID+`"}`) {
		t.Errorf("the copy's boundary %s is %s", boundary, document)
	}

	// Production moves on; writing it again changes nothing more.
	changed := roleTarget
	changed.Config = rewrite(map[string]any{"Trust": parseIAMDocument(serviceTrust), "Inline": map[string]any{"other": parseIAMDocument(queue)}})
	for range 2 {
		if err := roles.Wire(ctx, changed); err != nil {
			t.Fatal(err)
		}
	}
	got = must[roleParts](t)(partsOfRole(ctx, sandbox, "staging-web")).configuration()
	if len(got.Attached) != 0 || len(got.Inline) != 1 || got.Inline["other"] == nil || got.Description != "" || got.MaxSessionDuration != iamSession {
		t.Errorf("the copy does not follow: %+v", got)
	}
	changedPolicy := policyTarget
	for _, action := range []string{"a", "b", "c", "d", "e", "f", "f"} {
		changedPolicy.Config = rewrite(map[string]any{"Document": parseIAMDocument(strings.Replace(queue, "sqs:*", "sqs:"+action, 1))})
		if err := policies.Wire(ctx, changedPolicy); err != nil {
			t.Fatal(err)
		}
	}
	versions := must[*iam.ListPolicyVersionsOutput](t)(sandbox.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &policyTarget.ARN}))
	if len(versions.Versions) != 1 || !versions.Versions[0].IsDefaultVersion {
		t.Errorf("one version must be left: %+v", versions.Versions)
	}

	// The policy may be deleted while a role of the fork still has it.
	if err := roles.Wire(ctx, roleTarget); err != nil {
		t.Fatal(err)
	}
	must[*iam.CreateInstanceProfileOutput](t)(sandbox.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("mine")}))
	must[*iam.AddRoleToInstanceProfileOutput](t)(sandbox.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{
		InstanceProfileName: aws.String("mine"), RoleName: aws.String("staging-web"),
	}))
	for kind, writer := range map[string]descriptor.KindWriter{"policy": policies, "role": roles} {
		target := map[string]descriptor.Target{"policy": policyTarget, "role": roleTarget}[kind]
		if err := writer.Delete(ctx, target); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := writer.Delete(ctx, target); !errors.Is(err, descriptor.ErrGone) {
			t.Errorf("%s: deleting again: %v", kind, err)
		}
		if _, err := writer.Find(ctx, target); !errors.Is(err, descriptor.ErrGone) {
			t.Errorf("%s: after deletion: %v", kind, err)
		}
	}
	left := must[*iam.ListPoliciesOutput](t)(sandbox.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))
	if len(left.Policies) != 0 {
		t.Errorf("policies are left over: %+v", left.Policies)
	}
}

func TestAWSBoundaryOfAnother(t *testing.T) {
	w := newWorld(t)
	sandbox := iam.NewFromConfig(w.sandbox)
	must[*iam.CreatePolicyOutput](t)(sandbox.CreatePolicy(t.Context(), &iam.CreatePolicyInput{
		PolicyName: aws.String(boundaryPrefix + "staging-web"), Path: aws.String("/fork/staging/"), PolicyDocument: aws.String(readQueue1),
	}))
	roles := service(t, "iam").Writer(w.sandbox)["role"]
	target := w.target
	target.Name, target.Config = "staging-web", map[string]any{}
	must[descriptor.Made](t)(roles.Create(t.Context(), target))
	if err := roles.Wire(t.Context(), target); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a policy without the fork's tags must not become a boundary: %v", err)
	}
}
