/* Questions to streamlua_state. */
#include <stdlib.h>

#include "flow/sql_parts.h"

static const char *const clock_columns[STATE_CLOCKS] = { [STATE_EVENT_TIME] = "due", [STATE_WALL_TIME] = "wake" };

static void literal(struct buf *out, enum sql_dialect dialect, struct slice text)
{
	static const struct target_column column = { .type = COLUMN_TEXT };
	struct value value = { .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_TEXT, .ready = true };

	sql_value(out, dialect, &value, &column);
}

static void begin(struct buf *out, enum sql_dialect dialect, const char *job, struct slice script)
{
	buf_text(out, "SELECT script, map, `key`, `value`, timers, due, wake, version, topic, `partition` FROM streamlua_state WHERE job = ");
	literal(out, dialect, slice_of(job));
	buf_text(out, " AND script = ");
	literal(out, dialect, script);
}

/* Keys of one script and map are one range of the primary key each. */
static size_t by_keys(struct buf *out, enum sql_dialect dialect, const char *job, const struct state_key *keys, size_t count)
{
	size_t start = out->n, statements = 0;

	for (size_t i = 0; i < count; i++) {
		bool same = i > 0 && slice_equal(keys[i].script, keys[i - 1].script) && slice_equal(keys[i].map, keys[i - 1].map) &&
			    out->n - start < SQL_STATEMENT_BYTES_MOST;

		if (!same) {
			if (i > 0)
				buf_text(out, ");\n");
			start = out->n;
			statements++;
			begin(out, dialect, job, keys[i].script);
			buf_text(out, " AND map = ");
			literal(out, dialect, keys[i].map);
			buf_text(out, " AND `key` IN (");
		} else {
			buf_char(out, ',');
		}
		literal(out, dialect, keys[i].key);
	}
	buf_text(out, ");\n");
	return statements;
}

static void by_due(struct buf *out, enum sql_dialect dialect, const char *job, const struct state_due *due)
{
	const char *column = clock_columns[due->clock];
	const struct state_row *after = &due->after;
	long long at = after->at[due->clock];

	begin(out, dialect, job, due->script);
	/* The first bound says what the others do, in words by which SQLite reads an index; and with `due` in each of the others MariaDB reads the
	 * index from that very row on, where thousands are due at once. */
	buf_printf(out, " AND %s >= %lld AND (%s > %lld", column, at, column, at);
	buf_printf(out, " OR (%s = %lld AND map > ", column, at);
	literal(out, dialect, after->map);
	buf_printf(out, ") OR (%s = %lld AND map = ", column, at);
	literal(out, dialect, after->map);
	buf_text(out, " AND `key` > ");
	literal(out, dialect, after->key);
	buf_text(out, ")) AND (");
	for (size_t i = 0; i < due->partition_count; i++) {
		buf_text(out, i ? " OR (topic = " : "(topic = ");
		literal(out, dialect, due->partitions[i].topic);
		buf_printf(out, " AND `partition` = %d)", due->partitions[i].partition);
	}
	buf_printf(out, ") ORDER BY %s, map, `key` LIMIT %u;\n", column, due->most);
}

size_t sql_state_select(struct buf *out, enum sql_dialect dialect, const char *job, const struct state_load *load)
{
	if (load->count)
		return by_keys(out, dialect, job, load->keys, load->count);
	if (!load->due.most)
		return 0;
	by_due(out, dialect, job, &load->due);
	return 1;
}

static int64_t number(struct slice cell, int64_t otherwise)
{
	return cell.p ? strtoll(cell.p, NULL, 10) : otherwise;
}

struct state_row sql_state_row(const struct slice cells[SQL_STATE_COLUMNS])
{
	return (struct state_row){
		.script = cells[0],
		.map = cells[1],
		.key = cells[2],
		.value = cells[3],
		.timers = cells[4],
		.at = { [STATE_EVENT_TIME] = number(cells[5], STATE_NO_TIME), [STATE_WALL_TIME] = number(cells[6], STATE_NO_TIME) },
		.version = (int32_t)number(cells[7], 1),
		.topic = cells[8],
		.partition = (int32_t)number(cells[9], 0),
	};
}
