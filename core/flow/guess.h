/* Which format a message is in, by what it looks like. A plain row may look like anything: its columns can have any names. */
#ifndef FLOW_GUESS_H
#define FLOW_GUESS_H

#include "flow/format.h"
#include "flow/json.h"

enum guess {
	GUESS_PLAIN = 0, /* a row, or nothing that is known */
	GUESS_NEUTRAL,   /* a mark that tells nothing: no value, a heartbeat, a transaction's begin or end */
	GUESS_DEBEZIUM,  /* in its envelope, or a schema change */
	GUESS_FLAT,      /* Debezium's row without the envelope, with something that was added to it */
	GUESS_MAXWELL,
	GUESS_CANAL,
	GUESS_TICDC, /* with what only TiCDC writes */
	GUESS_AVRO,
	GUESS_GOLDENGATE,
	GUESS_DMS,
};

/* Of a message's value that is an object, its members expanded. */
enum guess guess_of_object(const struct json_node *nodes);
/* Of a whole message; what is no valid JSON is NEUTRAL. Uses json_read. */
enum guess guess_of_message(struct decoder *decoder, const struct message *message);
const char *guess_name(enum guess guess); /* "debezium", for people */

/* A row of the topic's table that is plainly a message of another format: an error that says which, and -1. */
int guess_refuse(enum guess guess, struct error *err);

#endif
