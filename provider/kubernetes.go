package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
)

// kubernetesSchema says which cluster to use, in the words of the Kubernetes and Helm providers.
func kubernetesSchema() schema.SingleNestedAttribute {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description}
	}
	secret := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: description}
	}
	paths := path.MatchRelative().AtParent().AtName("config_paths")
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "The Kubernetes cluster to use with `backend = \"kubernetes\"`. What is not given comes from the kubeconfig, or from the " +
			"variables of the Kubernetes provider (`KUBE_CONFIG_PATH`, `KUBE_CTX`, `KUBE_HOST`, `KUBE_TOKEN` and so on). Values may come from a " +
			"cluster that the same apply makes.",
		Attributes: withExposure(withImages(map[string]schema.Attribute{
			"config_path": schema.StringAttribute{
				Optional: true, Validators: []validator.String{stringvalidator.ConflictsWith(paths)},
				MarkdownDescription: "Path of a kubeconfig file. Default: `KUBECONFIG`, then `~/.kube/config`, then the service account of the pod that this runs in.",
			},
			"config_paths": schema.ListAttribute{
				Optional: true, ElementType: types.StringType, Validators: []validator.List{listvalidator.SizeAtLeast(1)},
				MarkdownDescription: "Paths of several kubeconfig files, which are merged.",
			},
			"config_context":           text("Context of the kubeconfig. Default: its current one."),
			"config_context_cluster":   text("Cluster of the kubeconfig, in place of the context's."),
			"config_context_auth_info": text("User of the kubeconfig, in place of the context's."),
			"host":                     text("Where the API server listens, for example `https://10.0.0.1:6443`."),
			"token":                    secret("Token of a service account or user."),
			"username":                 text("Name for basic authentication."),
			"password":                 secret("Password for basic authentication."),
			"cluster_ca_certificate":   text("Certificate of the authority that signed the API server's, PEM."),
			"client_certificate":       text("Certificate to authenticate with, PEM."),
			"client_key":               secret("Key of that certificate, PEM."),
			"tls_server_name":          text("Name that the API server's certificate is checked against."),
			"proxy_url":                text("Proxy in front of the API server."),
			"insecure": schema.BoolAttribute{
				Optional: true, MarkdownDescription: "Do not check the API server's certificate. Default `false`.",
			},
			"exec": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "A program that gives credentials, such as `aws eks get-token`.",
				Attributes: map[string]schema.Attribute{
					"api_version": schema.StringAttribute{Required: true, MarkdownDescription: "Version of the credentials that it gives, for example `client.authentication.k8s.io/v1`."},
					"command":     schema.StringAttribute{Required: true, MarkdownDescription: "The program."},
					"args":        schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Its arguments."},
					"env":         schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Its environment, beside the provider's own."},
				},
			},
			"storage_class": text("Storage class of persistent directories. Default: the cluster's. Environment: `SUNDOG_KUBERNETES_STORAGE_CLASS`."),
			"storage_size_mb": schema.Int64Attribute{
				Optional: true, Validators: []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: "Size in megabytes of persistent directories for which the package names none. Default `1024`. Environment: `SUNDOG_KUBERNETES_STORAGE_SIZE_MB`.",
			},
			"storage_access_mode": schema.StringAttribute{
				Optional: true, Validators: []validator.String{stringvalidator.OneOf("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod")},
				MarkdownDescription: "Access mode of persistent directories. Default `ReadWriteOnce`. Environment: `SUNDOG_KUBERNETES_STORAGE_ACCESS_MODE`.",
			},
			"artifact_storage_mb": schema.Int64Attribute{
				Optional: true, Validators: []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: "Size in megabytes of the volume that keeps an enclave's large files artifacts, those of more than about 30 MiB when packed. " +
					"It is made when the first of them is stored. Default `10240`. Environment: `SUNDOG_KUBERNETES_ARTIFACT_STORAGE_MB`.",
			},
		})),
	}
}

// kubernetes reads which cluster to use from the provider block.
func (r *reader) kubernetes(v attr.Value) kubernetes.Options {
	given, _ := r.object("kubernetes", v)
	text := func(name string) string { return r.text("kubernetes."+name, given[name]) }
	options := kubernetes.Options{
		Cluster: kubernetes.Cluster{
			ConfigPath: text("config_path"), ConfigPaths: r.texts("kubernetes.config_paths", given["config_paths"]), ConfigContext: text("config_context"),
			ConfigContextCluster: text("config_context_cluster"), ConfigContextAuthInfo: text("config_context_auth_info"),
			Host: text("host"), Token: text("token"), Username: text("username"), Password: text("password"),
			ClusterCACertificate: text("cluster_ca_certificate"), ClientCertificate: text("client_certificate"), ClientKey: text("client_key"),
			TLSServerName: text("tls_server_name"), ProxyURL: text("proxy_url"), Exec: r.exec(given["exec"]),
		},
		StorageClass: text("storage_class"), StorageSizeMB: r.number("kubernetes.storage_size_mb", given["storage_size_mb"]), AccessMode: text("storage_access_mode"),
		ArtifactStorageMB: r.number("kubernetes.artifact_storage_mb", given["artifact_storage_mb"]),
	}
	r.exposure(given, &options)
	r.images(given, &options)
	options.Cluster.Insecure = r.truth("kubernetes.insecure", given["insecure"])
	return options
}

func (r *reader) exec(v attr.Value) *kubernetes.Exec {
	given, set := r.object("kubernetes.exec", v)
	if !set {
		return nil
	}
	plugin := &kubernetes.Exec{
		APIVersion: r.text("kubernetes.exec.api_version", given["api_version"]), Command: r.text("kubernetes.exec.command", given["command"]),
		Args: r.texts("kubernetes.exec.args", given["args"]), Env: r.pairs("kubernetes.exec.env", given["env"]),
	}
	return plugin
}
