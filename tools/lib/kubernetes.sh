# shellcheck shell=bash
# A cluster for tests and the demo: the one that KUBECONFIG names, or one of one node that is started on this machine by a tool
# beside the checkout, where there is one.
#
# For a cluster in KUBECONFIG that is not the tool's:
#
#   SUNDOG_TEST_KUBERNETES_LOAD      a command that takes the path of an image archive (`docker save`) and brings it into the
#                                    nodes; for kind: "kind load image-archive"
#   SUNDOG_TEST_KUBERNETES_UNLOAD    a command that takes full names of images (docker.io/library/redis:7) and removes them from
#                                    the nodes; none: they stay there
#   SUNDOG_TEST_KUBERNETES_IMAGE     in place of LOAD, for the backend's own tests: where their image was pushed to
#   SUNDOG_TEST_KUBERNETES_MACHINE   address of this machine at which pods reach it; default: the one from which it speaks to
#                                    the API server
#   SUNDOG_TEST_KUBERNETES_NETWORK   the file of the only node's network namespace (/proc/ID/ns/net), where the test's registry
#                                    listens too; none: what needs one is skipped
#   SUNDOG_TEST_KUBECTL              kubectl; default: the one on PATH

# The tool's folder. It has build.sh, up.sh, which prints a kubeconfig's path, image.sh and down.sh.
KUBE_TOOL=${SUNDOG_KUBE_TOOL:-$ROOT/../shared/tools/kube}

# kubernetes_available: whether there is a cluster to use, or a way to one.
kubernetes_available() { [ -n "${KUBECONFIG:-}" ] || [ -x "$KUBE_TOOL/up.sh" ]; }

# kubernetes_wanted says what to set where there is neither.
kubernetes_wanted() {
	echo "there is no cluster to use: set KUBECONFIG to one that may be used for tests, and say by SUNDOG_TEST_KUBERNETES_LOAD" \
		"how an image archive gets into its nodes (for kind: 'kind load image-archive')"
}

# setup_kubernetes exports KUBECONFIG and what tests and demo need besides, and sets kubernetes_started where the cluster was
# started for them.
setup_kubernetes() {
	kubernetes_started=no
	kubernetes_available || die "$(kubernetes_wanted)"
	[ ! -x "$KUBE_TOOL/up.sh" ] || KUBE_TOOL=$(cd "$KUBE_TOOL" && pwd)
	if [ -z "${KUBECONFIG:-}" ]; then
		if [ -z "$(kube_setting running_pid)" ]; then
			kubernetes_started=yes
			say "kubernetes: starting a cluster of one node (the first time it is built, which takes minutes)"
		fi
		KUBECONFIG=$("$KUBE_TOOL/up.sh") || die "the cluster does not come up: see the messages above"
	fi
	if kube_is_tools; then
		: "${SUNDOG_TEST_KUBERNETES_LOAD:=$KUBE_TOOL/image.sh load}"
		# shellcheck disable=SC2016 # It is expanded where the tool's settings are known.
		: "${SUNDOG_TEST_KUBERNETES_UNLOAD:=ctr --address $(kube_setting 'echo "$KUBE_STATE"')/run/containerd.sock --namespace k8s.io images rm}"
		# shellcheck disable=SC2016 # it is for the tool's own shell
		: "${SUNDOG_TEST_KUBERNETES_MACHINE:=$(kube_setting 'echo "$HOST_IP"')}"
		: "${SUNDOG_TEST_KUBECTL:=$("$KUBE_TOOL/build.sh")/kubectl}"
		# shellcheck disable=SC2016 # it is for the tool's own shell
		: "${SUNDOG_TEST_KUBERNETES_NETWORK:=/proc/$(kube_setting 'init_pid "$(running_pid)"')/ns/net}"
	fi
	: "${SUNDOG_TEST_KUBECTL:=$(command -v kubectl || true)}"
	: "${SUNDOG_TEST_KUBERNETES_MACHINE:=$(kubernetes_machine)}"
	export KUBECONFIG SUNDOG_TEST_KUBERNETES=1 SUNDOG_TEST_KUBERNETES_LOAD SUNDOG_TEST_KUBERNETES_UNLOAD \
		SUNDOG_TEST_KUBERNETES_IMAGE SUNDOG_TEST_KUBERNETES_MACHINE SUNDOG_TEST_KUBERNETES_NETWORK \
		SUNDOG_TEST_KUBECTL
}

# kube_setting COMMAND: runs a command with the tool's own settings and functions.
kube_setting() {
	# shellcheck source=/dev/null
	(. "$KUBE_TOOL/lib.sh" && eval "$1")
}

# kube_is_tools: whether the cluster in KUBECONFIG is the one that the tool has started.
# shellcheck disable=SC2016 # it is for the tool's own shell
kube_is_tools() {
	[ -r "$KUBE_TOOL/lib.sh" ] && [ "$KUBECONFIG" = "$(kube_setting 'echo "$KUBECONFIG_OUT"')" ]
}

# kubernetes_machine prints the address from which this machine speaks to the API server. Pods reach it there unless something
# in between translates addresses. It prints nothing where that is a loopback address, or where nobody can tell.
kubernetes_machine() {
	local server
	[ -n "$SUNDOG_TEST_KUBECTL" ] || return 0
	server=$("$SUNDOG_TEST_KUBECTL" config view --minify -o 'jsonpath={.clusters[0].cluster.server}' 2>/dev/null) || return 0
	python3 - "$server" <<'PYTHON' 2>/dev/null || true
import socket
import sys
import urllib.parse

host = urllib.parse.urlsplit(sys.argv[1]).hostname
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.connect((host, 443))  # sends nothing
    address = probe.getsockname()[0]
if not address.startswith("127."):
    print(address)
PYTHON
}

# kubernetes_images_wanted ends the script where nothing says how images get into the nodes.
kubernetes_images_wanted() {
	[ -z "${SUNDOG_TEST_KUBERNETES_LOAD:-}${SUNDOG_TEST_KUBERNETES_IMAGE:-}" ] || return 0
	die "KUBECONFIG names a cluster, but nothing says how images get into its nodes: set SUNDOG_TEST_KUBERNETES_LOAD to a command that takes the path of an image archive (for kind: 'kind load image-archive'), or, for the backend's own tests alone, SUNDOG_TEST_KUBERNETES_IMAGE to the name under which you pushed their image (internal/enclave/enclavetest/testservice)"
}

# stop_kubernetes stops the cluster if it was started by setup_kubernetes.
stop_kubernetes() {
	[ "${kubernetes_started:-no}" = no ] || "$KUBE_TOOL/down.sh"
}

# own_kubernetes NAME OCTET RUNTIME exports KUBECONFIG of a cluster of the caller's own, which is started beside any other one
# and may be treated badly, with what the tool that starts it needs to find it again.
own_kubernetes() {
	[ -x "$KUBE_TOOL/up.sh" ] || die "there is no tool that starts a cluster on this machine: set SUNDOG_KUBE_TOOL to its folder, which has up.sh, image.sh and down.sh"
	KUBE_TOOL=$(cd "$KUBE_TOOL" && pwd)
	export KUBE_NAME=$1 KUBE_OCTET=$2 KUBE_RUNTIME=$3
	unset KUBE_STATE
	own_kubernetes_started=yes
	say "kubernetes: starting the cluster $1 (the first time it is built, which takes minutes)"
	KUBECONFIG=$("$KUBE_TOOL/up.sh" 8>&-) || die "the cluster does not come up: see the messages above"
	export KUBECONFIG
}

# stop_own_kubernetes stops the cluster that own_kubernetes started.
stop_own_kubernetes() {
	[ "${own_kubernetes_started:-no}" = no ] || "$KUBE_TOOL/down.sh"
}
