package kubernetes

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Dial implements enclave.Services. Only the API server has to be reachable. That something accepts on the port the agent
// finds out in the pod itself, on the address that other services reach, as a port-forward tells only of failures and later.
// Connections then go through a port-forward, all of them to one pod through one; those to a service that listens on its
// own address alone, and datagrams, go through the agent.
func (b *Backend) Dial(ctx context.Context, name, service, transport string, port int) (net.Conn, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	transport = strings.ToLower(transport)
	dialled, err := b.dial(ctx, conn, name, service, transport, port)
	if err != nil {
		return nil, fmt.Errorf("connect to port %d/%s of service %q in enclave %q: %w", port, transport, service, name, err)
	}
	return dialled, nil
}

func (b *Backend) dial(ctx context.Context, conn *connection, name, service, transport string, port int) (net.Conn, error) {
	if transport != "tcp" && transport != "udp" {
		return nil, fmt.Errorf("transport %q cannot be dialled: it is tcp or udp", transport)
	}
	of, err := b.running(ctx, conn, name, service)
	if err != nil {
		return nil, err
	}
	pod := of.pod
	address, err := hexAddress(pod.Status.PodIP)
	if err != nil {
		return nil, err
	}
	if transport == "udp" {
		return conn.connectByAgent(ctx, pod, transport, address, port)
	}
	if b.tunnels.opened(pod.UID, port) {
		return b.tunnels.open(ctx, conn, pod, port)
	}
	command := []string{"probe", address, strconv.Itoa(port)}
	if of.isNew() && of.declares(port) {
		stable := []*corev1.Service{of.service}
		if of.exposed != nil && nodePort(of.exposed, plan.Port{Number: port}) != 0 {
			stable = append(stable, of.exposed)
		}
		for _, service := range stable {
			text, err := hexAddress(service.Spec.ClusterIP)
			if err != nil {
				return nil, err
			}
			command = append(command, text)
		}
	}
	answer, err := conn.agent(ctx, pod, command...)
	if err != nil {
		return nil, err
	}
	switch strings.TrimSpace(answer) {
	case "open":
		b.tunnels.remember(pod.UID, port)
		return b.tunnels.open(ctx, conn, pod, port)
	case "own":
		return conn.connectByAgent(ctx, pod, transport, address, port)
	case "loopback":
		return nil, errors.New("connection refused: the service listens on its loopback address only, where no other service reaches it; have it listen on all addresses (0.0.0.0)")
	default:
		return nil, fmt.Errorf("the agent answers %q", answer)
	}
}

// newTime is how long after its start a service may not be reached yet under its name: nodes learn only after a while to
// which pod its address leads. Within that time the agent waits for it.
const newTime = 15 * time.Second

func (p *parts) isNew() bool {
	status := containerStatus(p.pod, containerService)
	return status != nil && status.State.Running != nil && time.Since(status.State.Running.StartedAt.Time) < newTime
}

// declares tells whether the service's stable address has the port.
func (p *parts) declares(port int) bool {
	return slices.ContainsFunc(p.service.Spec.Ports, func(item corev1.ServicePort) bool {
		return int(item.Port) == port && item.Protocol == corev1.ProtocolTCP
	})
}

// hexAddress is an address as the agent takes it.
func hexAddress(text string) (string, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(address.AsSlice()), nil
}

// connectByAgent runs the agent in the pod, and joins its input and output with a connection.
func (c *connection) connectByAgent(ctx context.Context, pod *corev1.Pod, transport, address string, port int) (net.Conn, error) {
	// The connection outlives the context of its making.
	session, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	near, far := net.Pipe()
	input, inputWriter := io.Pipe()
	output, outputWriter := io.Pipe()
	var complaint prefixWriter
	complaint.limit = 1024
	go func() {
		code, err := c.run(session, pod, []string{agentProgram, transport, address, strconv.Itoa(port)}, remotecommand.StreamOptions{Stdin: input, Stdout: outputWriter, Stderr: &complaint})
		if err == nil {
			err = agentError(code, complaint.String())
		}
		outputWriter.CloseWithError(err) // Nil stands for the end.
		input.CloseWithError(io.ErrClosedPipe)
		cancel()
	}()
	var ready [1]byte
	if _, err := io.ReadFull(output, ready[:]); err != nil {
		cancel()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err()
	}
	send, receive := sendStream, receiveStream
	if transport == "udp" {
		send, receive = sendDatagrams, receiveDatagrams
	}
	go func() {
		send(inputWriter, far)
		inputWriter.Close() //nolint:errcheck // It never fails (io.Pipe).
	}()
	go func() {
		receive(far, output)
		far.Close() //nolint:errcheck // It never fails (net.Pipe).
		output.CloseWithError(io.ErrClosedPipe)
		cancel()
	}()
	return near, nil
}

func sendStream(to io.Writer, from io.Reader) {
	_, _ = io.Copy(to, from) // An end is an end, whatever the reason.
}

func receiveStream(to io.Writer, from io.Reader) {
	_, _ = io.Copy(to, from) // As above.
}

const datagramLimit = 1<<16 - 1

func sendDatagrams(to io.Writer, from io.Reader) {
	frame := make([]byte, 2+datagramLimit)
	for {
		count, err := from.Read(frame[2:])
		if err != nil {
			return
		}
		binary.BigEndian.PutUint16(frame, uint16(count)) //nolint:gosec // The buffer bounds it.
		if _, err := to.Write(frame[:2+count]); err != nil {
			return
		}
	}
}

func receiveDatagrams(to io.Writer, from io.Reader) {
	frame := make([]byte, 2+datagramLimit)
	for {
		if _, err := io.ReadFull(from, frame[:2]); err != nil {
			return
		}
		size := int(binary.BigEndian.Uint16(frame))
		if _, err := io.ReadFull(from, frame[:size]); err != nil {
			return
		}
		if _, err := to.Write(frame[:size]); err != nil {
			return
		}
	}
}
