#!/bin/sh
# Called with the unpacked tree and this folder: puts the entrypoint and the data folder in.
set -eu
tree=${1:?the tree} scripts=${2:?this folder}

mkdir -p "$tree/data"
install -m 755 "$scripts/entrypoint.sh" "$tree/usr/local/bin/docker-entrypoint"
