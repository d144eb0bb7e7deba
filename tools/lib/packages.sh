# shellcheck shell=bash
# Published packages, for the tests that run them and for `make compatibility`.
#
# They lie in a folder as checkouts at <host>/<owner>/<name>, each at the commit that a list of ours names: a vendor folder
# to the sundog command, and repositories that git can be pointed to instead of their host. They never enter this repository.

# shellcheck disable=SC2034 # those who source this use it
PACKAGES_FOLDER=$CACHE/packages

# How long one repository may take. The lists hold a large one, of which only the newest files are fetched.
PACKAGES_PATIENCE=120

# obtain_packages FOLDER: makes sure that the folder holds the repositories of the lines "REPOSITORY COMMIT" of standard
# input. A repository that is needed at another version beside lies at REPOSITORY@VERSION. It fails at the first one that
# cannot be had, saying why: without a network there is no use in trying the others.
obtain_packages() {
	local folder=$1 repository commit
	while read -r repository commit; do
		obtain_package "$folder/$repository" "https://${repository%%@*}.git" "$commit" || return 1
	done
}

# obtain_package TARGET URL COMMIT: a checkout of one commit, without history.
obtain_package() {
	local target=$1 url=$2 commit=$3 log=$LOGS/packages.log
	if [ "$(git --git-dir="$target/.git" rev-parse --verify --quiet HEAD 2>/dev/null)" = "$commit" ]; then return 0; fi
	mkdir -p "$LOGS" "$(dirname "$target")"
	rm -rf "$target" "$target.new"
	if ! {
		git init --quiet "$target.new" &&
			GIT_TERMINAL_PROMPT=0 timeout "$PACKAGES_PATIENCE" git -C "$target.new" -c http.lowSpeedLimit=1000 \
				-c http.lowSpeedTime=15 fetch --quiet --depth=1 --no-tags "$url" "$commit" &&
			git -C "$target.new" -c advice.detachedHead=false checkout --quiet FETCH_HEAD
	} >"$log" 2>&1 </dev/null; then
		rm -rf "$target.new"
		say "packages: cannot fetch $url at $commit: $(grep -av '^hint:' "$log" | tail -n 1)"
		return 1
	fi
	mv "$target.new" "$target"
}

# example_packages prints the repositories that examples/published-packages pins, for obtain_packages.
example_packages() {
	sed -n 's|.*"\([^"/]*/[^"/]*/[^"/@]*\)@\([0-9a-f]\{40\}\)".*|\1 \2|p' "$ROOT/examples/published-packages/main.tf"
}
