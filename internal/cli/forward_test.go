package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

// shouting is a service that answers each line, or datagram, in capitals. It remembers what was dialled.
type shouting struct {
	mutex   sync.Mutex
	dialled []string
	away    atomic.Bool
}

func (s *shouting) dial(ctx context.Context, name, service, transport string, port int) (net.Conn, error) {
	if s.away.Load() {
		return nil, errors.New("the service is not running")
	}
	s.mutex.Lock()
	s.dialled = append(s.dialled, fmt.Sprint(name, " ", service, " ", transport, " ", port))
	s.mutex.Unlock()
	if transport == "udp" {
		return echoing(ctx)
	}
	near, far := net.Pipe()
	go func() {
		line, _ := bufio.NewReader(far).ReadString('\n')
		_, _ = io.WriteString(far, strings.ToUpper(line))
		_ = far.Close()
	}()
	return near, nil
}

// echoing answers one datagram after the other in capitals.
func echoing(ctx context.Context) (net.Conn, error) {
	far, err := new(net.ListenConfig).ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = far.Close() })
	go func() {
		buffer := make([]byte, 100)
		for {
			count, from, err := far.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = far.WriteTo([]byte(strings.ToUpper(string(buffer[:count]))), from)
		}
	}()
	return new(net.Dialer).DialContext(ctx, "udp", far.LocalAddr().String())
}

func dnsPackage(t *testing.T) string {
	t.Helper()
	return writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/dns\n", "main.star": `def run(plan):
    plan.add_service("dns", ServiceConfig(image="test/service:1", ports={
        "dns": PortSpec(number=5353, transport_protocol="UDP", wait=None),
        "control": PortSpec(number=5353, transport_protocol="TCP", wait=None),
    }))
`})
}

// say sends a line and gives the answer.
func say(t *testing.T, transport, address, line string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), transport, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, line); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len(line))
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatalf("%s %s: %v", transport, address, err)
	}
	return string(answer)
}

func TestForward(t *testing.T) {
	service := &shouting{}
	w := newWorld(t, memory.Hooks{Dial: service.dial})
	w.ok("run", dnsPackage(t), "--enclave", "dev")
	out, notices, end := w.begin("forward", "dev", "dns", ":5353/udp", "0:control", ":9999", "--format", "json")
	out.await(t, "\n]\n", 1)
	documents := decodeInto[[]forwardDocument](t, out.String())
	if len(documents) != 3 || documents[0].ID != "dns" || documents[0].Transport != "UDP" || documents[1].ID != "control" || documents[2].ID != "" || documents[2].Number != 9999 {
		t.Fatalf("%+v", documents)
	}
	address := func(i int) string {
		return net.JoinHostPort(documents[i].Host, strconv.Itoa(documents[i].HostPort))
	}
	for range 2 {
		if answer := say(t, "udp", address(0), "query"); answer != "QUERY" {
			t.Errorf("%q", answer)
		}
	}
	if answer := say(t, "tcp", address(1), "hello\n"); answer != "HELLO\n" {
		t.Errorf("%q", answer)
	}
	say(t, "tcp", address(2), "hello\n")
	service.mutex.Lock()
	contains(t, strings.Join(service.dialled, ", "), "dev dns udp 5353", "dev dns tcp 5353", "dev dns tcp 9999")
	service.mutex.Unlock()
	// A connection waits for a service that is being replaced.
	service.away.Store(true)
	time.AfterFunc(time.Second, func() { service.away.Store(false) })
	if answer := say(t, "tcp", address(1), "again\n"); answer != "AGAIN\n" {
		t.Errorf("%q", answer)
	}
	contains(t, notices.String(), "Waiting for the service: the service is not running")
	if err := end(); err != nil {
		t.Errorf("an interruption is how it ends: %v", err)
	}
}

func TestForwardTellsWhatItForwards(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.ok("run", dnsPackage(t), "--enclave", "dev")
	out, _, end := w.begin("forward", "dev", "dns", ":control")
	out.await(t, " -> dns 5353/tcp (control)\n", 1)
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestForwardRefuses(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.ok("run", dnsPackage(t), "--enclave", "dev")
	w.fails(ExitFailure, []string{"forward", "dev", "dns", "contrl"}, `did you mean "control"?`)
	w.fails(ExitFailure, []string{"forward", "dev", "dsn", "53"}, `did you mean "dns"?`)
	w.fails(ExitUsage, []string{"forward", "dev", "dns", "70000"}, "70000")
	w.fails(ExitUsage, []string{"forward", "dev", "dns", "x:80"}, "LOCAL:PORT")
	w.fails(ExitUsage, []string{"forward", "dev", "dns", "80/sctp"}, "tcp or udp")
	w.fails(ExitUsage, []string{"forward", "dev", "dns", "80", "--address", "here"}, "--address")
	port := takenPort(t)
	w.fails(ExitFailure, []string{"forward", "dev", "dns", ":81", port + ":80"}, "in use", port, ":80")
}

// takenPort gives a port of this machine on which somebody else listens as long as the test runs.
func takenPort(t *testing.T) string {
	t.Helper()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
