#!/bin/bash
# newcomer.sh FOLDER: a clean Debian of its own in FOLDER (debootstrap), and in it what README.md tells a newcomer to do, word for word: its
# blocks of commands are taken from the text. As root. Where packages come from is what this machine's own apt is told.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
root=$1
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 2>/dev/null | awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')

[ "$(id -u)" = 0 ] || { echo "newcomer.sh makes a root of its own: as root" >&2; exit 2; }
[ -n "$mirror" ] || { echo "apt knows no archive of $suite" >&2; exit 2; }

if [ ! -e "$root/made" ]; then
	rm -rf "$root"
	mkdir -p "$root"
	debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail "$root.log" >&2; exit 1; }
	# What apt here is told of proxies, keys and settings is told there, too.
	cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
	[ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$root/etc/apt/"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	touch "$root/made"
fi

mounted() {
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"
}
leave() {
	umount -R "$root/proc" "$root/dev" 2>/dev/null || true
}
trap leave EXIT
mounted

inside() {
	env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		chroot "$root" bash -euo pipefail -c "$1"
}

# block N of the part of README.md below a heading: the commands in its N-th ```sh.
block() {
	awk -v heading="## $1" -v wanted="$2" '
		$0 == heading { within = 1; next }
		/^## / { within = 0 }
		within && /^```sh/ { count++; inside = count == wanted; next }
		/^```/ { inside = 0 }
		inside' "$source/README.md"
}

say() {
	printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}

say "what the README takes for granted: git, make and root"
inside "apt-get -q update >/dev/null && apt-get -q -y --no-install-recommends install git make ca-certificates >/dev/null"

say "clone"
rm -rf "$root/root/streamlua" "$root/root/shop"
git -C "$source" bundle create -q "$root/root/streamlua.bundle" HEAD
inside "cd && git -c advice.detachedHead=false clone -q streamlua.bundle streamlua && cd streamlua && git checkout -q -B main && ls README.md"

demo=$(block "Two commands" 1 | grep '^make demo')
say "${demo%% *} demo"
inside "cd ~/streamlua && $demo" </dev/null | tail -25

say "make install"
inside "cd ~/streamlua && make install"

minutes=$(block "A first script in five minutes" 1)
say "A first script in five minutes"
echo "$minutes"
inside "cd && $minutes"

say "an edit, and the sample once more"
inside "cd ~/shop && sed -i 's/row.sku:upper()/row.sku:lower()/; s/TEA-50/tea-50/' scripts/orders.lua && streamlua test && streamlua job.lua --from earliest --http off &&
	sqlite3 target.db 'SELECT sku FROM orders' | grep -q kettle"

say "make uninstall leaves nothing"
inside "cd ~/streamlua && make uninstall && ! command -v streamlua && ! find /usr/local -name '*streamlua*' | grep ."
say "all of it went as it is written"
