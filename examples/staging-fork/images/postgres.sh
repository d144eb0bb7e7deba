#!/usr/bin/env bash
# Makes the image that stands in for RDS PostgreSQL and prints its name.
#
# Where images can be pulled it is the official one, under a name of our own. Elsewhere it is made from Debian's
# packages, with an entrypoint that follows the official image's conventions; that needs Debian or Ubuntu.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

IMAGE=sundog-example/postgres:15
OFFICIAL=postgres:15
SUITE=bookworm # the Debian release that has PostgreSQL 15

main() {
	local source
	source=$(hash_of "$here/postgres.sh" "$here"/postgres/*)
	if ! current "$IMAGE" "$source"; then
		if [ "${SUNDOG_EXAMPLE_PULL:-yes}" = yes ] && timeout 120 docker pull --quiet "$OFFICIAL" >/dev/null 2>&1; then
			from_official "$source"
		else
			from_debian "$source"
		fi
	fi
	echo "$IMAGE"
}

# from_official puts our labels on the official image.
from_official() {
	printf 'FROM %s\n' "$OFFICIAL" |
		docker build --quiet --tag "$IMAGE" --label "$IMAGE_LABEL" --label "$SOURCE_LABEL=$1" - >/dev/null
}

# from_debian unpacks Debian's packages into a tree, removes what a server in a container never uses, and imports it.
from_debian() {
	need_mmdebstrap
	local work mode=auto
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	chmod 755 "$work"
	[ "$(id -u)" != 0 ] || mode=root
	# The hooks run with the tree's path as $1. No cluster is made at installation: the entrypoint makes one.
	# shellcheck disable=SC2016
	mmdebstrap --quiet --mode="$mode" --variant=minbase --include=postgresql-15 \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/i18n/*' --dpkgopt='path-exclude=/usr/lib/postgresql/15/lib/bitcode/*' \
		--essential-hook='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
		--customize-hook="$here/postgres/strip.sh \"\$1\" '$here/postgres'" \
		"$SUITE" "$work/postgres.tar" >&2
	docker import \
		--change 'ENTRYPOINT ["/usr/local/bin/docker-entrypoint"]' --change 'CMD ["postgres"]' \
		--change 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		--change 'ENV PGDATA=/var/lib/postgresql/data' --change 'ENV LANG=C.UTF-8' --change 'EXPOSE 5432' \
		--change "LABEL ${IMAGE_LABEL/=/=\"}\"" --change "LABEL $SOURCE_LABEL=\"$1\"" \
		"$work/postgres.tar" "$IMAGE" >/dev/null
}

need_mmdebstrap() {
	command -v mmdebstrap >/dev/null 2>&1 && return
	if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
		echo "error: cannot make the image $IMAGE: $OFFICIAL cannot be pulled here, and there is no mmdebstrap to make" \
			"one from Debian's packages. Install mmdebstrap, or pull and tag an image: docker tag ... $IMAGE" >&2
		exit 1
	fi
	# Ubuntu does not come with Debian's keys.
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		mmdebstrap debian-archive-keyring; } >&2
}

main
