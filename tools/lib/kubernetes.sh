# shellcheck shell=bash
# A cluster for tests: the one that KUBECONFIG names, or one of one node that is started on this machine by a tool beside the
# checkout, where there is one.

# The tool's folder. It has up.sh, which prints a kubeconfig's path, image.sh and down.sh.
KUBE_TOOL=${SUNDOG_KUBE_TOOL:-$ROOT/../shared/tools/kube}

# setup_kubernetes exports KUBECONFIG and what the tests need besides, and sets kubernetes_started where the cluster was started
# for them.
setup_kubernetes() {
	kubernetes_started=no
	if [ -n "${KUBECONFIG:-}" ]; then
		[ -n "${SUNDOG_TEST_KUBERNETES_LOAD:-}${SUNDOG_TEST_KUBERNETES_IMAGE:-}" ] || kubernetes_images_missing
	elif [ -x "$KUBE_TOOL/up.sh" ]; then
		KUBE_TOOL=$(cd "$KUBE_TOOL" && pwd)
		# shellcheck source=/dev/null
		[ -n "$(. "$KUBE_TOOL/lib.sh" && running_pid)" ] || kubernetes_started=yes
		say "kubernetes: starting a cluster of one node (the first time it is built, which takes minutes)"
		KUBECONFIG=$("$KUBE_TOOL/up.sh") || die "the cluster does not come up: see the messages above"
		SUNDOG_TEST_KUBERNETES_LOAD="$KUBE_TOOL/image.sh load"
	else
		die "there is no cluster to test on: set KUBECONFIG to one that may be used for tests, and say by SUNDOG_TEST_KUBERNETES_LOAD how an image archive gets into its nodes (for kind: 'kind load image-archive')"
	fi
	export KUBECONFIG SUNDOG_TEST_KUBERNETES=1 SUNDOG_TEST_KUBERNETES_LOAD SUNDOG_TEST_KUBERNETES_IMAGE
}

kubernetes_images_missing() {
	die "KUBECONFIG names a cluster, but nothing says how the test image gets into its nodes: set SUNDOG_TEST_KUBERNETES_LOAD to a command that takes the path of an image archive (for kind: 'kind load image-archive'), or SUNDOG_TEST_KUBERNETES_IMAGE to the name under which you pushed it (internal/enclave/enclavetest/testservice)"
}

# stop_kubernetes stops the cluster if it was started for the tests.
stop_kubernetes() {
	[ "${kubernetes_started:-no}" = no ] || "$KUBE_TOOL/down.sh"
}
