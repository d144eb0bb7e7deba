# shellcheck shell=bash
# How the examples get their images. It is sourced, never run; who sources it sets IMAGE_LABEL, the label that all
# images of that example carry, so that they can be counted and removed without a list of names.
#
# Where images can be pulled, an example runs on the official ones, under a name of its own. Elsewhere they are made from
# Debian's packages, with entrypoints that follow the official images' conventions; that needs Debian or Ubuntu.
#
# images/NAME/ is what an image is made of: recipe.sh says what it is called officially, which packages it is made from and
# what the engine is told about it; finish.sh is called with the unpacked tree; the rest is for finish.sh to put in.

RECIPES=$(cd "$(dirname "${BASH_SOURCE[0]}")/images" && pwd)

# The sources that an image was made from, as a hash: an image that carries the same one is current.
SOURCE_LABEL=sundog.dev/example-source

SUITE=bookworm # the Debian release whose versions the recipes are written for

# provide IMAGE RECIPE: makes sure that the image is there and current, and prints its name.
provide() {
	local image=$1 recipe=$RECIPES/$2 source
	source=$(hash_of "$RECIPES/../images.sh" "$RECIPES/slim.sh" "$recipe"/*)
	if ! current "$image" "$source"; then
		make_image "$image" "$source" "$recipe" || return
	fi
	echo "$image"
}

# make_image IMAGE HASH RECIPE: in a shell of its own, since every recipe sets the same names.
# shellcheck disable=SC2030 # that is the point of it
make_image() (
	EXCLUDES=() PREPARE=true
	# shellcheck source=/dev/null # a recipe.sh, which is checked by itself
	. "$3/recipe.sh"
	if [ "${SUNDOG_EXAMPLE_PULL:-yes}" = yes ] && timeout 120 docker pull --quiet "$OFFICIAL" >/dev/null 2>&1; then
		from_official "$1" "$2"
	else
		from_debian "$@"
	fi
)

# from_official IMAGE HASH: puts our labels on the official image.
from_official() {
	printf 'FROM %s\n' "$OFFICIAL" |
		docker build --quiet --tag "$1" --label "$IMAGE_LABEL" --label "$SOURCE_LABEL=$2" - >/dev/null
}

# from_debian IMAGE HASH RECIPE: unpacks Debian's packages into a tree, removes what nobody uses in a container, puts
# the recipe's own files in, and imports the tree.
# shellcheck disable=SC2031,SC2153 # the recipe's names, in the same shell
from_debian() {
	need_mmdebstrap "$1"
	local work mode=auto option change options=() changes=()
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	chmod 755 "$work"
	[ "$(id -u)" != 0 ] || mode=root
	for option in '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/i18n/*' \
		"${EXCLUDES[@]}"; do
		options+=("--dpkgopt=path-exclude=$option")
	done
	for change in "LABEL ${IMAGE_LABEL/=/=\"}\"" "LABEL $SOURCE_LABEL=\"$2\"" "${CHANGES[@]}"; do
		changes+=(--change "$change")
	done
	# The hooks run with the tree's path as $1.
	mmdebstrap --quiet --mode="$mode" --variant=minbase --include="$PACKAGES" "${options[@]}" \
		--essential-hook="$PREPARE" \
		--customize-hook="'$3/finish.sh' \"\$1\" '$3'" --customize-hook="'$RECIPES/slim.sh' \"\$1\"" \
		"$SUITE" "$work/image.tar" >&2
	docker import "${changes[@]}" "$work/image.tar" "$1" >/dev/null
}

# drop_superseded removes what earlier sources made: those images lose their name to the new ones. What a container still
# runs on stays until it is gone.
drop_superseded() {
	docker images --quiet --filter "label=$IMAGE_LABEL" --filter dangling=true | xargs docker rmi >/dev/null 2>&1 || true
}

need_mmdebstrap() {
	command -v mmdebstrap >/dev/null 2>&1 && return
	if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
		echo "error: cannot make the image $1: $OFFICIAL cannot be pulled here, and there is no mmdebstrap to make one" \
			"from Debian's packages. Install mmdebstrap, or pull and tag an image: docker tag ... $1" >&2
		exit 1
	fi
	# Ubuntu does not come with Debian's keys.
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		mmdebstrap debian-archive-keyring; } >&2
}

# current IMAGE HASH: whether the image is there and was made from these sources.
current() {
	[ "$(docker image inspect --format "{{index .Config.Labels \"$SOURCE_LABEL\"}}" "$1" 2>/dev/null)" = "$2" ]
}

# hash_of FILE...: one hash over the contents and names of files.
hash_of() {
	local file
	for file in "$@"; do
		printf '%s\n' "${file##*/}"
		cat "$file"
	done | (sha256sum 2>/dev/null || shasum -a 256) | cut -c1-16
}
