#include "io/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "flow/json.h"
#include "io/fetch.h"

enum {
	AGAIN_LEAST_MS = 250,
	AGAIN_MOST_MS = 10000,
	MISSING_KEPT_MS = 10000, /* afterwards it is looked for again: it may have been registered since */
	STRANGE_404_MS = 10000,  /* how long a "not found" that is not the registry's own (a proxy's) is not believed */
	TEXTS_MOST = 256,
};

/* What is at one path of the registry: the schema, or one that it refers to. */
struct piece {
	char *path;
	char *text; /* NULL: not here yet */
	size_t n;
};

struct entry {
	struct registry *registry;
	uint32_t id;
	enum schemas_answer state;
	bool busy; /* a fetch is on its way */
	struct piece *pieces;
	size_t count, fetched;
	struct slice *others;
	struct error err; /* of NONE */
	int64_t answered_ms, strange_since_ms;
	UT_hash_handle hh;
};

struct registry {
	struct schemas schemas;
	struct fetches *fetches;
	struct json *json;
	struct arena arena; /* of one answer */
	struct entry *by_id;
	struct event *again;
	char *url;
	int failures; /* in a row */
	char problem[512];
	void (*wake)(void *ctx);
	void *ctx;
};

/* ---- one schema ---- */

static void forget_pieces(struct entry *entry)
{
	for (size_t i = 0; i < entry->count; i++) {
		free(entry->pieces[i].path);
		free(entry->pieces[i].text);
	}
	free(entry->pieces);
	entry->pieces = NULL;
	entry->count = entry->fetched = 0;
}

static int add_piece(struct entry *entry, char *path, struct error *err)
{
	for (size_t i = 0; i < entry->count; i++) {
		if (strcmp(entry->pieces[i].path, path) == 0) {
			free(path);
			return 0;
		}
	}
	if (entry->count == TEXTS_MOST) {
		free(path);
		return error_set(err, "it refers to more than %d others", TEXTS_MOST);
	}
	entry->pieces = realloc(entry->pieces, (entry->count + 1) * sizeof *entry->pieces);
	BUG_IF(!entry->pieces);
	entry->pieces[entry->count++] = (struct piece){ .path = path };
	return 0;
}

static void settle(struct entry *entry, enum schemas_answer state)
{
	struct registry *registry = entry->registry;

	entry->state = state;
	entry->answered_ms = clock_mono_ms();
	entry->strange_since_ms = 0;
	registry->failures = 0;
	if (registry->problem[0])
		log_info("the schema registry at %s answers again", registry->url);
	registry->problem[0] = 0;
	registry->wake(registry->ctx);
}

static void there_is_none(struct entry *entry, const struct error *err)
{
	entry->err = *err;
	error_prefix(&entry->err, "schema %u", entry->id);
	forget_pieces(entry);
	settle(entry, SCHEMAS_NONE);
}

static void is_here(struct entry *entry)
{
	free(entry->others);
	entry->others = calloc(entry->count, sizeof *entry->others);
	BUG_IF(!entry->others);
	for (size_t i = 1; i < entry->count; i++)
		entry->others[i - 1] = (struct slice){ entry->pieces[i].text, entry->pieces[i].n };
	settle(entry, SCHEMAS_HAVE);
}

/* Nobody is to blame but the registry: what was asked for is asked for again, by and by. */
static void is_away(struct entry *entry, const char *reason)
{
	struct registry *registry = entry->registry;
	int64_t wait = AGAIN_LEAST_MS;
	struct timeval delay;

	for (int i = 0; i < registry->failures && wait < AGAIN_MOST_MS; i++)
		wait *= 2;
	wait = wait > AGAIN_MOST_MS ? AGAIN_MOST_MS : wait;
	registry->failures++;
	if (!registry->problem[0])
		log_warn("the schema registry does not help, trying again: %s%s: %s", registry->url, entry->pieces[entry->fetched].path, reason);
	snprintf(registry->problem, sizeof registry->problem, "schema registry: %s%s: %s", registry->url, entry->pieces[entry->fetched].path, reason);
	delay = (struct timeval){ wait / 1000, wait % 1000 * 1000 };
	event_add(registry->again, &delay);
}

/* ---- answers ---- */

static const struct json_node *read_answer(struct registry *registry, struct slice body, struct error *err)
{
	const struct json_node *nodes;
	char *padded;

	arena_reset(&registry->arena);
	padded = arena_zalloc(&registry->arena, body.n + JSON_PADDING);
	if (body.n)
		memcpy(padded, body.p, body.n);
	if (json_read(registry->json, (struct slice){ padded, body.n }, 3, NULL, &registry->arena, &nodes, err) < 0)
		return NULL;
	return nodes;
}

static struct slice text_of(const struct json_node *node)
{
	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static int add_references(struct entry *entry, const struct json_node *nodes, struct error *err)
{
	const struct json_node *list = json_member(nodes, nodes, "references");

	if (!list || list->value.kind != VALUE_JSON || !list->expanded)
		return 0;
	for (const struct json_node *one = list + 1; one < nodes + list->end; one = nodes + one->end) {
		struct slice subject = text_of(json_member(nodes, one, "subject"));
		const struct json_node *version = json_member(nodes, one, "version");
		struct buf path = BUF_INIT;
		char *escaped;

		if (subject.n == 0 || !version || version->value.kind != VALUE_NUMBER)
			return error_set(err, "a reference without subject and version");
		escaped = fetch_escape(subject);
		buf_printf(&path, "/subjects/%s/versions/%.*s", escaped, (int)version->value.n, version->value.p);
		free(escaped);
		if (add_piece(entry, strdup(buf_cstr(&path)), err) < 0) {
			buf_free(&path);
			return -1;
		}
		buf_free(&path);
	}
	return 0;
}

/* 0: it was understood; -1: it is none of Avro, and err says so; 1: that is no registry. */
static int take_text(struct entry *entry, struct slice body, struct error *err)
{
	const struct json_node *nodes = read_answer(entry->registry, body, err);
	struct piece *piece = &entry->pieces[entry->fetched];
	struct slice text, type;

	if (!nodes)
		return 1;
	text = text_of(json_member(nodes, nodes, "schema"));
	type = text_of(json_member(nodes, nodes, "schemaType"));
	if (!text.p) {
		error_set(err, "the answer holds no \"schema\"");
		return 1;
	}
	if (type.p && !slice_is(type, "AVRO"))
		return error_set(err, "it is one of %.*s, not of Avro", SLICE_ARG(type));
	piece->text = calloc(1, text.n + JSON_PADDING);
	BUG_IF(!piece->text);
	memcpy(piece->text, text.p, text.n);
	piece->n = text.n;
	return add_references(entry, nodes, err);
}

/* Confluent's registry says in its own words that it has no such schema; a proxy before it says 404 when the registry is not there. */
static bool is_its_own(struct registry *registry, struct slice body)
{
	const struct json_node *nodes = read_answer(registry, body, NULL), *code = nodes ? json_member(nodes, nodes, "error_code") : NULL;
	int64_t number;

	return code && value_is_integer(&code->value, &number) && number / 100 == 404;
}

static void fetch_next(struct entry *entry);

static void on_missing(struct entry *entry, struct slice body)
{
	int64_t now = clock_mono_ms();
	struct error err;

	if (!entry->strange_since_ms)
		entry->strange_since_ms = now;
	if (!is_its_own(entry->registry, body) && now - entry->strange_since_ms < STRANGE_404_MS) {
		is_away(entry, "404, but not in the words of a schema registry");
		return;
	}
	error_set(&err, "the registry at %s has no %s", entry->registry->url, entry->pieces[entry->fetched].path);
	there_is_none(entry, &err);
}

static void on_answer(void *ctx, long status, struct slice body, const char *reason)
{
	struct entry *entry = ctx;
	struct error err = { .text = "" };
	int taken;

	entry->busy = false;
	if (status == 404) {
		on_missing(entry, body);
		return;
	}
	if (status != 200) {
		if (status)
			error_set(&err, "it answers %ld%s%.*s", status, body.n ? ": " : "", body.n < 200 ? (int)body.n : 200, body.p ? body.p : "");
		is_away(entry, status ? err.text : reason);
		return;
	}
	taken = take_text(entry, body, &err);
	if (taken > 0)
		is_away(entry, err.text);
	else if (taken < 0)
		there_is_none(entry, &err);
	else if (++entry->fetched < entry->count)
		fetch_next(entry);
	else
		is_here(entry);
}

static void fetch_next(struct entry *entry)
{
	struct buf url = BUF_INIT;

	buf_printf(&url, "%s%s", entry->registry->url, entry->pieces[entry->fetched].path);
	entry->busy = true;
	fetch_start(entry->registry->fetches, buf_cstr(&url), on_answer, entry);
	buf_free(&url);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct registry *registry = ctx;

	(void)fd, (void)what;
	for (struct entry *entry = registry->by_id; entry; entry = entry->hh.next)
		if (entry->state == SCHEMAS_ASKED && !entry->busy)
			fetch_next(entry);
}

/* ---- the seam ---- */

static void ask(struct entry *entry)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "/schemas/ids/%u", entry->id);
	add_piece(entry, strdup(buf_cstr(&path)), NULL);
	buf_free(&path);
	entry->state = SCHEMAS_ASKED;
	fetch_next(entry);
}

static enum schemas_answer registry_get(struct schemas *schemas, uint32_t id, struct schema_texts *texts, struct error *err)
{
	struct registry *registry = (struct registry *)schemas;
	struct entry *entry;

	HASH_FIND(hh, registry->by_id, &id, sizeof id, entry);
	if (!entry) {
		entry = calloc(1, sizeof *entry);
		BUG_IF(!entry);
		entry->registry = registry;
		entry->id = id;
		HASH_ADD(hh, registry->by_id, id, sizeof entry->id, entry);
		ask(entry);
	} else if (entry->state == SCHEMAS_NONE && clock_mono_ms() - entry->answered_ms >= MISSING_KEPT_MS) {
		ask(entry);
	}
	if (entry->state == SCHEMAS_NONE)
		*err = entry->err;
	if (entry->state == SCHEMAS_HAVE)
		*texts = (struct schema_texts){ { entry->pieces[0].text, entry->pieces[0].n }, entry->others, entry->count - 1 };
	return entry->state;
}

static const char *registry_problem(struct schemas *schemas)
{
	struct registry *registry = (struct registry *)schemas;

	return registry->problem[0] ? registry->problem : NULL;
}

static void registry_close(struct schemas *schemas)
{
	struct registry *registry = (struct registry *)schemas;
	struct entry *entry, *next;

	fetches_free(registry->fetches);
	HASH_ITER(hh, registry->by_id, entry, next)
	{
		HASH_DEL(registry->by_id, entry);
		forget_pieces(entry);
		free(entry->others);
		free(entry);
	}
	event_free(registry->again);
	json_free(registry->json);
	arena_free(&registry->arena);
	free(registry->url);
	free(registry);
}

static const struct schemas_ops registry_ops = { .get = registry_get, .problem = registry_problem, .close = registry_close };

struct schemas *registry_new(struct event_base *loop, const struct registry_options *options, void (*wake)(void *ctx), void *ctx, struct error *err)
{
	struct fetch_options fetch = { .user = options->user, .password = options->password, .ca = options->ca };
	struct registry *registry;
	struct fetches *fetches;
	size_t n = strlen(options->url);

	if (fetch_check_url(options->url, err) < 0 || !(fetches = fetches_new(loop, &fetch, err))) {
		error_prefix(err, "schema registry");
		return NULL;
	}
	registry = calloc(1, sizeof *registry);
	BUG_IF(!registry);
	*registry = (struct registry){ .schemas = { &registry_ops }, .fetches = fetches, .wake = wake, .ctx = ctx };
	while (n > 0 && options->url[n - 1] == '/')
		n--;
	registry->url = strndup(options->url, n);
	registry->json = json_new();
	registry->again = event_new(loop, -1, 0, on_again, registry);
	BUG_IF(!registry->url || !registry->again);
	return &registry->schemas;
}
