# shellcheck shell=bash
# What the set-up scripts share. It is sourced, never run.
#
# Everything that set-up makes lies in .cache/ of this checkout, which git ignores, so `make clean` can remove all of
# it and two checkouts never disturb each other. Nothing under the user's home folder is written, other than the caches
# that Go and pip keep for themselves.

# The checkout that this file belongs to.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=$ROOT/.cache
# shellcheck disable=SC2034 # The scripts that source this file use it.
BIN=$CACHE/bin
LOGS=$CACHE/logs

# say tells the person at the terminal what happens. It writes to standard error, because standard output is the
# result of a script (a path, an address) that another script reads.
say() { printf '%s\n' "==> $*" >&2; }

# die ends the script with one clear message.
die() {
	printf '%s\n' "error: $*" >&2
	exit 1
}

# quietly NAME COMMAND...: runs the command with its output in a log file; when it fails, the end of the log is shown.
quietly() {
	local name=$1 log=$LOGS/$1.log started=$SECONDS
	shift
	mkdir -p "$LOGS"
	if "$@" >"$log" 2>&1 </dev/null; then
		say "$name: done in $((SECONDS - started)) s"
		return 0
	fi
	tail -n 25 "$log" >&2
	die "$name failed; the whole log is $log"
}

# locked NAME COMMAND...: runs the command while holding a lock, so that two makes at once (say, `make demo` in one
# terminal and `make test` in another) do not build into the same place.
locked() {
	local name=$1
	shift
	mkdir -p "$CACHE/locks"
	(
		if command -v flock >/dev/null 2>&1; then
			flock 9
		fi
		# The lock must not be inherited by daemons that the command leaves behind: they would hold it for ever.
		"$@" 9>&-
	) 9>"$CACHE/locks/$name"
}

# digest FILE...: one hash over the contents of files, to tell whether what was made from them is still current.
digest() { cat "$@" | (sha256sum 2>/dev/null || shasum -a 256) | cut -c1-16; }

# detached PIDFILE LOG COMMAND...: starts a process that outlives the calling make, terminal and session, and writes
# its process id. setsid gives it a session of its own; where there is none (macOS), nohup does.
detached() {
	local pidfile=$1 log=$2
	shift 2
	mkdir -p "$(dirname "$pidfile")" "$(dirname "$log")"
	if command -v setsid >/dev/null 2>&1; then
		# setsid may fork, so the process itself writes its id and then becomes the command.
		# shellcheck disable=SC2016
		setsid -f bash -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec "$@"' "$pidfile" "$@" >>"$log" 2>&1 </dev/null
		local tries=0
		until [ -s "$pidfile" ] || [ $((tries += 1)) -gt 100 ]; do sleep 0.05; done
	else
		nohup "$@" >>"$log" 2>&1 </dev/null &
		echo $! >"$pidfile"
	fi
	[ -s "$pidfile" ] || die "cannot start $1; see $log"
}

# running PIDFILE [WORD]: whether the process of the file lives, and is the one we started: its command line must
# contain the word, since process ids are used again.
running() {
	local pid
	[ -s "$1" ] || return 1
	pid=$(cat "$1")
	kill -0 "$pid" 2>/dev/null || return 1
	[ -z "${2:-}" ] || ps -o command= -p "$pid" 2>/dev/null | grep -qF -- "$2"
}

# stop_process PIDFILE [WORD]: ends a process that detached started, politely first, and removes the file.
stop_process() {
	local pidfile=$1 pid tries=0
	if running "$@"; then
		pid=$(cat "$pidfile")
		kill "$pid" 2>/dev/null || true
		while kill -0 "$pid" 2>/dev/null; do
			if [ $((tries += 1)) -gt 100 ]; then
				kill -9 "$pid" 2>/dev/null || true
				break
			fi
			sleep 0.1
		done
	fi
	rm -f "$pidfile"
}
