#!/bin/sh
# Called with the unpacked tree and this folder: serves /usr/share/nginx/html on port 80 by a file in /etc/nginx/conf.d,
# and logs to the container's output, as the official image does.
set -eu
tree=${1:?the tree} scripts=${2:?this folder}

rm -rf "$tree"/etc/nginx/sites-enabled/* "$tree"/var/www
mkdir -p "$tree/etc/nginx/conf.d" "$tree/usr/share/nginx/html" "$tree/var/log/nginx"
install -m 644 "$scripts/default.conf" "$tree/etc/nginx/conf.d/default.conf"
rm -f "$tree"/var/log/nginx/*
ln -s /dev/stdout "$tree/var/log/nginx/access.log"
ln -s /dev/stderr "$tree/var/log/nginx/error.log"
