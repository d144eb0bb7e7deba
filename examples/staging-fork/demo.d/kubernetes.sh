# shellcheck shell=bash
# What is particular to the demo on Kubernetes: docker.sh says what each function is for. Which cluster is used, and how
# images get into its nodes, is up to tools/lib/kubernetes.sh. The images are made on a Docker Engine all the same.

# shellcheck source=tools/lib/kubernetes.sh
. "$ROOT/tools/lib/kubernetes.sh"

NAMESPACE=sundog-$ENCLAVE

backend_prepare() {
	"$ROOT/tools/setup" docker
	# Later calls work on the cluster of the first one.
	if [ -z "${KUBECONFIG:-}" ] && [ -s "$DEMO/kubeconfig" ]; then
		KUBECONFIG=$(cat "$DEMO/kubeconfig")
	elif [ -n "${KUBECONFIG:-}" ]; then
		echo "$KUBECONFIG" >"$DEMO/kubeconfig"
	fi
	setup_kubernetes
	# Once ours, it is ours until the end; one that is ours and was stopped is started again.
	[ "$kubernetes_started" = no ] || touch "$DEMO/cluster-is-ours"
	[ -n "$SUNDOG_TEST_KUBERNETES_LOAD" ] || kubernetes_images_wanted
	[ -n "$SUNDOG_TEST_KUBECTL" ] || die "there is no kubectl on PATH: install it, or name it by SUNDOG_TEST_KUBECTL"
	[ -n "$SUNDOG_TEST_KUBERNETES_MACHINE" ] || die "nobody can tell at which address of this machine pods reach it, and so" \
		"the emulated AWS: name it by SUNDOG_TEST_KUBERNETES_MACHINE"
}

backend_machines() { echo "$SUNDOG_TEST_KUBERNETES_MACHINE"; }

backend_variables() {
	printf 'backend = "kubernetes"\nmachine = "%s"\n' "$SUNDOG_TEST_KUBERNETES_MACHINE"
}

backend_load() {
	local archive=$DEMO/images.tar
	docker images --format '{{.Repository}}:{{.Tag}}' --filter "label=$IMAGE_LABEL" --filter dangling=false | sort -u >"$DEMO/loaded"
	xargs docker save --output "$archive" <"$DEMO/loaded"
	# It is a command with arguments.
	# shellcheck disable=SC2086
	quietly load $SUNDOG_TEST_KUBERNETES_LOAD "$archive"
	rm -f "$archive"
}

backend_look() { echo "\`kubectl --namespace $NAMESPACE get pods,events\` and \`kubectl logs\`"; }

# Of the Docker Engine only the images are noted: those that were there before are somebody else's.
backend_snapshot() { snapshot_engine; }

backend_remove_images() {
	local image
	[ -e "$DEMO/engine-images" ] || return 0 # `demo up` has not begun
	[ -n "${kubernetes_started:-}" ] || backend_prepare
	if docker version >/dev/null 2>&1; then
		docker_images_of_demo | xargs -r docker rmi --force >/dev/null
	fi
	[ -s "$DEMO/loaded" ] || return 0
	if [ -z "$SUNDOG_TEST_KUBERNETES_UNLOAD" ]; then
		say "these images stay in the cluster's nodes, as SUNDOG_TEST_KUBERNETES_UNLOAD names no command that removes them: $(xargs <"$DEMO/loaded")"
		return 0
	fi
	while IFS= read -r image; do
		# shellcheck disable=SC2086
		quietly unload $SUNDOG_TEST_KUBERNETES_UNLOAD "docker.io/$image"
	done <"$DEMO/loaded"
	rm -f "$DEMO/loaded"
}

# docker_images_of_demo prints ids of the example's images on the Docker Engine that were not there before.
docker_images_of_demo() {
	engine_objects images --filter "label=$IMAGE_LABEL" | sort -u | comm -13 "$DEMO/engine-images" -
}

backend_is_clean() {
	local code=0 left what until
	[ -n "${kubernetes_started:-}" ] || return 0 # as above
	# Namespaced objects go with their namespace. A volume goes a moment after its claim.
	until=$((SECONDS + 60))
	while [ "$(cluster_objects volumes | wc -l)" != 0 ] && [ $SECONDS -lt $until ]; do sleep 1; done
	for what in namespaces volumes images; do
		left=$(cluster_objects "$what")
		echo "$what left: $(printf '%s' "$left" | grep -c . || true)"
		[ -z "$left" ] || code=1
	done
	if docker version >/dev/null 2>&1; then
		left=$(docker_images_of_demo)
		echo "images left on the Docker Engine: $(printf '%s' "$left" | grep -c . || true)"
		[ -z "$left" ] || code=1
	fi
	return $code
}

# cluster_objects KIND: what of that kind belongs to the demo, as the cluster itself tells.
cluster_objects() {
	local kubectl=$SUNDOG_TEST_KUBECTL
	case $1 in
	namespaces) "$kubectl" get namespaces --selector "sundog.dev/enclave=$ENCLAVE" --output name ;;
	volumes)
		"$kubectl" get persistentvolumes --output \
			"jsonpath={range .items[?(@.spec.claimRef.namespace==\"$NAMESPACE\")]}{.metadata.name}{\"\\n\"}{end}"
		;;
	# A node's own list is minutes old and a long one cut off, so what could not be removed is what is known to be left.
	images) if [ -s "$DEMO/loaded" ]; then cat "$DEMO/loaded"; fi ;;
	esac
}

backend_end() {
	[ ! -e "$DEMO/cluster-is-ours" ] || "$KUBE_TOOL/down.sh"
}
