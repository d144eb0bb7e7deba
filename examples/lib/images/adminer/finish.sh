#!/bin/sh
# Called with the unpacked tree and this folder: puts the start page in.
set -eu
tree=${1:?the tree} scripts=${2:?this folder}

rm -rf "${tree:?}/var/www"
mkdir -p "$tree/var/www/html"
install -m 644 "$scripts/index.php" "$tree/var/www/html/index.php"
