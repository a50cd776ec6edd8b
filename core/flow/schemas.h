/* The seam to where schemas are kept that messages name by a number only (a schema registry). Everything happens on the loop's thread. */
#ifndef FLOW_SCHEMAS_H
#define FLOW_SCHEMAS_H

#include "base/error.h"
#include "base/slice.h"

#include <stdint.h>

struct schemas;

enum schemas_answer {
	SCHEMAS_HAVE,  /* here it is */
	SCHEMAS_ASKED, /* not here yet: it has been asked for, and wake() follows; for as long as nobody answers it stays so */
	SCHEMAS_NONE,  /* there is no such schema, or it is none of Avro: err says which */
};

/* A schema's text, and those of the schemas that it refers to, in no order. Each is followed by JSON_PADDING readable bytes. */
struct schema_texts {
	struct slice text;
	const struct slice *others;
	size_t other_count;
};

struct schemas_ops {
	/* *texts is lent as long as the schemas are there. */
	enum schemas_answer (*get)(struct schemas *schemas, uint32_t id, struct schema_texts *texts, struct error *err);
	/* Why what was asked for is not here yet; NULL: nothing is wrong. */
	const char *(*problem)(struct schemas *schemas);
	void (*close)(struct schemas *schemas); /* frees them */
};

struct schemas {
	const struct schemas_ops *ops;
};

#endif
