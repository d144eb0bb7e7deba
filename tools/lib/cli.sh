# shellcheck shell=bash
# The command line interfaces that speak to the provider: OpenTofu and Terraform.

# shellcheck source=tools/lib/main_module.sh
. "$ROOT/tools/lib/main_module.sh"

# The version that is built when there is none on PATH, and that the tests run with.
TOFU_VERSION=1.12.6

# build_tofu builds OpenTofu into .cache/bin/tofu. `dev=no` is what its releases set: without it, `tofu version` says
# 1.12.6-dev, which no version constraint accepts.
build_tofu() {
	build_main_module tofu "$TOFU_VERSION" github.com/opentofu/opentofu \
		"-s -w -X github.com/opentofu/opentofu/version.dev=no" ./cmd/tofu five
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
