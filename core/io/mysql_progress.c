#include "io/mysql_progress.h"

#include "flow/sql.h"

static void literal(struct buf *out, struct slice text)
{
	struct target_column column = { .type = COLUMN_TEXT };
	struct value value = { .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_TEXT, .ready = true };

	sql_value(out, SQL_MYSQL, &value, &column);
}

/* "topic = '..' AND `partition` = 3" in brackets: ranges of the primary key, where (a, b) IN (...) would not be used as such by all. */
static void one_partition(struct buf *out, size_t i, struct slice topic, int32_t partition)
{
	buf_text(out, i ? " OR (topic = " : "(topic = ");
	literal(out, topic);
	buf_text(out, " AND `partition` = ");
	buf_int(out, partition);
}

static void where_job(struct buf *out, const char *job)
{
	buf_text(out, " WHERE job = ");
	literal(out, slice_of(job));
	buf_text(out, " AND (");
}

void mysql_progress_read_back(struct buf *out, const char *job, const struct tx *tx)
{
	/* Within a transaction: TiDB does not lock for a SELECT that commits by itself. */
	buf_text(out, "BEGIN;\nSELECT topic, `partition`, lane, epoch, seq, next_offset, done FROM streamlua_progress");
	where_job(out, job);
	for (size_t i = 0; i < tx->progress_count; i++) {
		one_partition(out, i, tx->progress[i].topic, tx->progress[i].partition);
		buf_text(out, " AND lane = ");
		buf_int(out, tx->progress[i].lane);
		buf_char(out, ')');
	}
	buf_text(out, ") FOR UPDATE;\nROLLBACK;\n");
}

static void where_partitions(struct buf *out, const char *job, const struct takeover *takeover)
{
	where_job(out, job);
	for (size_t i = 0; i < takeover->count; i++) {
		one_partition(out, i, takeover->partitions[i].topic, takeover->partitions[i].partition);
		buf_char(out, ')');
	}
	buf_char(out, ')');
}

void mysql_progress_lock(struct buf *out, const char *job, const struct takeover *takeover)
{
	buf_text(out, "BEGIN;\nSELECT topic, `partition`, lane, epoch, seq, next_offset, done, watermark FROM streamlua_progress");
	where_partitions(out, job, takeover);
	buf_text(out, " ORDER BY topic, `partition`, lane FOR UPDATE;\n"
		      "SELECT topic, `partition`, `offset`, part, `keys`, COALESCE(LENGTH(`key`), 0) + COALESCE(LENGTH(`value`), 0), "
		      "TIMESTAMPDIFF(MICROSECOND, at, CURRENT_TIMESTAMP(3)) DIV 1000 FROM streamlua_parked");
	where_partitions(out, job, takeover);
	buf_text(out, " ORDER BY topic, `partition`, `offset`, part;\n");
}

static void make_rows(struct buf *out, const char *job, const struct takeover *takeover, int64_t epoch, const bool *has_row, int32_t lanes)
{
	bool any = false;

	for (size_t i = 0; i < takeover->count; i++)
		for (int32_t lane = 0; lane < lanes; lane++) {
			if (has_row[i * (size_t)lanes + (size_t)lane])
				continue;
			buf_text(out, any ? ",\n("
					  : "INSERT INTO streamlua_progress (job, topic, `partition`, lane, next_offset, done, epoch, "
					    "seq, script_version) VALUES\n(");
			any = true;
			literal(out, slice_of(job));
			buf_text(out, ", ");
			literal(out, takeover->partitions[i].topic);
			buf_printf(out, ", %d, %d, -1, '', %lld, 0, '')", takeover->partitions[i].partition, lane, (long long)epoch);
		}
	if (any)
		buf_text(out, ";\n");
}

void mysql_progress_take(struct buf *out, const char *job, const struct takeover *takeover, int64_t epoch, const bool *has_row, int32_t lanes)
{
	buf_printf(out, "UPDATE streamlua_progress SET epoch = %lld", (long long)epoch);
	where_partitions(out, job, takeover);
	buf_text(out, ";\n");
	make_rows(out, job, takeover, epoch, has_row, lanes);
	buf_text(out, "COMMIT;\n");
}

void mysql_progress_reset(struct buf *out, const char *job, bool state)
{
	buf_text(out, "BEGIN;\nUPDATE streamlua_progress SET next_offset = -1, done = '', watermark = NULL, epoch = epoch + 1 WHERE job = ");
	literal(out, slice_of(job));
	buf_text(out, ";\nDELETE FROM streamlua_parked WHERE job = ");
	literal(out, slice_of(job));
	if (state) {
		buf_text(out, ";\nDELETE FROM streamlua_state WHERE job = ");
		literal(out, slice_of(job));
	}
	buf_text(out, ";\nCOMMIT");
}
