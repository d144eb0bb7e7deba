package kubernetes

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Cluster says where a cluster is, in the words of the Kubernetes and Helm providers. What is empty comes from the
// kubeconfig: ConfigPath or ConfigPaths, else KUBECONFIG, else ~/.kube/config; inside of a cluster its own service account.
type Cluster struct {
	ConfigPath, ConfigContext, ConfigContextCluster, ConfigContextAuthInfo string

	ConfigPaths []string

	Host, Token, Username, Password                    string
	ClusterCACertificate, ClientCertificate, ClientKey string // PEM
	TLSServerName, ProxyURL                            string
	Insecure                                           bool

	Exec *Exec
}

// Exec is a program that gives credentials.
type Exec struct {
	APIVersion, Command string
	Args                []string
	Env                 map[string]string
}

// The client's own limits. The server's priority and fairness is what really bounds, and its "try later" is obeyed; these
// only keep one apply from being a flood.
const (
	requestsPerSecond = 100
	requestsAtOnce    = 200
)

// restConfig reads the configuration. Chosen tells in words what decided.
func (c Cluster) restConfig() (config *rest.Config, chosen string, err error) {
	if err := c.check(); err != nil {
		return nil, "", err
	}
	rules, chosen, err := c.rules()
	if err != nil {
		return nil, "", err
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, c.overrides())
	// What cannot be read is told below.
	if raw, err := loader.RawConfig(); err == nil {
		if err := c.checkNames(&raw); err != nil {
			return nil, "", fmt.Errorf("read the kubeconfig (chosen by %s): %w", chosen, err)
		}
	}
	config, err = loader.ClientConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) {
			return nil, "", errors.New("there is no cluster to work with: name a kubeconfig by kubernetes.config_path or KUBECONFIG, or give kubernetes.host with credentials")
		}
		return nil, "", fmt.Errorf("read the kubeconfig (chosen by %s): %w", chosen, err)
	}
	if config.BearerTokenFile == podTokenFile {
		chosen = "the service account of the pod that this runs in"
	}
	config.QPS, config.Burst = requestsPerSecond, requestsAtOnce
	config.UserAgent = "sundog"
	return config, chosen, nil
}

func (c Cluster) rules() (*clientcmd.ClientConfigLoadingRules, string, error) {
	paths := slices.Clone(c.ConfigPaths)
	chosen := "kubernetes.config_paths"
	if c.ConfigPath != "" {
		paths, chosen = []string{c.ConfigPath}, "kubernetes.config_path"
	}
	if c.Host != "" && len(paths) == 0 {
		return &clientcmd.ClientConfigLoadingRules{}, "kubernetes.host", nil
	}
	if len(paths) == 0 {
		chosen = "KUBECONFIG"
		if os.Getenv("KUBECONFIG") == "" {
			chosen = "the default place of the kubeconfig"
		}
		return clientcmd.NewDefaultClientConfigLoadingRules(), chosen, nil
	}
	for i, path := range paths {
		if rest, found := strings.CutPrefix(path, "~/"); found {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, "", fmt.Errorf("%s %q: %w", chosen, path, err)
			}
			paths[i] = filepath.Join(home, rest)
		}
		if _, err := os.Stat(paths[i]); err != nil {
			return nil, "", fmt.Errorf("%s: the kubeconfig cannot be read: %w", chosen, err)
		}
	}
	if len(paths) == 1 {
		return &clientcmd.ClientConfigLoadingRules{ExplicitPath: paths[0]}, chosen, nil
	}
	return &clientcmd.ClientConfigLoadingRules{Precedence: paths}, chosen, nil
}

func (c Cluster) overrides() *clientcmd.ConfigOverrides {
	overrides := &clientcmd.ConfigOverrides{
		CurrentContext: c.ConfigContext,
		Context:        api.Context{Cluster: c.ConfigContextCluster, AuthInfo: c.ConfigContextAuthInfo},
		ClusterInfo: api.Cluster{
			Server: c.server(), TLSServerName: c.TLSServerName, ProxyURL: c.ProxyURL, InsecureSkipTLSVerify: c.Insecure,
			CertificateAuthorityData: pem(c.ClusterCACertificate),
		},
		AuthInfo: api.AuthInfo{
			Token: c.Token, Username: c.Username, Password: c.Password,
			ClientCertificateData: pem(c.ClientCertificate), ClientKeyData: pem(c.ClientKey),
		},
	}
	if c.Exec != nil {
		overrides.AuthInfo.Exec = &api.ExecConfig{
			APIVersion: c.Exec.APIVersion, Command: c.Exec.Command, Args: c.Exec.Args, InteractiveMode: api.NeverExecInteractiveMode,
		}
		for name, value := range c.Exec.Env {
			overrides.AuthInfo.Exec.Env = append(overrides.AuthInfo.Exec.Env, api.ExecEnvVar{Name: name, Value: value})
		}
	}
	return overrides
}

// pem takes a certificate as it is, or as kubeconfigs hold it.
func pem(text string) []byte {
	if text == "" {
		return nil
	}
	if !strings.Contains(text, "-----BEGIN") {
		if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
			return decoded
		}
	}
	return []byte(text)
}

// podTokenFile is where pods find the token of their service account.
const podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // It is a path.

const unreachableRemedy = "See that the cluster is up and that its API server is reached from here (`kubectl version` asks it), or name another one: " +
	"kubernetes = { config_path = ..., config_context = ... } in the provider block, or KUBECONFIG. What exists there is left as it is."

// unreachable wraps an error that tells that nobody answered.
func (c *connection) unreachable(err error) error {
	if advice := hint(err); advice != "" {
		err = fmt.Errorf("%w: %s", err, advice)
	}
	return &enclave.UnreachableError{Endpoint: c.config.Host, Chosen: c.chosen, Remedy: unreachableRemedy, Err: err}
}
