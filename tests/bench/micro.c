/* Where an event's time goes: each stage between a source and a sink on its own, in one process, without servers. Prints CPU
 * nanoseconds an event, for the sample's changes in intakes and transactions of the size that a loaded worker has. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "flow/batch.h"
#include "flow/format.h"
#include "flow/intake.h"
#include "flow/json.h"
#include "flow/script.h"
#include "flow/sql.h"
#include "sample.h"
#include "walk.h"

enum {
	INTAKE = 1000,           /* messages that a turn of the flow takes */
	TRANSACTION_INTAKES = 2, /* a full transaction is 2,000 events */
};

/* The stages, and scripts that differ in what Lua is asked. */
enum cost { COPY, DECODE, SCRIPT, BATCH, SQL, FREE, COSTS };
static const char *const cost_names[COSTS] = { "copy into an intake", "decode", "script", "merge a batch", "SQL text", "give memory back" };

#define COPIES                                                                                                                                       \
	"id = 'id', customer_id = 'customer_id', quantity = 'quantity', price = 'price', status = 'status', note = 'note', "                         \
	"created_at = 'created_at', updated_at = 'updated_at'"

static const struct variant {
	const char *name, *text;
} variants[] = {
	{ "columns", "return { columns = { sku = 'sku', " COPIES " } }" },
	{ "columns, filter", "return { columns = { sku = 'sku', " COPIES " }, filter = function(row) return row.status ~= 'test' end }" },
	{ "columns, filter, a column in Lua", "return { columns = { sku = function(row) return row.sku:upper() end, " COPIES
					      " }, filter = function(row) return row.status ~= 'test' end }" },
	{ "columns, filter, a column of a look-up",
	  "return { lookup = { customer = { table = 'customers', key = 'customer_id', columns = { 'sku' } } }, columns = { sku = 'customer.sku', " COPIES
	  " }, filter = function(row) return row.status ~= 'test' end }" },
	{ "map", "return { map = function(row) return { id = row.id, customer_id = row.customer_id, sku = row.sku, quantity = row.quantity,"
		 " price = row.price, status = row.status, note = row.note, created_at = row.created_at, updated_at = row.updated_at } end }" },
};

struct bench {
	struct decoder decoder;
	struct intakes intakes;
	struct shapes *shapes;
	struct script_host *host;
	struct batch batch;
	struct sql_text sql;
	struct event *events[INTAKE * TRANSACTION_INTAKES];
	size_t event_count;
	struct intake *held[TRANSACTION_INTAKES];
	size_t held_count;
	int64_t spent_ns[COSTS], since_ns;
	uint64_t messages, rows, sql_bytes;
	uint64_t asked; /* keys that were looked up and not at hand */
};

static void die(const struct error *err)
{
	fprintf(stderr, "micro: %s\n", err->text);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* What was spent since the last call belongs to this. */
static void spend(struct bench *b, enum cost cost)
{
	int64_t now = now_ns();

	b->spent_ns[cost] += now - b->since_ns;
	b->since_ns = now;
}

/* ---- a sink that is only a schema ---- */

static int describe(struct sink *sink, struct target *target, struct error *err)
{
	static const struct target_column columns[] = {
		{ .name = SLICE("id"), .sql_type = SLICE("bigint"), .type = COLUMN_INTEGER, .length = 64, .exact = true },
		{ .name = SLICE("customer_id"), .sql_type = SLICE("bigint"), .type = COLUMN_INTEGER, .length = 64, .exact = true },
		{ .name = SLICE("sku"), .sql_type = SLICE("varchar(40)"), .type = COLUMN_TEXT, .length = 40 },
		{ .name = SLICE("quantity"), .sql_type = SLICE("int"), .type = COLUMN_INTEGER, .length = 32, .exact = true },
		{ .name = SLICE("price"), .sql_type = SLICE("decimal(12,2)"), .type = COLUMN_DECIMAL, .length = 12, .scale = 2, .exact = true },
		{ .name = SLICE("status"), .sql_type = SLICE("varchar(20)"), .type = COLUMN_TEXT, .length = 20 },
		{ .name = SLICE("note"), .sql_type = SLICE("varchar(200)"), .type = COLUMN_TEXT, .length = 200, .nullable = true },
		{ .name = SLICE("created_at"), .sql_type = SLICE("datetime(3)"), .type = COLUMN_DATETIME, .scale = 3, .exact = true },
		{ .name = SLICE("updated_at"), .sql_type = SLICE("timestamp"), .type = COLUMN_TIMESTAMP, .exact = true },
	};

	(void)sink, (void)err;
	target->count = sizeof columns / sizeof *columns;
	target->columns = arena_alloc(target->arena, sizeof columns);
	memcpy(target->columns, columns, sizeof columns);
	target->key_count = 1;
	target->has_primary_key = target->key_exact = target->exists = true;
	return 0;
}

/* Whatever is looked up is there. */
static void load_state(struct sink *sink, struct state_load *load)
{
	(void)sink;
	for (size_t i = 0; i < load->look_count; i++) {
		for (size_t k = 0; k < load->looks[i].key_count; k++) {
			struct value cells[] = { *load->looks[i].keys[k], { .p = "SKU-00001234", .n = 12, .kind = VALUE_TEXT, .ready = true } };

			load->looked(load, &load->looks[i], cells);
		}
	}
	load->done(load);
}

static struct script_host *load(const struct variant *variant, const struct format *format, struct bundle *bundle, struct shapes *shapes)
{
	static struct reading_settings settings;
	static const struct sink_ops ops = { .name = "schema", .transactional = true, .describe = describe, .load_state = load_state };
	static struct sink sink = { .ops = &ops, .lanes = 8 };
	struct script_host *host;
	struct error err;

	settings = (struct reading_settings){ .decimal = MEANING_PLAIN };
	format_set_readings(format, &settings);
	*bundle = (struct bundle){ .folder = (char *)"/" };
	bundle_add(bundle, "scripts/orders.lua", variant->text, strlen(variant->text));
	bundle_seal(bundle);
	host = script_host_new(&(struct host_options){ .bundle = bundle }, &err);
	if (!host || script_host_load(host, "scripts/orders.lua", NULL, &err) < 0 ||
	    script_host_bind(host, &sink, shapes, &settings, NULL, NULL, &err) < 0)
		die(&err);
	return host;
}

/* ---- the stages ---- */

static void decode(struct bench *b, struct intake *intake, struct message **messages, size_t count)
{
	struct error err;

	b->decoder.arena = &intake->arena;
	for (size_t i = 0; i < count; i++) {
		b->decoder.first = NULL;
		b->decoder.end = &b->decoder.first;
		if (b->decoder.format->decode(&b->decoder, messages[i], &err) < 0)
			die(&err);
		for (struct event *event = b->decoder.first, *next; event; event = next) {
			next = event->next;
			intake_add(intake, event);
		}
	}
}

static void collect(struct bench *b, struct intake *intake)
{
	for (struct event *event = intake->first; event; event = event->next) {
		if (event->outcome == OUTCOME_PENDING) {
			b->events[b->event_count++] = event;
		} else if (event->outcome == OUTCOME_DEAD) {
			struct error err;

			error_set(&err, "dead letter: %.*s", SLICE_ARG(event->error));
			die(&err);
		}
	}
	b->held[b->held_count++] = intake;
}

static void transact(struct bench *b)
{
	struct progress_row progress = { .topic = SLICE("dbserver1.shop.orders"), .next_offset = 1, .epoch = 1, .seq = 1 };
	struct tx tx = { .events = b->events, .count = b->event_count, .progress = &progress, .progress_count = 1, .script_version = "0" };

	b->since_ns = now_ns();
	batch_build(&b->batch, &tx);
	spend(b, BATCH);
	sql_text_clear(&b->sql);
	sql_transaction(&b->sql, SQL_MYSQL, "bench", &tx, &b->batch);
	spend(b, SQL);
	b->rows += b->batch.rows;
	b->sql_bytes += b->sql.text.n;
	for (size_t i = 0; i < b->held_count; i++) {
		for (struct event *event = b->held[i]->first, *next; event; event = next) {
			next = event->next;
			intake_release(event->intake);
		}
	}
	spend(b, FREE);
	b->event_count = b->held_count = 0;
}

static void on_looked(struct state_load *load, const struct look *look, const struct value *cells)
{
	struct bench *b = load->ctx;

	b->asked++;
	script_host_looked(b->host, look, cells);
}

static void on_loaded(struct state_load *load)
{
	script_host_loaded(((struct bench *)load->ctx)->host);
}

/* What its events look up, and what that is. */
static void look_up(struct bench *b, struct intake *intake)
{
	struct state_load question = { .looked = on_looked, .done = on_loaded, .ctx = b };

	script_host_look(b->host, 0, SIZE_MAX);
	if (!script_host_begin(b->host, intake))
		return;
	script_host_question(b->host, &intake->arena, &question);
	load_state(NULL, &question);
}

/* One intake from these texts: what a turn of the flow does, stage by stage. */
static void turn(struct bench *b, const struct slice (*texts)[2], size_t count)
{
	struct intake *intake = intake_new(&b->intakes);
	struct message *messages[INTAKE];

	b->since_ns = now_ns();
	for (size_t i = 0; i < count; i++) {
		struct message lent = { .topic = SLICE("dbserver1.shop.orders"), .key = texts[i][0], .value = texts[i][1] };

		messages[i] = intake_copy(intake, &lent);
	}
	spend(b, COPY);
	decode(b, intake, messages, count);
	spend(b, DECODE);
	look_up(b, intake);
	script_host_run(b->host, intake, 0, INT64_MAX);
	spend(b, SCRIPT);
	collect(b, intake);
	intake_release(intake);
	b->messages += count;
	if (b->held_count == TRANSACTION_INTAKES)
		transact(b);
}

static void run_sample(struct bench *b, const struct sample_options *options)
{
	struct sample *sample = sample_new(options);
	struct arena texts = ARENA_INIT;
	struct slice lent[INTAKE][2];
	size_t count;

	do {
		arena_reset(&texts);
		for (count = 0; count < INTAKE && sample_next(sample, &lent[count][0], &lent[count][1]); count++) {
			lent[count][0] = arena_copy(&texts, lent[count][0]);
			lent[count][1] = arena_copy(&texts, lent[count][1]);
		}
		turn(b, lent, count);
	} while (count == INTAKE);
	if (b->held_count)
		transact(b);
	arena_free(&texts);
	sample_free(sample);
}

static void open_bench(struct bench *b, const struct variant *variant, const struct format *format, struct bundle *bundle)
{
	*b = (struct bench){ .shapes = shapes_new() };
	b->host = load(variant, format, bundle, b->shapes);
	b->decoder = (struct decoder){ .format = format, .shapes = b->shapes, .json = json_new() };
	b->decoder.options.readings.decimal = MEANING_PLAIN;
	b->decoder.state = format->open(&b->decoder);
}

static void close_bench(struct bench *b, struct bundle *bundle)
{
	b->decoder.format->close(b->decoder.state);
	json_free(b->decoder.json);
	batch_free(&b->batch);
	sql_text_free(&b->sql);
	intakes_free(&b->intakes);
	script_host_free(b->host);
	shapes_free(b->shapes);
	bundle->folder = NULL;
	bundle_free(bundle);
}

static void run_variant(const struct variant *variant, const struct sample_options *options)
{
	struct bench b;
	struct bundle bundle;
	int64_t all_ns = 0;

	open_bench(&b, variant, &format_debezium, &bundle);
	run_sample(&b, options);
	printf("%s: %llu messages, %llu rows, %llu bytes of SQL\n", variant->name, (unsigned long long)b.messages, (unsigned long long)b.rows,
	       (unsigned long long)b.sql_bytes);
	for (int i = 0; i < COSTS; i++) {
		printf("  %-20s %7.0f ns an event\n", cost_names[i], (double)b.spent_ns[i] / (double)b.messages);
		all_ns += b.spent_ns[i];
	}
	if (b.asked)
		printf("  %-20s %7.2f %% of the keys were at hand\n", "look-ups", 100.0 - 100.0 * (double)b.asked / (double)b.messages);
	printf("  %-20s %7.0f\n", "together", (double)all_ns / (double)b.messages);
	close_bench(&b, &bundle);
}

/* ---- beside simdjson's own reader ---- */

enum { WALK_MESSAGES = 20000, WALK_ROUNDS = 15 };

/* What is measured of a round. */
enum walk_cost { WALK_SIMDJSON, WALK_DECODE, WALK_PLAN, WALK_MERGE, WALK_ALL, WALK_COSTS };

/* Of the rounds the one that was disturbed least: whatever else the machine does only adds to it. */
static double least(const double numbers[WALK_ROUNDS])
{
	double found = numbers[0];

	for (int i = 1; i < WALK_ROUNDS; i++)
		found = numbers[i] < found ? numbers[i] : found;
	return found;
}

static struct slice padded(struct arena *arena, struct slice text)
{
	char *copy = arena_zalloc(arena, text.n + JSON_PADDING);

	memcpy(copy, text.p, text.n);
	return (struct slice){ copy, text.n };
}

static int64_t walk_some(struct walker *walker, const struct slice (*texts)[2], size_t count)
{
	int64_t since_ns = now_ns();

	for (size_t i = 0; i < count; i++) {
		if (!walk_text(walker, texts[i][0]) || !walk_text(walker, texts[i][1])) {
			fprintf(stderr, "micro: simdjson cannot read \"%.*s\"\n", SLICE_ARG(texts[i][1]));
			exit(1);
		}
	}
	return now_ns() - since_ns;
}

static void walk_form(const char *name, const struct format *format, const struct sample_options *options)
{
	double costs[WALK_COSTS][WALK_ROUNDS];
	struct sample *sample = sample_new(options);
	struct arena arena = ARENA_INIT;
	struct slice(*texts)[2] = arena_alloc(&arena, WALK_MESSAGES * sizeof *texts);
	struct walker *walker = walk_new();
	struct bundle bundle;
	struct bench b;

	open_bench(&b, &variants[0], format, &bundle);
	for (size_t i = 0; i < WALK_MESSAGES && sample_next(sample, &texts[i][0], &texts[i][1]); i++)
		for (int side = 0; side < 2; side++)
			texts[i][side] = padded(&arena, texts[i][side].n ? texts[i][side] : SLICE("{}"));
	/* The first round warms up, and is overwritten. */
	for (int round = -1; round < WALK_ROUNDS; round++) {
		double *at[WALK_COSTS];
		int64_t simdjson_ns = 0;

		for (int i = 0; i < WALK_COSTS; i++)
			at[i] = &costs[i][round < 0 ? 0 : round];
		memset(b.spent_ns, 0, sizeof b.spent_ns);
		/* In turns of an intake, so that whoever else uses the machine slows both down; both find the texts in a cache. */
		for (size_t from = 0; from < WALK_MESSAGES; from += INTAKE) {
			turn(&b, texts + from, INTAKE);
			simdjson_ns += walk_some(walker, texts + from, INTAKE);
		}
		*at[WALK_SIMDJSON] = (double)simdjson_ns / WALK_MESSAGES;
		*at[WALK_DECODE] = (double)b.spent_ns[DECODE] / WALK_MESSAGES;
		*at[WALK_PLAN] = (double)b.spent_ns[SCRIPT] / WALK_MESSAGES;
		*at[WALK_MERGE] = (double)b.spent_ns[BATCH] / WALK_MESSAGES;
		*at[WALK_ALL] = *at[WALK_DECODE] + *at[WALK_PLAN] + *at[WALK_MERGE];
	}
	printf("| %s", name);
	for (int i = 0; i < WALK_COSTS; i++)
		printf(" | %.0f", least(costs[i]));
	printf(" | %.2f |\n", least(costs[WALK_SIMDJSON]) / least(costs[WALK_ALL]));
	close_bench(&b, &bundle);
	walk_free(walker);
	arena_free(&arena);
	sample_free(sample);
}

static void run_walk(const struct sample_options *options, const char *only)
{
	const struct {
		const char *name;
		const struct format *format;
		struct sample_options options;
	} forms[] = {
		{ "debezium", &format_debezium, { .form = SAMPLE_DEBEZIUM } },
		{ "debezium with schema", &format_debezium, { .form = SAMPLE_DEBEZIUM, .schemas = true } },
		{ "maxwell", &format_maxwell, { .form = SAMPLE_MAXWELL } },
		{ "canal", &format_canal, { .form = SAMPLE_CANAL } },
	};

	printf("| ns a message | simdjson walks | decode | plan | merge | to a batch row | simdjson / streamlua |\n");
	printf("| --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct sample_options one = forms[i].options;

		if (only && strcmp(only, forms[i].name) != 0)
			continue;
		one.seed = options->seed;
		one.changes = WALK_MESSAGES;
		walk_form(forms[i].name, forms[i].format, &one);
	}
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "changes", required_argument, NULL, 'n' },
		{ "schemas", no_argument, NULL, 'e' },
		{ "only", required_argument, NULL, 'o' },
		{ "walk", no_argument, NULL, 'w' },
		{ 0 },
	};
	struct sample_options options = { .seed = 1, .changes = 1000000 };
	const char *only = NULL;
	bool walks = false;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'n':
			options.changes = atoll(optarg);
			break;
		case 'e':
			options.schemas = true;
			break;
		case 'o':
			only = optarg;
			break;
		case 'w':
			walks = true;
			break;
		default:
			fprintf(stderr, "usage: micro [--changes N] [--schemas] [--only VARIANT]; micro --walk [--only FORM]\n");
			return 2;
		}
	}
	if (walks)
		run_walk(&options, only);
	for (size_t i = 0; i < sizeof variants / sizeof *variants && !walks; i++)
		if (!only || strcmp(only, variants[i].name) == 0)
			run_variant(&variants[i], &options);
	return 0;
}
