/* Nothing is allocated event by event: once a flow has what it needs, intakes, batches, SQL and progress use the same memory again. The
 * test counts calls of malloc and its like while the whole chain runs: decoding, script, lanes, batch, SQL text, progress. What Lua's
 * values take is not among them: the VM has an allocator of its own, which asks the system for large pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/sanitizer.h"
#include "flow/batch.h"
#include "flow/flow.h"
#include "flow/progress.h"
#include "flow/sql.h"

enum {
	LANES = 4,
	PARTITIONS = 3,
	WARM_UP = 60000, /* events, in which buffers grow to what they need and Lua is compiled */
	MEASURED = 40000,
	INTAKE = 1000, /* events; there are fewer allocations than intakes: of what still grows, more and more rarely */
};

/* ---- malloc that counts; AddressSanitizer has one of its own, and these tests are skipped there ---- */

static uint64_t allocations;

#if !ADDRESS_SANITIZER
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size)
{
	allocations++;
	return __libc_realloc(p, size);
}
#endif

/* ---- both ends ---- */

struct fixture {
	struct source source;
	struct sink sink;
	struct source_events events; /* of the flow */
	struct partition *owners[PARTITIONS];
	int64_t next_offset[PARTITIONS];
	uint64_t delivered, committed;
	char key[64], value[1024];

	struct tx *on_its_way[LANES];
	struct batch batch;
	struct sql_text sql;

	struct shapes *shapes;
	struct reading_settings readings;
	struct bundle bundle;
	struct script_host *host;
	struct flow *flow;
	int64_t now_ms;
};

static struct fixture *of_source(struct source *source)
{
	return (struct fixture *)source;
}

static struct fixture *of_sink(struct sink *sink)
{
	return (struct fixture *)((char *)sink - offsetof(struct fixture, sink));
}

static int source_start(struct source *source, const struct source_events *events, struct error *err)
{
	(void)err;
	of_source(source)->events = *events;
	return 0;
}

/* Inserts, updates and deletes of rows that come again, so that batches merge; now and then a text that has to be unescaped. */
static void write_change(struct fixture *f, struct message *message)
{
	uint64_t n = f->delivered, id = n % 2 ? n / 2 : n / 4;
	const char *note = n % 7 ? "plain \xc3\xa9" : "quoted \\\"text\\\" and a \\u00e9";
	const char *op = n % 10 == 9 ? "d" : n % 2 ? "c" : "u";
	char row[400];

	snprintf(row, sizeof row,
		 "{\"id\":%llu,\"sku\":\"SKU-%04llu\",\"quantity\":%llu,\"price\":\"%llu.%02llu\",\"note\":\"%s\",\"created_at\":%llu}",
		 (unsigned long long)id, (unsigned long long)(n % 5000), (unsigned long long)(n % 90), (unsigned long long)(n % 900),
		 (unsigned long long)(n % 100), note, 1700000000000ull + (unsigned long long)n * 1000);
	message->key = (struct slice){ f->key, (size_t)snprintf(f->key, sizeof f->key, "{\"id\":%llu}", (unsigned long long)id) };
	message->value.n = (size_t)snprintf(
		f->value, sizeof f->value,
		"{\"before\":%s,\"after\":%s,\"source\":{\"db\":\"shop\",\"table\":\"orders\",\"ts_ms\":1},\"op\":\"%s\",\"ts_ms\":1}",
		*op == 'd' ? row : "null", *op == 'd' ? "null" : row, op);
	message->value.p = f->value;
}

static size_t source_poll(struct source *source, size_t most)
{
	struct fixture *f = of_source(source);

	for (size_t i = 0; i < most; i++) {
		uint32_t partition = (uint32_t)(f->delivered / 100 % PARTITIONS);
		struct message message = { .topic = SLICE("shop.orders"), .partition = (int32_t)partition, .owner = f->owners[partition] };

		message.offset = message.position = f->next_offset[partition]++;
		write_change(f, &message);
		f->delivered++;
		f->events.message(f->events.ctx, &message);
	}
	return most;
}

static void source_take(struct source *source, uint32_t id, int64_t offset, struct partition *owner)
{
	(void)offset;
	of_source(source)->owners[id] = owner;
}

static void source_pause(struct source *source, uint32_t id, bool paused)
{
	(void)source, (void)id, (void)paused;
}

static void source_committed(struct source *source, uint32_t id, int64_t offset)
{
	(void)source, (void)id, (void)offset;
}

static void sink_take_over(struct sink *sink, struct takeover *takeover)
{
	struct progress_loaded loaded[PARTITIONS];

	(void)sink;
	for (size_t i = 0; i < takeover->count; i++)
		loaded[i] = (struct progress_loaded){ .epoch = 1, .fresh = true, .next_offset = -1, .watermark = INT64_MIN };
	takeover->done(takeover, loaded, NULL);
}

static int sink_describe(struct sink *sink, struct target *target, struct error *err)
{
	static const struct target_column columns[] = {
		{ .name = SLICE("id"), .sql_type = SLICE("bigint"), .type = COLUMN_INTEGER, .length = 64, .exact = true },
		{ .name = SLICE("sku"), .sql_type = SLICE("varchar(40)"), .type = COLUMN_TEXT, .length = 40 },
		{ .name = SLICE("quantity"), .sql_type = SLICE("int"), .type = COLUMN_INTEGER, .length = 32, .exact = true },
		{ .name = SLICE("price"), .sql_type = SLICE("decimal(12,2)"), .type = COLUMN_DECIMAL, .length = 12, .scale = 2, .exact = true },
		{ .name = SLICE("note"), .sql_type = SLICE("varchar(200)"), .type = COLUMN_TEXT, .length = 200, .nullable = true },
		{ .name = SLICE("created_at"), .sql_type = SLICE("datetime(3)"), .type = COLUMN_DATETIME, .scale = 3, .exact = true },
	};

	(void)sink, (void)err;
	target->count = sizeof columns / sizeof *columns;
	target->columns = arena_alloc(target->arena, sizeof columns);
	memcpy(target->columns, columns, sizeof columns);
	target->key_count = 1;
	target->has_primary_key = target->key_exact = target->exists = true;
	return 0;
}

static void sink_commit(struct sink *sink, struct tx *tx)
{
	struct fixture *f = of_sink(sink);

	batch_build(&f->batch, tx);
	sql_text_clear(&f->sql);
	sql_transaction(&f->sql, SQL_MYSQL, "job", tx, &f->batch);
	f->on_its_way[tx->lane] = tx;
}

static void commit_all(struct fixture *f)
{
	for (int lane = 0; lane < LANES; lane++) {
		struct tx *tx = f->on_its_way[lane];

		if (!tx)
			continue;
		f->on_its_way[lane] = NULL;
		f->committed += tx->count;
		tx->done(tx, SINK_COMMITTED, NULL);
	}
}

/* ---- what the flow tells ---- */

static void on_told(void *ctx)
{
	(void)ctx;
}

static void on_failed(void *ctx, bool stop, const char *reason)
{
	(void)ctx, (void)stop;
	fail_msg("%s", reason);
}

/* ---- */

static void start(struct fixture *f, const char *script)
{
	static const struct source_ops source_ops = {
		.start = source_start, .poll = source_poll, .take = source_take, .pause = source_pause, .committed = source_committed
	};
	static const struct sink_ops sink_ops = {
		.transactional = true, .describe = sink_describe, .take_over = sink_take_over, .commit = sink_commit
	};
	struct source_partition assigned[PARTITIONS];
	struct flow_events events = { .wake = on_told, .ready = on_told, .finished = on_told, .failed = on_failed, .ctx = f };
	struct flow_options options = { .source = &f->source, .sink = &f->sink, .memory_bytes = 64 << 20, .dead_letters_most = 0 };
	struct error err;

	f->source.ops = &source_ops;
	f->sink = (struct sink){ .ops = &sink_ops, .lanes = LANES };
	f->shapes = options.shapes = shapes_new();
	options.format = format_find(SLICE("debezium"));
	f->readings.decimal = MEANING_PLAIN;
	format_set_readings(options.format, &f->readings);
	options.format_options.readings = f->readings;
	bundle_add(&f->bundle, "orders.lua", script, strlen(script));
	bundle_seal(&f->bundle);
	f->host = options.host = script_host_new(&(struct host_options){ .bundle = &f->bundle }, &err);
	if (!f->host || script_host_load(f->host, "orders.lua", NULL, &err) < 0 ||
	    script_host_bind(f->host, &f->sink, f->shapes, &f->readings, NULL, NULL, &err) < 0)
		fail_msg("%s", err.text);
	f->flow = flow_new(&options, &events);
	assert_int_equal(flow_start(f->flow, &err), 0);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		assigned[i] = (struct source_partition){ .id = i, .topic = SLICE("shop.orders"), .partition = (int32_t)i };
	f->events.assigned(f->events.ctx, assigned, PARTITIONS);
}

static void run_until(struct fixture *f, uint64_t committed)
{
	while (f->committed < committed) {
		f->now_ms += 5;
		flow_turn(f->flow, f->now_ms, 1700000000000 + f->now_ms);
		commit_all(f);
	}
}

static void stop(struct fixture *f)
{
	flow_free(f->flow);
	script_host_free(f->host);
	bundle_free(&f->bundle);
	shapes_free(f->shapes);
	batch_free(&f->batch);
	sql_text_free(&f->sql);
}

static uint64_t allocations_of(const char *script)
{
	struct fixture f = { .now_ms = 10000 };
	uint64_t before, counted;

	start(&f, script);
	run_until(&f, WARM_UP);
	before = allocations;
	run_until(&f, WARM_UP + MEASURED);
	counted = allocations - before;
	stop(&f);
	print_message("%llu allocations in %d events: %s\n", (unsigned long long)counted, MEASURED, script);
	return counted;
}

#define COPIES "id = 'id', quantity = 'quantity', price = 'price', note = 'note', created_at = 'created_at'"

static void copied_columns_allocate_nothing(void **state)
{
	(void)state;
	if (ADDRESS_SANITIZER)
		skip();
	assert_true(allocations_of("return {}") < MEASURED / INTAKE);
}

static void a_filter_and_a_column_in_lua_allocate_nothing(void **state)
{
	(void)state;
	if (ADDRESS_SANITIZER)
		skip();
	assert_true(allocations_of("return { filter = function(row) return row.quantity ~= 7 end,\n"
				   "  columns = { sku = function(row) return row.sku:lower() end, " COPIES " } }") < MEASURED / INTAKE);
}

static void rows_made_by_map_allocate_nothing(void **state)
{
	(void)state;
	if (ADDRESS_SANITIZER)
		skip();
	assert_true(allocations_of("return { map = function(row) return { id = row.id, sku = row.sku, quantity = row.quantity,\n"
				   "  price = row.price, note = row.note, created_at = row.created_at } end }") < MEASURED / INTAKE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copied_columns_allocate_nothing),
		cmocka_unit_test(a_filter_and_a_column_in_lua_allocate_nothing),
		cmocka_unit_test(rows_made_by_map_allocate_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
