# shellcheck shell=bash
# The Python environment of the AWS emulator and of the tools that speak to it through boto3.

VENV=$CACHE/venv

setup_python() {
	local wanted
	wanted=$(digest "$ROOT/tools/requirements.txt")
	if [ -x "$VENV/bin/moto_server" ] && [ "$(cat "$VENV/.digest" 2>/dev/null)" = "$wanted" ]; then
		return 0
	fi
	python_for_venv >/dev/null
	say "python: making an environment with moto and boto3"
	quietly python-venv make_venv "$(python_for_venv)"
	echo "$wanted" >"$VENV/.digest"
}

make_venv() {
	set -e
	rm -rf "$VENV"
	"$1" -m venv "$VENV"
	"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$ROOT/tools/requirements.txt"
}

# python_for_venv prints a Python 3 that can make virtual environments. Debian keeps that half of the standard library
# in a package of its own.
python_for_venv() {
	local python
	for python in python3 /usr/bin/python3; do
		if command -v "$python" >/dev/null 2>&1 && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
			command -v "$python"
			return
		fi
	done
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		say "python: installing the package python3-venv"
		quietly apt-python apt_install python3 python3-venv
		echo /usr/bin/python3
		return
	fi
	die "no Python 3 with the venv module: install python3 and python3-venv (3.10 or later), then run this again"
}

# can_bind ADDRESS: whether the address belongs to this machine.
can_bind() {
	"$VENV/bin/python" -c 'import socket, sys; socket.socket().bind((sys.argv[1], 0))' "$1" 2>/dev/null
}

# free_port ADDRESS...: prints a TCP port that is free at every one of the addresses.
free_port() {
	"$VENV/bin/python" - "$@" <<'PYTHON'
import socket
import sys

for _ in range(50):
    with socket.socket() as first:
        first.bind((sys.argv[1], 0))
        port = first.getsockname()[1]
        others = [socket.socket() for _ in sys.argv[2:]]
        try:
            for other, address in zip(others, sys.argv[2:]):
                other.bind((address, port))
        except OSError:
            continue
        finally:
            for other in others:
                other.close()
        print(port)
        sys.exit(0)
sys.exit("no port is free at all of " + ", ".join(sys.argv[1:]))
PYTHON
}
