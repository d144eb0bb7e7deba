#!/usr/bin/env bash
# Makes the images of this example where official ones cannot be pulled, and prints them as values of its variables:
#
#   ./images.sh >images.auto.tfvars            or only some: ./images.sh postgres nginx
#
# Where images can be pulled there is no need for it: the variables' defaults are the official images.
set -euo pipefail
# shellcheck disable=SC2034 # what is sourced next uses it
IMAGE_LABEL=sundog.dev/example=published-packages
# shellcheck source=examples/lib/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/images.sh"

[ $# -gt 0 ] || set -- redis postgres nginx adminer
for recipe; do
	image=$(provide "sundog-published/$recipe:example" "$recipe")
	printf '%s_image = "%s"\n' "$recipe" "$image"
done
drop_superseded
