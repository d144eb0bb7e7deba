package acceptance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// seedDatabase gives the host of a PostgreSQL instance that a service and a parameter log in to.
func seedDatabase(w *world) (host string) {
	t, ctx := w.t, w.t.Context()
	config := w.config(w.production, w.regions[0])
	output, err := rds.NewFromConfig(config).CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: aws.String("shop-db"), Engine: aws.String("postgres"), EngineVersion: aws.String("15.4"),
		DBInstanceClass: aws.String("db.t4g.micro"), AllocatedStorage: aws.Int32(20), DBName: aws.String("shop"),
		MasterUsername: aws.String("root"), MasterUserPassword: aws.String("production's password"),
	})
	if err != nil {
		t.Fatal(err)
	}
	host = *output.DBInstance.Endpoint.Address
	if _, err := ssm.NewFromConfig(config).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/shop/dsn"), Type: ssmtypes.ParameterTypeString,
		Value: aws.String("host=" + host + " port=5432 user=reports password='se cret' dbname=reports"),
	}); err != nil {
		t.Fatal(err)
	}
	services := ecs.NewFromConfig(config)
	if _, err := services.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	s := shop{world: w}
	if _, err := ssm.NewFromConfig(config).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/shop/token"), Type: ssmtypes.ParameterTypeString, Value: aws.String("the app's old password"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(config).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/shop/queue-url"), Type: ssmtypes.ParameterTypeString, Value: aws.String("nothing"),
	}); err != nil {
		t.Fatal(err)
	}
	s.deploy(services, map[string]string{
		"DATABASE_URL":  "postgres://app:hunter2@" + host + ":5432/shop?sslmode=require",
		"JDBC":          "jdbc:postgresql://" + host + "/shop?user=app&password=hunter2",
		"DB_HOST":       host,
		"DB_PORT":       "5432",
		"DB_USER":       "writer",
		"DB_PASSWORD":   "hunter3",
		"DB_NAME":       "shop",
		"HEALTH":        "tcp " + host + ":5432",
		"CREDENTIALS":   mustJSON(t, map[string]any{"engine": "postgres", "host": host, "port": 5432, "username": "root", "password": "x"}),
		"ANOTHER_VALUE": "hunter2",
	})
	if _, err := services.CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: aws.String("shop"), ServiceName: aws.String("storefront"), TaskDefinition: aws.String("storefront"), DesiredCount: aws.Int32(1),
	}); err != nil {
		t.Fatal(err)
	}
	return host
}

func TestAWSDatabaseStandIn(t *testing.T) {
	w := newWorld(t)
	host := seedDatabase(w)
	runner := &fakeRunner{}
	plan := w.plan(w.inventory("rds/*", "ssm/*", "ecs/*"), forker.Rule{
		Match: "rds/*", Image: "sundog-test/postgres:15", Seed: &forker.Seed{SQL: "CREATE TABLE orders ();", Source: "seed.sql"},
	})
	result := w.apply(plan, runner)
	if !slices.Equal(runner.order, []string{"shop-db", "storefront"}) {
		t.Fatalf("the containers run in the order %q", runner.order)
	}
	database, app := runner.containers["shop-db"], runner.containers["storefront"].Env
	if database.Image != "sundog-test/postgres:15" || !slices.Contains(database.Aliases, host) || database.Env["POSTGRES_DB"] != "shop" {
		t.Errorf("the stand-in: %+v", database)
	}
	parsed, err := url.Parse(app["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	password, _ := parsed.User.Password()
	logins := database.Files["/sundog"]["logins.sql"]
	for user, password := range map[string]string{"app": password, "writer": app["DB_PASSWORD"]} {
		if len(password) < 16 || !strings.Contains(logins, fmt.Sprintf("ALTER ROLE %q WITH LOGIN PASSWORD '%s';", user, password)) {
			t.Errorf("the stand-in does not know %s with the password %q of the environment:\n%s", user, password, logins)
		}
	}
	if parsed.Host != "shop-db:5432" || parsed.Path != "/shop" || parsed.RawQuery != "sslmode=require" {
		t.Errorf("DATABASE_URL = %s", app["DATABASE_URL"])
	}
	if want := "jdbc:postgresql://shop-db:5432/shop?user=app&password=" + password; app["JDBC"] != want {
		t.Errorf("JDBC = %s, want %s", app["JDBC"], want)
	}
	if app["DB_HOST"] != "shop-db" || app["DB_PORT"] != "5432" || app["DB_NAME"] != "shop" || app["HEALTH"] != "tcp shop-db:5432" {
		t.Errorf("environment: %q", app)
	}
	if !strings.Contains(app["CREDENTIALS"], `"host":"shop-db"`) || !strings.Contains(app["CREDENTIALS"], database.Env["POSTGRES_PASSWORD"]) {
		t.Errorf("CREDENTIALS = %s", app["CREDENTIALS"])
	}
	dsn := w.sandboxParameters()["/staging/shop/dsn"]
	if !strings.HasPrefix(dsn, "host=shop-db port=5432 user=reports password=") || strings.Contains(dsn, "se cret") || !strings.HasSuffix(dsn, " dbname=reports") {
		t.Errorf("the parameter: %s", dsn)
	}
	if !strings.Contains(logins, `CREATE DATABASE "reports"`) {
		t.Errorf("the second database is not made:\n%s", logins)
	}
	if state := result.Resources["rds/instance/shop-db"]; state.Status != "running" || state.Name != "shop-db" {
		t.Errorf("the database's state: %+v", state)
	}
	// Passwords are stable, so that nothing is replaced.
	before := runner.containers
	w.apply(plan, runner)
	for name, container := range runner.containers {
		if fmt.Sprint(container) != fmt.Sprint(before[name]) {
			t.Errorf("a second apply changes %s:\n%v\n%v", name, container, before[name])
		}
	}
	for _, finding := range result.Findings {
		if strings.Contains(finding.Message, "hunter") || strings.Contains(finding.Message, password) {
			t.Errorf("a finding holds a password: %+v", finding)
		}
	}
	w.checkReads()
}
