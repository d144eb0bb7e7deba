#!/usr/bin/env bash
# Makes the images of this example on the Docker Engine, where official ones cannot be pulled, and prints them as values of its
# variables:
#
#   ./images.sh >images.auto.tfvars
#
# How they get into the cluster's nodes depends on the cluster: push them, or `docker save` and `kind load image-archive`.
# Where nodes can pull there is no need for it: the variables' defaults are the official images.
set -euo pipefail
# shellcheck disable=SC2034 # what is sourced next uses it
IMAGE_LABEL=sundog.dev/example=kubernetes
# shellcheck source=examples/lib/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/images.sh"

for recipe in postgres nginx; do
	image=$(provide "sundog-kubernetes/$recipe:example" "$recipe")
	printf '%s_image = "%s"\n' "$recipe" "$image"
done
drop_superseded
