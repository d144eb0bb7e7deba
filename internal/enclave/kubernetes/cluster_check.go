package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"
)

// check refuses what cannot be meant, by the names of the attributes: the client's own messages know only those of
// kubeconfigs, or come when it is first used.
func (c Cluster) check() error {
	return errors.Join(c.checkHost(), c.checkTrust(), c.checkIdentity(), c.checkExec())
}

func (c Cluster) checkHost() error {
	var failures error
	if c.Host != "" {
		parsed, err := url.Parse(c.server())
		if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
			failures = fmt.Errorf("kubernetes.host: %q is no address of an API server: give one such as https://10.0.0.1:6443", c.Host)
		}
	}
	if c.ProxyURL != "" {
		parsed, err := url.Parse(c.ProxyURL)
		if err != nil || parsed.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, parsed.Scheme) {
			failures = errors.Join(failures, errors.New("kubernetes.proxy_url: it is no address of a proxy: give one such as http://proxy.example.com:3128; http, https and socks5 are known"))
		}
	}
	return failures
}

func (c Cluster) checkTrust() error {
	switch {
	case c.ClusterCACertificate == "":
		return nil
	case c.Insecure:
		return errors.New("kubernetes.insecure and kubernetes.cluster_ca_certificate exclude each other: leave one of them out, better the first")
	case !x509.NewCertPool().AppendCertsFromPEM(pem(c.ClusterCACertificate)):
		return errors.New("kubernetes.cluster_ca_certificate: it holds no certificate: give the PEM text itself (\"-----BEGIN CERTIFICATE-----\"), for example by file(), or encoded in base64 as kubeconfigs hold it")
	}
	return nil
}

func (c Cluster) checkIdentity() error {
	bare := c.Host != "" && c.ConfigPath == "" && len(c.ConfigPaths) == 0
	switch {
	case bare && c.ClientCertificate != "" && c.ClientKey == "":
		return errors.New("kubernetes.client_certificate needs kubernetes.client_key")
	case bare && c.ClientKey != "" && c.ClientCertificate == "":
		return errors.New("kubernetes.client_key needs kubernetes.client_certificate")
	case bare && c.Password != "" && c.Username == "":
		return errors.New("kubernetes.password needs kubernetes.username")
	case c.ClientCertificate == "" || c.ClientKey == "":
		return nil
	}
	if _, err := tls.X509KeyPair(pem(c.ClientCertificate), pem(c.ClientKey)); err != nil {
		return fmt.Errorf("kubernetes.client_certificate and kubernetes.client_key are no pair: %w", err)
	}
	return nil
}

// execVersions are the versions of the credentials that programs may give.
var execVersions = []string{"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}

func (c Cluster) checkExec() error {
	if c.Exec == nil {
		return nil
	}
	if !slices.Contains(execVersions, c.Exec.APIVersion) {
		return fmt.Errorf("kubernetes.exec.api_version: %q is none of %s", c.Exec.APIVersion, strings.Join(execVersions, " and "))
	}
	if _, err := exec.LookPath(c.Exec.Command); err != nil && !errors.Is(err, exec.ErrDot) {
		return fmt.Errorf("kubernetes.exec.command: there is no program %q on the machine that this runs on: install it, or give its whole path", c.Exec.Command)
	}
	return nil
}

// checkNames refuses names that the kubeconfig does not have.
func (c Cluster) checkNames(config *api.Config) error {
	var failures error
	refuse := func(attribute, thing, name string, there []string) {
		if name != "" && !slices.Contains(there, name) {
			failures = errors.Join(failures, fmt.Errorf("kubernetes.%s: there is no %s %q (there are %s)", attribute, thing, name, strings.Join(there, ", ")))
		}
	}
	contexts := slices.Sorted(maps.Keys(config.Contexts))
	refuse("config_context", "context", c.ConfigContext, contexts)
	refuse("config_context_cluster", "cluster", c.ConfigContextCluster, slices.Sorted(maps.Keys(config.Clusters)))
	refuse("config_context_auth_info", "user", c.ConfigContextAuthInfo, slices.Sorted(maps.Keys(config.AuthInfos)))
	if c.ConfigContext == "" && config.CurrentContext == "" && len(contexts) > 0 && c.Host == "" && c.ConfigContextCluster == "" {
		failures = errors.Join(failures, fmt.Errorf("kubernetes.config_context: the kubeconfig names no current context; give one of %s", strings.Join(contexts, ", ")))
	}
	return failures
}

// server is the host's URL.
func (c Cluster) server() string {
	if c.Host != "" && !strings.Contains(c.Host, "://") {
		return "https://" + c.Host
	}
	return c.Host
}

// hint says which attribute may be at fault where a server was not reached, or does not know us.
func hint(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for another name: give that name by kubernetes.tls_server_name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "nobody who is trusted here has signed the certificate: give the certificate of the cluster's authority by kubernetes.cluster_ca_certificate"
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "getting credentials"):
		return "the program of kubernetes.exec, or of the kubeconfig's user, gives no credentials: run it by hand to see why"
	case strings.Contains(text, "proxyconnect"):
		return "the proxy of kubernetes.proxy_url, or of HTTPS_PROXY, does not answer"
	}
	return ""
}
