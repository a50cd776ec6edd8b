#!/bin/bash
# run.sh PROGRAM FOLDER LIMIT [TARGET ...]: fuzzes each target (all of them), two at a time: "60s" for so long, "1000" with so many inputs, the same
# each time. FOLDER gets the inputs that reach more (corpus/TARGET), what broke a target (found/TARGET-*), and what the fuzzer said
# (log/TARGET).
set -uo pipefail

fuzzer=$1 folder=$2 limit=$3
shift 3
seeds=$(cd "$(dirname "$0")" && pwd)/corpus
case $limit in
*s) kept=$folder/corpus limit=-max_total_time=${limit%s} ;;
# What earlier runs found would lead to other inputs.
*) kept=$folder/fresh limit="-seed=1 -runs=$limit" && rm -rf "$kept" ;;
esac
mkdir -p "$folder"/{found,log}
[ $# -gt 0 ] || set -- $(cd "$seeds" && ls)

# One target, to its end. AddressSanitizer's own limits: 2 GB, and a leak is a finding.
one() {
	local target=$1
	mkdir -p "$kept/$target"
	# shellcheck disable=SC2086 # the limit is words
	if FUZZ_TARGET=$target "$fuzzer" $limit -max_len=4096 -dict="$seeds/../dictionary" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$folder/found/$target-" "$kept/$target" "$seeds/$target" >"$folder/log/$target" 2>&1; then
		printf '%-14s %s\n' "$target" "$(awk '/number_of_executed_units/ { n = $2 } /average_exec_per_sec/ { s = $2 }
			/new_units_added/ { u = $2 } END { printf "%d executions, %d a second, %d inputs that reach more", n, s, u }' "$folder/log/$target")"
	else
		printf '%-14s %s\n' "$target" "FAILED: $folder/log/$target"
		grep -aE "^[^ ]+:[0-9]+: not |ERROR: |runtime error|Test unit written" "$folder/log/$target" | cut -c1-400
		return 1
	fi
}
export -f one
export fuzzer folder kept limit seeds
printf '%s\n' "$@" | xargs -P 2 -I{} bash -c 'one {}'
