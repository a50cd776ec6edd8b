#!/bin/bash
# A broker and a database server to try things on by hand: services.sh up|down FOLDER. They keep what they hold from one up to the
# next; remove the folder to begin anew.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# = 2 ] || set -- usage usage

case $1 in
up)
	kafka=$(KAFKA_PROPERTIES="auto.create.topics.enable=true" "$here/kafka.sh" start "$2/kafka")
	mariadb=$("$here/mariadb.sh" start "$2/mariadb")
	client="mariadb --protocol=tcp --host=${mariadb%:*} --port=${mariadb##*:} --user=streamlua --password=streamlua"
	cat <<-TEXT
		Kafka    $kafka
		MariaDB  $mariadb  user streamlua, password streamlua

		export KAFKA_BROKERS=$kafka
		kcat -L -b $kafka                                   # what is there
		kcat -C -b $kafka -t TOPIC -e -J                    # every message of a topic
		printf '%s\n' 'KEY|{"id":1}' | kcat -P -b $kafka -t TOPIC -K '|'
		$client -e 'SHOW DATABASES'
		$client DATABASE -e 'SELECT * FROM streamlua_progress'

		Topics are made when something is first written to them. End both: make services-down
	TEXT
	;;
down)
	"$here/kafka.sh" stop "$2/kafka"
	"$here/mariadb.sh" stop "$2/mariadb"
	;;
*)
	echo "usage: services.sh up|down FOLDER" >&2
	exit 2
	;;
esac
