package acceptance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// TestAWSSecretFollowsStandIn proves that the login in a secret becomes that of the stand-in, and that a key beside it
// does not leave production.
func TestAWSSecretFollowsStandIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	config := w.config(w.production, w.regions[0])
	database, err := rds.NewFromConfig(config).CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: aws.String("orders"), Engine: aws.String("postgres"), DBInstanceClass: aws.String("db.t3.micro"),
		MasterUsername: aws.String("shop"), MasterUserPassword: aws.String("production-password"), DBName: aws.String("orders"),
		AllocatedStorage: aws.Int32(20),
	})
	if err != nil {
		t.Fatal(err)
	}
	host := aws.ToString(database.DBInstance.Endpoint.Address)
	values := map[string]string{
		"login": mustJSON(t, map[string]any{
			"engine": "postgres", "host": host, "port": 5432, "username": "shop", "password": "production-password", "api_key": "sk_live",
		}),
		"url": "postgres://shop:production-password@" + host + ":5432/orders",
	}
	for name, value := range values {
		_, err := secretsmanager.NewFromConfig(config).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String(value)})
		if err != nil {
			t.Fatal(err)
		}
	}
	runner := &fakeRunner{}
	w.apply(w.plan(w.inventory("rds/*", "secretsmanager/*"),
		forker.Rule{Match: "rds/*", Strategy: forker.Substitute},
		forker.Rule{Match: "secretsmanager/*", Strategy: forker.Clone, Data: &forker.Data{Mode: "full"}},
	), runner)
	if len(runner.containers) != 1 {
		t.Fatalf("containers %q", keysOf(runner.containers))
	}
	container := runner.containers[runner.order[0]]
	copies := secretsmanager.NewFromConfig(w.config(w.sandbox, w.regions[0]))
	read := func(name string) string {
		output, err := copies.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("staging-" + name)})
		if err != nil {
			t.Fatal(err)
		}
		text := aws.ToString(output.SecretString)
		for _, live := range []string{"production-password", host, "sk_live"} {
			if strings.Contains(text, live) {
				t.Errorf("the copy of %s holds %s", name, live)
			}
		}
		return text
	}
	var login struct {
		Host, Username, Password string
		Key                      string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(read("login")), &login); err != nil {
		t.Fatal(err)
	}
	if login.Host != container.Name || login.Username != "shop" || login.Password == "" || login.Key == "" {
		t.Errorf("the login is %+v, the stand-in %s", login, container.Name)
	}
	if address := read("url"); !strings.HasPrefix(address, "postgres://shop:"+login.Password+"@"+container.Name+":") {
		t.Errorf("the address is %s, the login %+v", address, login)
	}
}
