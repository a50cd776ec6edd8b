/* A table of the sink as its schema describes it. Filled by the sink (sink->describe) at start and at each reload. */
#ifndef FLOW_TARGET_H
#define FLOW_TARGET_H

#include "flow/shape.h"
#include "flow/value.h"

enum column_type {
	COLUMN_UNKNOWN = 0, /* a sink without a schema, or SQLite without a declared type */
	COLUMN_INTEGER,     /* any width, BOOL, YEAR is apart */
	COLUMN_DECIMAL,
	COLUMN_FLOAT,
	COLUMN_DOUBLE,
	COLUMN_BIT,
	COLUMN_TEXT,   /* CHAR, VARCHAR, TEXT */
	COLUMN_BINARY, /* BINARY(n) */
	COLUMN_BYTES,  /* VARBINARY, BLOB */
	COLUMN_ENUM,
	COLUMN_SET,
	COLUMN_JSON,
	COLUMN_DATE,
	COLUMN_DATETIME,
	COLUMN_TIMESTAMP,
	COLUMN_TIME,
	COLUMN_YEAR,
	COLUMN_GEOMETRY,
};

/* What becomes of a value that comes for a row that is there (`merge` of a script; flow/merge.h). */
enum merge_kind { MERGE_NONE = 0 /* it takes the other's place */, MERGE_SUM, MERGE_MAX, MERGE_MIN, MERGE_SET };

struct target_column {
	struct slice name;
	struct slice sql_type; /* as the database prints it: "bigint(20) unsigned" */
	uint8_t type;          /* enum column_type */
	uint8_t merge;         /* enum merge_kind; set by the script that says so, whoever writes the column */
	bool is_unsigned, nullable, generated, has_default, auto_increment;
	uint32_t length;          /* characters, bytes or bits; of an integer its width in bits */
	int16_t scale;            /* DECIMAL: digits after the point; times: digits of the fraction */
	struct slice default_sql; /* SQLite has no DEFAULT in VALUES: the default's expression; "" otherwise */
	/* Two values are one key exactly when their bytes are equal (numbers, binary and _bin collations); where trailing
	 * spaces do not count (PAD SPACE), after they are cut. False for a collation that folds case or accents. */
	bool exact, pads;
};

enum { TARGET_KEY_MOST = 16 };

struct target {
	struct slice name; /* may be "schema.table"; of a side sink's, "sink:table" */
	uint32_t side;     /* which of the job's side sinks takes its rows, from 1; 0: the job's sink */
	uint32_t id;       /* 0, 1, 2 ... within a script host */
	struct target_column *columns;
	uint32_t count;
	uint32_t key[TARGET_KEY_MOST]; /* columns that tell rows apart: the primary key, else the script's `key` */
	uint32_t key_count;
	bool has_primary_key;
	bool key_exact;    /* all key columns are exact: rows of one key can be found in memory */
	bool other_unique; /* a unique index beside the primary key: an upsert could overwrite another row */
	bool open;         /* the sink has no schema: columns are added as they are named (target_add) */
	bool exists;
	bool merged;         /* a column of it is merged: its rows stand for many of the source, and none is deleted */
	bool sweeps;         /* scripts own its columns: the row of which nobody has any more is deleted */
	bool unanswered;     /* describe() failed because the sink could not be reached: it is no fault of whoever asked */
	bool looked_up;      /* scripts look rows of it up */
	bool parks;          /* a script updates rows of it that may not be there yet */
	bool own;            /* streamlua_state, or the stand-in of a script without a table of its own */
	struct arena *arena; /* the names live here; borrowed from who holds all targets */
};

/* By exact name, else without regard to ASCII case; -1 where there is none. */
int target_find(const struct target *target, struct slice name);
/* Open targets only: the column with this name, added where it is new. */
int target_add(struct target *target, struct slice name);
/* Whether the column is NULL until somebody writes it, so that one that is not says that its owner has a row there. */
bool target_tells(const struct target *target, uint32_t column);
bool target_is_key(const struct target *target, uint32_t column);
/* Its name in its own sink. Ends with a NUL where `name` does. */
struct slice target_table(const struct target *target);

/* How a source column is read on its way into this target column (NULL: none is known): by its own schema if the message
 * had one, else by the column's type. `settings` say what neither can (format = { "debezium", decimal = ... }). */
/* Whose text forms plain values have, where no schema says what they are. */
enum capture { CAPTURE_NONE = 0, CAPTURE_MAXWELL, CAPTURE_CANAL, CAPTURE_TICDC };

/* What DATETIME and TIME are counted in, where no schema says: Debezium's time.precision.mode. */
enum time_mode {
	TIME_MODE_ADAPTIVE_MICROSECONDS = 0, /* DATETIME of more than 3 digits and TIME: microseconds */
	TIME_MODE_ADAPTIVE,                  /* both: milliseconds of up to 3 digits, else microseconds */
	TIME_MODE_CONNECT,                   /* milliseconds */
	TIME_MODE_MICROSECONDS,
	TIME_MODE_NANOSECONDS,
};

struct reading_settings {
	uint8_t time;         /* enum time_mode */
	uint8_t decimal;      /* enum meaning: UNKNOWN (guess), PLAIN (string or double), DECIMAL (precise) */
	uint8_t binary;       /* UNKNOWN: BASE64, but not of a column that a schema calls text; BASE64, BASE64_URL, HEX: of such a column too */
	bool plain;           /* values are written as the row has them (every format but debezium): times are text already */
	uint8_t capture;      /* enum capture; of plain values */
	int32_t zone_minutes; /* of TIMESTAMPs that carry no zone, east of UTC: `zone = "+08:00"` */
	bool sanitised;       /* names of source columns are spelt in letters, digits and underscores (flow/sanitised.h) */
	bool as_seen;         /* values are as scripts see them, whatever the format: those of examples */
	bool absent_is_null;  /* a whole row leaves its NULLs out: `absent = "null"` */
};
struct reading reading_resolve(const struct column *from, const struct target_column *to, const struct reading_settings *settings);

#endif
