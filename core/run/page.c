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
	struct buf new_letters; /* since the last tick: what stands between the brackets of an array */
	unsigned new_count;
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

static void say_new_letters(struct page *page, struct buf *out)
{
	if (!page->new_count)
		return;
	begin_event(out, "letters");
	buf_printf(out, "[%.*s]", SLICE_ARG(buf_view(&page->new_letters)));
	end_event(out);
	buf_clear(&page->new_letters);
	page->new_count = 0;
}

static void say_all_letters(struct page *page, struct buf *out)
{
	const char *comma = "";

	begin_event(out, "letters");
	buf_char(out, '[');
	for (size_t i = 0; i < LETTERS_MOST; i++) {
		struct slice letter = buf_view(&page->latest[(page->next_letter + i) % LETTERS_MOST]);

		if (!letter.n)
			continue;
		buf_text(out, comma);
		buf_slice(out, letter);
		comma = ",";
	}
	buf_char(out, ']');
	end_event(out);
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
	say_new_letters(page, &page->words);
	http_tell(page->http, buf_view(&page->words));
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

	/* To those that are here: whoever comes has them among the latest. */
	buf_clear(&page->words);
	say_new_letters(page, &page->words);
	if (page->words.n)
		http_tell(page->http, buf_view(&page->words));
	reply->code = 200;
	reply->type = "text/event-stream";
	reply->listens = true;
	history_look(page->history, &status, false);
	buf_text(out, "retry: 2000\n");
	begin_event(out, "history");
	history_json(page->history, out);
	end_event(out);
	say_all_letters(page, out);
	say_second(page, &status, out);
}

static void keep_letter(struct page *page, struct slice letter)
{
	struct buf *place = &page->latest[page->next_letter++ % LETTERS_MOST];

	buf_clear(place);
	buf_slice(place, letter);
	if (page->new_count == LETTERS_MOST)
		return;
	if (page->new_count++)
		buf_char(&page->new_letters, ',');
	buf_slice(&page->new_letters, letter);
}

void page_letters(struct page *page, struct slice lines)
{
	/* Who comes later begins with all of them. */
	if (!page->http || http_listeners(page->http) == 0) {
		buf_clear(&page->new_letters);
		page->new_count = 0;
	}
	while (lines.n) {
		const char *end = memchr(lines.p, '\n', lines.n);
		size_t n = end ? (size_t)(end - lines.p) : lines.n;

		if (n)
			keep_letter(page, (struct slice){ lines.p, n });
		n += end ? 1 : 0;
		lines = (struct slice){ lines.p + n, lines.n - n };
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
	buf_free(&page->new_letters);
	buf_free(&page->words);
	free(page);
}
