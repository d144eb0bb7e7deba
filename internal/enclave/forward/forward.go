// Package forward joins ports of this machine with services of an enclave, by nothing but the backend's Dial.
package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// awayPatience is how long a connection waits for a service that is away where nobody says, and awayPause how often it is
	// looked for: a replacement takes that long, and a pod that Kubernetes makes anew.
	awayPatience = time.Minute
	awayPause    = 250 * time.Millisecond
	// idleTime is after how long without a datagram it is forgotten where answers went.
	idleTime = 2 * time.Minute
	// mostDatagram is the largest datagram that UDP has.
	mostDatagram = 1 << 16
)

// Forwarder joins what connects to this machine with a service. Every connection looks for the service anew, so that it may
// be replaced or restarted meanwhile.
type Forwarder struct {
	Dial func(context.Context) (net.Conn, error)
	// Waiting is told when a connection waits for a service that is away, and why.
	Waiting func(error)
	// Failed is told why a connection came to nothing.
	Failed func(error)
	// Patience is how long a connection waits for a service that is away; 0 means a minute.
	Patience time.Duration
}

// Listen makes the local end. Serve ends, without an error, when the context does; the connections end with it.
func (f *Forwarder) Listen(ctx context.Context, transport, address string) (local net.Addr, serve, closer func() error, err error) {
	if transport == "udp" {
		conn, err := new(net.ListenConfig).ListenPacket(ctx, transport, address)
		if err != nil {
			return nil, nil, nil, err
		}
		return conn.LocalAddr(), func() error { return f.servePackets(ctx, conn) }, conn.Close, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, transport, address)
	if err != nil {
		return nil, nil, nil, err
	}
	return listener.Addr(), func() error { return f.serve(ctx, listener) }, listener.Close, nil
}

func (f *Forwarder) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		near, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			cancel()
			return fmt.Errorf("accept a connection on %s: %w", listener.Addr(), err)
		}
		connections.Go(func() { f.join(ctx, near) })
	}
}

// reach dials the service, and waits for one that is away.
func (f *Forwarder) reach(ctx context.Context) (net.Conn, error) {
	deadline := time.Now().Add(cmp.Or(f.Patience, awayPatience))
	for told := false; ; {
		far, err := f.Dial(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return far, err
		}
		if !told {
			f.Waiting(err)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(awayPause):
		}
	}
}

func (f *Forwarder) join(ctx context.Context, near net.Conn) {
	defer near.Close() //nolint:errcheck // It is over in any case.
	far, err := f.reach(ctx)
	if err != nil {
		// The others go on: the service may come back.
		if ctx.Err() == nil {
			f.Failed(err)
		}
		return
	}
	defer far.Close() //nolint:errcheck // As above.
	stop := context.AfterFunc(ctx, func() {
		_ = near.Close()
		_ = far.Close()
	})
	defer stop()
	var directions sync.WaitGroup
	directions.Go(func() { pass(far, near) })
	directions.Go(func() { pass(near, far) })
	directions.Wait()
}

// pass copies until one side has said all, and tells the other; the opposite direction may go on.
func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}

// servePackets passes datagrams on. Each sender on this machine has a way of its own to the service, so that answers find
// back; it is made anew when the service was replaced.
func (f *Forwarder) servePackets(ctx context.Context, near net.PacketConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = near.Close() })
	defer stop()
	ways := &packetWays{forwarder: f, near: near, ways: map[string]net.Conn{}}
	defer ways.close()
	buffer := make([]byte, mostDatagram)
	for {
		count, from, err := near.ReadFrom(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("receive on %s: %w", near.LocalAddr(), err)
		}
		ways.pass(ctx, from, buffer[:count])
	}
}

// packetWays are the ways of all senders.
type packetWays struct {
	forwarder *Forwarder
	near      net.PacketConn
	mutex     sync.Mutex
	ways      map[string]net.Conn
	answers   sync.WaitGroup
}

// pass sends one datagram on. One that does not reach the service is lost, as datagrams may be.
func (w *packetWays) pass(ctx context.Context, from net.Addr, data []byte) {
	for range 2 {
		far, err := w.way(ctx, from)
		if err != nil {
			if ctx.Err() == nil {
				w.forwarder.Failed(err)
			}
			return
		}
		if _, err := far.Write(data); err == nil {
			return
		}
		w.forget(from, far) // The service is somewhere else by now.
	}
}

func (w *packetWays) way(ctx context.Context, from net.Addr) (net.Conn, error) {
	w.mutex.Lock()
	far := w.ways[from.String()]
	w.mutex.Unlock()
	if far != nil {
		return far, nil
	}
	far, err := w.forwarder.Dial(ctx)
	if err != nil {
		return nil, err
	}
	w.mutex.Lock()
	w.ways[from.String()] = far
	w.mutex.Unlock()
	w.answers.Go(func() { w.answer(from, far) })
	return far, nil
}

// answer passes back what the service sends, until it has been silent for a while.
func (w *packetWays) answer(from net.Addr, far net.Conn) {
	defer w.forget(from, far)
	buffer := make([]byte, mostDatagram)
	for {
		if err := far.SetReadDeadline(time.Now().Add(idleTime)); err != nil {
			return
		}
		count, err := far.Read(buffer)
		if err != nil {
			return
		}
		if _, err := w.near.WriteTo(buffer[:count], from); err != nil {
			return
		}
	}
}

func (w *packetWays) forget(from net.Addr, far net.Conn) {
	_ = far.Close()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.ways[from.String()] == far {
		delete(w.ways, from.String())
	}
}

func (w *packetWays) close() {
	w.mutex.Lock()
	for _, far := range w.ways {
		_ = far.Close()
	}
	w.mutex.Unlock()
	w.answers.Wait()
}
