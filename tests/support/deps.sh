#!/bin/bash
# Installs what building (deps.sh build), testing (deps.sh test) or the benchmark's peers (deps.sh bench) need, by the names that
# Debian and Ubuntu give it. Asks the package index only where something is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
fetched=$here/../../build

# "a|b": a, or b where the distribution has no a.
build=(gcc g++ make pkg-config libluajit-5.1-dev luajit librdkafka-dev libmariadb-dev libevent-dev libcurl4-openssl-dev libsimdjson-dev libsqlite3-dev sqlite3
	libarchive-dev libedit-dev libcctz-dev tzdata libxxhash-dev uthash-dev)
# mariadb-server-core is the server without the service that mariadb-server would start.
tests=('mariadb-server-core|mariadb-server' 'mariadb-client-core|mariadb-client' default-jre-headless maven libcmocka-dev kcat python3
	python3-pytest python3-pytest-xdist python3-pymysql python3-confluent-kafka python3-avro python3-yaml lua-check clang clang-format 'libclang-rt-dev|clang' zstd dpkg-dev man-db prometheus
	'chromium|chromium-browser' 'chromium-driver|chromium-chromedriver' python3-selenium)
peers=(default-jdk-headless)

as_root=()
if [ "$(id -u)" != 0 ]; then
	if command -v sudo >/dev/null; then
		as_root=(sudo)
	else
		as_root=(echo 'needs root:')
	fi
fi

installed() {
	[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

known() {
	apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# Prints those of the packages that are not installed, one for each group of alternatives.
missing() {
	local names name
	for names in "$@"; do
		for name in ${names//|/ }; do
			installed "$name" && continue 2
		done
		for name in ${names//|/ }; do
			if known "$name"; then
				break
			fi
		done
		echo "$name"
	done
}

install() {
	[ -n "$(missing "$@")" ] || return 0
	"${as_root[@]}" apt-get -q update
	# shellcheck disable=SC2046 # names are words
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $(missing "$@")
}

# Prometheus comes as a service that begins at once: the tests only want the program.
without_services() {
	if [ -d /run/systemd/system ] && systemctl -q is-active prometheus; then
		"${as_root[@]}" systemctl -q disable --now prometheus
	fi
}

# fetch NAME FOLDER: the jars that FOLDER/pom.xml asks for, into build/NAME. They are written beside their place first, so that half a
# download is not taken for all of it. Their version is the pom's.
fetch() {
	local jars=$fetched/$1 pom=$2/pom.xml
	cmp -s "$pom" "$jars/pom.xml" && return
	rm -rf "$jars" "$jars.part"
	mkdir -p "$jars.part"
	mvn -q -B -Dstyle.color=never -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$(realpath "$jars.part")"
	cp "$pom" "$jars.part"
	mv "$jars.part" "$jars"
}

case ${1:-} in
build) install "${build[@]}" ;;
test)
	fresh=$(missing prometheus)
	install "${build[@]}" "${tests[@]}"
	[ -z "$fresh" ] || without_services
	fetch kafka "$here/kafka"
	;;
bench)
	install "${build[@]}" "${tests[@]}" "${peers[@]}"
	fetch kafka "$here/kafka"
	fetch flink "$here/../bench/flink"
	fetch debezium "$here/../bench/debezium"
	;;
*)
	echo "usage: deps.sh build|test|bench" >&2
	exit 2
	;;
esac
