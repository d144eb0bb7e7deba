package kubernetes

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// An API server that restarts is waited for, also with what changes something; one that never was there is not.
func TestAnAPIServerThatRestartsIsWaitedFor(t *testing.T) {
	t.Parallel()
	var refusals, asked atomic.Int32
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		asked.Add(1)
		if refusals.Add(-1) >= 0 {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`)
			return
		}
		_, _ = io.WriteString(w, `{"metadata":{"name":"dev"}}`)
	})
	server := httptest.NewServer(answer)
	address := server.Listener.Addr().String()
	conn, err := newConnection(Cluster{Host: "http://" + address})
	must(t, err)
	server.Close()

	started := time.Now()
	if _, err := get[corev1.Namespace](t.Context(), conn, namespaces, "", "dev"); err == nil || time.Since(started) > absencePatience/2 {
		t.Fatalf("an address at which nobody has answered gives %v after %s", err, time.Since(started))
	}

	restart := func() (*httptest.Server, error) {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			return nil, err
		}
		again := &httptest.Server{Listener: listener, Config: &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}}
		again.Start()
		return again, nil
	}
	server, err = restart()
	must(t, err)
	_, err = get[corev1.Namespace](t.Context(), conn, namespaces, "", "dev")
	must(t, err)
	// Whoever may not do something is told so at once, but for a server that is just back: it does not know the roles yet.
	conn.awayAt.Store(0)
	asked.Store(0)
	refusals.Store(3)
	if _, err := get[corev1.Namespace](t.Context(), conn, namespaces, "", "dev"); !apierrors.IsForbidden(err) || asked.Load() != 1 {
		t.Fatalf("what is forbidden gives %v after %d requests", err, asked.Load())
	}
	server.Close()
	conn.http.CloseIdleConnections()
	back := make(chan error, 1)
	go func() {
		time.Sleep(3 * absencePause)
		again, err := restart()
		if err == nil {
			t.Cleanup(again.Close)
		}
		back <- err
	}()
	must(t, conn.remove(t.Context(), namespaces, "", "dev", deletion{}))
	must(t, <-back)
	if left := refusals.Load(); left >= 0 {
		t.Errorf("%d refusals are left", left)
	}
}

// What a node has refused without having begun it is done again, and nothing else is.
func TestANodeThatRestartsIsWaitedFor(t *testing.T) {
	t.Parallel()
	for refusal, want := range map[string]int{
		"Internal error occurred: unable to upgrade connection: pod does not exist":               3,
		"error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused":             3,
		"error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout":                             1,
		"Internal error occurred: error executing command in container: container is not running": 1,
	} {
		tries := 0
		err := untilNodeAnswers(t.Context(), func() error {
			if tries++; tries == 3 {
				return nil
			}
			return errors.New(refusal)
		})
		if tries != want || (err == nil) != (want == 3) {
			t.Errorf("%s: %d tries, error %v", refusal, tries, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := untilNodeAnswers(ctx, func() error { return errors.New("unable to upgrade connection: pod does not exist") }); err == nil {
		t.Error("an end of the context was taken for success")
	}
}
