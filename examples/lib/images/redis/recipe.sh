# shellcheck shell=bash disable=SC2034 # images.sh, which sources this, uses all of it
OFFICIAL=redis:7
PACKAGES=redis-server
CHANGES=(
	'ENTRYPOINT ["/usr/local/bin/docker-entrypoint"]' 'CMD ["redis-server"]'
	'WORKDIR /data' 'VOLUME /data' 'EXPOSE 6379'
)
