#include "sim/scripts.h"

#include <stdio.h>
#include <stdlib.h>

#include "flow/script_private.h"
#include "sim/timed.h"
#include "sim/trace.h"

#define RULE                                                                                                                                         \
	"local function rule(row)\n"                                                                                                                 \
	"  if row.fault == 1 then error 'at fault' end\n"                                                                                            \
	"  return row.keep ~= 0\n"                                                                                                                   \
	"end\n"
/* A version that fails, or says no, where others do not. */
#define STRICT                                                                                                                                       \
	"local function rule(row)\n"                                                                                                                 \
	"  if (row.fault or 0) > 0 then error 'at fault' end\n"                                                                                      \
	"  return row.keep == nil or row.keep == 1\n"                                                                                                \
	"end\n"
#define MAP "map = function(row) return { id = row.id, v = row.v, w = row.w, name = row.name } end"
#define NOTE "columns = { id = 'id', w = 'w', name = 'name' }"
/* What it has in its map it has in its state too, since the last change whose v is odd; other changes of a key do not wait for the map. */
#define COUNT(DROPS, FAILS)                                                                                                                          \
	"process = function(row, state, ctx)\n"                                                                                                      \
	"  if " DROPS " then return nil end\n"                                                                                                       \
	"  if row.seq and (row.seq - 1) % 5 ~= (state.n or 0) then error 'not in step with who writes the stream' end\n"                             \
	"  local map, n = ctx:map 'm', (state.n or 0) + 1\n"                                                                                         \
	"  state.n, state.h = n, ((state.h or 0) * 7 + row.v) % 997\n"                                                                               \
	"  if row.v % 2 == 1 then\n"                                                                                                                 \
	"    local ok, same = pcall(function() return map.g == state.g end)\n"                                                                       \
	"    if not (ok and same) then error 'map and state differ' end\n"                                                                           \
	"    map.g, state.g = state.h, state.h\n"                                                                                                    \
	"  end\n"                                                                                                                                    \
	"  if " FAILS " then error 'at fault' end\n"                                                                                                 \
	"  local made = { id = row.id, v = row.v, w = n, name = 'n' .. state.h }\n"                                                                  \
	"  ctx:emit('aside:counts', made)\n"                                                                                                         \
	"  if n == 5 then state.n, state.h, state.g, map.g = nil, nil, nil, nil end\n"                                                               \
	"  return made\n"                                                                                                                            \
	"end"
#define SUMS "merge = { v = 'sum', w = 'sum' }, "
#define COLUMNS "columns = { id = 'id', v = 'v', w = 'w', name = 'name' }"

static const char *const texts[TABLE_COUNT][SCRIPT_WAYS] = {
	[TABLE_PLAIN] = {
		"return { park_for = '30m' }",
		"return { park_for = '30m', key_by = 'table' }",
		"return { park_for = '30m', " COLUMNS ", key_by = { 'id' } }",
		"return { park_for = '30m', key_by = function(row) return row.id % 3 end }",
	},
	[TABLE_ITEMS] = {
		STRICT "return { filter = rule }",
		STRICT "return { filter = rule, key_by = { 'id' }, " MAP " }",
		RULE "return { filter = rule, key_by = 'table', columns = { id = 'id', v = function(row) return row.v end, w = 'w', name = 'name' } }",
		STRICT "return { filter = rule, key_by = function(row) return row.id % 3 end, " MAP " }",
	},
	[TABLE_NAMES] = {
		"return { park_for = '30m' }",
		"return { park_for = '30m', key_by = 'row' }",
		"return { park_for = '30m', key_by = { 'id' }, " COLUMNS " }",
		"return { park_for = '30m', key_by = function(row) return row.id end }",
	},
	[TABLE_SKIPS] = {
		RULE "return { on_error = 'skip', filter = rule }",
		RULE "return { on_error = 'skip', filter = rule, key_by = 'table' }",
		RULE "return { on_error = 'skip', filter = rule, " MAP " }",
		RULE "return { on_error = 'skip', filter = rule, key_by = { 'id' } }",
	},
	[TABLE_STUCK] = {
		"return { park_for = '1m' }",
		"return { park_for = '1m', key_by = 'row' }",
		"return { park_for = '1m', key_by = 'table' }",
		"return { park_for = '1m', key_by = { 'id' } }",
	},
	[TABLE_LATE] = {
		"return { columns = { id = 'id', v = 'v' } }",
		"return { key_by = 'table', columns = { id = 'id', v = 'v' } }",
		"return { columns = { id = 'id', v = function(row) return row.v end } }",
		"return { key_by = { 'id' }, owns = { 'v' }, map = function(row) return { id = row.id, v = row.v } end }",
	},
	[TABLE_NOTES] = {
		"return { target = 'late', write = 'update', park_for = '30m', " NOTE " }",
		"return { target = 'late', write = 'update', park_for = '30m', key_by = 'table', " NOTE " }",
		"return { target = 'late', write = 'update', park_for = '30m', key_by = function(row) return row.id end, " NOTE " }",
		"return { target = 'late', write = 'update', park_for = '30m', key_by = { 'id' }, owns = { 'w', 'name' }, "
		"map = function(row) return { id = row.id, w = row.w, name = row.name } end }",
	},
	[TABLE_LOST] = {
		"return { target = 'late', write = 'update', park_for = '1m', " NOTE " }",
		"return { target = 'late', write = 'update', park_for = '1m', key_by = 'table', " NOTE " }",
		"return { target = 'late', write = 'update', park_for = '1m', key_by = { 'id' }, " NOTE " }",
		"return { target = 'late', write = 'update', park_for = '10s', " NOTE " }",
	},
	[TABLE_SUMS] = {
		RULE "return { filter = rule, " SUMS "columns = { id = 'w', v = 'v', w = function() return 1 end } }",
		RULE "return { filter = rule, " SUMS "map = function(row) return { id = row.w, v = row.v, w = 1 } end }",
		RULE "return { filter = rule, " SUMS "key_by = 'table', columns = { id = function(row) return row.w end, v = 'v', w = function() return 1 end } }",
		RULE "return { filter = rule, " SUMS "key_by = function(row) return row.w % 2 end, map = function(row) return { id = row.w, v = row.v, w = 1 } end }",
	},
	[TABLE_COUNTS] = {
		"return { target = 'counts', key_by = { 'id' }, " COUNT("row.keep == 0", "row.fault == 1") " }",
		"return { target = 'counts', key_by = function(row) return row.id end, " COUNT("row.keep ~= 1", "row.fault ~= 0") " }",
		"return { target = 'counts', filter = function(row) return row.keep ~= 0 end, key_by = { 'id' }, " COUNT("false", "row.fault ~= 0") " }",
		"return { target = 'counts', filter = function(row) return row.keep == 1 end, key_by = function(row) return row.id end, "
		COUNT("false", "row.fault == 1") " }",
	},
};

/* The same through streams: another script has the table, and writes what this one reads. */
#define SL "local sl = require 'streamlua'\n"
#define COUNTS_READ "return { source = sl.stream 'to_counts', target = 'counts', key_by = { 'id' }, "
/* It counts too, what is written alone: where its reader fails, it has not counted. */
#define COUNTS_WRITE(STREAM, KEEPS)                                                                                                                  \
	SL "return { source = 'counts', target = sl.stream '" STREAM "', key_by = { 'id' }, filter = function(row) return row.keep " KEEPS " end,\n" \
	   "process = function(row, state)\n"                                                                                                        \
	   "  state.seq = (state.seq or 0) + 1\n"                                                                                                    \
	   "  return { id = row.id, v = row.v, keep = row.keep, fault = row.fault, seq = state.seq }\n"                                              \
	   "end }"
#define COUNTS_BETWEEN SL "return { source = sl.stream 'between', target = sl.stream 'to_counts' }"

static const struct chained {
	const char *reads, *writes, *between;
} chained_counts[SCRIPT_WAYS] = {
	{ SL COUNTS_READ COUNT("row.keep == 0", "row.fault == 1") " }", COUNTS_WRITE("to_counts", "~= 0"), NULL },
	{ SL COUNTS_READ COUNT("row.keep ~= 1", "row.fault ~= 0") " }", COUNTS_WRITE("to_counts", "== 1"), NULL },
	{ SL COUNTS_READ "filter = function(row) return row.keep ~= 0 end, " COUNT("false", "row.fault ~= 0") " }", COUNTS_WRITE("between", "~= 0"),
	  COUNTS_BETWEEN },
	{ SL COUNTS_READ "filter = function(row) return row.keep == 1 end, " COUNT("false", "row.fault == 1") " }", COUNTS_WRITE("between", "== 1"),
	  COUNTS_BETWEEN },
};

/* A host with what it borrows. */
struct kept_host {
	struct script_host *host;
	struct bundle bundle;
	struct kept_host *next;
	bool used; /* by a worker: state is one worker's */
};

enum { HOST_KINDS = 4 }; /* plain rows or captured ones, through streams or not */

static struct {
	struct kept_host *kept[SCRIPTS_VERSIONS][HOST_KINDS];
	struct kept_host *fresh;
	struct shapes *shapes;
} all;

static int describe(struct sink *sink, struct target *target, struct error *err)
{
	bool unique = slice_is(target->name, table_names[TABLE_NAMES]) || slice_is(target->name, table_names[TABLE_STUCK]);

	(void)sink;
	(void)err;
	if (target->side) {
		target->open = target->exists = target->key_exact = true;
		return 0;
	}
	if (timed_describe(target))
		return 0;
	target->columns = arena_zalloc(target->arena, CELL_COUNT * sizeof *target->columns);
	target->count = CELL_COUNT;
	for (int i = 0; i < CELL_COUNT; i++)
		target->columns[i] = (struct target_column){ .name = slice_of(cell_names[i]),
							     .type = i == CELL_NAME ? COLUMN_TEXT : COLUMN_INTEGER,
							     .nullable = i != CELL_ID,
							     .length = 64,
							     .exact = true };
	target->key_count = 1;
	target->has_primary_key = target->key_exact = target->exists = true;
	target->other_unique = unique;
	return 0;
}

struct shapes *scripts_shapes(void)
{
	if (!all.shapes)
		all.shapes = shapes_new();
	return all.shapes;
}

/* Of a table with event time: who has the table keeps nothing, and its readers are what they are otherwise. */
static void add_timed(struct bundle *bundle, enum table table, const char *text, bool by_key)
{
	struct buf script = BUF_INIT;
	const char *from = strstr(text, "return { ");
	char path[64];

	BUG_IF(!from);
	from += strlen("return { ");
	buf_append(&script, text, (size_t)(from - text));
	buf_printf(&script, "source = require('streamlua').stream 'to_%s', %s", table_names[table], from);
	snprintf(path, sizeof path, "scripts/%s.lua", table_names[table]);
	bundle_add(bundle, path, buf_cstr(&script), script.n);
	buf_clear(&script);
	buf_printf(&script, SL "return { source = '%s', target = sl.stream 'to_%s', time = 'w', %s filter = function(row) return row.keep ~= 0 end }",
		   table_names[table], table_names[table], by_key ? "key_by = { 'id' }," : "");
	snprintf(path, sizeof path, "scripts/in_%s.lua", table_names[table]);
	bundle_add(bundle, path, buf_cstr(&script), script.n);
	buf_free(&script);
}

static void add_counts(struct bundle *bundle, const struct chained *chained)
{
	bundle_add(bundle, "scripts/counts.lua", chained->reads, strlen(chained->reads));
	bundle_add(bundle, "scripts/in_counts.lua", chained->writes, strlen(chained->writes));
	if (chained->between)
		bundle_add(bundle, "scripts/between.lua", chained->between, strlen(chained->between));
}

static void add_scripts(struct bundle *bundle, uint32_t version, bool chained)
{
	for (uint32_t table = 0; table < TABLE_OTHER; table++) {
		/* Each table goes through its ways in a rhythm of its own. */
		uint32_t way = (version >> (table & 1)) % SCRIPT_WAYS;
		bool timed = table_is_timed((enum table)table);
		const char *text = timed ? timed_script((enum table)table, way) : texts[table][way];
		char path[64];

		snprintf(path, sizeof path, "scripts/%s.lua", table_names[table]);
		if (chained && table == TABLE_COUNTS)
			add_counts(bundle, &chained_counts[way]);
		else if (chained && timed && (version + table) % 2)
			add_timed(bundle, (enum table)table, text, version & 4);
		else
			bundle_add(bundle, path, text, strlen(text));
	}
}

static struct kept_host *make(uint32_t version, bool json, bool chained)
{
	static const struct sink_ops schema_ops = { .name = "schema", .describe = describe };
	static const char *const sides[] = { "aside", NULL };
	static struct sink schema = { .ops = &schema_ops, .lanes = 1, .sides = sides };
	static const struct reading_settings readings[2] = { { .plain = false }, { .plain = true } };
	struct kept_host *kept = calloc(1, sizeof *kept);
	struct error err;

	BUG_IF(!kept);
	add_scripts(&kept->bundle, version, chained);
	bundle_seal(&kept->bundle);
	kept->host = script_host_new(&(struct host_options){ .bundle = &kept->bundle }, &err);
	if (!kept->host)
		trace_fail("no VM: %s", err.text);
	for (size_t i = 0; i < kept->bundle.count; i++)
		if (script_host_load(kept->host, kept->bundle.files[i].path, NULL, &err) < 0)
			trace_fail("%s", err.text);
	if (script_host_bind(kept->host, &schema, scripts_shapes(), &readings[json], NULL, NULL, &err) < 0)
		trace_fail("%s", err.text);
	return kept;
}

static void unmake(struct kept_host *kept)
{
	if (!kept)
		return;
	script_host_free(kept->host);
	bundle_free(&kept->bundle);
	free(kept);
}

struct script_host *scripts_host(uint32_t version, bool json, bool chained, bool fresh)
{
	struct kept_host **at = &all.kept[version][json + 2 * chained];

	if (fresh) {
		struct kept_host *made = make(version, json, chained);

		made->next = all.fresh;
		all.fresh = made;
		return made->host;
	}
	while (*at && (*at)->used)
		at = &(*at)->next;
	if (!*at)
		*at = make(version, json, chained);
	(*at)->used = true;
	return (*at)->host;
}

/* For the next worker, which knows of no state and nothing parked. */
static void give_back(struct script_host *host)
{
	for (uint32_t version = 0; version < SCRIPTS_VERSIONS; version++)
		for (int kind = 0; kind < HOST_KINDS; kind++)
			for (struct kept_host *kept = all.kept[version][kind]; kept; kept = kept->next)
				kept->used &= kept->host != host;
	state_clear(script_host_state(host));
	timers_free(host);
	for (uint32_t i = 0; i < script_host_count(host); i++) {
		struct script *script = script_host_script(host, i);
		struct state_owner *owner = &script->state;

		script->target->parks = script->updates; /* as bound: nothing has waited yet */
		owner->spans = false;
		for (int clock = 0; clock < STATE_CLOCKS; clock++)
			state_unreach(owner, (enum state_clock)clock, INT64_MIN);
	}
}

void scripts_free(struct script_host *host, bool fresh)
{
	struct kept_host **at = &all.fresh, *gone;

	if (host && !fresh)
		give_back(host);
	if (!fresh || !host)
		return;
	while ((*at)->host != host)
		at = &(*at)->next;
	gone = *at;
	*at = gone->next;
	unmake(gone);
}

void scripts_end(void)
{
	for (uint32_t version = 0; version < SCRIPTS_VERSIONS; version++)
		for (int kind = 0; kind < HOST_KINDS; kind++)
			while (all.kept[version][kind]) {
				struct kept_host *kept = all.kept[version][kind];

				all.kept[version][kind] = kept->next;
				unmake(kept);
			}
	while (all.fresh)
		scripts_free(all.fresh->host, true);
	shapes_free(all.shapes);
}
