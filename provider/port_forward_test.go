package provider

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
)

const forwardType = "sundog_port_forward"

// forwardFixture is an enclave in which the service db answers lines in capitals, unless it is away.
type forwardFixture struct {
	*acctest.Server
	backend *memory.Backend
	away    atomic.Bool
}

func newForwardFixture(t *testing.T) *forwardFixture {
	t.Helper()
	f := &forwardFixture{}
	f.backend = memory.New(memory.Hooks{Dial: func(_ context.Context, _, service, transport string, port int) (net.Conn, error) {
		if f.away.Load() || service != "db" || transport != "tcp" || port != 5432 {
			return nil, errors.New("connection refused")
		}
		near, far := net.Pipe()
		go func() {
			line, _ := bufio.NewReader(far).ReadString('\n')
			_, _ = io.WriteString(far, strings.ToUpper(line))
			_ = far.Close()
		}()
		return near, nil
	}})
	if _, err := acctest.Docker(f.backend).CreateEnclave(t.Context(), enclave.Spec{Name: "dev", Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	f.Server = acctest.NewServer(t, withFakes(t, f.backend, nil, nil))
	if text := f.Configure(t, acctest.Values{"owner": acctest.String("me")}); text != "" {
		t.Fatal(text)
	}
	return f
}

// serve makes the service db.
func (f *forwardFixture) serve(t *testing.T) {
	t.Helper()
	f.backend.AddImage("db:1")
	image, err := f.backend.EnsureImage(t.Context(), plan.Image{Name: "db:1"}, enclave.ImageMissing)
	if err != nil {
		t.Fatal(err)
	}
	request := enclave.ServiceRequest{Run: "shop", Owner: "me", Digest: "1", Image: *image, Spec: plan.ServiceSpec{
		Name: "db", Image: plan.Image{Name: "db:1"},
		Ports: map[string]plan.Port{
			"sql": {Number: 5432, Transport: "TCP", Application: "postgresql"}, "bare": {Number: 5433, Transport: "TCP"}, "dns": {Number: 53, Transport: "UDP"},
		},
	}}
	if _, err := f.backend.CreateService(t.Context(), "dev", request); err != nil {
		t.Fatal(err)
	}
	if _, err := f.backend.StartService(t.Context(), "dev", "db"); err != nil {
		t.Fatal(err)
	}
}

func forwardConfig(service, port string, more acctest.Values) acctest.Values {
	values := acctest.Values{"enclave": acctest.String("docker/dev"), "service": acctest.String(service), "port": acctest.String(port), "timeout": acctest.String("2s")}
	maps.Copy(values, more)
	return values
}

func address(t *testing.T, opened *acctest.Opened) string {
	t.Helper()
	var port big.Float
	if err := acctest.At(t, opened.Value, "host_port").As(&port); err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(acctest.Text(t, acctest.At(t, opened.Value, "host")), port.Text('f', 0))
}

// shout says a line and gives the answer; empty where the connection ends without one.
func shout(t *testing.T, address string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err.Error()
	}
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return ""
	}
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer)
}

func TestPortForwardLivesFromOpenToClose(t *testing.T) {
	f := newForwardFixture(t)
	f.serve(t)
	for _, port := range []string{"sql", "5432"} {
		opened := f.Open(t, forwardType, forwardConfig("db", port, nil))
		if text := acctest.Errors(opened.Diagnostics) + acctest.Warnings(opened.Diagnostics); text != "" {
			t.Fatal(text)
		}
		at := address(t, opened)
		if got, want := acctest.Text(t, acctest.At(t, opened.Value, "url")), "postgresql://"+at; got != want {
			t.Errorf("url is %s, want %s", got, want)
		}
		for range 3 {
			if got := shout(t, at); got != "HELLO" {
				t.Errorf("%q", got)
			}
		}
		// One that is away for a moment, as while it is replaced, is waited for.
		f.away.Store(true)
		time.AfterFunc(500*time.Millisecond, func() { f.away.Store(false) })
		if got := shout(t, at); got != "HELLO" {
			t.Errorf("a connection must wait for a service that is away: %q", got)
		}
		if text := acctest.Errors(f.Close(t, forwardType, opened)) + acctest.Warnings(f.Close(t, forwardType, opened)); text != "" {
			t.Error(text)
		}
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at); err == nil {
			conn.Close()
			t.Error("nothing may listen after Close")
		}
	}
}

// In a plan the service may not be there yet: it is the apply that makes it.
func TestPortForwardOfAServiceThatIsMadeLater(t *testing.T) {
	f := newForwardFixture(t)
	opened := f.Open(t, forwardType, forwardConfig("db", "sql", nil))
	if text := acctest.Errors(opened.Diagnostics) + acctest.Warnings(opened.Diagnostics); text != "" {
		t.Fatal(text)
	}
	answered := make(chan string, 1)
	at := address(t, opened)
	go func() { answered <- shout(t, at) }()
	time.Sleep(300 * time.Millisecond)
	f.serve(t)
	if got := <-answered; got != "HELLO" {
		t.Errorf("%q", got)
	}
	if text := acctest.Warnings(f.Close(t, forwardType, opened)); text != "" {
		t.Error(text)
	}
	// One that never comes is told at the end, as whoever connected has only seen that nobody answers.
	opened = f.Open(t, forwardType, forwardConfig("other", "sql", nil))
	if got := shout(t, address(t, opened)); got != "" {
		t.Errorf("%q", got)
	}
	if text := acctest.Warnings(f.Close(t, forwardType, opened)); !strings.Contains(text, `there is no service "other" in enclave "dev", which has db`) {
		t.Errorf("%q", text)
	}
}

func TestPortForwardRefuses(t *testing.T) {
	f := newForwardFixture(t)
	f.serve(t)
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	local, ok := taken.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(taken.Addr())
	}
	for name, test := range map[string]struct {
		config    acctest.Values
		attribute string
		want      []string
	}{
		"port":           {forwardConfig("db", "sqll", nil), "port", []string{`has no port "sqll"`, "bare, dns, sql"}},
		"transport":      {forwardConfig("db", "dns", nil), "port", []string{"UDP", `"dns/udp"`}},
		"deaf port":      {forwardConfig("db", "bare", nil), "port", []string{"did not accept within 2s", "connection refused", "sundog logs dev db"}},
		"enclave":        {forwardConfig("db", "sql", acctest.Values{"enclave": acctest.String("docker/other")}), "enclave", []string{"other"}},
		"backend":        {forwardConfig("db", "sql", acctest.Values{"enclave": acctest.String("kubernetes/dev")}), "enclave", []string{"kubernetes"}},
		"port in use":    {forwardConfig("db", "sql", acctest.Values{"host_port": acctest.Number(int64(local.Port))}), "host_port", []string{"in use", "host_port"}},
		"no such number": {forwardConfig("db", "70000", nil), "port", []string{"70000"}},
	} {
		t.Run(name, func(t *testing.T) {
			opened := f.Open(t, forwardType, test.config)
			text := acctest.Errors(opened.Diagnostics)
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q lacks %q", text, want)
				}
			}
			if !concerns(opened.Diagnostics, test.attribute) {
				t.Errorf("the error must stand at %s: %s", test.attribute, text)
			}
			f.Close(t, forwardType, opened)
		})
	}
}

func concerns(diagnostics []*tfprotov6.Diagnostic, attribute string) bool {
	for _, one := range diagnostics {
		if one.Severity == tfprotov6.DiagnosticSeverityError && one.Attribute != nil && strings.Contains(one.Attribute.String(), `"`+attribute+`"`) {
			return true
		}
	}
	return false
}

// A port that is not published has no address, and that is no change.
func TestUnpublishedPortsLeaveThePlanEmpty(t *testing.T) {
	f := newRunFixture(t, shopWithPort(plan.Port{Number: 53, Transport: "UDP", Application: "dns", URL: "dns://api:53"}))
	state := f.apply(t, runConfig(nil), nil)
	if got := acctest.Text(t, acctest.At(t, state.Value, "services", "api", "ports", "dns", "host_port")); got != "(null)" {
		t.Fatalf("the port must not be published: %s", got)
	}
	refreshed, diagnostics := f.Read(t, runType, state)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	if again := f.Plan(t, runType, runConfig(nil), refreshed); !again.Value.Equal(refreshed.Value) {
		t.Errorf("the second plan must be empty:\n%s\n%s", again.Value, refreshed.Value)
	}
}
