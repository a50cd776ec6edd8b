/* One column's value on its way from a message to a row.
 *
 * A value has two lives. On the wire it is what the message holds, cut out and unescaped but not understood: 19691 may be
 * a number or a date. Read (value_read) it is what the row means, in the form that a script sees and a sink writes:
 * a DATE is the text 2023-11-30, a DECIMAL a NUMBER lexeme with all its digits, a BLOB its bytes. Reading happens once,
 * in place, and only for values that somebody asks for. */
#ifndef FLOW_VALUE_H
#define FLOW_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

/* The order is known to lua/streamlua/row.lua. */
enum value_kind {
	VALUE_ABSENT = 0, /* the message does not say: keep what the row has */
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_NUMBER,  /* p: its lexeme, exactly as JSON's grammar has it */
	VALUE_TEXT,    /* p: valid UTF-8, unescaped */
	VALUE_BYTES,   /* p: bytes of no character set */
	VALUE_JSON,    /* p: the text of an object or array, as it stands in the message */
	VALUE_DEFAULT, /* a column that a script left out of a whole row: the column's default, else NULL */
};

struct value {
	const char *p; /* borrowed: from the event's arena */
	uint32_t n;
	uint8_t kind; /* enum value_kind */
	bool ready;   /* read: p and kind are what the row means */
};

#define VALUE_IS_SET(v) ((v)->kind != VALUE_ABSENT)

/* What a value on the wire means. From the message's schema where it has one, else from the target column. Where bit strings stand is known
 * to lua/streamlua/native.lua. */
enum meaning {
	MEANING_UNKNOWN = 0,   /* nothing says; read as PLAIN */
	MEANING_PLAIN,         /* as it stands */
	MEANING_NUMERIC,       /* for a numeric column: true and false are 1 and 0, text that reads as a number is one */
	MEANING_DOUBLE,        /* NUMERIC of a binary number: Lua's numbers hold it, however many digits it has */
	MEANING_UNSIGNED,      /* NUMERIC of a 64-bit integer that a signed type wrapped: negative means + 2^64; other text is DECIMAL's base64 */
	MEANING_DECIMAL,       /* base64 of a big-endian two's complement integer, over 10^scale; or {"scale":n,"value":base64} */
	MEANING_DECIMAL_GUESS, /* as DECIMAL unless the text reads as a decimal number */
	MEANING_BASE64,        /* bytes */
	MEANING_BASE64_URL,
	MEANING_HEX,
	MEANING_LATIN1,      /* one character a byte */
	MEANING_GO_QUOTED,   /* bytes as Go's strconv.Quote writes them, without the quotes */
	MEANING_BASE64_TEXT, /* base64 of text; becomes TEXT */
	MEANING_BITS,        /* base64 of a little-endian bit string; becomes a NUMBER */
	MEANING_BIT_NUMBER,  /* a bit string as the number that it is, its text, or its bytes, the first the most significant; becomes a NUMBER */
	MEANING_DAYS,        /* since 1970-01-01: DATE */
	MEANING_DATETIME_MS,
	MEANING_DATETIME_US,
	MEANING_DATETIME_NS, /* since the epoch, no zone: DATETIME */
	MEANING_TIME_MS,
	MEANING_TIME_US,
	MEANING_TIME_NS,  /* of the day, or a duration: TIME */
	MEANING_ZONED,    /* ISO 8601 text with an offset, or a time of day in a zone that is known: TIMESTAMP, as UTC */
	MEANING_ISO,      /* ISO 8601 text whose zone says nothing: DATE, TIME or DATETIME */
	MEANING_SET,      /* a JSON array of members */
	MEANING_GEOMETRY, /* {"wkb":base64,"srid":n}, or text as WKT: becomes MySQL's internal form, BYTES */
	MEANING_WKT,      /* POINT(1 2) and its like, of no SRID: becomes the same */
	MEANING_JSON,     /* any JSON value is the text of a JSON column */
};

struct reading {
	uint8_t meaning; /* enum meaning */
	int16_t scale;   /* DECIMAL: digits after the point; DATETIME and TIME: digits of the fraction, -1 for as many as there are */
	int32_t length; /* BITS, BIT_NUMBER: how many; bytes into BINARY(n): n, for the padding; ZONED: minutes east of UTC where the text has no offset; else 0 */
};

/* Reads v in place: afterwards v->ready. Bytes that are made are taken from the arena. -1 where the value is not what its
 * meaning says; err then names the reason, not the column. NULL and ABSENT are always fine. */
int value_read(struct value *v, struct reading reading, struct arena *arena, struct error *err);

/* Whether value_read would leave it as it stands: most do, and need no call. */
static inline bool value_stands(const struct value *v, struct reading reading)
{
	return reading.meaning <= MEANING_PLAIN || v->kind <= VALUE_NULL ||
	       (v->kind == VALUE_NUMBER && (reading.meaning == MEANING_NUMERIC || reading.meaning == MEANING_DOUBLE));
}

/* The value as a document of its own, to be freed with json_free. These values are rare, so a reader for each is fine. NULL where it
 * is none. */
struct json;
struct json_node;
struct json *value_open_json(const struct value *v, struct arena *arena, const struct json_node **nodes, struct error *err);

/* JSON's number grammar (RFC 8259, 6), whole. */
bool value_is_number(struct slice text);
/* The NUMBER v where it is an integer of 64 bits, without fraction or exponent. */
bool value_is_integer(const struct value *v, int64_t *number);

/* The NUMBER as the double that is nearest to it. */
double value_nearest(const struct value *value);
/* A number as Lua has it. False where a double would not hold its digits: an integer beyond 2^53, or more than 15 significant
 * digits without an exponent; scripts then see its text. */
bool value_to_double(const struct value *value, double *number);

/* A value read as a bit string, as MySQL has it: the bytes that so many bits take, the first the most significant (0 bits: as few bytes
 * as hold it). Returns how many; 0: it is no number of 64 bits. */
bool value_is_bits(struct reading reading);
size_t value_bits(const struct value *v, int32_t bits, char out[8]);

/* A short form for messages to people: at most 60 bytes, quoted where it is text. */
struct slice value_show(const struct value *v, struct arena *arena);

#endif
