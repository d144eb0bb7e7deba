# shellcheck shell=bash
# The PostgreSQL provider that people use, for the tests that have it work inside of an enclave. It is built from its
# sources at one commit, which come from its Git host, or lie in the folder of published packages; they never enter this
# repository. Who sources it has sourced packages.sh.

POSTGRESQL_PROVIDER_REPOSITORY=github.com/cyrilgdn/terraform-provider-postgresql
POSTGRESQL_PROVIDER_COMMIT=ff936b9548c1076f498523a2bd116915ff977142

# find_postgresql_provider BINARY FOLDER: exports SUNDOG_TEST_POSTGRESQL_PROVIDER: the binary that the caller names, or one
# that is built, from the folder of published packages where it holds the sources.
find_postgresql_provider() {
	local folder=${2:-$PACKAGES_FOLDER}
	if [ -n "$1" ]; then
		export SUNDOG_TEST_POSTGRESQL_PROVIDER=$1
		return 0
	fi
	if [ ! -d "$folder/$POSTGRESQL_PROVIDER_REPOSITORY" ]; then
		folder=$PACKAGES_FOLDER
		if ! obtain_packages "$folder" <<<"$POSTGRESQL_PROVIDER_REPOSITORY $POSTGRESQL_PROVIDER_COMMIT"; then
			say "tests: there is no way to the PostgreSQL provider's sources from here, so TestAcc...DatabaseSetup are skipped:" \
				"SUNDOG_TEST_POSTGRESQL_PROVIDER names a binary of it, or SUNDOG_TEST_PACKAGES a folder that holds $POSTGRESQL_PROVIDER_REPOSITORY"
			return 0
		fi
	fi
	locked postgresql-provider build_postgresql_provider "$folder/$POSTGRESQL_PROVIDER_REPOSITORY" ||
		die "the PostgreSQL provider cannot be built"
	export SUNDOG_TEST_POSTGRESQL_PROVIDER=$BIN/terraform-provider-postgresql
}

# build_postgresql_provider SOURCES: builds it, unless these sources' commit is there.
build_postgresql_provider() {
	local target=$BIN/terraform-provider-postgresql version
	version=$(git -C "$1" rev-parse HEAD) || return
	if [ -x "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$version" ]; then return 0; fi
	say "building the PostgreSQL provider: about two minutes the first time"
	(cd "$1" && GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 quietly build-postgresql nice -n 10 \
		go build -p 2 -trimpath -o "$target.new" .) &&
		mv "$target.new" "$target" && echo "$version" >"$target.version"
}
