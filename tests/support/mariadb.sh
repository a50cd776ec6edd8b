#!/bin/bash
# A MariaDB server for tests, everything in DIR.
#   mariadb.sh start DIR   prints host:port (also in DIR/address) once the server answers; a DIR that was used before comes
#                          back with its databases, on the same port
#   mariadb.sh stop DIR
# Over TCP there are two users that may do everything: root without a password, and streamlua with the password streamlua.
# The socket is DIR/data/mariadb.sock.
# Environment:
#   MARIADB_OPTIONS  further options of mariadbd, separated by spaces; they win over those below
#   OWNER_PID        the server ends with this process
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/server.sh"
PATH=$PATH:/usr/sbin

usage() {
	echo "usage: mariadb.sh start|stop DIR" >&2
	exit 2
}

# An empty server. Small files, or most of the time goes into writing zeros.
install() {
	rm -rf "$dir/data"
	mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$dir/data" --auth-root-authentication-method=normal \
		--skip-test-db --skip-name-resolve --innodb-log-file-size=16M >"$dir/log" 2>&1
	cat >"$dir/users.sql" <<-'SQL'
		CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';
		GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
		CREATE USER IF NOT EXISTS 'streamlua'@'127.0.0.1' IDENTIFIED BY 'streamlua';
		GRANT ALL ON *.* TO 'streamlua'@'127.0.0.1';
	SQL
	touch "$dir/installed"
}

# A folder for temporary tables of its own: a server that starts deletes all that it takes for its leftovers, those of others too.
# The socket is named within the data folder: a socket's whole path must fit into 107 bytes, and DIR may be deep.
launch() {
	mkdir -p "$dir/tmp"
	# shellcheck disable=SC2086 # options are words
	server_launch "$dir" mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" --socket=mariadb.sock \
		--pid-file="$dir/mariadbd.pid" --init-file="$dir/users.sql" --bind-address=127.0.0.1 --port="$1" \
		--skip-name-resolve --performance-schema=OFF --skip-log-bin --character-set-server=utf8mb4 \
		--collation-server=utf8mb4_general_ci --max-allowed-packet=64M --max-connections=200 --key-buffer-size=1M \
		--innodb-buffer-pool-size=192M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=2 \
		${MARIADB_OPTIONS:-}
}

# Asks for the data folder, so that another server on a port that both wanted is not taken for this one.
answers() {
	timeout 5 mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --port="$(cat "$dir/port")" --user=streamlua --password=streamlua \
		--skip-column-names --execute='SELECT @@datadir' | grep -qF "$dir/data"
}

# How it failed, try by try: of the last one alone one would not see why it was begun anew.
fail() {
	local each
	echo "MariaDB does not start:" >&2
	for each in "$dir"/log*; do
		echo "--- $each" >&2
		tail -n 20 "$each" >&2
	done
	exit 1
}

start() {
	local try kept= late=
	if server_pid "$dir" >/dev/null; then
		cat "$dir/address"
		return
	fi
	rm -f "$dir"/log.*
	# A server that was here before keeps its port and what it holds, or its clients would not find it.
	[ -f "$dir/installed" ] && [ -f "$dir/port" ] && kept=yes
	for try in 1 2 3 4 5; do
		[ -f "$dir/installed" ] || install || fail
		: >"$dir/log"
		[ "$kept" ] || free_port >"$dir/port"
		echo "127.0.0.1:$(cat "$dir/port")" >"$dir/address"
		launch "$(cat "$dir/port")"
		if server_wait "$dir" answers; then
			cat "$dir/address"
			return
		fi
		if server_pid "$dir" >/dev/null; then
			# It runs and does not answer: once more from the beginning, and no further time.
			[ "$late" ] && break
			late=yes
			[ "$kept" ] || rm -f "$dir/installed"
		elif [ "$kept" ] || ! grep -q 'Address already in use' "$dir/log"; then
			break
		fi
		server_stop "$dir"
		mv "$dir/log" "$dir/log.$try"
	done
	server_stop "$dir"
	fail
}

[ $# = 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
case $1 in
start) start ;;
stop) server_stop "$dir" ;;
*) usage ;;
esac
