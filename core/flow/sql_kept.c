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

void sql_kept_writers(struct buf *out, enum sql_dialect dialect, const char *job)
{
	buf_text(out, "SELECT DISTINCT script_version FROM streamlua_progress WHERE job = ");
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, " AND script_version <> '';\n");
}

void sql_kept_progress(struct buf *out, enum sql_dialect dialect, const char *job)
{
	buf_text(out, "SELECT topic, `partition`, MAX(next_offset) FROM streamlua_progress WHERE job = ");
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, " GROUP BY topic, `partition`;\n");
}

/* The key of a map's entry is that of its state with the entry's behind it: [7] and then [7,"a"]. So entries are one range. */
static void of_key(struct buf *out, enum sql_dialect dialect, struct slice key)
{
	struct buf bound = BUF_INIT;

	buf_text(out, "`key` = ");
	sql_text_literal(out, dialect, key);
	buf_text(out, " OR (map <> '' AND `key` >= ");
	buf_append(&bound, key.p, key.n - 1);
	buf_char(&bound, ',');
	sql_text_literal(out, dialect, buf_view(&bound));
	buf_text(out, " AND `key` < ");
	bound.p[bound.n - 1] = ',' + 1;
	sql_text_literal(out, dialect, buf_view(&bound));
	buf_char(out, ')');
	buf_free(&bound);
}

static void where_rows(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows)
{
	where(out, dialect, rows->job, rows->script);
	for (size_t i = 0; i < rows->key_count; i++) {
		buf_text(out, i ? " OR " : " AND (");
		of_key(out, dialect, rows->keys[i]);
	}
	if (rows->key_count)
		buf_char(out, ')');
}

static void select_rows(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows)
{
	buf_text(out, "SELECT map, `key`, `value`, timers, due, wake, version, topic, `partition`, updated_at");
	where_rows(out, dialect, rows);
}

void sql_kept_select(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows, unsigned most)
{
	select_rows(out, dialect, rows);
	/* Two ranges of the primary key: databases do not see one in "map > ? OR (map = ? AND key > ?)". */
	if (rows->after_key.n) {
		buf_text(out, " AND map = ");
		sql_text_literal(out, dialect, rows->after_map);
		buf_text(out, " AND `key` > ");
		sql_text_literal(out, dialect, rows->after_key);
		buf_printf(out, " ORDER BY map, `key` LIMIT %u;\n", most);
		select_rows(out, dialect, rows);
		buf_text(out, " AND map > ");
		sql_text_literal(out, dialect, rows->after_map);
	}
	buf_printf(out, " ORDER BY map, `key` LIMIT %u;\n", most);
}

void sql_kept_count(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows)
{
	buf_text(out, "SELECT COUNT(*)");
	where_rows(out, dialect, rows);
	buf_text(out, ";\n");
}

void sql_kept_delete(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows)
{
	/* First: from here on no worker commits what it made of them. */
	buf_text(out, "UPDATE streamlua_progress SET epoch = epoch + 1 WHERE job = ");
	sql_text_literal(out, dialect, slice_of(rows->job));
	buf_text(out, ";\n");
	sql_kept_count(out, dialect, rows);
	buf_text(out, "DELETE");
	where_rows(out, dialect, rows);
	buf_text(out, ";\n");
}
