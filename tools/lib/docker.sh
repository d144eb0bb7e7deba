# shellcheck shell=bash
# A Docker Engine: the one that is there, or Debian's own.

DOCKER_SOCKET=/var/run/docker.sock

# docker_reachable: whether an engine answers, asked in the way that everybody else will ask: DOCKER_HOST, the CLI's
# current context, or the default socket.
docker_reachable() {
	command -v docker >/dev/null 2>&1 && docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# wait_for_docker SECONDS: whether an engine answers within that time.
wait_for_docker() {
	local until=$((SECONDS + $1))
	until docker_reachable; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.5
	done
}

setup_docker() {
	if docker_reachable; then
		say "docker: using the engine $(docker version --format '{{.Server.Version}}') (API $(docker version --format '{{.Server.APIVersion}}'))"
		return 0
	fi
	# Somebody who names an engine wants that one: starting another behind their back would be wrong.
	if [ -n "${DOCKER_HOST:-}" ]; then
		command -v docker >/dev/null 2>&1 ||
			die "DOCKER_HOST is $DOCKER_HOST, but there is no docker command on PATH: install the Docker CLI"
		die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST"
	fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		die "no Docker Engine is reachable, and it can be installed by this script only as root on Debian or Ubuntu." \
			"Install Docker Engine 20.10 or later with its CLI, make sure that \`docker version\` works for you, then run this again."
	fi
	if ! command -v dockerd >/dev/null 2>&1 || ! command -v docker >/dev/null 2>&1; then
		say "docker: installing the package docker.io"
		quietly apt-docker apt_install docker.io
	fi
	start_dockerd
	say "docker: started the engine $(docker version --format '{{.Server.Version}}')"
}

# apt_install PACKAGE...: the distribution's packages, without questions.
apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get update && apt-get install -y --no-install-recommends "$@"
}

# start_dockerd starts the engine by systemd, or the distribution's service script, or bare: a container or a minimal
# machine has neither of the first two.
start_dockerd() {
	# The package may have started it already, or be about to.
	wait_for_docker 2 && return 0
	if [ -d /run/systemd/system ]; then
		start_by systemctl start docker && return 0
	elif [ -x /etc/init.d/docker ]; then
		start_by service docker start && return 0
	fi
	say "docker: starting dockerd (log: $LOGS/dockerd.log)"
	detached "$CACHE/dockerd.pid" "$LOGS/dockerd.log" dockerd --host "unix://$DOCKER_SOCKET"
	wait_for_docker 60 && return 0
	tail -n 20 "$LOGS/dockerd.log" >&2
	die "dockerd does not answer at $DOCKER_SOCKET; its log is $LOGS/dockerd.log"
}

# start_by COMMAND...: whether an engine answers after the machine's own way to start it.
start_by() {
	if "$@" >/dev/null 2>&1 </dev/null && wait_for_docker 30; then return 0; fi
	say "docker: \`$*\` did not start the engine, starting it without"
	return 1
}

# bridge_address prints the address of this machine at which containers reach it as host.docker.internal, where the
# engine's bridge is on this machine; nothing where it is elsewhere (Docker Desktop forwards to the loopback address).
bridge_address() {
	local address
	docker_reachable || return 0
	address=$(docker network inspect bridge --format '{{range .IPAM.Config}}{{.Gateway}}{{"\n"}}{{end}}' 2>/dev/null | grep -m1 '^[0-9.]*$' || true)
	if [ -z "$address" ] && command -v ip >/dev/null 2>&1; then
		address=$(ip -o -4 address show docker0 2>/dev/null | sed -n 's|.* inet \([0-9.]*\)/.*|\1|p' | head -n 1)
	fi
	if [ -n "$address" ] && can_bind "$address"; then
		echo "$address"
	fi
}
