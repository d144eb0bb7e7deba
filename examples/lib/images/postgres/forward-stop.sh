#!/bin/sh
# Runs a server as a child and hands SIGTERM and SIGINT on as SIGINT: to PostgreSQL that is a fast stop, whereas
# SIGTERM makes it wait for clients to leave on their own, until the engine loses patience and kills it.
set -u

"$@" &
child=$!
trap 'kill -INT "$child"' TERM INT
# wait returns early when a trapped signal comes in, so wait until the child is really gone.
while :; do
	wait "$child"
	status=$?
	kill -0 "$child" 2>/dev/null || exit "$status"
done
