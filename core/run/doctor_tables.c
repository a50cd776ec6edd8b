/* The tables of the target: whether the job's user can do to them what a run does, and what order their indexes allow. Every statement that is tried
 * touches no row and changes no table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/doctor_private.h"

/* ---- what the user may do ---- */

/* Statements that are one try. */
struct attempt {
	const char *privilege; /* as GRANT has it */
	struct buf text;
};

enum { ATTEMPTS_MOST = 4 };

static bool try_one(struct doctor *doctor, const char *about, struct attempt *attempt)
{
	char change[200];
	struct error err;

	if (doctor_ask(doctor, &attempt->text, NULL, NULL, &err) == 0)
		return true;
	snprintf(change, sizeof change, "GRANT %s ON it TO the job's user", attempt->privilege);
	doctor_say(doctor, DOCTOR_FAIL, "privileges", about, change, "%s", err.text);
	return false;
}

/* All at once where they succeed, one by one where they do not. */
static void try_all(struct doctor *doctor, const char *about, struct attempt *attempts, size_t count)
{
	struct buf all = BUF_INIT, names = BUF_INIT;
	struct error err;
	bool fine = true;

	for (size_t i = 0; i < count; i++) {
		buf_slice(&all, buf_view(&attempts[i].text));
		buf_printf(&names, "%s%s", i ? ", " : "", attempts[i].privilege);
	}
	if (doctor_ask(doctor, &all, NULL, NULL, &err) < 0)
		for (size_t i = 0; i < count; i++)
			fine &= try_one(doctor, about, &attempts[i]);
	if (fine)
		doctor_say(doctor, DOCTOR_OK, "privileges", about, NULL, "%s", buf_cstr(&names));
	for (size_t i = 0; i < count; i++)
		buf_free(&attempts[i].text);
	buf_free(&all);
	buf_free(&names);
}

static void put_table(struct buf *out, const struct target *target)
{
	const char *dot = memchr(target->name.p, '.', target->name.n);
	size_t schema = dot ? (size_t)(dot - target->name.p) : 0;

	if (dot) {
		sql_identifier(out, (struct slice){ target->name.p, schema });
		buf_char(out, '.');
		schema++;
	}
	sql_identifier(out, (struct slice){ target->name.p + schema, target->name.n - schema });
}

static const struct target_column *first_plain(const struct target *target)
{
	for (uint32_t i = 0; i < target->count; i++)
		if (!target->columns[i].generated)
			return &target->columns[i];
	return NULL;
}

static void put_columns(struct buf *out, const struct target *target)
{
	const char *comma = "";

	for (uint32_t i = 0; i < target->count; i++) {
		if (target->columns[i].generated)
			continue;
		buf_text(out, comma);
		sql_identifier(out, target->columns[i].name);
		comma = ", ";
	}
}

static struct buf put_insert(const struct target *target)
{
	struct buf text = BUF_INIT;

	buf_text(&text, "INSERT INTO ");
	put_table(&text, target);
	buf_text(&text, " (");
	put_columns(&text, target);
	buf_text(&text, ") SELECT ");
	put_columns(&text, target);
	buf_text(&text, " FROM ");
	put_table(&text, target);
	buf_text(&text, " WHERE FALSE;\n");
	return text;
}

static struct buf put_update(const struct target *target)
{
	const struct target_column *column = first_plain(target);
	struct buf text = BUF_INIT;

	buf_text(&text, "UPDATE ");
	put_table(&text, target);
	buf_text(&text, " SET ");
	sql_identifier(&text, column->name);
	buf_text(&text, " = ");
	sql_identifier(&text, column->name);
	buf_text(&text, " WHERE FALSE;\n");
	return text;
}

static struct buf put_simple(const char *words, const struct target *target)
{
	struct buf text = BUF_INIT;

	buf_text(&text, words);
	put_table(&text, target);
	buf_text(&text, " WHERE FALSE;\n");
	return text;
}

static void try_table(struct doctor *doctor, const struct target *target, bool updates)
{
	struct attempt attempts[ATTEMPTS_MOST] = {
		{ "SELECT", put_simple("SELECT 1 FROM ", target) },
		{ "INSERT", put_insert(target) },
		{ "DELETE", put_simple("DELETE FROM ", target) },
	};
	char about[600];

	snprintf(about, sizeof about, "%.*s", SLICE_ARG(target->name));
	if (updates)
		attempts[3] = (struct attempt){ "UPDATE", put_update(target) };
	try_all(doctor, about, attempts, updates ? 4 : 3);
}

/* ---- streamlua's own ---- */

/* A server says whether it would, when a statement is prepared. SQLite has no privileges. */
static bool may_create(struct doctor *doctor, const char *statement, struct error *err)
{
	struct buf text = BUF_INIT;
	int result;

	if (doctor->dialect == SQL_SQLITE)
		return true;
	buf_text(&text, "PREPARE doctor FROM '");
	for (const char *p = statement; *p; p++) {
		if (*p == '\'' || *p == '\\')
			buf_char(&text, '\\');
		buf_char(&text, *p);
	}
	buf_text(&text, "';\nDEALLOCATE PREPARE doctor;\n");
	result = doctor_ask(doctor, &text, NULL, NULL, err);
	buf_free(&text);
	return result == 0;
}

/* Nobody can drop a column that is not there; who may not alter the table at all is told so first. */
static bool may_alter(struct doctor *doctor, const char *table, struct error *err)
{
	struct buf text = BUF_INIT;
	bool may = doctor->dialect == SQL_SQLITE;

	if (!may) {
		buf_printf(&text, "ALTER TABLE %s DROP COLUMN streamlua_never_had_it;\n", table);
		may = doctor_ask(doctor, &text, NULL, NULL, err) == 0 || strstr(err->text, "error 1091");
	}
	buf_free(&text);
	return may;
}

static void say_missing(struct doctor *doctor, const char *name, const char *create)
{
	struct error err;

	if (may_create(doctor, create, &err))
		doctor_say(doctor, DOCTOR_OK, "tables", name, NULL, "is made by the first run");
	else
		doctor_say(doctor, DOCTOR_FAIL, "tables", name,
			   "GRANT CREATE on the database, or make it as another user (README: Tables in the target)",
			   "is not there, and cannot be made: %s", err.text);
}

static void say_additions(struct doctor *doctor, const struct target *target)
{
	struct error err;

	for (const struct sql_addition *add = sql_additions(doctor->dialect); add->table; add++) {
		if (!slice_is(target->name, add->table) || target_find(target, slice_of(add->column)) >= 0)
			continue;
		if (may_alter(doctor, add->table, &err))
			doctor_say(doctor, DOCTOR_OK, "tables", add->table, NULL, "is of an earlier version; the next run adds the column %s",
				   add->column);
		else
			doctor_say(doctor, DOCTOR_FAIL, "tables", add->table, add->alter,
				   "is of an earlier version, and column %s cannot be added: %s", add->column, err.text);
	}
}

static void look_at_own(struct doctor *doctor, const char *create)
{
	static const char words[] = "CREATE TABLE IF NOT EXISTS ";
	struct arena arena = ARENA_INIT;
	struct target target = { .arena = &arena };
	struct error err;
	char name[100];

	if (strncmp(create, words, strlen(words)) != 0) /* an index */
		return;
	create += strlen(words);
	snprintf(name, sizeof name, "%.*s", (int)strcspn(create, " "), create);
	create -= strlen(words);
	target.name = slice_of(name);
	if (doctor->sink->ops->describe(doctor->sink, &target, &err) < 0 || !target.exists) {
		say_missing(doctor, name, create);
	} else {
		say_additions(doctor, &target);
		try_table(doctor, &target, strcmp(name, "streamlua_progress") == 0 || strcmp(name, "streamlua_state") == 0);
	}
	arena_free(&arena);
}

/* ---- order ---- */

static void take_names(void *ctx, const struct slice *cells, unsigned count)
{
	struct buf *names = ctx;

	BUG_IF(count != 1);
	buf_printf(names, "%s%.*s", names->n ? ", " : "", SLICE_ARG(cells[0]));
}

/* The unique indexes beside the primary key; "" where the target does not name them. */
static void put_unique(struct doctor *doctor, const struct target *target, struct buf *names)
{
	const char *dot = memchr(target->name.p, '.', target->name.n);
	size_t schema = dot ? (size_t)(dot - target->name.p) : 0;
	struct slice table = { target->name.p + schema + !!dot, target->name.n - schema - !!dot };
	struct buf text = BUF_INIT;
	struct error err;

	if (doctor->dialect != SQL_SQLITE && !memchr(target->name.p, '\'', target->name.n)) {
		buf_text(&text, "SELECT DISTINCT index_name FROM information_schema.statistics WHERE non_unique = 0 AND index_name <> 'PRIMARY' AND "
				"table_schema = ");
		if (dot)
			buf_printf(&text, "'%.*s'", (int)schema, target->name.p);
		else
			buf_text(&text, "DATABASE()");
		buf_printf(&text, " AND table_name = '%.*s';\n", SLICE_ARG(table));
		doctor_ask(doctor, &text, take_names, names, &err);
	}
	buf_free(&text);
}

static void say_table_order(struct doctor *doctor, const struct script *script, const char *about)
{
	const struct target *target = script->target;
	struct buf names = BUF_INIT;

	if (target->other_unique) {
		put_unique(doctor, target, &names);
		doctor_say(doctor, DOCTOR_WARN, "order", about,
			   "drop the index or make it plain, or write key_by = \"row\": rows then wait for each other where one hands a value over",
			   "changes go in the order of the whole table, one lane: it has another unique index%s%s", names.n ? ", " : "",
			   buf_cstr(&names));
		buf_free(&names);
		return;
	}
	for (uint32_t k = 0; k < target->key_count; k++) {
		const struct target_column *column = &target->columns[target->key[k]];

		if (column->exact || target->open)
			continue;
		doctor_say(doctor, DOCTOR_WARN, "order", about, "give the column a collation that compares bytes (utf8mb4_bin), or write key_by",
			   "changes go in the order of the whole table, one lane: only the database can compare its key column %.*s (%.*s)",
			   SLICE_ARG(column->name), SLICE_ARG(column->sql_type));
		return;
	}
	doctor_say(doctor, DOCTOR_WARN, "order", about, "write key_by, or let the key be a copied column",
		   "changes go in the order of the whole table, one lane: Lua makes its key");
}

static void say_order(struct doctor *doctor, const struct script *script, bool by_default)
{
	char about[600];

	if (!script->has_target || script->stateful)
		return;
	snprintf(about, sizeof about, "%.*s", SLICE_ARG(script->path));
	if (script->key_by == KEY_BY_TABLE && by_default)
		say_table_order(doctor, script, about);
	else
		doctor_say(doctor, DOCTOR_OK, "order", about, NULL, "%.*s %s", SLICE_ARG(script->target_name),
			   script->key_by == KEY_BY_TABLE ? "in the order of the table, as key_by says"
			   : script->key_by == KEY_BY_ROW ? "in the order of each row"
							  : "in the order of key_by");
}

/* ---- all of it ---- */

static void take_warning(void *ctx, const char *line)
{
	doctor_say(ctx, DOCTOR_WARN, "scripts", NULL, NULL, "%s", line);
}

static void look_at_scripts(struct doctor *doctor)
{
	struct job *job = doctor->job;
	uint32_t count = script_host_count(job->host);
	bool *by_default = calloc(count + 1, sizeof *by_default);
	struct error err;

	BUG_IF(!by_default);
	for (uint32_t i = 0; i < count; i++)
		by_default[i] = script_host_script(job->host, i)->key_by == KEY_BY_DEFAULT;
	job->readings.as_seen = true;
	if (script_host_bind(job->host, doctor->sink, job->shapes, &job->readings, take_warning, doctor, &err) < 0) {
		doctor_say(doctor, DOCTOR_FAIL, "scripts", NULL, "mend the script or the table; `streamlua check` says the same", "%s", err.text);
		free(by_default);
		return;
	}
	doctor_say(doctor, DOCTOR_OK, "scripts", NULL, NULL, "%u fit the target", (unsigned)count);
	for (uint32_t i = 0; i < count; i++) {
		const struct script *script = script_host_script(job->host, i);
		bool known = false; /* another script's too */

		for (uint32_t k = 0; k < i; k++)
			known |= script_host_script(job->host, k)->target == script->target;
		if (doctor->sink->ops->query && script->has_target && !script->target->side && script->target->exists && !known)
			try_table(doctor, script->target, true);
		if (doctor->sink->ops->query)
			say_order(doctor, script, by_default[i]);
	}
	free(by_default);
}

void doctor_tables(struct doctor *doctor)
{
	if (!doctor->sink)
		return;
	for (const char *const *create = sql_tables(doctor->dialect); doctor->sink->ops->query && *create; create++)
		look_at_own(doctor, *create);
	look_at_scripts(doctor);
}
