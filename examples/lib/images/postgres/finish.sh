#!/bin/sh
# Called with the unpacked tree and this folder: removes what a database server in a container never uses, which is more
# than half of it, and puts the entrypoint in.
set -eu
tree=${1:?the tree} scripts=${2:?this folder}

# The just-in-time compiler is a plug-in that the server does without; the libraries are only its.
rm -rf "$tree"/usr/lib/postgresql/15/lib/bitcode "$tree"/usr/lib/postgresql/15/lib/llvmjit* \
	"$tree"/usr/lib/x86_64-linux-gnu/libLLVM* "$tree"/usr/lib/aarch64-linux-gnu/libLLVM* \
	"$tree"/usr/lib/*/libz3.so*
# Debian's wrappers around the server are written in Perl; the programs themselves stand first on PATH.
rm -rf "$tree"/usr/share/perl "$tree"/usr/share/perl5 "$tree"/usr/lib/*/perl "$tree"/usr/lib/*/perl5 \
	"$tree"/usr/lib/*/libperl.so* "$tree"/usr/bin/perl5*
for wrapper in psql createdb dropdb pg_dump pg_restore pg_isready; do
	ln -sf "/usr/lib/postgresql/15/bin/$wrapper" "$tree/usr/bin/$wrapper"
done
mkdir -p "$tree"/docker-entrypoint-initdb.d

install -m 755 "$scripts/entrypoint.sh" "$tree/usr/local/bin/docker-entrypoint"
install -m 755 "$scripts/forward-stop.sh" "$tree/usr/local/bin/forward-stop"
