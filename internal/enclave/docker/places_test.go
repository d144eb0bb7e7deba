package docker

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestPlaceKnowsTheFirstChoice(t *testing.T) {
	t.Parallel()
	subnet, gateway := netip.MustParsePrefix("10.1.0.0/22"), netip.MustParseAddr("10.1.0.1")
	spec := plan.ServiceSpec{Name: "api", Ports: map[string]plan.Port{"a": {Number: 80, Transport: "TCP"}, "b": {Number: 81, Transport: "TCP"}}}
	address, err := chooseAddress(subnet, gateway, "api", nil)
	must(t, err)
	ports, err := allocatePorts("dev", spec, nil, reservations{ports: map[hostPort]bool{}})
	must(t, err)
	first := placeOf(address.String(), ports)
	if !first.isFirstChoice("dev", "api", subnet, gateway) {
		t.Errorf("%+v is what the name alone tells", first)
	}
	moved := placeOf(plus(address, 1).String(), ports)
	if moved.isFirstChoice("dev", "api", subnet, gateway) {
		t.Error("another address is no first choice")
	}
	taken := reservations{ports: map[hostPort]bool{{"TCP", ports["a"].HostPort}: true}}
	others, err := allocatePorts("dev", spec, nil, taken)
	must(t, err)
	noted := placeOf(address.String(), others)
	if noted.isFirstChoice("dev", "api", subnet, gateway) {
		t.Error("another port is no first choice")
	}
	// What was noted is what the service gets when the first choice is free again.
	again, err := allocatePorts("dev", spec, noted.ports(), reservations{ports: map[hostPort]bool{}})
	must(t, err)
	if again["a"].HostPort != others["a"].HostPort || again["b"].HostPort != others["b"].HostPort {
		t.Errorf("got %v, want %v", again, others)
	}
}

// TestDockerNamesWhoHoldsAPort pins a port that somebody else has.
func TestDockerNamesWhoHoldsAPort(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	images := enclavetest.BuildImages(t, backend)
	name := makeEnclave(t, backend)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("the listener has no TCP address")
	}
	request := serviceRequest(t, backend, images.Service)
	request.Spec.PublicPorts = map[string]plan.Port{"http": {Number: address.Port}}
	executable := filepath.Base(os.Args[0])
	mentions(t, createAndStart(t.Context(), backend, name, request), name, `"api"`, `"http"`, strconv.Itoa(address.Port),
		fmt.Sprintf("the process %q (number %d)", executable[:min(len(executable), 15)], os.Getpid()))
	must(t, listener.Close())
	foreigner := createPublisher(t, conn, images.Service, name+"-foreigner", address.Port)
	_, err = backend.StartService(t.Context(), name, "api")
	mentions(t, err, name, `"api"`, `"http"`, "container", name+"-foreigner", "did not make")
	must(t, conn.removeContainer(t.Context(), foreigner))
	_, err = backend.StartService(t.Context(), name, "api")
	must(t, err)
}
