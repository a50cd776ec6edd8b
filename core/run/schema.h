/* All tables of a database, as the sink into it describes them. */
#ifndef RUN_SCHEMA_H
#define RUN_SCHEMA_H

#include "base/arena.h"
#include "flow/sink.h"

struct schema {
	struct arena arena; /* all of it lives there */
	struct schema_table {
		struct target target;
		struct slice stem;      /* its name as a file's and as a class's: letters, digits, - and _; no two tables have the same */
		const char *unsuitable; /* why no script can write it; NULL: one can */
	} * tables;
	size_t count;
};

/* Of a sink that is a database ("sqlite", or one of MySQL's protocol) and whose look() or open() has been called; by name, without those of
 * streamlua itself. Blocks. schema_free in either case. */
int schema_read(struct schema *schema, struct sink *sink, struct error *err);
void schema_free(struct schema *schema);

#endif
