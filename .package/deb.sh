#!/bin/bash
# deb.sh PROGRAM FOLDER: the Debian package of the program as it was built here, into FOLDER; prints its path. What it depends on is what
# dpkg-shlibdeps finds the program linked with, so it installs where those libraries are as they were here: the same release of Debian.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
version=$("$program" --version)
version=${version#streamlua }
architecture=$(dpkg --print-architecture)
name=streamlua_${version}_$architecture.deb
made=$(mktemp -d)
root=$made/debian/streamlua
trap 'rm -rf "$made"' EXIT
umask 022

"$here/install.sh" "$program" "$root" /usr vendor-completions
strip --strip-unneeded --remove-section=.comment "$root/usr/bin/streamlua"
install -D -m 644 -t "$root/usr/share/doc/streamlua" "$here/../README.md"
cat "$here/copyright" "$here/../core/run/page/uplot/LICENSE" >"$root/usr/share/doc/streamlua/copyright"
chmod 644 "$root/usr/share/doc/streamlua/copyright"
# Without a history of packages, its changelog is the version that it is.
gzip -9n >"$root/usr/share/doc/streamlua/changelog.gz" <<END
streamlua ($version) unstable; urgency=medium

  * What has changed stands in the history of the sources.

 -- The streamlua maintainers <maintainers@streamlua.invalid>  $(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(stat -c %Y "$program")}")
END
chmod 644 "$root/usr/share/doc/streamlua/changelog.gz"
# systemctl stops all instances by a pattern, which deb-systemd-invoke does not know.
install -d -m 755 "$root/usr/share/lintian/overrides"
echo "streamlua: maintainer-script-calls-systemctl" >"$root/usr/share/lintian/overrides/streamlua"
install -d -m 755 "$root/etc/streamlua"
# The unit's folder until all of Debian has /lib as a link is /lib/systemd/system; dpkg has to know one name for it.
install -d "$root/lib"
mv "$root/usr/lib/systemd" "$root/lib/systemd"
rmdir "$root/usr/lib"

install -d -m 755 "$root/DEBIAN"
# dpkg-shlibdeps looks for this file, and for nothing in it but the name.
printf 'Source: streamlua\n\nPackage: streamlua\nArchitecture: any\n' >"$made/debian/control"
libraries=$(cd "$made" && dpkg-shlibdeps -O -e "$root/usr/bin/streamlua" | sed -n 's/^shlibs:Depends=//p')

cat >"$root/DEBIAN/control" <<END
Package: streamlua
Version: $version
Architecture: $architecture
Maintainer: The streamlua maintainers <maintainers@streamlua.invalid>
Section: database
Priority: optional
Installed-Size: $(du -sk --apparent-size "$root" | cut -f1)
Depends: $libraries, tzdata
Recommends: ca-certificates
Description: row changes from Kafka, through Lua scripts, into a database
 Reads row changes (Debezium, Canal, Maxwell, TiCDC, JSON, Avro) from Kafka,
 passes each through the one Lua script that its table has, and writes the
 rows into TiDB, MySQL or MariaDB exactly once: one transaction holds the rows
 and the offsets that they came from.
 .
 Jobs are folders in /etc/streamlua; streamlua@NAME.service runs one.
END
for script in postinst prerm; do
	install -m 755 "$here/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)

mkdir -p "$2"
dpkg-deb --root-owner-group --build "$root" "$2/$name" >&2
echo "$2/$name"
