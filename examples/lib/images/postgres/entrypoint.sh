#!/bin/sh
# Starts PostgreSQL the way the official image does, as far as a stand-in for a managed database needs it:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and PGDATA, and the *.sql and *.sh files of /docker-entrypoint-initdb.d
# at the first start. Other commands than postgres are run as they are.
set -eu

: "${PGDATA:=/var/lib/postgresql/data}"
export PGDATA

if [ "${1:-postgres}" != postgres ] && [ "${1#-}" = "${1:-}" ]; then
	exec "$@"
fi
[ "${1:-}" != postgres ] || shift

# The data folder may be a fresh volume that belongs to root; the server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /var/run/postgresql
	chown -R postgres:postgres "$PGDATA" /var/run/postgresql
	chmod 700 "$PGDATA"
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" postgres "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	user=${POSTGRES_USER:-postgres}
	database=${POSTGRES_DB:-$user}
	if [ -z "${POSTGRES_PASSWORD:-}" ]; then
		echo "error: POSTGRES_PASSWORD is not set: the superuser $user needs a password" >&2
		exit 1
	fi
	# The password goes through a file, never through a command line.
	passwords=$(mktemp)
	printf '%s\n' "$POSTGRES_PASSWORD" >"$passwords"
	initdb --username="$user" --pwfile="$passwords" --encoding=UTF8 --locale=C.UTF-8 \
		--auth-host=scram-sha-256 --auth-local=trust >/dev/null
	rm -f "$passwords"
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"

	# While the start scripts run nobody can connect over the network: ready means ready with the data.
	pg_ctl --silent --wait --options="-c listen_addresses=''" start
	if [ "$database" != postgres ]; then
		createdb --username="$user" --maintenance-db=postgres "$database"
	fi
	for file in /docker-entrypoint-initdb.d/*; do
		case $file in
		*.sql)
			echo "running $file"
			psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file"
			;;
		*.sh)
			echo "running $file"
			POSTGRES_USER=$user POSTGRES_DB=$database sh "$file"
			;;
		esac
	done
	pg_ctl --silent --wait --mode=fast stop
fi

# As the first process of the container; see the script for why.
exec /usr/local/bin/forward-stop postgres -c listen_addresses='*' "$@"
