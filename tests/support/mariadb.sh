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

start() {
	local try kept=
	if server_pid "$dir" >/dev/null; then
		cat "$dir/address"
		return
	fi
	if [ ! -f "$dir/installed" ] && ! install; then
		tail -n 20 "$dir/log" >&2
		exit 1
	fi
	# A server that was here before keeps its port, or its clients would not find it.
	[ -f "$dir/port" ] && kept=yes
	for try in 1 2 3 4 5; do
		: >"$dir/log"
		[ "$kept" ] || free_port >"$dir/port"
		echo "127.0.0.1:$(cat "$dir/port")" >"$dir/address"
		launch "$(cat "$dir/port")"
		if server_wait "$dir" answers; then
			cat "$dir/address"
			return
		fi
		server_stop "$dir"
		[ -z "$kept" ] && grep -q 'Address already in use' "$dir/log" || break
	done
	echo "MariaDB does not start:" >&2
	tail -n 20 "$dir/log" >&2
	exit 1
}

[ $# = 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
case $1 in
start) start ;;
stop) server_stop "$dir" ;;
*) usage ;;
esac
