/* An Avro schema, ready to read data with: names resolved, and of every type what its values mean. */
#ifndef FLOW_AVRO_SCHEMA_H
#define FLOW_AVRO_SCHEMA_H

#include "flow/image.h"
#include "flow/schemas.h"

enum avro_kind {
	AVRO_NULL,
	AVRO_BOOLEAN,
	AVRO_INT,
	AVRO_LONG,
	AVRO_FLOAT,
	AVRO_DOUBLE,
	AVRO_BYTES,
	AVRO_STRING,
	AVRO_FIXED,
	AVRO_ENUM,
	AVRO_ARRAY,
	AVRO_MAP,
	AVRO_UNION,
	AVRO_RECORD,
};

enum avro_mark {
	AVRO_COLUMN = 0,
	AVRO_NESTED,    /* before, after or source of an envelope: its members are wanted */
	AVRO_TIDB_OP,   /* what TiCDC adds to a row */
	AVRO_TIDB_TIME, /* its commit_ts */
	AVRO_TIDB_OTHER,
};

struct avro_type;

struct avro_field {
	struct slice name;
	const struct avro_type *type;
	uint8_t mark; /* enum avro_mark; of the outermost record's fields */
};

struct avro_type {
	uint8_t kind;           /* enum avro_kind */
	bool reversed;          /* TiCDC's bit strings begin with their highest byte */
	struct reading reading; /* of a union: of its only branch that is not null */
	struct slice name;      /* of a named type, with its namespace */
	uint32_t size;          /* of FIXED */
	uint32_t count;         /* of fields, branches or symbols */
	struct avro_field *fields;
	const struct avro_type **branches;
	struct slice *symbols;
	const struct avro_type *items; /* of ARRAY and MAP */
};

struct avro_schema {
	const struct avro_type *root;
	struct image_columns columns; /* of the row: of "after" where the schema is that of an envelope */
	bool is_tidb;                 /* TiCDC's: it is named after its table */
	struct slice tidb_database, tidb_table;
	struct arena arena;
};

/* NULL where the texts are no schema. */
struct avro_schema *avro_schema_new(const struct schema_texts *texts, struct error *err);
void avro_schema_free(struct avro_schema *schema);
/* What stands before a full name's last dot; nothing where it has none. */
struct slice avro_namespace(struct slice name);

#endif
