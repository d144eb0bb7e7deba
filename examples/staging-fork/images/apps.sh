#!/usr/bin/env bash
# Builds the images of the shop's own programs from apps/ and prints their names. No registry is needed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

# The versions that production's task definitions name, and the feature branch.
IMAGES=(sundog-example/storefront:1.0 sundog-example/worker:1.0 sundog-example/recommender:feature)

main() {
	local work arch image program source
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	arch=$(docker version --format '{{.Server.Arch}}')
	(cd "$here/../apps" && GOWORK=off CGO_ENABLED=0 GOOS=linux GOARCH=$arch \
		go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$work/" ./cmd/...)
	for image in "${IMAGES[@]}"; do
		program=${image#*/}
		program=${program%%:*}
		# Go's builds are reproducible, so the binary's hash tells whether the image is current.
		source=$(hash_of "$here/apps.sh" "$here/apps/Dockerfile" "$work/$program")
		if ! current "$image" "$source"; then
			build "$image" "$program" "$source" "$work"
		fi
		echo "$image"
	done
	drop_superseded
}

# build puts one program into an image. Its entrypoint is written here, since Dockerfiles do not fill in arguments there.
build() {
	local image=$1 program=$2 source=$3 work=$4 context=$4/$2.context
	mkdir "$context"
	mv "$work/$program" "$context/"
	{
		cat "$here/apps/Dockerfile"
		echo "ENTRYPOINT [\"/$program\"]"
	} >"$context/Dockerfile"
	if ! docker build --tag "$image" --build-arg "PROGRAM=$program" \
		--label "$IMAGE_LABEL" --label "$SOURCE_LABEL=$source" "$context" >"$work/$program.log" 2>&1; then
		cat "$work/$program.log" >&2
		echo "error: cannot build the image $image" >&2
		exit 1
	fi
}

main
