package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// tunnels keeps one port-forward to each pod, through which all connections to it go.
type tunnels struct {
	mutex sync.Mutex
	byPod map[types.UID]*tunnel
	// accepted tells when something was last seen to accept on a port.
	accepted map[podPort]time.Time
}

type podPort struct {
	pod  types.UID
	port int
}

// acceptedTime is how long a port that accepted is taken to accept: many connections one after another need one question.
const acceptedTime = 5 * time.Second

// opened tells whether a port of a pod that runs accepted a moment ago.
func (t *tunnels) opened(pod types.UID, port int) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return time.Since(t.accepted[podPort{pod, port}]) < acceptedTime
}

func (t *tunnels) remember(pod types.UID, port int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.accepted == nil {
		t.accepted = map[podPort]time.Time{}
	}
	maps.DeleteFunc(t.accepted, func(_ podPort, at time.Time) bool { return time.Since(at) >= acceptedTime })
	t.accepted[podPort{pod, port}] = time.Now()
}

// tunnel is one port-forward.
type tunnel struct {
	opening    sync.Mutex
	connection httpstream.Connection
	requests   int
}

// open connects to a port of a pod. A tunnel that has broken since it was last used is made anew.
func (t *tunnels) open(ctx context.Context, conn *connection, pod *corev1.Pod, port int) (net.Conn, error) {
	found := t.of(pod.UID)
	var dialled net.Conn
	done := make(chan error, 1)
	go func() {
		var err error
		for range 2 {
			if dialled, err = found.open(ctx, conn, pod, port); err == nil {
				break
			}
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return nil, conn.translate(ctx, err)
		}
		return dialled, nil
	case <-ctx.Done():
		go func() {
			if <-done == nil {
				dialled.Close() //nolint:errcheck // Nobody waits for it any more.
			}
		}()
		return nil, ctx.Err()
	}
}

func (t *tunnels) of(pod types.UID) *tunnel {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.byPod == nil {
		t.byPod = map[types.UID]*tunnel{}
	}
	for uid, other := range t.byPod {
		if uid != pod && other.ended() {
			delete(t.byPod, uid)
		}
	}
	if t.byPod[pod] == nil {
		t.byPod[pod] = &tunnel{}
	}
	return t.byPod[pod]
}

func (t *tunnels) close() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, item := range t.byPod {
		item.opening.Lock()
		if item.connection != nil {
			item.connection.Close() //nolint:errcheck // It is of no use any more.
		}
		item.opening.Unlock()
	}
	t.byPod = nil
}

// ended tells whether a tunnel was made and has broken.
func (t *tunnel) ended() bool {
	if !t.opening.TryLock() {
		return false
	}
	defer t.opening.Unlock()
	return t.connection != nil && isClosed(t.connection)
}

func isClosed(connection httpstream.Connection) bool {
	select {
	case <-connection.CloseChan():
		return true
	default:
		return false
	}
}

func (t *tunnel) open(ctx context.Context, conn *connection, pod *corev1.Pod, port int) (net.Conn, error) {
	t.opening.Lock()
	defer t.opening.Unlock()
	if t.connection == nil || isClosed(t.connection) {
		err := untilNodeAnswers(ctx, func() (err error) {
			t.connection, err = conn.forward(pod)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	t.requests++
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.Itoa(t.requests))
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := t.connection.CreateStream(headers)
	if err != nil {
		t.discard()
		return nil, fmt.Errorf("open a port-forward: %w", err)
	}
	_ = failures.Close() // Nothing is ever written to it.
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := t.connection.CreateStream(headers)
	if err != nil {
		t.discard()
		return nil, fmt.Errorf("open a port-forward: %w", err)
	}
	return join(t.connection, data, failures), nil
}

func (t *tunnel) discard() {
	t.connection.Close() //nolint:errcheck // It is broken.
	t.connection = nil
}

// forward opens a port-forward, over a web socket, or SPDY where there is a proxy that knows no web sockets.
func (c *connection) forward(pod *corev1.Pod) (httpstream.Connection, error) {
	target := c.rest.Post().AbsPath(pods.path(pod.Namespace, pod.Name) + "/portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	dialer := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	socket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, c.config)
	if err != nil {
		return nil, err
	}
	connection, _, err := portforward.NewFallbackDialerForStreaming(socket, dialer, needsFallback).Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, fmt.Errorf("open a port-forward: %w", err)
	}
	return connection, nil
}

// join makes a connection with deadlines out of the two streams of one request.
func join(connection httpstream.Connection, data, failures httpstream.Stream) net.Conn {
	near, far := net.Pipe()
	var once sync.Once
	end := func() {
		once.Do(func() {
			far.Close() //nolint:errcheck // It never fails (net.Pipe).
			_ = data.Reset()
			connection.RemoveStreams(data, failures)
		})
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, err := io.Copy(data, far)
		_ = data.Close() // The service sees the end of what is sent.
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			end()
		}
	}()
	go func() {
		_, _ = io.Copy(far, data) // An end is an end, whatever the reason.
		end()
	}()
	go func() {
		// Whatever comes here is why the connection failed.
		if text, err := io.ReadAll(failures); err == nil && len(text) > 0 {
			end()
		}
	}()
	return near
}
