# shellcheck shell=bash
# What is particular to the demo on Docker. It is sourced by demo, whose variables and functions it uses.

# backend_prepare sets up what runs the enclave.
backend_prepare() { "$ROOT/tools/setup" docker; }

# backend_machines prints further addresses of this machine at which containers reach it; the bridge's is always listened on.
backend_machines() { :; }

# backend_variables prints values of the configuration's variables.
backend_variables() { :; }

# backend_load brings the images, which were made on the Docker Engine, to where they run.
backend_load() { :; }

# backend_look says how to look at what went wrong.
backend_look() { echo "\`docker ps --filter label=sundog.dev/enclave=$ENCLAVE\` and \`docker logs\`"; }

# backend_snapshot notes what there is before anything is made.
backend_snapshot() { snapshot_engine; }

# backend_remove_images removes what the demo made beside the enclave.
backend_remove_images() {
	docker version >/dev/null 2>&1 || return 0
	docker images --quiet --filter "label=$IMAGE_LABEL" | sort -u | xargs -r docker rmi --force >/dev/null
}

# backend_is_clean prints what is left, and fails if anything is.
backend_is_clean() {
	docker version >/dev/null 2>&1 || return 0
	engine_is_clean
}

# backend_end stops what was started for the demo.
backend_end() { :; }
