#!/bin/bash
# run.sh FOLDER SECONDS [TARGET ...]: fuzzes each target (all of them) for so long, two at a time. FOLDER has the program; it gets the
# inputs that reach more (corpus/TARGET), what broke a target (found/TARGET-*), and what the fuzzer said (log/TARGET).
set -uo pipefail

folder=$1 seconds=$2
shift 2
seeds=$(cd "$(dirname "$0")" && pwd)/corpus
mkdir -p "$folder"/{corpus,found,log}
[ $# -gt 0 ] || set -- $(cd "$seeds" && ls)

# One target, to its end. AddressSanitizer's own limits: 2 GB, and a leak is a finding.
one() {
	local target=$1
	mkdir -p "$folder/corpus/$target"
	if FUZZ_TARGET=$target "$folder/fuzzer" -max_total_time="$seconds" -max_len=4096 -dict="$seeds/../dictionary" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$folder/found/$target-" "$folder/corpus/$target" "$seeds/$target" >"$folder/log/$target" 2>&1; then
		printf '%-14s %s\n' "$target" "$(awk '/number_of_executed_units/ { n = $2 } /average_exec_per_sec/ { s = $2 }
			/new_units_added/ { u = $2 } END { printf "%d executions, %d a second, %d inputs that reach more", n, s, u }' "$folder/log/$target")"
	else
		printf '%-14s %s\n' "$target" "FAILED: $folder/log/$target"
		grep -aE "^[^ ]+:[0-9]+: not |ERROR: |runtime error|Test unit written" "$folder/log/$target" | cut -c1-400
		return 1
	fi
}
export -f one
export folder seconds seeds
printf '%s\n' "$@" | xargs -P 2 -I{} bash -c 'one {}'
