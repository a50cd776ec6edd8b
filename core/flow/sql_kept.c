#include "flow/sql_kept.h"

#include "flow/sql_parts.h"

static void where(struct buf *out, enum sql_dialect dialect, const char *job, struct slice script)
{
	buf_text(out, " FROM streamlua_state WHERE job = ");
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, " AND script = ");
	sql_text_literal(out, dialect, script);
}

void sql_kept_newer(struct buf *out, enum sql_dialect dialect, const char *job, struct slice script, int32_t version)
{
	buf_text(out, "SELECT script, map, `key`, version");
	where(out, dialect, job, script);
	buf_printf(out, " AND version > %d LIMIT 1;\n", version);
}
