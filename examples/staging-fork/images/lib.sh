# shellcheck shell=bash
# What the image scripts share. It is sourced, never run.

# Every image of this example carries this label, so that they can be counted and removed without a list of names.
# shellcheck disable=SC2034 # those who source this use it
IMAGE_LABEL=sundog.dev/example=staging-fork

# The sources that an image was made from, as a hash: an image that carries the same one is current.
SOURCE_LABEL=sundog.dev/example-source

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
