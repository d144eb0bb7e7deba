# shellcheck shell=bash
# Docker Compose, which the benchmark measures beside Sundog.

# The version that is built. A Compose that happens to be installed is not used: figures must be comparable.
COMPOSE_VERSION=5.5.0

# setup_compose builds Docker Compose from its Go module into .cache/bin/docker-compose.
setup_compose() { locked compose build_compose; }

# build_compose: as with OpenTofu, the module's sources are copied and built as a main module of their own, because only a
# main module's replace lines count, and so that its go.sum checks what is downloaded.
build_compose() {
	local target=$BIN/docker-compose
	if [ -x "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$COMPOSE_VERSION" ]; then
		return 0
	fi
	command -v go >/dev/null 2>&1 || die "no Go toolchain on PATH: install Go 1.26 or later"
	say "building Docker Compose $COMPOSE_VERSION from its Go module: some minutes the first time"
	quietly build-compose build_compose_now "$target"
	echo "$COMPOSE_VERSION" >"$target.version"
}

build_compose_now() {
	local target=$1 module=github.com/docker/compose/v5 work=$CACHE/build/compose source
	mkdir -p "$BIN" "$work"
	set -ex
	# Outside of any module: this repository's go.mod has no say in what is downloaded.
	source=$(cd "$work" && GOWORK=off GOFLAGS=-mod=mod go mod download -json "$module@v$COMPOSE_VERSION" |
		sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p')
	rm -rf "$work/src"
	cp -R "$source" "$work/src"
	chmod -R u+w "$work/src"
	cd "$work/src"
	GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 nice -n 10 go build -p 2 -trimpath \
		-ldflags "-s -w -X $module/internal.Version=v$COMPOSE_VERSION" -o "$target.new" ./cmd
	mv "$target.new" "$target"
	cd "$CACHE"
	rm -rf "$work"
}
