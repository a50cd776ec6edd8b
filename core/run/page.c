#include "run/page.h"

#include <stdlib.h>

#include "flow/letters.h"
#include "run/history.h"

static const struct timeval second = { 1, 0 };

struct page {
	struct http *http; /* NULL: nobody can listen */
	struct status (*look)(void *ctx);
	void *ctx;
	struct event *tick;
	unsigned ticks;
	struct history *history;
	struct buf latest[LETTERS_MOST]; /* dead letters, a ring */
	size_t next_letter;
	size_t new_count; /* of these, the last: not told yet */
	struct buf words; /* being said */
};

static void begin_event(struct buf *out, const char *name)
{
	buf_printf(out, "event: %s\ndata: ", name);
}

static void end_event(struct buf *out)
{
	buf_text(out, "\n\n");
}

static void say_second(struct page *page, const struct status *status, struct buf *out)
{
	begin_event(out, "status");
	status_json(status, out);
	end_event(out);
	begin_event(out, "now");
	history_now(page->history, out);
	end_event(out);
}

static void say_letters(const struct buf *letters, size_t first, size_t count, bool whole, struct buf *out)
{
	const char *comma = "";

	begin_event(out, "letters");
	buf_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		struct slice letter = buf_view(&letters[(first + i) % LETTERS_MOST]);

		if (!letter.n)
			continue;
		buf_text(out, comma);
		letter_json(out, letter, whole);
		comma = ",";
	}
	buf_char(out, ']');
	end_event(out);
}

/* Their messages are for this machine's eyes: whoever may log in there may read them anyway. */
static void tell_new_letters(struct page *page)
{
	size_t first = page->next_letter - page->new_count;

	if (!page->new_count)
		return;
	for (int near = 0; near < 2; near++) {
		buf_clear(&page->words);
		say_letters(page->latest, first, page->new_count, near, &page->words);
		http_tell(page->http, near ? HTTP_NEAR : HTTP_FAR, buf_view(&page->words));
	}
	page->new_count = 0;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct page *page = arg;
	bool keep = page->ticks++ % HISTORY_STEP_S == 0;
	struct status status;

	(void)fd, (void)what;
	if (!keep && http_listeners(page->http) == 0)
		return;
	status = page->look(page->ctx);
	history_look(page->history, &status, keep);
	if (http_listeners(page->http) == 0)
		return;
	buf_clear(&page->words);
	say_second(page, &status, &page->words);
	http_tell(page->http, HTTP_ALL, buf_view(&page->words));
	tell_new_letters(page);
}

struct page *page_new(struct event_base *loop, struct status (*look)(void *ctx), void *ctx)
{
	struct page *page = calloc(1, sizeof *page);

	BUG_IF(!page);
	*page = (struct page){ .look = look, .ctx = ctx, .history = history_new() };
	page->tick = event_new(loop, -1, EV_PERSIST, on_tick, page);
	BUG_IF(!page->tick);
	return page;
}

void page_open(struct page *page, struct http *http)
{
	page->http = http;
	event_add(page->tick, &second);
}

void page_begin(struct page *page, struct http_reply *reply)
{
	struct status status = page->look(page->ctx);
	struct buf *out = &reply->body;

	tell_new_letters(page); /* to those that are here: whoever comes has them among the latest */
	reply->code = 200;
	reply->type = "text/event-stream";
	reply->listens = true;
	history_look(page->history, &status, false);
	buf_text(out, "retry: 2000\n");
	begin_event(out, "history");
	history_json(page->history, out);
	end_event(out);
	say_letters(page->latest, page->next_letter, LETTERS_MOST, reply->near, out);
	say_second(page, &status, out);
}

void page_letters(struct page *page, struct slice lines)
{
	while (lines.n) {
		const char *end = memchr(lines.p, '\n', lines.n);
		struct buf *place = &page->latest[page->next_letter++ % LETTERS_MOST];

		BUG_IF(!end);
		buf_clear(place);
		buf_append(place, lines.p, (size_t)(end - lines.p));
		page->new_count += page->new_count < LETTERS_MOST;
		lines = (struct slice){ end + 1, lines.n - (size_t)(end + 1 - lines.p) };
	}
}

void page_free(struct page *page)
{
	if (!page)
		return;
	event_free(page->tick);
	history_free(page->history);
	for (size_t i = 0; i < LETTERS_MOST; i++)
		buf_free(&page->latest[i]);
	buf_free(&page->words);
	free(page);
}
