/* SQL text: whatever a value, a name or a message holds, it is read back as that and never as SQL. */
#include <stdio.h>

#include "base/utf8.h"
#include "flow/batch.h"
#include "flow/json.h"
#include "flow/sql.h"
#include "fuzz/fuzz.h"
#include "support/changes.h"

/* The name between its quotes, doubled ones undone. */
static void check_name(struct slice name)
{
	struct buf out = BUF_INIT, read = BUF_INIT;
	size_t i = 1;

	sql_identifier(&out, name);
	FUZZ_CHECK(out.n >= 2 && out.p[0] == '`' && out.p[out.n - 1] == '`', "%.*s", SLICE_ARG(buf_view(&out)));
	for (; i < out.n - 1; i++) {
		if (out.p[i] == '`')
			FUZZ_CHECK(i + 1 < out.n - 1 && out.p[++i] == '`', "%.*s", SLICE_ARG(buf_view(&out)));
		buf_char(&read, out.p[i]);
	}
	FUZZ_CHECK(slice_equal(buf_view(&read), name), "%.*s", SLICE_ARG(buf_view(&out)));
	buf_free(&out);
	buf_free(&read);
}

static struct value value_of(uint8_t kind, struct slice text)
{
	struct value value = { .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_NULL + kind % VALUE_DEFAULT, .ready = true };

	if ((value.kind == VALUE_NUMBER && !value_is_number(text)) || value.kind == VALUE_JSON)
		value.kind = VALUE_TEXT;
	if (value.kind == VALUE_TEXT && !utf8_valid(text))
		value.kind = VALUE_BYTES;
	return value;
}

/* The kind, the column, the text. */
void fuzz_sql(struct slice input)
{
	uint8_t kind = fuzz_byte(&input), type = fuzz_byte(&input);
	struct value value = value_of(kind, input);
	struct target_column column = fuzz_column(type);

	fuzz_check_sql(&value, &column);
	check_name(input);
}

/* Statements as a server tells them apart: by the semicolons that stand in no string, name or comment. */
static void check_statements(const struct sql_text *sql, bool backslash)
{
	struct slice rest = buf_view(&sql->text);
	const char *start = rest.p;
	size_t count = 0;

	while (rest.n) {
		char c = *rest.p;

		if (c == '\'' || (c == 'x' && rest.n > 1 && rest.p[1] == '\'')) {
			struct literal literal;

			FUZZ_CHECK(literal_read(&rest, backslash, &literal), "a string without an end: %.*s", SLICE_ARG(buf_view(&sql->text)));
			literal_free(&literal);
			continue;
		}
		fuzz_byte(&rest);
		if (c == '`') {
			fuzz_until(&rest, '`');
		} else if (c == ';') {
			FUZZ_CHECK(count < sql->count && rest.n && *rest.p == '\n' && (size_t)(rest.p + 1 - start) == sql->ends[count],
				   "statement %zu ends elsewhere", count);
			count++;
		} else {
			FUZZ_CHECK(c == '\n' || (c >= ' ' && c <= '~' && !strchr("\"#\\{}[]$", c)), "a %d outside of all quotes: %.*s", c,
				   SLICE_ARG(buf_view(&sql->text)));
			FUZZ_CHECK(!(c == '-' && rest.n && *rest.p == '-') && !(c == '/' && rest.n && *rest.p == '*'), "a comment");
		}
	}
	FUZZ_CHECK(count == sql->count, "%zu statements, not %zu", count, sql->count);
}

static void name_columns(struct target_column *columns, size_t count, struct slice *input)
{
	for (size_t i = 0; i < count; i++) {
		columns[i] = fuzz_column(fuzz_byte(input));
		columns[i].name = fuzz_until(input, '\n');
		columns[i].nullable = true;
		columns[i].exact = i == 0;
	}
}

/* A transaction of rows of a table and of a dead letter, all names and values of which are the input's. */
void fuzz_statements(struct slice input)
{
	struct changes *made = changes_new();
	struct target_column columns[3];
	struct progress_row progress = { .next_offset = 9, .epoch = 2, .seq = 3 };
	struct batch batch = { 0 };
	struct sql_text sql = { 0 };
	struct target *target;
	struct event *dead;
	enum sql_dialect dialect = (enum sql_dialect)(fuzz_byte(&input) % 3);
	char table[128];
	struct slice name;

	name_columns(columns, 3, &input);
	name = fuzz_until(&input, '\n');
	snprintf(table, sizeof table, "%.*s", SLICE_ARG(name));
	target = changes_target(made, table, 3, columns, 1);
	progress.topic = made->message.topic = fuzz_until(&input, '\n');
	progress.done = made->message.key = fuzz_until(&input, '\n');
	made->message.headers = &(struct header){ fuzz_until(&input, '\n'), fuzz_until(&input, '\n') };
	made->message.header_count = 1;
	for (int rows = 0; input.n && rows < 20; rows++) {
		struct change *change = changes_add(made, target, (enum change_op)(fuzz_byte(&input) % 3), ROW("~", "-", "-"));

		for (uint32_t i = 0; i < 3; i++) {
			uint8_t kind = fuzz_byte(&input);

			if (i == 0 || change->op != CHANGE_DELETE)
				change->values[i] = value_of(kind, fuzz_until(&input, '\n'));
		}
	}
	dead = arena_zalloc(&made->arena, sizeof *dead);
	*dead = (struct event){ .outcome = OUTCOME_DEAD, .message = &made->message, .table = name, .error = made->message.topic };
	made->events[made->tx.count++] = dead;
	made->tx.progress = &progress;
	made->tx.progress_count = 1;
	batch_build(&batch, &made->tx);
	sql_transaction(&sql, dialect, "job", &made->tx, &batch);
	check_statements(&sql, dialect == SQL_MYSQL);
	sql_text_free(&sql);
	batch_free(&batch);
	changes_free(made);
}
