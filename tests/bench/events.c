#include "events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "draw.h"

enum {
	KEYS = 10000,
	LATE_MS = 5000,
	MINUTE_MS = 60000,
	SMALL_CENTS = 100, /* below it a payment tries a card out */
	LARGE_CENTS = 50000,
};

#define STARTED_MS 1700000040000LL /* a full minute */

struct events {
	enum events_kind kind;
	int64_t count, made;
	struct draw draw;
	uint8_t *minutes; /* of views: whether there was one, by page and minute */
	bool *small;      /* of payments: whether an account's last one was */
	int64_t minute_count;
	int64_t rows, views, cents; /* the outcome */
	struct buf key, value;
};

void events_put_time(struct buf *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
	buf_printf(out, "\"%s.%03d\"", text, (int)(ms % 1000));
}

static void put_view(struct events *e, int64_t now_ms)
{
	static const char *const countries[] = { "de", "fr", "cn", "br", "us", "in", "jp", "pl" };
	int page = draw_below(&e->draw, KEYS), cents = 10 + draw_below(&e->draw, 30000);
	int64_t at_ms = now_ms - draw_below(&e->draw, LATE_MS);
	uint8_t *minute;

	if (at_ms < STARTED_MS)
		at_ms = STARTED_MS;
	minute = &e->minutes[page * e->minute_count + (at_ms - STARTED_MS) / MINUTE_MS];
	e->rows += !*minute;
	*minute = 1;
	e->views++;
	e->cents += cents;
	buf_printf(&e->key, "{\"page\":\"/articles/%d\"}", page);
	buf_printf(&e->value, "{\"id\":%lld,\"page\":\"/articles/%d\",\"user_id\":%d,\"country\":\"%s\",\"dwell\":%d.%02d,\"viewed_at\":", (long long)e->made, page,
		   draw_below(&e->draw, 1000000), countries[draw_below(&e->draw, 8)], cents / 100, cents % 100);
	events_put_time(&e->value, at_ms);
	buf_char(&e->value, '}');
}

static void put_payment(struct events *e, int64_t now_ms)
{
	int account = draw_below(&e->draw, KEYS), die = draw_below(&e->draw, 20), cents;

	if (die == 0)
		cents = 1 + draw_below(&e->draw, SMALL_CENTS - 1);
	else if (die == 1)
		cents = LARGE_CENTS + 1 + draw_below(&e->draw, 100000);
	else
		cents = SMALL_CENTS + draw_below(&e->draw, LARGE_CENTS - SMALL_CENTS + 1);
	if (e->small[account] && cents > LARGE_CENTS) {
		e->rows++;
		e->cents += cents;
	}
	e->small[account] = cents < SMALL_CENTS;
	buf_printf(&e->key, "{\"account_id\":%d}", account);
	buf_printf(&e->value, "{\"id\":%lld,\"account_id\":%d,\"merchant\":\"merchant %d\",\"amount\":%d.%02d,\"created_at\":", (long long)e->made, account,
		   draw_below(&e->draw, 5000), cents / 100, cents % 100);
	events_put_time(&e->value, now_ms);
	buf_char(&e->value, '}');
}

static bool next(void *self, struct slice *key, struct slice *value)
{
	struct events *e = self;
	/* A millisecond is one event's alone: who sorts by time has no choice. */
	int64_t now_ms = STARTED_MS + e->made;

	if (e->made == e->count)
		return false;
	buf_clear(&e->key);
	buf_clear(&e->value);
	if (e->kind == EVENTS_VIEWS)
		put_view(e, now_ms);
	else
		put_payment(e, now_ms);
	e->made++;
	*key = buf_view(&e->key);
	*value = buf_view(&e->value);
	return true;
}

static void outcome(const void *self, struct buf *json)
{
	const struct events *e = self;

	buf_printf(json, "\"rows\":%" PRId64 ",\"views\":%" PRId64 ",\"cents\":%" PRId64, e->rows, e->views, e->cents);
}

static void release(void *self)
{
	struct events *e = self;

	free(e->minutes);
	free(e->small);
	buf_free(&e->key);
	buf_free(&e->value);
	free(e);
}

struct stream events_stream(enum events_kind kind, long seed, int64_t count)
{
	struct events *e = calloc(1, sizeof *e);

	BUG_IF(!e);
	*e = (struct events){ .kind = kind, .count = count, .draw = draw_from(seed), .minute_count = count / MINUTE_MS + 1 };
	e->minutes = calloc((size_t)e->minute_count, KEYS);
	e->small = calloc(KEYS, sizeof *e->small);
	BUG_IF(!e->minutes || !e->small);
	return (struct stream){ .self = e, .next = next, .outcome = outcome, .free = release };
}
