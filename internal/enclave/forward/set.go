package forward

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"sync"
)

// Set holds forwardings that outlive the call that opened them. Its zero value is ready.
type Set struct {
	mutex sync.Mutex
	open  map[string]*opened
}

// Opened is one forwarding of a Set.
type Opened struct {
	ID string
	// Port of this machine that is listened on.
	Port int
}

type opened struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mutex   sync.Mutex
	failure error
}

func (o *opened) fail(err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.failure = err
}

// Open listens on an address of this machine until Close. The forwarder's Waiting and Failed are the Set's own.
func (s *Set) Open(ctx context.Context, forwarder *Forwarder, transport, address string) (Opened, error) {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	item := &opened{cancel: cancel, ended: make(chan struct{})}
	forwarder.Waiting, forwarder.Failed = func(error) {}, item.fail
	local, serve, _, err := forwarder.Listen(serving, transport, address)
	if err != nil {
		cancel()
		return Opened{}, err
	}
	port, err := portOf(local)
	if err != nil {
		cancel()
		return Opened{}, err
	}
	go func() {
		defer close(item.ended)
		if err := serve(); err != nil {
			item.fail(err)
		}
	}()
	id := rand.Text()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.open == nil {
		s.open = map[string]*opened{}
	}
	s.open[id] = item
	return Opened{ID: id, Port: port}, nil
}

func portOf(address net.Addr) (int, error) {
	switch address := address.(type) {
	case *net.TCPAddr:
		return address.Port, nil
	case *net.UDPAddr:
		return address.Port, nil
	default:
		return 0, fmt.Errorf("%s is no address with a port", address)
	}
}

// Close ends a forwarding and its connections, and gives why the last connection that failed did; nil if none has. One that
// is not open, as in another process, is success.
func (s *Set) Close(id string) error {
	s.mutex.Lock()
	item := s.open[id]
	delete(s.open, id)
	s.mutex.Unlock()
	if item == nil {
		return nil
	}
	item.cancel()
	<-item.ended
	item.mutex.Lock()
	defer item.mutex.Unlock()
	return item.failure
}
