#include "sample.h"

#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "draw.h"

enum {
	STARTED_S = 1700000000, /* when the shop's first order came */
	CUSTOMERS = 100000,
	PRODUCTS = 20000,
	TEST_ORDERS_EVERY = 50,
	NOTES_NULL_EVERY = 10,  /* orders without a note */
	CHANGES_A_SECOND = 500, /* at the source */
};

struct order {
	int64_t id, created_ms, updated_s;
	int32_t customer, product, quantity, cents, note;
	uint8_t status;
	bool is_test;
};

struct sample {
	struct sample_options options;
	int64_t made, next_id;
	struct draw draw;
	struct order *live;
	size_t live_count;
	struct buf key, value, key_schema, value_schema;
};

static const char *const statuses[] = { "new", "paid", "packed", "shipped", "delivered", "returned" };

/* As JSON has them. Most are plain, as most text is; some have what must be unescaped on the way in and escaped on the way out. */
static const char *const notes[] = {
	"leave at the door",
	"ring twice",
	"gift, please wrap",
	"customer asked for an invoice",
	"call before delivery",
	"second attempt",
	"fragile",
	"neighbour's address",
	"caf\xc3\xa9 on the ground floor",
	"said \\\"after six\\\"",
	"first line\\nsecond line",
	"\xe5\xae\xa2\xe6\x88\xb7\xe8\xa6\x81\xe6\xb1\x82",
};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---- the schema envelope ---- */

struct field {
	const char *name, *type, *semantic;
	bool optional;
};

static const struct field row_fields[] = {
	{ "id", "int64", NULL, false },
	{ "customer_id", "int64", NULL, false },
	{ "sku", "string", NULL, false },
	{ "quantity", "int32", NULL, false },
	{ "price", "string", NULL, false },
	{ "status", "string", NULL, false },
	{ "note", "string", NULL, true },
	{ "created_at", "int64", "io.debezium.time.Timestamp", false },
	{ "updated_at", "string", "io.debezium.time.ZonedTimestamp", false },
};

static const struct field source_fields[] = {
	{ "version", "string", NULL, false },
	{ "connector", "string", NULL, false },
	{ "name", "string", NULL, false },
	{ "ts_ms", "int64", NULL, false },
	{ "snapshot", "string", "io.debezium.data.Enum", true },
	{ "db", "string", NULL, false },
	{ "sequence", "string", NULL, true },
	{ "table", "string", NULL, true },
	{ "server_id", "int64", NULL, false },
	{ "gtid", "string", NULL, true },
	{ "file", "string", NULL, false },
	{ "pos", "int64", NULL, false },
	{ "row", "int32", NULL, false },
	{ "thread", "int64", NULL, true },
	{ "query", "string", NULL, true },
};

static void put_field(struct buf *out, const struct field *field)
{
	buf_printf(out, "{\"type\":\"%s\",\"optional\":%s,", field->type, field->optional ? "true" : "false");
	if (field->semantic)
		buf_printf(out, "\"name\":\"%s\",\"version\":1,", field->semantic);
	buf_printf(out, "\"field\":\"%s\"}", field->name);
}

/* The beginning of a struct's schema; what else its fields are, and its own name, the caller adds. */
static void put_fields(struct buf *out, const struct field *fields, int count)
{
	buf_text(out, "{\"type\":\"struct\",\"fields\":[");
	for (int i = 0; i < count; i++) {
		if (i)
			buf_char(out, ',');
		put_field(out, &fields[i]);
	}
}

static void put_struct(struct buf *out, const struct field *fields, int count, const char *name, bool optional, const char *field)
{
	put_fields(out, fields, count);
	buf_printf(out, "],\"optional\":%s,\"name\":\"%s\",\"field\":\"%s\"},", optional ? "true" : "false", name, field);
}

static void make_schemas(struct sample *s)
{
	static const struct field op = { "op", "string", NULL, false }, time = { "ts_ms", "int64", NULL, true };

	buf_text(&s->key_schema, "{\"schema\":");
	put_fields(&s->key_schema, row_fields, 1);
	buf_text(&s->key_schema, "],\"optional\":false,\"name\":\"dbserver1.shop.orders.Key\"},\"payload\":");

	buf_text(&s->value_schema, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
	put_struct(&s->value_schema, row_fields, COUNT(row_fields), "dbserver1.shop.orders.Value", true, "before");
	put_struct(&s->value_schema, row_fields, COUNT(row_fields), "dbserver1.shop.orders.Value", true, "after");
	put_struct(&s->value_schema, source_fields, COUNT(source_fields), "io.debezium.connector.mysql.Source", false, "source");
	put_field(&s->value_schema, &op);
	buf_char(&s->value_schema, ',');
	put_field(&s->value_schema, &time);
	buf_text(&s->value_schema, "],\"optional\":false,\"name\":\"dbserver1.shop.orders.Envelope\",\"version\":1},\"payload\":");
}

/* ---- one change ---- */

static void put_row(struct buf *out, const struct order *o)
{
	time_t updated_s = (time_t)o->updated_s;
	char updated[32];
	struct tm tm;

	strftime(updated, sizeof updated, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&updated_s, &tm));
	buf_printf(out, "{\"id\":%lld,\"customer_id\":%d,\"sku\":\"SKU-%08d\",\"quantity\":%d,\"price\":\"%d.%02d\",\"status\":\"%s\",",
		   (long long)o->id, o->customer, o->product, o->quantity, o->cents / 100, o->cents % 100, o->is_test ? "test" : statuses[o->status]);
	if (o->note < 0)
		buf_text(out, "\"note\":null,");
	else
		buf_printf(out, "\"note\":\"%s\",", notes[o->note]);
	buf_printf(out, "\"created_at\":%lld,\"updated_at\":\"%s\"}", (long long)o->created_ms, updated);
}

static void put_image(struct buf *out, const char *name, const struct order *order)
{
	buf_printf(out, "\"%s\":", name);
	if (order)
		put_row(out, order);
	else
		buf_text(out, "null");
	buf_char(out, ',');
}

static void put_debezium(struct sample *s, const struct order *before, const struct order *after, int64_t now_ms)
{
	int64_t id = before ? before->id : after->id;

	if (s->options.schemas) {
		buf_slice(&s->key, buf_view(&s->key_schema));
		buf_slice(&s->value, buf_view(&s->value_schema));
	}
	buf_printf(&s->key, "{\"id\":%lld}", (long long)id);
	buf_char(&s->value, '{');
	put_image(&s->value, "before", before);
	put_image(&s->value, "after", after);
	/* As a binlog of many small transactions reads: seconds, and a place that grows. */
	buf_printf(&s->value,
		   "\"source\":{\"version\":\"2.4.0.Final\",\"connector\":\"mysql\",\"name\":\"dbserver1\",\"ts_ms\":%lld,\"snapshot\":\"false\","
		   "\"db\":\"shop\",\"sequence\":null,\"table\":\"orders\",\"server_id\":223344,\"gtid\":null,\"file\":\"mysql-bin.%06d\",\"pos\":%d,"
		   "\"row\":0,\"thread\":17,\"query\":null},",
		   (long long)(now_ms / 1000 * 1000), (int)(s->made / 2000000) + 1, (int)(s->made % 2000000) * 500 + 4);
	buf_printf(&s->value, "\"op\":\"%s\",\"ts_ms\":%lld,\"transaction\":null}", !before ? "c" : after ? "u" : "d", (long long)now_ms);
	if (s->options.schemas) {
		buf_char(&s->key, '}');
		buf_char(&s->value, '}');
	}
}

/* Times as texts; all other values too where `quote` is ". */
static void put_text_row(struct buf *out, const struct order *o, const char *quote)
{
	time_t updated_s = (time_t)o->updated_s, created_s = (time_t)(o->created_ms / 1000);
	char updated[32], created[32];
	struct tm tm;

	strftime(updated, sizeof updated, "%Y-%m-%d %H:%M:%S", gmtime_r(&updated_s, &tm));
	strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S", gmtime_r(&created_s, &tm));
	buf_printf(out, "{\"id\":%s%lld%s,\"customer_id\":%s%d%s,\"sku\":\"SKU-%08d\",\"quantity\":%s%d%s,\"price\":%s%d.%02d%s,\"status\":\"%s\",", quote,
		   (long long)o->id, quote, quote, o->customer, quote, o->product, quote, o->quantity, quote, quote, o->cents / 100, o->cents % 100, quote,
		   o->is_test ? "test" : statuses[o->status]);
	if (o->note < 0)
		buf_text(out, "\"note\":null,");
	else
		buf_printf(out, "\"note\":\"%s\",", notes[o->note]);
	buf_printf(out, "\"created_at\":\"%s.%03d\",\"updated_at\":\"%s\"}", created, (int)(o->created_ms % 1000), updated);
}

/* "old" holds what an update of the sample can change. */
static void put_maxwell(struct sample *s, const struct order *before, const struct order *after, int64_t now_ms)
{
	struct buf *out = &s->value;

	buf_printf(&s->key, "{\"database\":\"shop\",\"table\":\"orders\",\"pk.id\":%lld}", (long long)(before ? before->id : after->id));
	buf_printf(out, "{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"%s\",\"ts\":%lld,\"xid\":%lld,\"commit\":true,\"data\":",
		   !before  ? "insert"
		   : !after ? "delete"
			    : "update",
		   (long long)(now_ms / 1000), (long long)s->made + 1000);
	put_text_row(out, after ? after : before, "");
	if (before && after)
		buf_printf(out, ",\"old\":{\"quantity\":%d,\"status\":\"%s\"}", before->quantity, statuses[before->status]);
	buf_char(out, '}');
}

static void put_canal(struct sample *s, const struct order *before, const struct order *after, int64_t now_ms)
{
	struct buf *out = &s->value;

	buf_text(out, "{\"data\":[");
	put_text_row(out, after ? after : before, "\"");
	buf_printf(out,
		   "],\"database\":\"shop\",\"es\":%lld,\"gtid\":\"\",\"id\":%lld,\"isDdl\":false,\"mysqlType\":{\"id\":\"bigint\",\"customer_id\":"
		   "\"bigint\",\"sku\":\"varchar(40)\",\"quantity\":\"int\",\"price\":\"decimal(12,2)\",\"status\":\"varchar(20)\",\"note\":"
		   "\"varchar(200)\",\"created_at\":\"datetime(3)\",\"updated_at\":\"timestamp\"},\"old\":",
		   (long long)(now_ms / 1000 * 1000), (long long)s->made + 1);
	if (before && after)
		buf_printf(out, "[{\"quantity\":\"%d\",\"status\":\"%s\"}]", before->quantity, statuses[before->status]);
	else
		buf_text(out, "null");
	buf_printf(out,
		   ",\"pkNames\":[\"id\"],\"sql\":\"\",\"sqlType\":{\"id\":-5,\"customer_id\":-5,\"sku\":12,\"quantity\":4,\"price\":3,\"status\":12,"
		   "\"note\":12,\"created_at\":93,\"updated_at\":93},\"table\":\"orders\",\"ts\":%lld,\"type\":\"%s\"}",
		   (long long)now_ms,
		   !before  ? "INSERT"
		   : !after ? "DELETE"
			    : "UPDATE");
}

static void put_message(struct sample *s, const struct order *before, const struct order *after, int64_t now_ms)
{
	static void (*const forms[])(struct sample *, const struct order *, const struct order *, int64_t) = {
		[SAMPLE_DEBEZIUM] = put_debezium,
		[SAMPLE_MAXWELL] = put_maxwell,
		[SAMPLE_CANAL] = put_canal,
	};

	buf_clear(&s->key);
	buf_clear(&s->value);
	forms[s->options.form](s, before, after, now_ms);
}

static void insert(struct sample *s, int64_t now_ms)
{
	struct order *o = &s->live[s->live_count++];

	*o = (struct order){
		.id = ++s->next_id,
		.created_ms = now_ms,
		.updated_s = now_ms / 1000,
		.customer = 1 + draw_below(&s->draw, CUSTOMERS),
		.product = 1 + draw_below(&s->draw, PRODUCTS),
		.quantity = 1 + draw_below(&s->draw, 9),
		.cents = 99 + draw_below(&s->draw, 100000),
		.note = draw_below(&s->draw, NOTES_NULL_EVERY) ? draw_below(&s->draw, COUNT(notes)) : -1,
		.is_test = draw_below(&s->draw, TEST_ORDERS_EVERY) == 0,
	};
	put_message(s, NULL, o, now_ms);
}

static void update(struct sample *s, int64_t now_ms)
{
	struct order *o = &s->live[draw_below(&s->draw, (int)s->live_count)], before = *o;

	o->status = (uint8_t)((o->status + 1) % COUNT(statuses));
	o->quantity = 1 + draw_below(&s->draw, 9);
	o->updated_s = now_ms / 1000;
	put_message(s, &before, o, now_ms);
}

static void erase(struct sample *s, int64_t now_ms)
{
	struct order *o = &s->live[draw_below(&s->draw, (int)s->live_count)];

	put_message(s, o, NULL, now_ms);
	*o = s->live[--s->live_count];
}

/* ---- all of them ---- */

struct sample *sample_new(const struct sample_options *options)
{
	struct sample *s = calloc(1, sizeof *s);

	BUG_IF(!s);
	s->options = *options;
	s->draw = draw_from(options->seed);
	s->live = malloc(((size_t)options->changes + 1) * sizeof *s->live);
	BUG_IF(!s->live);
	if (options->schemas)
		make_schemas(s);
	return s;
}

bool sample_next(struct sample *s, struct slice *key, struct slice *value)
{
	int64_t now_ms = STARTED_S * 1000LL + s->made * 1000 / CHANGES_A_SECOND;
	int die = draw_below(&s->draw, 10);

	if (s->made == s->options.changes)
		return false;
	if (die < 5 || s->live_count == 0)
		insert(s, now_ms);
	else if (die < 9)
		update(s, now_ms);
	else
		erase(s, now_ms);
	s->made++;
	*key = buf_view(&s->key);
	*value = buf_view(&s->value);
	return true;
}

struct sample_outcome sample_outcome(const struct sample *s)
{
	struct sample_outcome outcome = { 0 };

	for (size_t i = 0; i < s->live_count; i++) {
		outcome.all_rows++;
		outcome.all_quantity += s->live[i].quantity;
		outcome.all_cents += s->live[i].cents;
		if (s->live[i].is_test)
			continue;
		outcome.rows++;
		outcome.quantity += s->live[i].quantity;
		outcome.cents += s->live[i].cents;
	}
	return outcome;
}

void sample_free(struct sample *s)
{
	if (!s)
		return;
	free(s->live);
	buf_free(&s->key);
	buf_free(&s->value);
	buf_free(&s->key_schema);
	buf_free(&s->value_schema);
	free(s);
}
