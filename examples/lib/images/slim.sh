#!/bin/sh
# Called with a finished tree: removes the package manager's own data and documentation.
set -eu
tree=${1:?the tree}

rm -rf "$tree"/usr/share/doc "$tree"/usr/share/man "$tree"/usr/share/info "$tree"/usr/share/locale "$tree"/usr/share/i18n \
	"$tree"/usr/share/bash-completion "$tree"/var/lib/apt/lists "$tree"/var/cache "${tree:?}"/boot
find "$tree/var/log" -type f -delete
mkdir -p "$tree"/var/cache "$tree"/var/lib/apt/lists/partial
