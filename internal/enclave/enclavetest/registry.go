package enclavetest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Who may use a test registry.
const (
	RegistryUser     = "anna"
	RegistryPassword = "s3cret"
)

// StartRegistry starts a real image registry (tools/registry) for one test, which asks for a password, and gives its address.
// It listens on this machine's loopback address, and in network on that of the nodes of a cluster whose network namespace
// that file stands for, unless it is empty. Engines and nodes take such a registry without encryption.
func StartRegistry(tb testing.TB, network string) (address string) {
	tb.Helper()
	program := os.Getenv("SUNDOG_TEST_REGISTRY")
	if program == "" {
		tb.Skip("SUNDOG_TEST_REGISTRY says where the program of tools/registry is")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(RegistryPassword), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte(RegistryUser+":"+string(hash)+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	arguments := []string{file}
	if network != "" {
		arguments = append(arguments, network)
	}
	command := exec.Command(program, arguments...)
	command.Stderr = os.Stderr
	life, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		life.Close()
		command.Wait() // How it ends is nobody's business any more.
	})
	if address, err = bufio.NewReader(output).ReadString('\n'); err != nil {
		tb.Fatalf("start the registry: %v", err)
	}
	return strings.TrimSpace(address)
}

// NodeNetwork is the file that stands for the network namespace of a test cluster's only node. Without one there is no registry
// that both this machine and the node reach, and nothing that a test starts is part of the cluster's network.
func NodeNetwork(tb testing.TB) string {
	tb.Helper()
	network := os.Getenv("SUNDOG_TEST_KUBERNETES_NETWORK")
	if network == "" {
		tb.Skip("SUNDOG_TEST_KUBERNETES_NETWORK names the file of the node's network namespace (/proc/ID/ns/net), of which what the test starts has to be a part")
	}
	return network
}

// DockerConfig writes a Docker configuration with one password and gives its folder.
func DockerConfig(tb testing.TB, address, password string) (folder string) {
	tb.Helper()
	folder = tb.TempDir()
	content := "{}"
	if password != "" {
		content = fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, address, base64.StdEncoding.EncodeToString([]byte(RegistryUser+":"+password)))
	}
	if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return folder
}

// RemoveFromNodes takes images out of a test cluster's nodes, where the command in SUNDOG_TEST_KUBERNETES_UNLOAD can. Some may
// not be there.
func RemoveFromNodes(tb testing.TB, images ...string) {
	tb.Helper()
	words := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_UNLOAD"))
	if len(words) == 0 || len(images) == 0 {
		return
	}
	command := exec.Command(words[0], append(words[1:], images...)...)
	if text, err := command.CombinedOutput(); err != nil {
		tb.Logf("%v: %v: %s", images, err, text)
	}
}
