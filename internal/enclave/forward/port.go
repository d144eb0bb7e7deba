package forward

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Target is a port of a service.
type Target struct {
	Number int
	// ID is empty for a port that the service does not declare.
	ID        string
	Transport string // lower case
}

// UnknownPortError tells that a service declares no such port.
type UnknownPortError struct {
	Service, Wanted string
	Known           []string
	// Hint follows the wanted port's name.
	Hint string
}

func (e *UnknownPortError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("service %q has no ports", e.Service)
	}
	return fmt.Sprintf("service %q has no port %q%s: it has %s", e.Service, e.Wanted, e.Hint, strings.Join(e.Known, ", "))
}

// Find finds a port that a service declares by its id or number, or any port by its number; "/tcp" or "/udp" behind it says
// which transport is meant. A text that can be no port is an error other than *UnknownPortError.
func Find(service *enclave.Service, wanted string) (Target, error) {
	name, transport, err := split(wanted)
	if err != nil {
		return Target{}, err
	}
	known := slices.Sorted(maps.Keys(service.Ports))
	elsewhere := false
	for _, id := range known {
		port := service.Ports[id]
		if id != name && strconv.Itoa(port.Number) != name {
			continue
		}
		spoken := strings.ToLower(port.Transport)
		if transport == "" || transport == spoken {
			return Target{port.Number, id, spoken}, nil
		}
		elsewhere = true
	}
	if number, isNumber, err := number(name); isNumber || err != nil {
		return Target{number, "", transportOr(transport, "tcp")}, err
	}
	if elsewhere {
		return Target{}, &UnknownPortError{Service: service.Name, Wanted: wanted, Known: known}
	}
	return Target{}, &UnknownPortError{Service: service.Name, Wanted: name, Known: known}
}

// CheckPort refuses a text that can be no port.
func CheckPort(wanted string) error {
	name, _, err := split(wanted)
	if err != nil {
		return err
	}
	if name == "" {
		return errors.New("no port is named")
	}
	_, _, err = number(name)
	return err
}

func split(wanted string) (name, transport string, err error) {
	name, transport, given := strings.Cut(wanted, "/")
	transport = strings.ToLower(transport)
	if given && transport != "tcp" && transport != "udp" {
		return "", "", fmt.Errorf("%q: a port is of tcp or udp", wanted)
	}
	return name, transport, nil
}

func number(name string) (number int, isNumber bool, err error) {
	number, numberErr := strconv.Atoi(name)
	if numberErr != nil {
		return 0, false, nil //nolint:nilerr // It is a name then.
	}
	if number < 1 || number > 65535 {
		return 0, true, fmt.Errorf("%d is no port: ports are 1 to 65535", number)
	}
	return number, true, nil
}

func transportOr(transport, fallback string) string {
	if transport == "" {
		return fallback
	}
	return transport
}

// ListenError says what can be done about a local port that is not to be had; other says how to ask for another one.
func ListenError(err error, address string, port int, other string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d on %s is in use on this machine: %s (%w)", port, address, other, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("port %d on %s may not be used by you: %s (%w)", port, address, other, err)
	}
	return err
}
