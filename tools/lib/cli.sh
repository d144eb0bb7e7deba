# shellcheck shell=bash
# The command line interfaces that speak to the provider: OpenTofu and Terraform.

# The version that is built when there is none on PATH, and that the tests run with.
TOFU_VERSION=1.12.6

# build_tofu builds OpenTofu from its Go module into .cache/bin/tofu.
#
# The module's sources are copied and built as a main module of their own, because only a main module's replace and
# godebug lines count (OpenTofu replaces hcl by a fork of it), and so that its go.sum checks what is downloaded.
# `dev=no` is what its releases set: without it, `tofu version` says 1.12.6-dev, which no version constraint accepts.
build_tofu() {
	local target=$BIN/tofu
	if [ -x "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$TOFU_VERSION" ]; then
		return 0
	fi
	command -v go >/dev/null 2>&1 || die "no Go toolchain on PATH: install Go 1.26 or later, or OpenTofu itself"
	say "building OpenTofu $TOFU_VERSION from its Go module: about five minutes the first time"
	quietly build-tofu build_tofu_now "$target"
	echo "$TOFU_VERSION" >"$target.version"
}

build_tofu_now() {
	local target=$1 module=github.com/opentofu/opentofu work=$CACHE/build/tofu source
	mkdir -p "$BIN" "$work"
	set -ex
	# Outside of any module: this repository's go.mod has no say in what is downloaded.
	source=$(cd "$work" && GOWORK=off GOFLAGS=-mod=mod go mod download -json "$module@v$TOFU_VERSION" |
		sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p')
	rm -rf "$work/src"
	cp -R "$source" "$work/src"
	chmod -R u+w "$work/src"
	cd "$work/src"
	GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 nice -n 10 go build -p 2 -trimpath \
		-ldflags "-s -w -X $module/version.dev=no" -o "$target.new" ./cmd/tofu
	mv "$target.new" "$target"
	cd "$CACHE"
	rm -rf "$work"
}

# tofu_path prints the OpenTofu of PATH, or the one built here (building it if need be).
tofu_path() {
	if command -v tofu >/dev/null 2>&1; then
		command -v tofu
		return
	fi
	locked tofu build_tofu
	echo "$BIN/tofu"
}

# cli_path prints the CLI to use when one is enough: SUNDOG_CLI (`tofu`, `terraform` or a path), tofu from PATH, else
# terraform from PATH, else an OpenTofu that is built.
cli_path() {
	case ${SUNDOG_CLI:-} in
	tofu) tofu_path ;;
	terraform) command -v terraform || die "SUNDOG_CLI is terraform, but there is no terraform on PATH" ;;
	'')
		command -v tofu || command -v terraform || tofu_path
		;;
	*)
		[ -x "$SUNDOG_CLI" ] || die "SUNDOG_CLI is $SUNDOG_CLI, which is no program: give tofu, terraform or a path"
		echo "$SUNDOG_CLI"
		;;
	esac
}
