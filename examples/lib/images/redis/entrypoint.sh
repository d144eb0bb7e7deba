#!/bin/sh
# Starts Redis the way the official image does: options or a configuration file alone go to redis-server, which runs as
# redis in /data and answers other containers. Other commands are run as they are.
set -eu

case ${1:-} in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" != redis-server ]; then
	exec "$@"
fi

# The data folder may be a fresh volume that belongs to root.
if [ "$(id -u)" = 0 ]; then
	chown -R redis:redis .
	exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
case "$*" in
*.conf* | *protected-mode*) ;;
*) set -- "$@" --protected-mode no ;; # Without it, Debian's server answers only its own machine.
esac
exec "$@"
