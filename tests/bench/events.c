#include "events.h"

#include <stdlib.h>
#include <time.h>

#include "base/error.h"

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
	unsigned short random[3];
	uint8_t *minutes; /* of views: whether there was one, by page and minute */
	bool *small;      /* of payments: whether an account's last one was */
	int64_t minute_count;
	struct events_outcome outcome;
	struct buf key, value;
};

static int below(struct events *e, int most)
{
	return (int)(nrand48(e->random) % most);
}

static void put_time(struct buf *out, int64_t ms)
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
	int page = below(e, KEYS), cents = 10 + below(e, 30000);
	int64_t at_ms = now_ms - below(e, LATE_MS);
	uint8_t *minute;

	if (at_ms < STARTED_MS)
		at_ms = STARTED_MS;
	minute = &e->minutes[page * e->minute_count + (at_ms - STARTED_MS) / MINUTE_MS];
	e->outcome.rows += !*minute;
	*minute = 1;
	e->outcome.views++;
	e->outcome.cents += cents;
	buf_printf(&e->key, "{\"page\":\"/articles/%d\"}", page);
	buf_printf(&e->value, "{\"id\":%lld,\"page\":\"/articles/%d\",\"user_id\":%d,\"country\":\"%s\",\"dwell\":%d.%02d,\"viewed_at\":", (long long)e->made, page,
		   below(e, 1000000), countries[below(e, 8)], cents / 100, cents % 100);
	put_time(&e->value, at_ms);
	buf_char(&e->value, '}');
}

static void put_payment(struct events *e, int64_t now_ms)
{
	int account = below(e, KEYS), die = below(e, 20), cents;

	if (die == 0)
		cents = 1 + below(e, SMALL_CENTS - 1);
	else if (die == 1)
		cents = LARGE_CENTS + 1 + below(e, 100000);
	else
		cents = SMALL_CENTS + below(e, LARGE_CENTS - SMALL_CENTS + 1);
	if (e->small[account] && cents > LARGE_CENTS) {
		e->outcome.rows++;
		e->outcome.cents += cents;
	}
	e->small[account] = cents < SMALL_CENTS;
	buf_printf(&e->key, "{\"account_id\":%d}", account);
	buf_printf(&e->value, "{\"id\":%lld,\"account_id\":%d,\"merchant\":\"merchant %d\",\"amount\":%d.%02d,\"created_at\":", (long long)e->made, account,
		   below(e, 5000), cents / 100, cents % 100);
	put_time(&e->value, now_ms);
	buf_char(&e->value, '}');
}

struct events *events_new(enum events_kind kind, long seed, int64_t count)
{
	struct events *e = calloc(1, sizeof *e);

	BUG_IF(!e);
	*e = (struct events){ .kind = kind, .count = count, .minute_count = count / MINUTE_MS + 1 };
	e->random[0] = (unsigned short)seed;
	e->random[1] = (unsigned short)(seed >> 16);
	e->random[2] = 0x330e;
	e->minutes = calloc((size_t)e->minute_count, KEYS);
	e->small = calloc(KEYS, sizeof *e->small);
	BUG_IF(!e->minutes || !e->small);
	return e;
}

bool events_next(struct events *e, struct slice *key, struct slice *value)
{
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

struct events_outcome events_outcome(const struct events *e)
{
	return e->outcome;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	free(e->minutes);
	free(e->small);
	buf_free(&e->key);
	buf_free(&e->value);
	free(e);
}
