#include "flow/sql_letters.h"

#include "flow/sql_parts.h"

static void where(struct buf *out, enum sql_dialect dialect, const char *job, int64_t id)
{
	buf_text(out, " WHERE job = ");
	sql_text_literal(out, dialect, slice_of(job));
	if (id)
		buf_printf(out, " AND id = %lld", (long long)id);
}

void sql_letters_list(struct buf *out, enum sql_dialect dialect, const char *job)
{
	buf_text(out, "SELECT id, topic, `partition`, `offset`, source_table, stage, error, at FROM streamlua_dead_letters");
	where(out, dialect, job, 0);
	buf_text(out, " ORDER BY id;\n");
}

void sql_letters_show(struct buf *out, enum sql_dialect dialect, const char *job, int64_t id)
{
	buf_text(out, "SELECT id, job, topic, `partition`, `offset`, source_table, stage, error, script_version, `key`, `value`, headers, at "
		      "FROM streamlua_dead_letters");
	where(out, dialect, job, id);
	buf_text(out, ";\n");
}

void sql_letters_drop(struct buf *out, enum sql_dialect dialect, const char *job, int64_t id)
{
	buf_text(out, "DELETE FROM streamlua_dead_letters");
	where(out, dialect, job, id);
	buf_text(out, ";\n");
}

void sql_letters_give_back(struct buf *out, enum sql_dialect dialect, const char *job, const int64_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_text(out, "REPLACE INTO streamlua_parked (job, topic, `partition`, `offset`, part, waits_for, `keys`, message_topic, "
			      "message_partition, message_offset, time_ms, script_version, `key`, `value`, headers, replay) "
			      "SELECT job, COALESCE(progress_topic, topic), COALESCE(progress_partition, `partition`), "
			      "COALESCE(progress_offset, `offset`), part, NULL, x'', "
			      "CASE WHEN progress_topic IS NULL THEN NULL ELSE topic END, "
			      "CASE WHEN progress_topic IS NULL THEN NULL ELSE `partition` END, "
			      "CASE WHEN progress_topic IS NULL THEN NULL ELSE `offset` END, "
			      "time_ms, script_version, `key`, `value`, headers, 1 FROM streamlua_dead_letters");
		where(out, dialect, job, ids[i]);
		buf_text(out, ";\n");
		sql_letters_drop(out, dialect, job, ids[i]);
	}
}

void sql_letters_given(struct buf *out, enum sql_dialect dialect, const char *job)
{
	buf_text(out, "SELECT DISTINCT topic, `partition` FROM streamlua_parked");
	where(out, dialect, job, 0);
	buf_text(out, " AND replay = 1;\n");
}

void sql_letters_waiting(struct buf *out, enum sql_dialect dialect, const char *job)
{
	buf_text(out, "SELECT COALESCE(message_topic, topic), COALESCE(message_partition, `partition`), COALESCE(message_offset, `offset`) "
		      "FROM streamlua_parked");
	where(out, dialect, job, 0);
	buf_text(out, ";\n");
}
