# What the servers of the tests have in common: free ports, readiness, and an end by pid. Sourced, not run.

# A free port of 127.0.0.1 below those that the kernel gives to outgoing connections, so that a server finds its port again
# after it was killed.
free_port() {
	local port
	while :; do
		port=$((10240 + RANDOM % 20000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}

# The pid of the server that lives in DIR; fails where there is none. The command line is looked at because pids are reused.
server_pid() {
	local dir=$1 pid
	pid=$(cat "$dir/pid" 2>/dev/null) && grep -qaF "$dir" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

# Runs the command in a session of its own (a Ctrl-C in the terminal is for the tests, not for their servers); output goes to
# DIR/log. With OWNER_PID set the server does not outlive that process, whatever ends it.
server_launch() {
	local dir=$1 pid
	shift
	setsid "$@" </dev/null >>"$dir/log" 2>&1 &
	pid=$!
	echo "$pid" >"$dir/pid"
	if [ -n "${OWNER_PID:-}" ]; then
		setsid bash -c '
			tail --pid="$1" -f /dev/null
			grep -qaF "$3" "/proc/$2/cmdline" 2>/dev/null && kill -9 "$2"' guard "$OWNER_PID" "$pid" "$dir" \
			</dev/null >/dev/null 2>&1 &
	fi
}

# Waits until the command succeeds. Fails as soon as the server in DIR is gone, or after a minute.
server_wait() {
	local dir=$1 deadline=$((SECONDS + 60))
	shift
	until "$@" >/dev/null 2>&1; do
		server_pid "$dir" >/dev/null || return 1
		if ((SECONDS > deadline)); then
			echo "$dir: not ready within a minute, see $dir/log" >&2
			return 1
		fi
		sleep 0.05
	done
}

# Asks the server to end, and ends it after twenty seconds. Wakes it first: it may be frozen.
server_stop() {
	local dir=$1 pid deadline=$((SECONDS + 20))
	pid=$(server_pid "$dir") || return 0
	kill -CONT "$pid" 2>/dev/null
	kill "$pid" 2>/dev/null
	while server_pid "$dir" >/dev/null; do
		((SECONDS > deadline)) && kill -9 "$pid" 2>/dev/null
		sleep 0.05
	done
	rm -f "$dir/pid"
}
