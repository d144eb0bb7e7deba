package kubernetes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Default fills in what the options do not say from environment variables: those of the Kubernetes and Helm providers, and
// Sundog's own.
func (o Options) Default(getenv func(string) string) (Options, error) {
	c := &o.Cluster
	for variable, target := range map[string]*string{
		"KUBE_CTX": &c.ConfigContext, "KUBE_CTX_AUTH_INFO": &c.ConfigContextAuthInfo, "KUBE_CTX_CLUSTER": &c.ConfigContextCluster,
		"KUBE_HOST": &c.Host, "KUBE_TOKEN": &c.Token, "KUBE_USER": &c.Username, "KUBE_PASSWORD": &c.Password,
		"KUBE_CLUSTER_CA_CERT_DATA": &c.ClusterCACertificate, "KUBE_CLIENT_CERT_DATA": &c.ClientCertificate, "KUBE_CLIENT_KEY_DATA": &c.ClientKey,
		"KUBE_TLS_SERVER_NAME": &c.TLSServerName, "KUBE_PROXY_URL": &c.ProxyURL,
		"SUNDOG_KUBERNETES_STORAGE_CLASS": &o.StorageClass, "SUNDOG_KUBERNETES_EXPOSE": &o.Expose, "SUNDOG_KUBERNETES_NODE_ADDRESS": &o.NodeAddress,
		"SUNDOG_KUBERNETES_STORAGE_ACCESS_MODE": &o.AccessMode,
	} {
		if *target == "" {
			*target = getenv(variable)
		}
	}
	if c.ConfigPath == "" && len(c.ConfigPaths) == 0 {
		c.ConfigPath = getenv("KUBE_CONFIG_PATH")
		if paths := getenv("KUBE_CONFIG_PATHS"); c.ConfigPath == "" && paths != "" {
			c.ConfigPaths = filepath.SplitList(paths)
		}
	}
	if text := getenv("KUBE_INSECURE"); text != "" && !c.Insecure {
		insecure, err := strconv.ParseBool(text)
		if err != nil {
			return o, fmt.Errorf("KUBE_INSECURE is %q: give true or false", text)
		}
		c.Insecure = insecure
	}
	if err := o.storageDefaults(getenv); err != nil {
		return o, err
	}
	o.imageDefaults(getenv)
	o.imageBuildDefaults(getenv)
	return o, o.check()
}

// check refuses what cannot be meant. Whether a way of exposing ports has what it needs is seen when it is used, as values may
// not be known yet.
func (o Options) check() error {
	if mode := o.exposure().Mode; !slices.Contains(enclave.ExposureModes(), mode) {
		return (&enclave.Exposure{Mode: mode}).Check()
	}
	return o.checkImages()
}
