#!/bin/bash
# uninstall.sh DESTDIR PREFIX [ZSH]: takes away what install.sh has put there, and nothing else: jobs and what they keep stay.
set -euo pipefail

to=$1$2 zsh=${3:-site-functions}

rm -fv "$to/bin/streamlua" "$to/share/man/man1/streamlua.1.gz" "$to/share/bash-completion/completions/streamlua" "$to/share/zsh/$zsh/_streamlua" \
	"$to/lib/systemd/system/streamlua@.service"
