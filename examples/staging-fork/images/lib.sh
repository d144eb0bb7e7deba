# shellcheck shell=bash
# What the image scripts of this example share. It is sourced, never run.

# shellcheck disable=SC2034 # what is sourced next, and those who source this, use it
IMAGE_LABEL=sundog.dev/example=staging-fork
# shellcheck source=examples/lib/images.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/images.sh"
