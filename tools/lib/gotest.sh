# shellcheck shell=bash
# How the scripts that run tests run them. Who sources it sets STATE, the folder for results, and has sourced cli.sh and go.sh.

# clean_environment PATTERN...: takes the user's own settings out, but for names that one of the patterns matches: no test may
# depend on them, or touch what they point at.
clean_environment() {
	local name pattern kept
	for name in $(compgen -e | grep -E '^(AWS_|TF_|SUNDOG_)' || true); do
		kept=no
		for pattern in "$@"; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ $name != $pattern ]] || kept=yes
		done
		[ $kept = yes ] || unset "$name"
	done
	mkdir -p "$STATE"
	: >"$STATE/cli.tfrc"
	export TF_CLI_CONFIG_FILE=$STATE/cli.tfrc CHECKPOINT_DISABLE=1
}

# begin_results empties the folder of results.
begin_results() {
	STARTED=$(date +%s)
	RESULTS=$STATE/results
	failed=no
	rm -rf "$RESULTS" "$STATE/summary"
	mkdir -p "$RESULTS"
}

# go_test NAME FOLDER ARGUMENT...: one run in one module. A failure is remembered in its results, and the others go on.
go_test() {
	local name=$1 folder=$2 started=$SECONDS
	shift 2
	say "tests: $name"
	(
		cd "$ROOT/$folder"
		# A folder of a workspace that is not ours must not decide what is built.
		GOWORK=off nice -n 5 "$BIN/gotestsum" --format pkgname-and-test-fails --hide-summary skipped \
			--jsonfile "$RESULTS/$name.json" -- -count=1 -timeout 75m "$@"
	) || failed=yes
	say "tests: $name took $((SECONDS - started)) s"
}

# end_results prints what failed, what was skipped and how many there were, and fails if anything failed.
end_results() {
	"$BIN/testsummary" "$STARTED" "$RESULTS"/*.json | tee "$STATE/summary" || failed=yes
	[ "$failed" = no ]
}

# find_clis exports SUNDOG_TEST_CLIS, the CLIs that tests drive, and sets tofu and terraform, which is empty where there is none.
find_clis() {
	tofu=$(tofu_path)
	terraform=$(command -v terraform || true)
	export SUNDOG_TEST_CLIS=${terraform:+$terraform,}$tofu
}

# find_packages FOLDER: exports SUNDOG_TEST_PACKAGES. Published packages come from their Git host; whoever has them elsewhere
# names the folder.
find_packages() {
	if [ -n "$1" ]; then
		SUNDOG_TEST_PACKAGES=$1
	elif example_packages | obtain_packages "$PACKAGES_FOLDER"; then
		SUNDOG_TEST_PACKAGES=$PACKAGES_FOLDER
	else
		say "tests: there is no way to the published packages from here, so the tests that run them are skipped:" \
			"SUNDOG_TEST_PACKAGES names a folder that has them"
		return 0
	fi
	export SUNDOG_TEST_PACKAGES
}
