#!/bin/bash
# A Kafka broker for tests: one node, its own controller, everything in DIR.
#   kafka.sh start DIR    prints the bootstrap address (also in DIR/address) once the broker answers; a DIR that was
#                         used before comes back with its topics, on the same ports
#   kafka.sh stop DIR
# Environment:
#   KAFKA_PROTOCOL    PLAINTEXT (default), SASL_PLAINTEXT, SSL or SASL_SSL: what clients speak. DIR/internal is the address of a
#                     listener that is always plain
#   KAFKA_PROPERTIES  further server properties, one a line; they win over those below
#   KAFKA_SCRAM       users of SASL/SCRAM, as kafka-storage takes them: SCRAM-SHA-256=[name=NAME,password=PASSWORD]
#   KAFKA_JARS        folder of the jars, default build/kafka (make test-deps)
#   OWNER_PID         the broker ends with this process
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/server.sh"
jars=${KAFKA_JARS:-$here/../../build/kafka}

usage() {
	echo "usage: kafka.sh start|stop DIR" >&2
	exit 2
}

jvm=(java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
	-Dlog4j.configuration="file:$here/kafka/log4j.properties" -cp "$jars/*")

# Retention is off: tests write messages with times of long ago. The short session lets a killed broker register again soon.
configure() {
	local client=$1 internal=$2 controller=$3
	cat >"$dir/server.properties" <<-PROPERTIES
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$controller
		controller.listener.names=CONTROLLER
		inter.broker.listener.name=INTERNAL
		listeners=CLIENT://127.0.0.1:$client,INTERNAL://127.0.0.1:$internal,CONTROLLER://127.0.0.1:$controller
		advertised.listeners=CLIENT://127.0.0.1:$client,INTERNAL://127.0.0.1:$internal
		listener.security.protocol.map=CLIENT:${KAFKA_PROTOCOL:-PLAINTEXT},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$dir/data
		auto.create.topics.enable=false
		group.initial.rebalance.delay.ms=0
		group.min.session.timeout.ms=500
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=4
		log.retention.ms=-1
		log.segment.bytes=67108864
		log.index.size.max.bytes=1048576
		log.cleaner.dedupe.buffer.size=4194304
		message.max.bytes=33554432
		broker.heartbeat.interval.ms=200
		broker.session.timeout.ms=1000
		controlled.shutdown.enable=false
		num.network.threads=2
		num.io.threads=4
		background.threads=2
		${KAFKA_PROPERTIES:-}
	PROPERTIES
	echo "127.0.0.1:$client" >"$dir/address"
	echo "127.0.0.1:$internal" >"$dir/internal"
}

answers() {
	kcat -L -m 1 -b "$(cat "$dir/internal")" | grep -q '^ 1 brokers'
}

start() {
	local ports try kept=
	if [ -z "$(ls "$jars" 2>/dev/null)" ]; then
		echo "no Kafka in $jars: run 'make test-deps'" >&2
		exit 2
	fi
	if server_pid "$dir" >/dev/null; then
		cat "$dir/address"
		return
	fi
	# A broker that was here before keeps its ports, or its clients would not find it.
	[ -f "$dir/ports" ] && kept=yes
	for try in 1 2 3 4 5; do
		: >"$dir/log"
		[ "$kept" ] || echo "$(free_port) $(free_port) $(free_port)" >"$dir/ports"
		read -r -a ports <"$dir/ports"
		configure "${ports[@]}"
		if [ ! -f "$dir/data/meta.properties" ]; then
			"${jvm[@]}" kafka.tools.StorageTool format --cluster-id c3RyZWFtbHVhLXRlc3RzMQ --config "$dir/server.properties" \
				${KAFKA_SCRAM:+--add-scram "$KAFKA_SCRAM"} >>"$dir/log" 2>&1 || break
		fi
		server_launch "$dir" "${jvm[@]}" kafka.Kafka "$dir/server.properties"
		if server_wait "$dir" answers; then
			cat "$dir/address"
			return
		fi
		server_stop "$dir"
		[ -z "$kept" ] && grep -q 'Address already in use' "$dir/log" || break
	done
	echo "Kafka does not start:" >&2
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
