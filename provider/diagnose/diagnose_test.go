package diagnose

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

func TestEveryConditionHasARemedy(t *testing.T) {
	made := time.Now().Add(-3 * time.Hour)
	for name, test := range map[string]struct {
		err  error
		want []string
	}{
		"unreachable": {&enclave.UnreachableError{Endpoint: "unix:///x.sock", Chosen: "DOCKER_HOST", Err: errors.New("no such file")}, []string{"unix:///x.sock", "DOCKER_HOST", "Start the engine", "docker = { host"}},
		"foreign enclave": {
			&ImportableError{Type: "sundog_enclave", ID: "docker/dev", Err: &enclave.OwnedError{Kind: "enclave", Name: "dev", Owner: "ci", CreatedAt: made}},
			[]string{`enclave "dev"`, `"ci"`, "3 hours", "tofu import sundog_enclave.EXAMPLE docker/dev", `owner = "ci"`},
		},
		"foreign fork": {
			&ImportableError{Type: "sundog_fork", ID: "222222222222/staging", Err: &forker.OwnedError{Fork: "staging", Owner: "ci", AccountID: "222222222222", CreatedAt: made}},
			[]string{"tofu import sundog_fork.EXAMPLE 222222222222/staging", "3 hours"},
		},
		"service of another run": {&enclave.OwnedError{Kind: "service", Name: "db", Run: "other"}, []string{`service "db"`, `remove it from the run "other"`}},
		"missing image":          {fmt.Errorf("x: %w", &enclave.ImageError{Image: "nope:1", Action: "pull", Err: errors.New("denied")}), []string{"docker pull nope:1", "image_download"}},
		"locked":                 {&enclave.LockedError{Enclave: "dev", Name: "run", Holder: "host 1", Since: made, Err: errors.New("x")}, []string{"host 1", "apply again"}},
		"unknown configuration":  {fmt.Errorf("%w: docker.host", session.ErrUnknown), []string{"docker.host", "-target"}},
		"missing block":          {&session.MissingBlockError{Block: "sandbox"}, []string{`no "sandbox"`, "account_id"}},
	} {
		detail := Detail(test.err)
		for _, want := range test.want {
			if !strings.Contains(detail, want) {
				t.Errorf("%s: %q lacks %q", name, detail, want)
			}
		}
	}
}

func TestSummaryAndMask(t *testing.T) {
	subject := Subject{Verb: "create", Thing: "enclave", Name: "dev", Secrets: value.NewSecrets("hunter22")}
	diagnostic := subject.Error(errors.New("bad token hunter22"))
	if diagnostic.Summary() != `Cannot create enclave "dev"` || diagnostic.Detail() != "bad token (sensitive)" {
		t.Error(diagnostic.Summary(), diagnostic.Detail())
	}
}
