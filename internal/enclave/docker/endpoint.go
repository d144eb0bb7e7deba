package docker

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
)

// endpoint is where the engine is and why it was chosen.
type endpoint struct {
	Host   string
	Chosen string
	// TLSDirectory holds ca.pem, cert.pem and key.pem, each of which may be missing; empty means no TLS.
	TLSDirectory string
}

// chooseEndpoint follows the order that the Docker CLI has, with the provider's own setting before all others. What is
// known of the endpoint is returned with an error too.
func chooseEndpoint(configured, from string) (endpoint, error) {
	if from == "" {
		from = "docker.host in the provider block"
	}
	if configured != "" {
		return endpoint{Host: configured, Chosen: from, TLSDirectory: tlsDirectoryFromEnvironment(configured)}, nil
	}
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return endpoint{Host: host, Chosen: "DOCKER_HOST", TLSDirectory: tlsDirectoryFromEnvironment(host)}, nil
	}
	name, chosen, err := contextName()
	if err != nil {
		return endpoint{Host: client.DefaultDockerHost, Chosen: chosen}, err
	}
	if name == "" || name == "default" {
		return endpoint{Host: client.DefaultDockerHost, Chosen: "the platform's default, as neither docker.host, DOCKER_HOST nor a Docker context is set"}, nil
	}
	return readContext(name, chosen)
}

// tlsDirectoryFromEnvironment follows the CLI: certificates of the environment belong to TCP endpoints only.
func tlsDirectoryFromEnvironment(host string) string {
	directory := os.Getenv(client.EnvOverrideCertPath)
	if !strings.HasPrefix(host, "tcp://") || (directory == "" && os.Getenv(client.EnvTLSVerify) == "") {
		return ""
	}
	if directory == "" {
		directory = registry.ConfigDirectory()
	}
	return directory
}

func contextName() (name, chosen string, err error) {
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name, "DOCKER_CONTEXT=" + name, nil
	}
	if registry.ConfigDirectory() == "" {
		return "", "", nil
	}
	file := filepath.Join(registry.ConfigDirectory(), configFile)
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	chosen = "the Docker CLI's configuration " + file
	if err != nil {
		return "", chosen, fmt.Errorf("read the Docker CLI's configuration: %w", err)
	}
	var settings struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := json.Unmarshal(content, &settings); err != nil {
		return "", chosen, fmt.Errorf("read the Docker CLI's configuration %s: %w", file, err)
	}
	return settings.CurrentContext, fmt.Sprintf("the Docker CLI's current context %q", settings.CurrentContext), nil
}

// readContext reads one context from the CLI's store, whose folders are named by the SHA-256 of the context's name.
func readContext(name, chosen string) (endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	folder := hex.EncodeToString(sum[:])
	file := filepath.Join(registry.ConfigDirectory(), "contexts", "meta", folder, "meta.json")
	result := endpoint{Host: "the Docker context " + name, Chosen: chosen}
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return result, fmt.Errorf("there is no Docker context %q: `docker context ls` shows those that exist", name)
	}
	if err != nil {
		return result, fmt.Errorf("read the Docker context %q: %w", name, err)
	}
	var metadata struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(content, &metadata); err != nil {
		return result, fmt.Errorf("read the Docker context %q from %s: %w", name, file, err)
	}
	host := metadata.Endpoints["docker"].Host
	if host == "" {
		return result, fmt.Errorf("the Docker context %q has no endpoint for Docker (%s)", name, file)
	}
	result.Host = host
	material := filepath.Join(registry.ConfigDirectory(), "contexts", "tls", folder, "docker")
	if _, err := os.Stat(material); err == nil {
		result.TLSDirectory = material
	}
	return result, nil
}

const configFile = "config.json"

// client makes a client without connecting. The version of the API is negotiated at the first request.
func (e endpoint) client() (*client.Client, error) {
	options := []client.Opt{client.WithAPIVersionFromEnv()}
	if strings.HasPrefix(e.Host, "ssh://") {
		helper, err := connhelper.GetConnectionHelper(e.Host)
		if err != nil {
			return nil, err
		}
		options = append(options,
			client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: helper.Dialer}, CheckRedirect: client.CheckRedirect}),
			client.WithHost(helper.Host), client.WithDialContext(helper.Dialer))
		return client.New(options...)
	}
	if e.TLSDirectory != "" {
		settings, err := tlsSettings(e.TLSDirectory)
		if err != nil {
			return nil, err
		}
		options = append(options, client.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: settings}, CheckRedirect: client.CheckRedirect}))
	}
	return client.New(append(options, client.WithHost(e.Host))...)
}

// tlsSettings reads certificates. The server is always verified, whatever a context says about skipping that: an
// engine is root on its machine.
func tlsSettings(directory string) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	authority, err := os.ReadFile(filepath.Join(directory, "ca.pem"))
	switch {
	case err == nil:
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("%s holds no certificate", filepath.Join(directory, "ca.pem"))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the engine's certificate authority: %w", err)
	}
	certificate, key := filepath.Join(directory, "cert.pem"), filepath.Join(directory, "key.pem")
	if _, err := os.Stat(certificate); err == nil {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate for the engine: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// hostname is the machine on which published ports of this engine are found.
func (e endpoint) hostname() string {
	parsed, err := url.Parse(e.Host)
	if err != nil || parsed.Hostname() == "" || parsed.Scheme == "unix" || parsed.Scheme == "npipe" {
		return loopback
	}
	return parsed.Hostname()
}
