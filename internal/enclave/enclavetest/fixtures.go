package enclavetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Must ends a test where nothing should have failed.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Mentions checks that an error's text holds all that a reader needs.
func Mentions(tb testing.TB, err error, texts ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("there is no error, want one that mentions %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("error does not mention %q: %v", text, err)
		}
	}
}

// Eventually repeats a check until it holds.
func Eventually(tb testing.TB, what string, check func() (ok bool, last string)) {
	tb.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	last := ""
	for time.Now().Before(deadline) && tb.Context().Err() == nil {
		var ok bool
		if ok, last = check(); ok {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	tb.Fatalf("waited in vain for %s; last: %s", what, last)
}

// UniqueName gives an enclave's name that nobody else has.
func UniqueName(tb testing.TB) string {
	tb.Helper()
	var random [5]byte
	_, err := rand.Read(random[:])
	Must(tb, err)
	return "t" + hex.EncodeToString(random[:])
}

// ReserveEnclave gives a name for an enclave, and removes what bears it when the test ends. Images are built before it is
// called: what comes first is removed last, and an image that a service uses cannot be removed.
func ReserveEnclave(tb testing.TB, backend enclave.Backend) string {
	tb.Helper()
	name := UniqueName(tb)
	tb.Cleanup(func() { RemoveEnclave(tb, backend, name) })
	return name
}

// RemoveEnclave removes an enclave at a test's end.
func RemoveEnclave(tb testing.TB, backend enclave.Backend, name string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch err := backend.RemoveEnclave(ctx, name); {
	case err == nil:
	case errors.Is(err, enclave.ErrRestartEngine):
		// Docker 20.10 miscounts now and then, on a machine that is busy with others, and a test cannot restart it.
		tb.Logf("left behind: %v", err)
	default:
		tb.Errorf("remove enclave %s: %v", name, err)
	}
}

// MakeEnclave makes an enclave, of the owner Owner, for one test.
func MakeEnclave(tb testing.TB, backend enclave.Backend) string {
	tb.Helper()
	name := ReserveEnclave(tb, backend)
	_, err := backend.CreateEnclave(tb.Context(), enclave.Spec{Name: name, Owner: Owner})
	Must(tb, err)
	return name
}

// CreateAndStart makes a service run.
func CreateAndStart(ctx context.Context, backend enclave.Backend, name string, request enclave.ServiceRequest) error {
	if _, err := backend.CreateService(ctx, name, request); err != nil {
		return err
	}
	_, err := backend.StartService(ctx, name, request.Spec.Name)
	return err
}

// Exec runs a subcommand of the test program in a service and gives its output.
func Exec(tb testing.TB, backend enclave.Backend, name, service string, arguments ...string) string {
	tb.Helper()
	result, err := backend.Exec(tb.Context(), name, service, enclave.ExecRequest{Command: append([]string{ServiceProgram}, arguments...)})
	Must(tb, err)
	if result.Code != 0 {
		tb.Fatalf("%v ended with code %d: %s", arguments, result.Code, result.Output)
	}
	return result.Output
}

// AwaitState waits until a service is in a state.
func AwaitState(tb testing.TB, backend enclave.Backend, name, service string, state enclave.State) *enclave.Service {
	tb.Helper()
	var found *enclave.Service
	Eventually(tb, service+" to be "+string(state), func() (bool, string) {
		var err error
		found, err = backend.Service(tb.Context(), name, service)
		Must(tb, err)
		return found.State == state, fmt.Sprintf("%s, code %d", found.State, found.ExitCode)
	})
	return found
}
