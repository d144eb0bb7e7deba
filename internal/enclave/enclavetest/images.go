package enclavetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Images are the images that tests run. No registry is asked: they are made on the spot.
type Images struct {
	// Service is the test service (see the package testservice). Its entry point is "/service", so a command is
	// [subcommand, arguments...]; it has no command of its own, and exec needs the whole: ["/service", "echo", "x"].
	// The image holds /seed/from-image too, so that a mount at /seed can be seen to hide it.
	Service string
	// Base is the same image as whoever builds knows it; empty means Service.
	Base string
	// PublicPort gives a free number for a pinned port; nil means a free port of this machine.
	PublicPort func() int
	// Unprivileged has the same program and runs as the user "app", whom its /etc/passwd gives the number 42 and the group
	// 43 (BuildUnprivileged). Behaviours that need no process do without.
	Unprivileged string
}

// programPackage is the test service's package. Tests run in folders of this module, so the go command finds it.
const programPackage = "github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest/testservice"

// ServiceProgram is the path of the program inside the image Service.
const ServiceProgram = "/service"

// program is compiled once for a test process. It is a value that never changes.
var program = sync.OnceValues(compile)

// BuildImages makes the test images on a backend and removes them when the test ends. The names belong to this test
// alone, so tests may run in parallel and in several processes.
func BuildImages(tb testing.TB, backend enclave.Backend) Images {
	tb.Helper()
	binary, err := program()
	if err != nil {
		tb.Fatalf("compile the test service: %v", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", tb.Name(), os.Getpid()))
	image := plan.Image{Name: "sundog-test/service:" + hex.EncodeToString(sum[:8]), Build: &plan.Build{Context: serviceContext(tb, binary)}}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := backend.EnsureImage(ctx, image, enclave.ImageMissing); err != nil {
		tb.Fatalf("build the test image: %v", err)
	}
	tb.Cleanup(func() { RemoveImage(tb, backend, image.Name) })
	return Images{Service: image.Name}
}

// RemoveImage removes an image that was built, on backends that keep images at all. A backend leaves alone what is in use
// and is content with that, but a test is not.
func RemoveImage(tb testing.TB, backend enclave.Backend, name string) {
	tb.Helper()
	remover, ok := backend.(interface {
		RemoveImage(ctx context.Context, name string) error
	})
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := remover.RemoveImage(ctx, name); err != nil {
		tb.Errorf("remove the test image: %v", err)
	}
	if _, err := backend.EnsureImage(ctx, plan.Image{Name: name}, enclave.ImageNever); err == nil {
		tb.Errorf("the test image %s is left, as something uses it: build it before its enclave is reserved, so that it is removed after it", name)
	}
}

// serviceContext is the build context of the image Service. The nonce keeps images of different tests apart: shared
// layers could be removed by one test while another one builds on them.
func serviceContext(tb testing.TB, binary []byte) *plan.FileTree {
	tb.Helper()
	digest := sha256.Sum256(binary)
	tree, err := plan.NewFileTree([]plan.File{
		plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY nonce /nonce\nCOPY seed /seed/\nCOPY service "+ServiceProgram+"\nENTRYPOINT [\""+ServiceProgram+"\"]\n"),
		plan.TextFile("nonce", 0o644, fmt.Sprintf("%s %d %d\n", tb.Name(), os.Getpid(), time.Now().UnixNano())),
		plan.TextFile("seed/from-image", 0o644, "of the image"),
		{
			Path: "service", Mode: 0o755, Size: int64(len(binary)), SHA256: hex.EncodeToString(digest[:]),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(binary))), nil },
		},
	})
	if err != nil {
		tb.Fatalf("make the build context of the test image: %v", err)
	}
	return tree
}

// compile builds the static program of the test image.
func compile() ([]byte, error) {
	folder, err := os.MkdirTemp("", "sundog-testservice-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	output := filepath.Join(folder, "service")
	command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, programPackage)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=")
	if text, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(output)
}
