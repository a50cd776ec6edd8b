/* "n = COALESCE(n, 0) + VALUES(n)": what becomes of a merged column (flow/merge.h) of a row that is there. The words are those that MySQL, MariaDB
 * and TiDB document; SQLite's mean the same. */
#include "flow/merge.h"
#include "flow/sql_parts.h"

struct term {
	struct buf *out;
	enum sql_dialect dialect;
	const struct target_column *column;
	const struct value *literal; /* NULL: what the statement's row has */
};

static void name(const struct term *t)
{
	sql_identifier(t->out, t->column->name);
}

static void incoming(const struct term *t)
{
	bool sqlite = t->dialect == SQL_SQLITE;

	if (t->literal) {
		sql_value(t->out, t->dialect, t->literal, t->column);
		return;
	}
	buf_text(t->out, sqlite ? "excluded." : "VALUES(");
	name(t);
	buf_text(t->out, sqlite ? "" : ")");
}

/* SQLite adds doubles: of the digits that the column declares the sum is exact all the same. */
static void put_sum(const struct term *t)
{
	bool rounds = t->dialect == SQL_SQLITE && t->column->type == COLUMN_DECIMAL && t->column->scale >= 0;

	buf_text(t->out, rounds ? "ROUND(COALESCE(" : "COALESCE(");
	name(t);
	buf_text(t->out, ", 0) + ");
	incoming(t);
	if (rounds)
		buf_printf(t->out, ", %d)", t->column->scale);
}

static void put_extreme(const struct term *t, bool largest)
{
	if (t->dialect == SQL_SQLITE)
		buf_text(t->out, largest ? "MAX(" : "MIN(");
	else
		buf_text(t->out, largest ? "GREATEST(" : "LEAST(");
	buf_text(t->out, "COALESCE(");
	name(t);
	buf_text(t->out, ", ");
	incoming(t);
	/* A column's own collation would count, and nobody has asked for that of one that is no key. */
	buf_text(t->out, t->dialect == SQL_SQLITE && t->column->type == COLUMN_TEXT ? ") COLLATE BINARY, " : "), ");
	incoming(t);
	buf_char(t->out, ')');
}

static void put_member(const struct term *t)
{
	if (t->dialect == SQL_SQLITE) {
		buf_text(t->out, " || CASE WHEN instr(',' || COALESCE(");
		name(t);
		buf_text(t->out, ", '') || ',', ',' || ");
		incoming(t);
		buf_text(t->out, " || ',') THEN '' ELSE ',' || ");
		incoming(t);
		buf_text(t->out, " END");
	} else {
		buf_text(t->out, ", IF(FIND_IN_SET(");
		incoming(t);
		buf_text(t->out, ", ");
		name(t);
		buf_text(t->out, ") > 0, NULL, ");
		incoming(t);
		buf_char(t->out, ')');
	}
}

static void put_set(const struct term *t, const struct value *value)
{
	bool sqlite = t->dialect == SQL_SQLITE;
	struct slice rest = { value->p, value->n }, member;

	buf_text(t->out, sqlite ? "LTRIM(COALESCE(" : "CONCAT_WS(',', NULLIF(");
	name(t);
	buf_text(t->out, ", '')");
	if (!t->literal && !sql_merge_is_alone(t->column, value)) {
		put_member(t);
	} else {
		while (merge_member(&rest, &member)) {
			struct value one = { .p = member.p, .n = (uint32_t)member.n, .kind = VALUE_TEXT, .ready = true };

			put_member(&(struct term){ t->out, t->dialect, t->column, &one });
		}
	}
	buf_text(t->out, sqlite ? ", ',')" : ")");
}

bool sql_merge_is_alone(const struct target_column *column, const struct value *value)
{
	return column->merge == MERGE_SET && value->kind == VALUE_TEXT && memchr(value->p, ',', value->n);
}

void sql_merge_put(struct buf *out, enum sql_dialect dialect, const struct target_column *column, const struct value *value, bool literal)
{
	struct term t = { out, dialect, column, literal ? value : NULL };

	switch (column->merge) {
	case MERGE_SUM:
		put_sum(&t);
		break;
	case MERGE_SET:
		put_set(&t, value);
		break;
	default:
		put_extreme(&t, column->merge == MERGE_MAX);
	}
}
