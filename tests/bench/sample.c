#include "sample.h"

#include <stdlib.h>
#include <time.h>

#include "base/error.h"

enum {
	STARTED_S = 1700000000,  /* when the shop's first order came */
	CUSTOMERS = 100000,
	PRODUCTS = 20000,
	TEST_ORDERS_EVERY = 50,
	NOTES_NULL_EVERY = 10,   /* orders without a note */
	CHANGES_A_SECOND = 500,  /* at the source */
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
	unsigned short random[3];
	struct order *live;
	size_t live_count;
	struct buf key, value;
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

#define FIELD(type, optional, more, name) "{\"type\":\"" type "\",\"optional\":" optional more ",\"field\":\"" name "\"}"
#define SEMANTIC(name) ",\"name\":\"" name "\",\"version\":1"

#define ROW_FIELDS                                                                                  \
	"["                                                                                         \
	FIELD("int64", "false", "", "id") ","                                                       \
	FIELD("int64", "false", "", "customer_id") ","                                              \
	FIELD("string", "false", "", "sku") ","                                                     \
	FIELD("int32", "false", "", "quantity") ","                                                 \
	FIELD("string", "false", "", "price") ","                                                   \
	FIELD("string", "false", "", "status") ","                                                  \
	FIELD("string", "true", "", "note") ","                                                     \
	FIELD("int64", "false", SEMANTIC("io.debezium.time.Timestamp"), "created_at") ","           \
	FIELD("string", "false", SEMANTIC("io.debezium.time.ZonedTimestamp"), "updated_at")         \
	"]"

#define STRUCT(fields, optional, name, field) \
	"{\"type\":\"struct\",\"fields\":" fields ",\"optional\":" optional ",\"name\":\"" name "\",\"field\":\"" field "\"}"

#define SOURCE_FIELDS                                                                               \
	"["                                                                                         \
	FIELD("string", "false", "", "version") ","                                                 \
	FIELD("string", "false", "", "connector") ","                                               \
	FIELD("string", "false", "", "name") ","                                                    \
	FIELD("int64", "false", "", "ts_ms") ","                                                    \
	FIELD("string", "true", SEMANTIC("io.debezium.data.Enum")                                   \
	      ",\"parameters\":{\"allowed\":\"true,last,false,incremental\"},\"default\":\"false\"", "snapshot") "," \
	FIELD("string", "false", "", "db") ","                                                      \
	FIELD("string", "true", "", "sequence") ","                                                 \
	FIELD("string", "true", "", "table") ","                                                    \
	FIELD("int64", "false", "", "server_id") ","                                                \
	FIELD("string", "true", "", "gtid") ","                                                     \
	FIELD("string", "false", "", "file") ","                                                    \
	FIELD("int64", "false", "", "pos") ","                                                      \
	FIELD("int32", "false", "", "row") ","                                                      \
	FIELD("int64", "true", "", "thread") ","                                                    \
	FIELD("string", "true", "", "query")                                                        \
	"]"

static const char key_schema[] = "{\"schema\":{\"type\":\"struct\",\"fields\":[" FIELD("int64", "false", "", "id")
	"],\"optional\":false,\"name\":\"dbserver1.shop.orders.Key\"},\"payload\":";

static const char value_schema[] = "{\"schema\":{\"type\":\"struct\",\"fields\":["
	STRUCT(ROW_FIELDS, "true", "dbserver1.shop.orders.Value", "before") ","
	STRUCT(ROW_FIELDS, "true", "dbserver1.shop.orders.Value", "after") ","
	STRUCT(SOURCE_FIELDS, "false", "io.debezium.connector.mysql.Source", "source") ","
	FIELD("string", "false", "", "op") ","
	FIELD("int64", "true", "", "ts_ms")
	"],\"optional\":false,\"name\":\"dbserver1.shop.orders.Envelope\",\"version\":1},\"payload\":";

/* ---- one change ---- */

static int below(struct sample *s, int most)
{
	return (int)(nrand48(s->random) % most);
}

static void put_row(struct buf *out, const struct order *o)
{
	time_t updated_s = (time_t)o->updated_s;
	char updated[32];
	struct tm tm;

	strftime(updated, sizeof updated, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&updated_s, &tm));
	buf_printf(out, "{\"id\":%lld,\"customer_id\":%d,\"sku\":\"SKU-%08d\",\"quantity\":%d,\"price\":\"%d.%02d\",\"status\":\"%s\",", (long long)o->id,
		   o->customer, o->product, o->quantity, o->cents / 100, o->cents % 100, o->is_test ? "test" : statuses[o->status]);
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

static void put_message(struct sample *s, const struct order *before, const struct order *after, int64_t now_ms)
{
	int64_t id = before ? before->id : after->id;

	buf_clear(&s->key);
	buf_clear(&s->value);
	if (s->options.schemas) {
		buf_append(&s->key, key_schema, sizeof key_schema - 1);
		buf_append(&s->value, value_schema, sizeof value_schema - 1);
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

static void insert(struct sample *s, int64_t now_ms)
{
	struct order *o = &s->live[s->live_count++];

	*o = (struct order){
		.id = ++s->next_id,
		.created_ms = now_ms,
		.updated_s = now_ms / 1000,
		.customer = 1 + below(s, CUSTOMERS),
		.product = 1 + below(s, PRODUCTS),
		.quantity = 1 + below(s, 9),
		.cents = 99 + below(s, 100000),
		.note = below(s, NOTES_NULL_EVERY) ? below(s, COUNT(notes)) : -1,
		.is_test = below(s, TEST_ORDERS_EVERY) == 0,
	};
	put_message(s, NULL, o, now_ms);
}

static void update(struct sample *s, int64_t now_ms)
{
	struct order *o = &s->live[below(s, (int)s->live_count)], before = *o;

	o->status = (uint8_t)((o->status + 1) % COUNT(statuses));
	o->quantity = 1 + below(s, 9);
	o->updated_s = now_ms / 1000;
	put_message(s, &before, o, now_ms);
}

static void erase(struct sample *s, int64_t now_ms)
{
	struct order *o = &s->live[below(s, (int)s->live_count)];

	put_message(s, o, NULL, now_ms);
	*o = s->live[--s->live_count];
}

/* ---- all of them ---- */

struct sample *sample_new(const struct sample_options *options)
{
	struct sample *s = calloc(1, sizeof *s);

	BUG_IF(!s);
	s->options = *options;
	s->random[0] = (unsigned short)options->seed;
	s->random[1] = (unsigned short)(options->seed >> 16);
	s->random[2] = 0x330e;
	s->live = malloc(((size_t)options->changes + 1) * sizeof *s->live);
	BUG_IF(!s->live);
	return s;
}

bool sample_next(struct sample *s, struct slice *key, struct slice *value)
{
	int64_t now_ms = STARTED_S * 1000LL + s->made * 1000 / CHANGES_A_SECOND;
	int die = below(s, 10);

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
	free(s);
}
