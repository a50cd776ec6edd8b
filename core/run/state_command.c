#include "run/state_command.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "flow/json.h"
#include "flow/number.h"
#include "flow/sql_kept.h"
#include "flow/state_key.h"
#include "run/job_private.h"
#include "run/table.h"

enum { PAGE_ROWS = 1000, TEXT_SHOWN = 72, KEYS_MOST = 2 };

struct kept {
	struct event_base *loop;
	struct bundle bundle;
	struct job *job;
	struct sink *sink;
	enum sql_dialect dialect;
	struct arena arena;
	struct slice script;
	struct slice keys[KEYS_MOST]; /* one of these */
	size_t key_count;             /* 0: all */
	struct buf text;

	/* of a page */
	struct buf last_map, last_key;
	size_t rows;
	struct table *table; /* NULL: lines */
	bool windowed;       /* it shows a line a pane */
};

/* ---- which rows ---- */

static struct slice key_of(struct kept *own, const struct value *values, const struct json_node *nodes)
{
	struct buf key = BUF_INIT;
	struct slice made;

	state_key_begin(&key);
	if (values)
		state_key_add(&key, values);
	else
		for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end)
			state_key_add(&key, &node->value);
	state_key_end(&key);
	made = arena_copy(&own->arena, buf_view(&key));
	buf_free(&key);
	return made;
}

/* [7,"a"] is the whole key; 7 is the number or the text, whichever the script's key is; anything else a text. */
static int read_key(struct kept *own, const char *word, struct error *err)
{
	struct slice text = slice_of(word);
	struct value value = { .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_NUMBER, .ready = true };
	const struct json_node *nodes;
	struct number number;

	if (word[0] == '[') {
		struct json *json = json_new();
		char *padded = arena_zalloc(&own->arena, text.n + JSON_PADDING);
		int result;

		memcpy(padded, text.p, text.n);
		result = json_read(json, (struct slice){ padded, text.n }, 1, NULL, &own->arena, &nodes, err);
		if (result < 0 || nodes->object || nodes->end == 1)
			result = error_set(err, "state: %s is no key: a value of key_by, or a JSON array of them as in '[7,\"a\"]'", word);
		else
			own->keys[own->key_count++] = key_of(own, NULL, nodes);
		json_free(json);
		return result < 0 ? -1 : 0;
	}
	if (number_parse(&number, text))
		own->keys[own->key_count++] = key_of(own, &value, NULL);
	value.kind = VALUE_TEXT;
	own->keys[own->key_count++] = key_of(own, &value, NULL);
	return 0;
}

/* "fraud" of fraud, fraud.lua or scripts/fraud.lua. Of a script that is gone its rows may be left. */
static struct slice script_name(const char *word)
{
	const char *slash = strrchr(word, '/');
	struct slice name = slice_of(slash ? slash + 1 : word);

	if (name.n > 4 && strcmp(name.p + name.n - 4, ".lua") == 0)
		name.n -= 4;
	return name;
}

static int open_target(struct kept *own, const char *job_path, struct error *err)
{
	own->loop = event_base_new();
	own->job = job_read(&own->bundle, job_path, err);
	if (!own->job)
		return -1;
	own->sink = job_sink_alone(own->job, own->loop, err);
	if (!own->sink)
		return -1;
	if (!own->sink->ops->load_state)
		return error_set(err, "a %s sink keeps no state: what scripts keep is in memory only", own->job->sink_name);
	own->dialect = strcmp(own->job->sink_name, "sqlite") == 0 ? SQL_SQLITE : SQL_MYSQL;
	return own->sink->ops->open(own->sink, err);
}

static void close_target(struct kept *own)
{
	if (own->sink)
		own->sink->ops->close(own->sink);
	job_free(own->job);
	bundle_free(&own->bundle);
	event_base_free(own->loop);
	arena_free(&own->arena);
	buf_free(&own->text);
	buf_free(&own->last_map);
	buf_free(&own->last_key);
}

static const struct script *find_script(const struct kept *own)
{
	for (uint32_t i = 0; i < script_host_count(own->job->host); i++) {
		const struct script *script = script_host_script(own->job->host, i);

		if (slice_equal(script->name, own->script) && script->stateful)
			return script;
	}
	return NULL;
}

static bool is_windowed(const struct kept *own)
{
	const struct script *script = find_script(own);

	return script && script->windowed;
}

static int no_such(const struct kept *own, const char *key, struct error *err)
{
	if (!find_script(own))
		error_set(err, "state: job %s has no script %.*s that keeps state, and no rows of one", own->job->name, SLICE_ARG(own->script));
	else if (key)
		error_set(err, "state: %.*s keeps nothing for the key %s", SLICE_ARG(own->script), key);
	else
		error_set(err, "state: %.*s keeps nothing", SLICE_ARG(own->script));
	return 1;
}

/* ---- showing ---- */

/* JSON as it is kept. */
static void put_json(struct buf *line, const char *name, struct slice cell)
{
	buf_printf(line, ",\"%s\":%.*s", name, SLICE_ARG(cell.p ? cell : SLICE("null")));
}

static void put_text(struct buf *line, const char *name, struct slice cell)
{
	buf_printf(line, "%s\"%s\":", line->n ? "," : "{", name);
	buf_json_string(line, cell);
}

static void print_line(const struct slice *cells)
{
	struct buf line = BUF_INIT;

	put_text(&line, "map", cells[KEPT_MAP]);
	put_json(&line, "key", cells[KEPT_KEY]);
	put_json(&line, "value", cells[KEPT_VALUE]);
	put_json(&line, "version", cells[KEPT_VERSION]);
	put_json(&line, "timers", cells[KEPT_TIMERS]);
	put_json(&line, "due", cells[KEPT_DUE]);
	put_json(&line, "wake", cells[KEPT_WAKE]);
	put_text(&line, "topic", cells[KEPT_TOPIC]);
	put_json(&line, "partition", cells[KEPT_PARTITION]);
	put_text(&line, "updated_at", cells[KEPT_UPDATED]);
	buf_text(&line, "}\n");
	fwrite(line.p, 1, line.n, stdout);
	buf_free(&line);
}

/* The beginning of it, on one line; a value is not to speak to the terminal. */
static char *shown(struct arena *arena, struct slice cell)
{
	char *text = cell.p ? (char *)arena_copy(arena, cell).p : NULL;
	size_t n = 0;

	for (; text && text[n] && n < TEXT_SHOWN; n++)
		if ((unsigned char)text[n] < ' ' || text[n] == 127)
			text[n] = '?';
	if (text && text[n]) {
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		text[n] = 0;
	}
	return text;
}

static char *moment(struct arena *arena, struct slice cell)
{
	char *text;

	if (!cell.p)
		return NULL;
	text = arena_alloc(arena, 32);
	return clock_format(strtoll(arena_copy(arena, cell).p, NULL, 10), text);
}

static const char *const column_names[] = { "map", "key", "value", "version", "due", "topic", "partition", "updated_at" };
enum { COLUMNS_SHOWN = sizeof column_names / sizeof *column_names };

static void add_line(struct table *table, const struct slice *cells)
{
	struct arena arena = ARENA_INIT;
	char *line[COLUMNS_SHOWN] = {
		shown(&arena, cells[KEPT_MAP]),       shown(&arena, cells[KEPT_KEY]),     shown(&arena, cells[KEPT_VALUE]),
		shown(&arena, cells[KEPT_VERSION]),   moment(&arena, cells[KEPT_DUE]),    shown(&arena, cells[KEPT_TOPIC]),
		shown(&arena, cells[KEPT_PARTITION]), shown(&arena, cells[KEPT_UPDATED]),
	};

	table_add(table, COLUMNS_SHOWN, line);
	arena_free(&arena);
}

static const char *const pane_names[] = { "key", "window_start", "window_end", "rows", "kept", "version", "topic", "partition", "updated_at" };
enum { PANE_COLUMNS = sizeof pane_names / sizeof *pane_names };

static struct slice text_of(const struct json_node *nodes, const struct json_node *of, const char *name)
{
	const struct json_node *node = json_member(nodes, of, name);

	return node ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

/* Of a window's row each open pane: { "<start in ms>": { n = rows, a = what is accumulated, e = end } } (flow/window.h). */
static void add_panes(struct table *table, const struct slice *cells)
{
	struct arena arena = ARENA_INIT;
	struct json *json = json_new();
	char *padded = arena_zalloc(&arena, cells[KEPT_VALUE].n + JSON_PADDING);
	const struct json_node *nodes;
	struct error err;

	memcpy(padded, cells[KEPT_VALUE].p, cells[KEPT_VALUE].n);
	if (json_read(json, (struct slice){ padded, cells[KEPT_VALUE].n }, 2, NULL, &arena, &nodes, &err) < 0 || !nodes->object)
		goto done; /* somebody's own hand */
	for (const struct json_node *pane = nodes + 1; pane < nodes + nodes->end; pane = nodes + pane->end) {
		char *line[PANE_COLUMNS] = {
			shown(&arena, cells[KEPT_KEY]),
			moment(&arena, pane->name),
			moment(&arena, text_of(nodes, pane, "e")),
			shown(&arena, text_of(nodes, pane, "n")),
			shown(&arena, text_of(nodes, pane, "a")),
			shown(&arena, cells[KEPT_VERSION]),
			shown(&arena, cells[KEPT_TOPIC]),
			shown(&arena, cells[KEPT_PARTITION]),
			shown(&arena, cells[KEPT_UPDATED]),
		};

		table_add(table, PANE_COLUMNS, line);
	}
done:
	json_free(json);
	arena_free(&arena);
}

static void on_row(void *ctx, const struct slice *cells, unsigned count)
{
	struct kept *own = ctx;

	BUG_IF(count != KEPT_COLUMNS);
	if (own->rows == PAGE_ROWS)
		return;
	own->rows++;
	buf_clear(&own->last_map);
	buf_slice(&own->last_map, cells[KEPT_MAP]);
	buf_clear(&own->last_key);
	buf_slice(&own->last_key, cells[KEPT_KEY]);
	if (own->table && own->windowed)
		add_panes(own->table, cells);
	else if (own->table)
		add_line(own->table, cells);
	else
		print_line(cells);
}

static struct kept_rows rows_of(const struct kept *own)
{
	return (struct kept_rows){ .job = own->job->name, .script = own->script, .keys = own->keys, .key_count = own->key_count };
}

static int read_page(struct kept *own, struct error *err)
{
	struct kept_rows rows = rows_of(own);

	rows.after_map = buf_view(&own->last_map);
	rows.after_key = buf_view(&own->last_key);
	own->rows = 0;
	buf_clear(&own->text);
	sql_kept_select(&own->text, own->dialect, &rows, PAGE_ROWS);
	return own->sink->ops->query(own->sink, buf_view(&own->text), on_row, own, err);
}

static int show_lines(struct kept *own, const char *key, struct error *err)
{
	size_t all = 0;

	do {
		if (read_page(own, err) < 0)
			return 2;
		all += own->rows;
	} while (own->rows == PAGE_ROWS);
	return all ? 0 : no_such(own, key, err);
}

static int show_table(struct kept *own, const char *key, struct error *err)
{
	struct table table = { 0 };
	struct buf out = BUF_INIT;
	int result;

	own->table = &table;
	own->windowed = is_windowed(own);
	table_add(&table, own->windowed ? PANE_COLUMNS : COLUMNS_SHOWN, (char *const *)(own->windowed ? pane_names : column_names));
	result = read_page(own, err) < 0 ? 2 : own->rows ? 0 : no_such(own, key, err);
	if (result == 0) {
		table_write(&table, "", &out);
		fwrite(out.p, 1, out.n, stdout);
	}
	if (own->rows == PAGE_ROWS)
		fprintf(stderr, "streamlua: these are the first %d; all of them: streamlua state ... | cat\n", PAGE_ROWS);
	buf_free(&out);
	table_free(&table);
	return result;
}

/* ---- deleting ---- */

static void on_count(void *ctx, const struct slice *cells, unsigned count)
{
	char digits[24];

	BUG_IF(count != 1);
	snprintf(digits, sizeof digits, "%.*s", SLICE_ARG(cells[0]));
	*(long long *)ctx = atoll(digits);
}

static int delete_rows(struct kept *own, const char *key, struct error *err)
{
	struct kept_rows rows = rows_of(own);
	long long count = 0;

	buf_clear(&own->text);
	sql_kept_count(&own->text, own->dialect, &rows);
	if (own->sink->ops->query(own->sink, buf_view(&own->text), on_count, &count, err) < 0)
		return 2;
	if (!count)
		return no_such(own, key, err);
	buf_clear(&own->text);
	sql_kept_delete(&own->text, own->dialect, &rows);
	if (own->sink->ops->query(own->sink, buf_view(&own->text), on_count, &count, err) < 0)
		return 2;
	printf("deleted %lld\n", count);
	return 0;
}

/* ---- the command ---- */

int state_command(const struct run_options *options, const char *script, const char *key)
{
	struct kept own = { .script = script_name(script) };
	struct error err = { .text = "" };
	int code = 2;

	if ((!key || read_key(&own, key, &err) == 0) && open_target(&own, options->job_path, &err) == 0)
		code = options->delete_rows    ? delete_rows(&own, key, &err)
		       : isatty(STDOUT_FILENO) ? show_table(&own, key, &err)
					       : show_lines(&own, key, &err);
	if (err.text[0])
		fprintf(stderr, "streamlua: %s\n", err.text);
	if (own.loop)
		close_target(&own);
	return code;
}
