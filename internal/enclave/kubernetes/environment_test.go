package kubernetes

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestEnvironmentFillsInWhatIsNotSaid(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"KUBE_CONFIG_PATH": "/other", "KUBE_CTX": "other", "KUBE_HOST": "other.example.com", "KUBE_TOKEN": "t", "KUBE_INSECURE": "true",
		"SUNDOG_KUBERNETES_EXPOSE": "NodePort", "SUNDOG_KUBERNETES_IMAGE_PULL_SECRETS": "regcred, default/other",
		"SUNDOG_KUBERNETES_IMAGE_REGISTRY": "registry.example.com/team/", "SUNDOG_KUBERNETES_IMAGE_LOAD_COMMAND": "kind load", "SUNDOG_KUBERNETES_STORAGE_CLASS": "fast",
	}
	getenv := func(name string) string { return environment[name] }
	options, err := Options{Cluster: Cluster{ConfigContext: "dev", ConfigPaths: []string{"/a", "/b"}}, StorageClass: "slow"}.Default(getenv)
	must(t, err)
	cluster := options.Cluster
	if cluster.ConfigContext != "dev" || cluster.ConfigPath != "" || !slices.Equal(cluster.ConfigPaths, []string{"/a", "/b"}) || options.StorageClass != "slow" {
		t.Errorf("what is said was overruled: %+v", options)
	}
	if cluster.Host != "other.example.com" || cluster.Token != "t" || !cluster.Insecure || options.Expose != ExposeNodePort || !slices.Equal(options.PullSecrets, []string{"regcred", "default/other"}) ||
		options.ImageRegistry != "registry.example.com/team/" || !slices.Equal(options.ImageLoadCommand, []string{"kind", "load"}) {
		t.Errorf("the environment was not read: %+v", options)
	}
	if got := cluster.overrides().ClusterInfo.Server; got != "https://other.example.com" {
		t.Errorf("the server is %q", got)
	}
	environment = map[string]string{"KUBE_CONFIG_PATHS": "/a" + string(filepath.ListSeparator) + "/b"}
	options, err = Options{}.Default(getenv)
	must(t, err)
	if !slices.Equal(options.Cluster.ConfigPaths, []string{"/a", "/b"}) {
		t.Errorf("paths are %v", options.Cluster.ConfigPaths)
	}
	for variable, value := range map[string]string{"KUBE_INSECURE": "perhaps", "SUNDOG_KUBERNETES_EXPOSE": "Everything", "SUNDOG_KUBERNETES_IMAGE_PULL_SECRETS": "a/b/c", "SUNDOG_KUBERNETES_IMAGE_REGISTRY": "team"} {
		environment = map[string]string{variable: value}
		_, err = Options{}.Default(getenv)
		mentions(t, err, value)
	}
}

func TestCertificatesAreTakenInBothForms(t *testing.T) {
	t.Parallel()
	const text = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
	if got := string(pem(text)); got != text {
		t.Errorf("got %q", got)
	}
	if got := string(pem("LS0tLS1CRUdJTg==")); got != "-----BEGIN" {
		t.Errorf("got %q", got)
	}
	if pem("") != nil {
		t.Error("nothing became something")
	}
}
