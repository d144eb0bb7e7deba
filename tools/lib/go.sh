# shellcheck shell=bash
# The Go programs of tools/: our own, and those that its go.mod names as tools (linter, generator, test runner).

# build_tool NAME PACKAGE [FLAG...]: builds a program of the tools module into .cache/bin. Programs of other modules are
# built once for each state of go.sum; our own every time, which Go's build cache makes cheap.
build_tool() {
	locked "tool-$1" build_tool_now "$@"
}

build_tool_now() {
	local name=$1 package=$2 target=$BIN/$1 stamp
	shift 2
	stamp="$(go version) $(digest "$ROOT/tools/go.sum")"
	case $package in
	./*) ;;
	*)
		if [ -x "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$stamp" ]; then return 0; fi
		say "building $name"
		;;
	esac
	mkdir -p "$BIN"
	cd "$ROOT/tools" || exit 1
	GOWORK=off CGO_ENABLED=0 nice -n 10 go build -p 2 -trimpath -ldflags '-s -w' "$@" -o "$target.new" "$package" ||
		die "cannot build $name from tools/"
	mv "$target.new" "$target"
	echo "$stamp" >"$target.version"
}

setup_lint() { build_tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint; }
setup_tfplugindocs() { build_tool tfplugindocs github.com/hashicorp/terraform-plugin-docs/cmd/tfplugindocs; }
setup_gotestsum() { build_tool gotestsum gotest.tools/gotestsum; }
setup_recorder() { build_tool wirerecorder ./wirerecorder; }
setup_registry() { build_tool registry ./registry; }
setup_compatibility() { build_tool compatibility ./compatibility; }
setup_testsummary() { build_tool testsummary ./testsummary; }

# The modules of this repository, each a folder.
# shellcheck disable=SC2034 # It is read by the scripts that source this file.
MODULES=(. tools examples/staging-fork/apps)

# setup_compiler: a C compiler, which Go's race detector needs.
setup_compiler() {
	if command -v "${CC:-gcc}" >/dev/null 2>&1 || command -v clang >/dev/null 2>&1; then return 0; fi
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		say "compiler: installing the packages gcc and libc6-dev, for Go's race detector"
		quietly apt-gcc apt_install gcc libc6-dev
		return 0
	fi
	die "no C compiler on PATH, which Go's race detector needs: install gcc, then run this again"
}
