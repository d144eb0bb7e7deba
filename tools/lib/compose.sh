# shellcheck shell=bash
# Docker Compose, which the benchmark measures beside Sundog.

# shellcheck source=tools/lib/main_module.sh
. "$ROOT/tools/lib/main_module.sh"

# The version that is built. A Compose that happens to be installed is not used: figures must be comparable.
COMPOSE_VERSION=5.5.0

# setup_compose builds Docker Compose into .cache/bin/docker-compose.
setup_compose() { locked compose build_compose; }

build_compose() {
	build_main_module docker-compose "$COMPOSE_VERSION" github.com/docker/compose/v5 \
		"-s -w -X github.com/docker/compose/v5/internal.Version=v$COMPOSE_VERSION" ./cmd two
}
