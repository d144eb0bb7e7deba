#!/usr/bin/env bash
# Makes the image of this example where the official one cannot be pulled, and prints it as the value of its variable:
#
#   ./images.sh >images.auto.tfvars
set -euo pipefail
# shellcheck disable=SC2034 # what is sourced next uses it
IMAGE_LABEL=sundog.dev/example=database-setup
# shellcheck source=examples/lib/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/images.sh"

image=$(provide sundog-database-setup/postgres:15 postgres)
printf 'postgres_image = "%s"\n' "$image"
drop_superseded
