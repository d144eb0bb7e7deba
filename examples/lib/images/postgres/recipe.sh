# shellcheck shell=bash disable=SC2034 # images.sh, which sources this, uses all of it
OFFICIAL=postgres:15
PACKAGES=postgresql-15
EXCLUDES=('/usr/lib/postgresql/15/lib/bitcode/*')
# No cluster is made at installation: the entrypoint makes one.
# shellcheck disable=SC2016 # the hook's own $1
PREPARE='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"'
CHANGES=(
	'ENTRYPOINT ["/usr/local/bin/docker-entrypoint"]' 'CMD ["postgres"]'
	'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
	'ENV PGDATA=/var/lib/postgresql/data' 'ENV LANG=C.UTF-8' 'VOLUME /var/lib/postgresql/data' 'EXPOSE 5432'
)
