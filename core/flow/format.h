/* The seam to what messages mean: one file a format. A format is told one message and adds the events in it. */
#ifndef FLOW_FORMAT_H
#define FLOW_FORMAT_H

#include "flow/event.h"
#include "flow/schemas.h"
#include "flow/target.h"
#include "flow/unavailable.h"

struct json; /* flow/json.h */

/* Where the format json finds what a row is and what happened to it: paths of fields, or names of headers; empty for what is not asked. */
enum { JSON_NAME_MOST = 64 };
struct json_options {
	char table_field[JSON_NAME_MOST], table_header[JSON_NAME_MOST], database_field[JSON_NAME_MOST], database_header[JSON_NAME_MOST];
	char op_field[JSON_NAME_MOST], op_header[JSON_NAME_MOST], row[JSON_NAME_MOST], old[JSON_NAME_MOST];
};

struct format_options {
	struct json_options json;
	struct reading_settings readings;
	struct unavailable unavailable; /* of debezium and avro; empty: Debezium's default */
	struct schemas *schemas;        /* of messages that name theirs by a number only; NULL for formats that have none */
};

/* Where a format puts what it finds. One for a worker; the arena and the list change with each intake. */
struct decoder {
	const struct format *format;
	struct format_options options;
	struct shapes *shapes;
	struct json *json;
	struct arena *arena;        /* events and values live here, as long as the message's copy does */
	struct event *first, **end; /* events of this message, in order */
	void *state;                /* the format's own, from its open() */
};

struct format {
	const char *name;
	bool plain;                             /* what its values are: struct reading_settings */
	uint8_t capture;                        /* enum capture */
	bool sanitised;                         /* names of columns are spelt in letters, digits and underscores */
	void *(*open)(struct decoder *decoder); /* may be NULL */
	void (*close)(void *state);             /* may be NULL */
	/* True once all is here that decode() needs for this message; otherwise it is on its way, and the flow asks again. May be NULL. */
	bool (*ready)(struct decoder *decoder, const struct message *message);
	/* Adds this message's events with decoder_add. The message's bytes are in the arena already, followed by JSON_PADDING
	 * readable bytes: slices of them may be kept. A control message is an event with OP_CONTROL; no event at all is not
	 * allowed. -1: it cannot be decoded, and err says why (without naming topic or offset). */
	int (*decode)(struct decoder *decoder, const struct message *message, struct error *err);
};

/* What of the settings follows from the format. */
void format_set_readings(const struct format *format, struct reading_settings *readings);
/* A new event at the end of the list, cleared, with its message set. */
struct event *decoder_add(struct decoder *decoder, const struct message *message);
/* The last two parts of "<prefix>.<database>.<table>" (or of "<database>.<table>"); a topic without a dot is the table. */
void format_names_from_topic(struct slice topic, struct slice *database, struct slice *table);
/* An event whose message names no table has its topic's. */
void format_name_event(struct event *event);
/* The last header of that name, or NULL. */
const struct header *message_header(const struct message *message, const char *name);

extern const struct format format_debezium, format_json, format_maxwell, format_canal, format_ticdc, format_avro, format_auto;
const struct format *format_find(struct slice name); /* NULL: there is none */

#endif
