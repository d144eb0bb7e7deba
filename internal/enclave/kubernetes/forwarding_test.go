package kubernetes

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/forward"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// What `sundog forward` and sundog_port_forward do outlives the pod: connections to it go through one tunnel, end with it,
// and those that come while there is none wait for the one that Kubernetes makes in its place.
func TestKubernetesForwardingOutlivesPods(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Cmd, request.Spec.Ports = []string{"serve", "-tcp", "5432"}, map[string]plan.Port{"sql": {Number: 5432, Transport: "TCP"}}
	})))
	var set forward.Set
	opened, err := set.Open(t.Context(), &forward.Forwarder{Dial: func(ctx context.Context) (net.Conn, error) {
		return backend.Dial(ctx, name, "api", "tcp", 5432)
	}}, "tcp", "127.0.0.1:0")
	must(t, err)
	dial := func() (net.Conn, error) {
		return new(net.Dialer).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", opened.Port))
	}
	ask := func(conn net.Conn, line string) error {
		if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(conn, line); err != nil {
			return err
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && strings.TrimSpace(answer) != line {
			err = fmt.Errorf("%q came back, want %q", answer, line)
		}
		return err
	}
	askAll := func() {
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				conn, err := dial()
				if err == nil {
					defer conn.Close()
					err = ask(conn, fmt.Sprint("line ", i))
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
			})
		}
		group.Wait()
	}
	askAll()
	pod := podOf(t, backend, name, "api")
	if requests := backend.tunnels.of(pod.UID).requests; requests < 20 {
		t.Errorf("%d connections went through the pod's tunnel, want all", requests)
	}
	open, err := dial()
	must(t, err)
	defer open.Close()
	must(t, ask(open, "before"))

	conn, err := backend.connect()
	must(t, err)
	must(t, conn.remove(t.Context(), pods, pod.Namespace, pod.Name, deletion{grace: new(quickEnd)}))
	must(t, open.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := io.ReadAll(open); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("a connection must end with the pod that it leads to")
	}
	askAll()
	if now := podOf(t, backend, name, "api"); now.UID == pod.UID {
		t.Error("the pod must be another one")
	}
	if failure := set.Close(opened.ID); failure != nil {
		t.Errorf("no connection may have failed: %v", failure)
	}
}
