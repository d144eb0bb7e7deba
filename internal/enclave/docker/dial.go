package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// proxyPatience is how long a published port that accepted is watched. Docker's proxy accepts before it knows whether the
// service does, and ends the connection at once if not.
const proxyPatience = 150 * time.Millisecond

// Dial implements enclave.Services. Where the enclave's network is one of this machine's own, the service's address
// itself is dialled: it refuses when nothing listens. Elsewhere the published port is.
func (b *Backend) Dial(ctx context.Context, name, service, transport string, port int) (net.Conn, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	dialled, err := b.dial(ctx, conn, name, service, strings.ToLower(transport), port)
	if err != nil {
		return nil, fmt.Errorf("connect to port %d/%s of service %q in enclave %q: %w", port, strings.ToLower(transport), service, name, err)
	}
	return dialled, nil
}

func (b *Backend) dial(ctx context.Context, conn *connection, name, service, transport string, port int) (net.Conn, error) {
	if transport != "tcp" && transport != "udp" {
		return nil, fmt.Errorf("transport %q cannot be dialled: it is tcp or udp", transport)
	}
	inspected, err := conn.inspectService(ctx, name, service)
	if err != nil {
		return nil, err
	}
	if !inspected.State.Running {
		found, err := conn.serviceFromInspect(ctx, name, inspected)
		if err != nil {
			return nil, err
		}
		return nil, found.NotRunning()
	}
	address, local := ownAddress(inspected, networkName(name))
	if local {
		return new(net.Dialer).DialContext(ctx, transport, netip.AddrPortFrom(address, uint16(port)).String()) //nolint:gosec // Ports were checked.
	}
	published, err := publishedAddress(conn, inspected, transport, port)
	if err != nil {
		return nil, err
	}
	return dialPublished(ctx, transport, published)
}

// ownAddress gives a container's address and tells whether this machine is in its network: then one of our interfaces
// has the network's gateway address. An engine in a virtual machine, or rootless, has its networks elsewhere although its
// socket is here.
func ownAddress(inspected container.InspectResponse, network string) (address netip.Addr, local bool) {
	if inspected.NetworkSettings == nil || inspected.NetworkSettings.Networks[network] == nil {
		return address, false
	}
	settings := inspected.NetworkSettings.Networks[network]
	interfaces, err := net.InterfaceAddrs()
	if err != nil || !settings.IPAddress.IsValid() {
		return address, false
	}
	for _, item := range interfaces {
		if prefix, err := netip.ParsePrefix(item.String()); err == nil && prefix.Addr() == settings.Gateway {
			return settings.IPAddress, true
		}
	}
	return settings.IPAddress, false
}

func publishedAddress(conn *connection, inspected container.InspectResponse, transport string, port int) (string, error) {
	ports, err := portsOf(inspected.Config.Labels)
	if err != nil {
		return "", err
	}
	for _, published := range ports {
		if published.Number == port && strings.EqualFold(published.Transport, transport) && published.HostPort != 0 {
			return net.JoinHostPort(conn.endpoint.hostname(), strconv.Itoa(published.HostPort)), nil
		}
	}
	return "", errors.New("the port is not published, and the enclave's network cannot be reached from this machine: declare the port in the service's ports")
}

// dialPublished connects to a published port and waits a moment to see whether it is the service that has accepted.
func dialPublished(ctx context.Context, transport, address string) (net.Conn, error) {
	dialled, err := new(net.Dialer).DialContext(ctx, transport, address)
	if err != nil || transport != "tcp" {
		return dialled, err
	}
	// Whoever speaks first is read, so the byte has to be given back.
	var first [1]byte
	if err := dialled.SetReadDeadline(time.Now().Add(proxyPatience)); err != nil {
		return nil, errors.Join(err, dialled.Close())
	}
	count, err := dialled.Read(first[:])
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.Join(fmt.Errorf("the published port %s accepts, but the service does not: %w", address, syscall.ECONNREFUSED), dialled.Close())
	}
	if err := dialled.SetReadDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, dialled.Close())
	}
	return &peekedConn{Conn: dialled, pending: first[:count]}, nil
}

// peekedConn is a connection of which something was read already.
type peekedConn struct {
	net.Conn
	pending []byte
}

// Read gives what was read before first.
func (c *peekedConn) Read(data []byte) (int, error) {
	if len(c.pending) == 0 {
		return c.Conn.Read(data)
	}
	count := copy(data, c.pending)
	c.pending = c.pending[count:]
	return count, nil
}

// CloseWrite ends our half of the connection where the transport can do so.
func (c *peekedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

var (
	_ io.Reader        = (*peekedConn)(nil)
	_ enclave.Services = (*Backend)(nil)
)
