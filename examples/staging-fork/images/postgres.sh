#!/usr/bin/env bash
# Makes the image that stands in for RDS PostgreSQL, unless it is there, and prints its name.
set -euo pipefail
# shellcheck source=examples/staging-fork/images/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

provide sundog-example/postgres:15 postgres
