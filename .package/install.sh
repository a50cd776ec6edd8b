#!/bin/bash
# install.sh PROGRAM DESTDIR PREFIX [ZSH]: the program, its man page, the completions of shells and the systemd unit, into DESTDIR/PREFIX.
# ZSH: the folder of zsh's completions below PREFIX/share/zsh. Nothing is written where the program cannot be asked for its own help.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$1 to=$2$3 prefix=$3 zsh=${4:-site-functions}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

luajit "$here/man.lua" "$program" | gzip -9n >"$made/streamlua.1.gz"
luajit "$here/completion.lua" bash "$program" >"$made/streamlua"
luajit "$here/completion.lua" zsh "$program" >"$made/_streamlua"
sed "s|/usr/bin/streamlua|$prefix/bin/streamlua|" "$here/../examples/operations/streamlua@.service" >"$made/streamlua@.service"

install -D -m 755 "$program" "$to/bin/streamlua"
install -D -m 644 -t "$to/share/man/man1" "$made/streamlua.1.gz"
install -D -m 644 -t "$to/share/bash-completion/completions" "$made/streamlua"
install -D -m 644 -t "$to/share/zsh/$zsh" "$made/_streamlua"
install -D -m 644 -t "$to/lib/systemd/system" "$made/streamlua@.service"
