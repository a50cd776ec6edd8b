#include "nexmark.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/error.h"
#include "draw.h"
#include "events.h"

/* Of Nexmark's configuration: its defaults. */
enum {
	ROUND = 50, /* events: a person, three auctions, and bids */
	AUCTIONS = 3,
	FIRST_ID = 1000,
	FIRST_CATEGORY = 10,
	CATEGORIES = 5,
	LEAD = 10,       /* ids that bids know before they are made */
	IN_FLIGHT = 100, /* auctions */
	ACTIVE = 1000,   /* persons */
	HOT_EVERY = 100, /* the first auction and seller, and the second bidder, of so many are hot */
	CHANNELS = 10000,
	AUCTION_MS_MOST = 2 * IN_FLIGHT * ROUND / AUCTIONS,
	PERSON_BYTES = 200,
	AUCTION_BYTES = 500,
	BID_BYTES = 100,
};

/* Of the queries. */
enum { SELECTED_EVERY = 123, CHEAP = 10000, DEAR = 1000000, DAYS = 2 };

#define MIDNIGHT_MS 1700006400000LL

/* q17: an auction's bids of a day. */
struct day {
	int64_t bids, least, most;
};

/* q18 */
struct last_bid {
	struct pair {
		int32_t auction, bidder;
	} key;
	int64_t price;
	UT_hash_handle hh;
};

struct nexmark {
	struct draw draw;
	int64_t count, made;
	struct buf key, value;
	struct day (*days)[DAYS]; /* by auction */
	bool *bidders;
	struct last_bid *last;
	int64_t bids, price, selected, selected_price, bidder_sum, rank[3];
};

/* The auctions and persons that are there before the event, itself included. */
static int64_t auctions_at(int64_t event)
{
	int64_t of_round = event % ROUND;

	return event / ROUND * AUCTIONS + (of_round < AUCTIONS ? of_round : AUCTIONS);
}

static int64_t persons_at(int64_t event)
{
	return event / ROUND + 1;
}

static int64_t price(struct nexmark *n)
{
	return (int64_t)round(pow(10, draw_part(&n->draw) * 6) * 100);
}

static void put_letters(struct nexmark *n, int count)
{
	for (int i = 0; i < count; i++)
		buf_char(&n->value, (char)('a' + draw_below(&n->draw, 26)));
}

/* What an event lacks of its size, give or take a fifth. */
static void put_rest(struct nexmark *n, size_t began, int bytes)
{
	int size = bytes - bytes / 5 + draw_below(&n->draw, bytes * 2 / 5), has = (int)(n->value.n - began);

	buf_text(&n->value, ",\"extra\":\"");
	put_letters(n, size > has ? size - has : 0);
	buf_text(&n->value, "\"}");
}

static int64_t active_person(struct nexmark *n)
{
	int64_t persons = persons_at(n->made), active = persons < ACTIVE ? persons : ACTIVE;

	return persons - active + draw_below(&n->draw, (int)active + LEAD);
}

static void put_person(struct nexmark *n, int64_t now_ms)
{
	static const char *const states[] = { "AZ", "CA", "ID", "OR", "WA", "WY" };
	static const char *const cities[] = { "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne" };
	static const char *const names[] = { "Ada", "Berta", "Carl", "Dora", "Emil", "Frida", "Georg", "Hanna", "Ida", "Jakob", "Karl" };
	static const char *const families[] = { "Abel", "Bauer", "Curtis", "Dietz", "Ernst", "Fuchs", "Gross", "Huber", "Iversen" };
	int64_t id = FIRST_ID + persons_at(n->made) - 1;
	int name = draw_below(&n->draw, 11), family = draw_below(&n->draw, 9);

	buf_printf(&n->key, "{\"person\":%" PRId64 "}", id);
	buf_printf(&n->value, "{\"event\":\"person\",\"id\":%" PRId64 ",\"name\":\"%s %s\",\"emailAddress\":\"", id, names[name], families[family]);
	put_letters(n, 7);
	buf_printf(&n->value, "@example.com\",\"creditCard\":\"%04d %04d %04d %04d\",\"city\":\"%s\",\"state\":\"%s\",\"dateTime\":", draw_below(&n->draw, 10000),
		   draw_below(&n->draw, 10000), draw_below(&n->draw, 10000), draw_below(&n->draw, 10000), cities[draw_below(&n->draw, 10)],
		   states[draw_below(&n->draw, 6)]);
	events_put_time(&n->value, now_ms);
	put_rest(n, 0, PERSON_BYTES);
}

static void put_auction(struct nexmark *n, int64_t now_ms)
{
	int64_t id = FIRST_ID + auctions_at(n->made) - 1, first = price(n), reserve = first + price(n);
	int64_t seller = draw_below(&n->draw, 4) > 0 ? (persons_at(n->made) - 1) / HOT_EVERY * HOT_EVERY : active_person(n);

	buf_printf(&n->key, "{\"auction\":%" PRId64 "}", id);
	buf_printf(&n->value, "{\"event\":\"auction\",\"id\":%" PRId64 ",\"itemName\":\"", id);
	put_letters(n, 5 + draw_below(&n->draw, 16));
	buf_text(&n->value, "\",\"description\":\"");
	put_letters(n, 20 + draw_below(&n->draw, 81));
	buf_printf(&n->value, "\",\"initialBid\":%" PRId64 ",\"reserve\":%" PRId64 ",\"dateTime\":", first, reserve);
	events_put_time(&n->value, now_ms);
	buf_text(&n->value, ",\"expires\":");
	events_put_time(&n->value, now_ms + 1 + draw_below(&n->draw, AUCTION_MS_MOST));
	buf_printf(&n->value, ",\"seller\":%" PRId64 ",\"category\":%d", FIRST_ID + seller, FIRST_CATEGORY + draw_below(&n->draw, CATEGORIES));
	put_rest(n, 0, AUCTION_BYTES);
}

static void remember(struct nexmark *n, int64_t auction, int64_t bidder, int64_t paid, int64_t now_ms)
{
	struct day *day = &n->days[auction - FIRST_ID][now_ms >= MIDNIGHT_MS];
	struct pair key = { (int32_t)auction, (int32_t)bidder };
	struct last_bid *last;

	n->bids++;
	n->price += paid;
	n->rank[(paid >= CHEAP) + (paid >= DEAR)]++;
	n->bidder_sum += bidder;
	n->bidders[bidder - FIRST_ID] = true;
	if (auction % SELECTED_EVERY == 0) {
		n->selected++;
		n->selected_price += paid;
	}
	day->least = day->bids == 0 || paid < day->least ? paid : day->least;
	day->most = paid > day->most ? paid : day->most;
	day->bids++;
	HASH_FIND(hh, n->last, &key, sizeof key, last);
	if (!last) {
		last = calloc(1, sizeof *last);
		BUG_IF(!last);
		last->key = key;
		HASH_ADD(hh, n->last, key, sizeof key, last);
	}
	last->price = paid;
}

static void put_bid(struct nexmark *n, int64_t now_ms)
{
	static const char *const hot[] = { "Google", "Facebook", "Baidu", "Apple" };
	int64_t newest = auctions_at(n->made) - 1, oldest = newest > IN_FLIGHT ? newest - IN_FLIGHT : 0;
	int64_t auction = FIRST_ID + (draw_below(&n->draw, 2) > 0 ? newest / HOT_EVERY * HOT_EVERY :
								      oldest + draw_below(&n->draw, (int)(newest - oldest) + 1 + LEAD));
	int64_t bidder = FIRST_ID + (draw_below(&n->draw, 4) > 0 ? (persons_at(n->made) - 1) / HOT_EVERY * HOT_EVERY + 1 : active_person(n));
	int64_t paid = price(n);
	int channel = draw_below(&n->draw, 2) > 0 ? -1 : draw_below(&n->draw, CHANNELS);

	remember(n, auction, bidder, paid, now_ms);
	buf_printf(&n->key, "{\"auction\":%" PRId64 "}", auction);
	buf_printf(&n->value, "{\"event\":\"bid\",\"auction\":%" PRId64 ",\"bidder\":%" PRId64 ",\"price\":%" PRId64 ",\"channel\":\"", auction, bidder, paid);
	if (channel < 0)
		buf_text(&n->value, hot[draw_below(&n->draw, 4)]);
	else
		buf_printf(&n->value, "channel-%d", channel);
	buf_text(&n->value, "\",\"url\":\"https://www.example.com/");
	put_letters(n, 5);
	buf_char(&n->value, '/');
	put_letters(n, 5);
	buf_text(&n->value, "/item.htm?query=1");
	if (channel >= 0)
		buf_printf(&n->value, "&channel_id=%d", channel);
	buf_text(&n->value, "\",\"dateTime\":");
	events_put_time(&n->value, now_ms);
	/* Nexmark counts the numbers alone: eight bytes each. */
	put_rest(n, n->value.n - 32, BID_BYTES);
}

static bool next(void *self, struct slice *key, struct slice *value)
{
	struct nexmark *n = self;
	int64_t now_ms = MIDNIGHT_MS - n->count / 2 + n->made, of_round = n->made % ROUND;

	if (n->made == n->count)
		return false;
	buf_clear(&n->key);
	buf_clear(&n->value);
	if (of_round == 0)
		put_person(n, now_ms);
	else if (of_round <= AUCTIONS)
		put_auction(n, now_ms);
	else
		put_bid(n, now_ms);
	n->made++;
	*key = buf_view(&n->key);
	*value = buf_view(&n->value);
	return true;
}

static void outcome(const void *self, struct buf *json)
{
	const struct nexmark *n = self;
	int64_t bidders = 0, days = 0, least = 0, most = 0, last_price = 0;

	for (int64_t i = 0; i < persons_at(n->count) + LEAD; i++)
		bidders += n->bidders[i];
	for (int64_t i = 0; i < auctions_at(n->count) + LEAD; i++) {
		for (int day = 0; day < DAYS; day++) {
			days += n->days[i][day].bids > 0;
			least += n->days[i][day].least;
			most += n->days[i][day].most;
		}
	}
	for (const struct last_bid *last = n->last; last; last = last->hh.next)
		last_price += last->price;
	buf_printf(json, "\"bids\":%" PRId64 ",\"price\":%" PRId64 ",\"selected\":%" PRId64 ",\"selected_price\":%" PRId64, n->bids, n->price, n->selected,
		   n->selected_price);
	buf_printf(json, ",\"bidders\":%" PRId64 ",\"bidder_sum\":%" PRId64, bidders, n->bidder_sum);
	buf_printf(json, ",\"days\":%" PRId64 ",\"rank1\":%" PRId64 ",\"rank2\":%" PRId64 ",\"rank3\":%" PRId64 ",\"least\":%" PRId64 ",\"most\":%" PRId64, days,
		   n->rank[0], n->rank[1], n->rank[2], least, most);
	buf_printf(json, ",\"pairs\":%u,\"last_price\":%" PRId64, HASH_COUNT(n->last), last_price);
}

static void release(void *self)
{
	struct nexmark *n = self;
	struct last_bid *last, *after;

	HASH_ITER (hh, n->last, last, after) {
		HASH_DEL(n->last, last);
		free(last);
	}
	free(n->days);
	free(n->bidders);
	buf_free(&n->key);
	buf_free(&n->value);
	free(n);
}

struct stream nexmark_stream(long seed, int64_t count)
{
	struct nexmark *n = calloc(1, sizeof *n);

	BUG_IF(!n);
	*n = (struct nexmark){ .draw = draw_from(seed), .count = count };
	n->days = calloc((size_t)auctions_at(count) + LEAD + 1, sizeof *n->days);
	/* The hot bidder may be the next person. */
	n->bidders = calloc((size_t)persons_at(count) + LEAD + 1, sizeof *n->bidders);
	BUG_IF(!n->days || !n->bidders);
	return (struct stream){ .self = n, .next = next, .outcome = outcome, .free = release };
}
