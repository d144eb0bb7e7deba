# shellcheck shell=bash
# What a cluster for tests lacks and users' clusters have: an ingress controller, the Gateway API, and something that enforces
# NetworkPolicies. All come from Go modules and the distribution's packages. Who sources it has sourced docker.sh.

# shellcheck source=tools/lib/main_module.sh
. "$ROOT/tools/lib/main_module.sh"

HAPROXY_INGRESS_VERSION=0.16.1
KUBE_ROUTER_VERSION=2.1.0
GATEWAY_API_VERSION=1.6.3

# setup_network_components builds and installs what can be had; find_network_components tells what cannot. It may take minutes
# the first time, so it is made to run beside other work.
setup_network_components() {
	locked haproxy-ingress build_haproxy_ingress || true
	locked kube-router build_main_module kube-router "$KUBE_ROUTER_VERSION" github.com/cloudnativelabs/kube-router/v2 \
		"-s -w -X github.com/cloudnativelabs/kube-router/v2/pkg/version.Version=v$KUBE_ROUTER_VERSION" ./cmd/kube-router two || true
	locked network-packages install_network_packages || true
}

# build_haproxy_ingress builds the controller. It reads its templates from the folder that it runs in: .cache/bin/haproxy-ingress.d.
build_haproxy_ingress() {
	local module=github.com/jcmoraisjr/haproxy-ingress sources
	build_main_module haproxy-ingress "$HAPROXY_INGRESS_VERSION" "$module" \
		"-s -w -X $module/pkg/version.RELEASE=v$HAPROXY_INGRESS_VERSION" ./pkg three || return 1
	[ ! "$BIN/haproxy-ingress.d" -nt "$BIN/haproxy-ingress" ] || return 0
	sources=$(module_sources "$module@v$HAPROXY_INGRESS_VERSION") || return 1
	rm -rf "$BIN/haproxy-ingress.d"
	mkdir "$BIN/haproxy-ingress.d"
	cp -R "$sources/rootfs" "$BIN/haproxy-ingress.d/"
	chmod -R u+w "$BIN/haproxy-ingress.d"
}

# network_packages prints the packages of programs that are missing: each is called as its package is.
network_packages() {
	local program
	for program in haproxy ipset iptables; do
		command -v "$program" >/dev/null 2>&1 || echo "$program"
	done
}

install_network_packages() {
	local missing
	missing=$(network_packages)
	[ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 0
	# shellcheck disable=SC2086 # it is a list
	quietly apt-network apt_install $missing
}

# find_network_components exports where the components are, for tests, which are skipped for what is missing. Who calls it sees to
# it that no other tests use the cluster.
find_network_components() {
	local crds missing
	export SUNDOG_TEST_KUBERNETES_ALONE=1
	missing=$(network_packages)
	if [ ! -x "$BIN/haproxy-ingress" ] || [ ! -d "$BIN/haproxy-ingress.d" ] || [[ $missing == *haproxy* ]]; then
		say "tests: there is no ingress controller, so those that need one are skipped: it is built from a Go module (log:" \
			"$LOGS/build-haproxy-ingress.log), and needs the package haproxy"
	else
		export SUNDOG_TEST_INGRESS_CONTROLLER=$BIN/haproxy-ingress
	fi
	if [ ! -x "$BIN/kube-router" ] || [[ $missing == *ip* ]]; then
		say "tests: nothing enforces NetworkPolicies, so those that need it are skipped: it is built from a Go module (log:" \
			"$LOGS/build-kube-router.log), and needs the packages ipset and iptables"
	else
		export SUNDOG_TEST_NETWORK_POLICIES=$BIN/kube-router
	fi
	if ! crds=$(module_sources "sigs.k8s.io/gateway-api@v$GATEWAY_API_VERSION") || [ ! -d "$crds/config/crd/standard" ]; then
		say "tests: the Gateway API cannot be had as a Go module, so those that need it are skipped"
	else
		export SUNDOG_TEST_GATEWAY_API=$crds/config/crd/standard
	fi
}
