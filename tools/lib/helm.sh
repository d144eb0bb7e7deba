# shellcheck shell=bash
# Helm, which the benchmark on Kubernetes measures beside Sundog.

# shellcheck source=tools/lib/main_module.sh
. "$ROOT/tools/lib/main_module.sh"

# The version that is built. A Helm that happens to be installed is not used: figures must be comparable.
HELM_VERSION=4.3.1

# setup_helm builds Helm into .cache/bin/helm.
setup_helm() { locked helm build_helm; }

build_helm() {
	build_main_module helm "$HELM_VERSION" helm.sh/helm/v4 \
		"-s -w -X helm.sh/helm/v4/internal/version.version=v$HELM_VERSION" ./cmd/helm three
}
