// Package tools holds the tests of the tools that are not written in Go.
package tools

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeThings makes one thing of several kinds in an account, and then what its last argument says.
const makeThings = `
import sys, boto3
endpoint, account, step = sys.argv[1:]
def client(service, region="eu-west-1"):
    keys = boto3.client("sts", endpoint_url=endpoint, region_name=region, aws_access_key_id="test", aws_secret_access_key="test"
        ).assume_role(RoleArn=f"arn:aws:iam::{account}:role/admin", RoleSessionName="test")["Credentials"]
    return boto3.client(service, endpoint_url=endpoint, region_name=region, aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
bucket = f"dump-test-{account}"
if step == "make":
    client("sqs").create_queue(QueueName="orders")
    client("sqs", "eu-central-1").create_queue(QueueName="orders")
    client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client("s3").put_object(Bucket=bucket, Key="a/b", Body=b"one")
    client("secretsmanager").create_secret(Name="app/db", SecretString="hunter2")
    client("ssm").put_parameter(Name="/app/key", Value="hunter3", Type="SecureString")
    client("ec2").create_security_group(GroupName="app", Description="app")
elif step == "read":
    client("secretsmanager").get_secret_value(SecretId="app/db")
    client("s3").get_object(Bucket=bucket, Key="a/b")
elif step == "secret":
    client("secretsmanager").put_secret_value(SecretId="app/db", SecretString="hunter4")
elif step == "object":
    client("s3").put_object(Bucket=bucket, Key="a/b", Body=b"two")
elif step == "message":
    client("sqs").send_message(QueueUrl=client("sqs").get_queue_url(QueueName="orders")["QueueUrl"], MessageBody="hello")
elif step == "empty":
    client("s3").delete_object(Bucket=bucket, Key="a/b")
    client("s3").delete_bucket(Bucket=bucket)
    client("secretsmanager").delete_secret(SecretId="app/db", ForceDeleteWithoutRecovery=True)
    client("ssm").delete_parameter(Name="/app/key")
    for region in ("eu-west-1", "eu-central-1"):
        client("sqs", region).delete_queue(QueueUrl=client("sqs", region).get_queue_url(QueueName="orders")["QueueUrl"])
    client("ec2").delete_security_group(GroupName="app")
`

// account is an account of the emulated AWS that nobody else uses.
type account struct {
	t                    *testing.T
	id, endpoint, python string
}

// newAccount needs SUNDOG_TEST_AWS_ENDPOINT and SUNDOG_TEST_PYTHON; `make test` sets them.
func newAccount(t *testing.T) account {
	t.Helper()
	a := account{t: t, endpoint: os.Getenv("SUNDOG_TEST_AWS_ENDPOINT"), python: os.Getenv("SUNDOG_TEST_PYTHON")}
	if a.endpoint == "" || a.python == "" {
		t.Skip("SUNDOG_TEST_AWS_ENDPOINT and SUNDOG_TEST_PYTHON are not set")
	}
	a.id = fmt.Sprintf("44%010d", rand.N(int64(1e10)))
	return a
}

// python runs a Python program and gives its output and exit code.
func (a account) run(arguments ...string) (string, int) {
	a.t.Helper()
	command := exec.CommandContext(a.t.Context(), a.python, arguments...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		a.t.Fatal(err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// step changes the account.
func (a account) step(name string) {
	a.t.Helper()
	if out, code := a.run("-c", makeThings, a.endpoint, a.id, name); code != 0 {
		a.t.Fatalf("%s: %s", name, out)
	}
}

// dump writes the account's state to a new file.
func (a account) dump() string {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "dump.json")
	if out, code := a.run("account_dump.py", "dump", "--endpoint", a.endpoint, "--account", a.id,
		"--regions", "eu-west-1,eu-central-1", "--output", file); code != 0 {
		a.t.Fatal(out)
	}
	return file
}

// count gives what the account is said to hold.
func (a account) count(arguments ...string) (string, int) {
	a.t.Helper()
	return a.run(append([]string{
		"account_dump.py", "count", "--endpoint", a.endpoint, "--account", a.id,
		"--regions", "eu-west-1,eu-central-1", "--expect-zero",
	}, arguments...)...)
}

func TestAWSAccountDumpComparesStates(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.step("make")
	before := a.dump()
	text, err := os.ReadFile(before)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("hunter")) {
		t.Error("the dump holds a secret's value")
	}
	a.step("read")
	if out, code := a.run("account_dump.py", "compare", before, a.dump()); code != 0 || !strings.Contains(out, "0 differences") {
		t.Errorf("after reads alone, code %d: %s", code, out)
	}
	for _, c := range []struct{ step, want string }{
		{"secret", "~ secretsmanager/secret/app/db@eu-west-1: Values."},
		{"object", "~ s3/object/dump-test-" + a.id + "/a/b null: ETag was"},
		{"message", "~ sqs/queue/orders@eu-west-1: Attributes.ApproximateNumberOfMessages was"},
		{"empty", "- sqs/queue/orders@eu-central-1: is gone"},
	} {
		before = a.dump()
		a.step(c.step)
		if out, code := a.run("account_dump.py", "compare", before, a.dump()); code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("after %q, code %d, want %q in:\n%s", c.step, code, c.want, out)
		}
	}
}

func TestAWSAccountDumpCounts(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	if out, code := a.count(); code != 0 || !strings.HasSuffix(out, ": 0 resources\n") {
		t.Errorf("a new account, code %d: %s", code, out)
	}
	a.step("make")
	out, code := a.count()
	for _, want := range []string{
		"sqs/queue in eu-central-1: 1 (orders)", "sqs/queue in eu-west-1: 1 (orders)", "s3/bucket in global: 1", "s3/object in global: 1",
		"secretsmanager/secret in eu-west-1: 1 (app/db)", "ssm/parameter in eu-west-1: 1 (/app/key)", "ec2/security-group in eu-west-1: 1 (",
	} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("code %d, want %q in:\n%s", code, want, out)
		}
	}
	if out, code := a.count("--baseline", a.dump()); code != 0 {
		t.Errorf("beyond itself, code %d: %s", code, out)
	}
	a.step("empty")
	if out, code := a.count(); code != 0 {
		t.Errorf("after everything was removed, code %d: %s", code, out)
	}
}

func TestAWSAccountDumpRefusesOtherAccounts(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.step("make")
	first := a.dump()
	other := newAccount(t)
	out, code := a.run("account_dump.py", "compare", first, other.dump())
	if code != 1 || !strings.Contains(out, "different account") {
		t.Errorf("code %d: %s", code, out)
	}
}
