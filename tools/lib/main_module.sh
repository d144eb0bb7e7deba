# shellcheck shell=bash
# Programs of others that are built from their Go modules, each as a main module of its own.

# build_main_module NAME VERSION MODULE LDFLAGS PACKAGE MINUTES: builds a program into .cache/bin/NAME, unless that version
# is there.
#
# The module's sources are copied and built as a main module of their own, because only a main module's replace and
# godebug lines count (OpenTofu replaces hcl by a fork of it), and so that its go.sum checks what is downloaded.
build_main_module() {
	local name=$1 version=$2 module=$3 ldflags=$4 package=$5 takes=$6 target=$BIN/$1
	if [ -x "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$version" ]; then
		return 0
	fi
	command -v go >/dev/null 2>&1 || die "no Go toolchain on PATH: install Go 1.26 or later, or $name itself"
	say "building $name $version from its Go module: about $takes minutes the first time"
	quietly "build-$name" build_main_module_now "$target" "$module" "$version" "$ldflags" "$package"
	echo "$version" >"$target.version"
}

# The steps are joined by &&: where a caller asks whether a function succeeds, `set -e` means nothing inside of it.
build_main_module_now() {
	local target=$1 module=$2 version=$3 ldflags=$4 package=$5 work source
	work=$CACHE/build/$(basename "$target")
	mkdir -p "$BIN" "$work" &&
		source=$(module_sources "$module@v$version") &&
		rm -rf "$work/src" &&
		cp -R "$source" "$work/src" &&
		chmod -R u+w "$work/src" &&
		(
			cd "$work/src" &&
				GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 nice -n 10 go build -p 2 -trimpath \
					-ldflags "$ldflags" -o "$target.new" "$package"
		) &&
		mv "$target.new" "$target" &&
		rm -rf "$work"
}

# module_sources MODULE@VERSION prints the folder of a module's sources, which are downloaded unless they are there.
module_sources() {
	# Outside of any module: this repository's go.mod has no say in what is downloaded.
	mkdir -p "$CACHE/build" &&
		(cd "$CACHE/build" && GOWORK=off GOFLAGS=-mod=mod go mod download -json "$1") |
		sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p'
}
