/* simdjson behind json.h. simdjson's first stage finds the tokens of a text, checks its UTF-8 and its quotes, and
 * later unescapes strings; here the tokens are walked once, in order. Its On-Demand reader does the same above the first stage, but
 * a reader on top of it took a third longer (copies of iterators), and takes more than it is given for valid: it skips without looking.
 * Everything is walked: what lies too deep to be wanted goes through the same functions, and leaves no nodes behind. */
#include <new>
#include <simdjson.h>
#include <stdlib.h>

extern "C" {
#include "base/utf8.h"
#include "flow/json.h"
}

/* What is done for every token: the compiler would rather pass seven arguments. */
#define INLINE static inline __attribute__((always_inline))

/* Documents up to this size are read without malloc; room for a larger one is given back with the next that is not. */
static const size_t KEPT_BYTES = 256 * 1024;

static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "callers pad by JSON_PADDING");

struct json {
	std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
	struct json_node *nodes;
	size_t room;   /* for nodes: never less than the tokens of the document, so that nothing is checked on the way */
	char *scratch; /* where text that is only checked is unescaped to */
	size_t scratch_room;

	bool stands_in; /* the document is a copy of one whose text is no UTF-8: half a surrogate pair stands where that begins */

	/* of the document that is being read */
	const char *text;
	bool escapes;               /* there is a backslash somewhere: most have none, and need not look at each string for one */
	const uint32_t *tokens_end; /* where each token begins in the text; one reaches to the next, blanks included */
	uint32_t depth;
	const char *raw;
	struct arena *arena;
	struct error *err;
};

/* How far the walk has come: the token to be read and the node to be written. Passed by value, so that it stays in registers.
 * token is NULL after an error. */
struct walk {
	const uint32_t *token;
	struct json_node *node;
};

extern "C" struct json *json_new(void)
{
	struct json *json = new (std::nothrow) struct json();
	simdjson::error_code code;

	BUG_IF(!json);
	code = simdjson::get_active_implementation()->create_dom_parser_implementation(KEPT_BYTES, JSON_DEPTH_MOST, json->parser);
	BUG_IF(code);
	return json;
}

extern "C" void json_free(struct json *json)
{
	if (!json)
		return;
	free(json->nodes);
	free(json->scratch);
	delete json;
}

static bool fail(struct json *json, const char *at, const char *why)
{
	error_set(json->err, "no valid JSON: %s at byte %zu", why, (size_t)(at - json->text));
	return false;
}

static struct walk stop(struct json *json, const uint32_t *token, const char *why)
{
	if (token >= json->tokens_end)
		error_set(json->err, "no valid JSON: the text ends early");
	else
		fail(json, json->text + *token, why);
	return { NULL, NULL };
}

INLINE bool blank(char c)
{
	return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

/* A token without the blanks behind it. simdjson puts the size of the text behind the last one. */
INLINE struct slice token_text(const char *text, const uint32_t *token)
{
	const char *start = text + token[0], *end = text + token[1];

	while (blank(end[-1]))
		end--;
	return { start, (size_t)(end - start) };
}

/* May say yes for a backslash up to 15 bytes behind the text; the padding makes them readable. */
INLINE bool may_hold_backslash(const char *p, size_t n)
{
	typedef char block __attribute__((vector_size(16), aligned(1), may_alias));
	typedef long long halves __attribute__((vector_size(16)));
	halves found = { 0, 0 };

	for (size_t i = 0; i < n; i += sizeof found)
		found |= (halves)(*(const block *)(p + i) == '\\');
	return (found[0] | found[1]) != 0;
}

/* Room for what a text unescapes to: in the arena, or where nobody wants it, in the scratch. */
static uint8_t *unescape_room(struct json *json, size_t n, bool keep)
{
	n += simdjson::SIMDJSON_PADDING;
	if (keep)
		return (uint8_t *)arena_alloc(json->arena, n);
	if (json->scratch_room < n) {
		free(json->scratch);
		json->scratch_room = n * 2;
		json->scratch = (char *)malloc(json->scratch_room);
		BUG_IF(!json->scratch);
	}
	return (uint8_t *)json->scratch;
}

/* Unescaped from between its quotes. Where nobody wants it (keep is false) it is only checked. */
static __attribute__((noinline)) bool unescape(struct json *json, struct slice *text, bool keep)
{
	uint8_t *start = unescape_room(json, text->n, keep);
	uint8_t *end = json->parser->parse_string((const uint8_t *)text->p, start);

	if (!end)
		return fail(json, text->p,
			    json->stands_in ? "a string that is no UTF-8" : "a string with an escape that is none, or with half of a surrogate pair");
	*text = { (const char *)start, (size_t)(end - start) };
	return true;
}

/* An error in a member's value says whose it is. */
static __attribute__((noinline)) struct walk stop_in(struct json *json, const struct slice *name)
{
	if (name->n && name->n <= 100 && utf8_valid(*name))
		error_prefix(json->err, "\"%.*s\"", (int)name->n, name->p);
	return { NULL, NULL };
}

/* The text of the string that is this token. */
template <bool keep> INLINE bool read_string(struct json *json, struct slice token, struct slice *text)
{
	if (token.n < 2 || token.p[token.n - 1] != '"')
		return fail(json, token.p, "a string that something follows");
	*text = { token.p + 1, token.n - 2 };
	if (!json->escapes || !may_hold_backslash(text->p, text->n) || !memchr(text->p, '\\', text->n))
		return true;
	return unescape(json, text, keep);
}

template <bool keep> INLINE bool read_scalar(struct json *json, struct slice token, struct value *value)
{
	value->ready = false;
	if (*token.p == '"') {
		struct slice text;

		value->kind = VALUE_TEXT;
		if (!read_string<keep>(json, token, &text))
			return false;
		value->p = text.p;
		value->n = (uint32_t)text.n;
		return true;
	}
	value->p = token.p;
	value->n = (uint32_t)token.n;
	if ((*token.p >= '0' && *token.p <= '9') || *token.p == '-') {
		value->kind = VALUE_NUMBER;
		return (*token.p != '0' && slice_is_digits(token)) || value_is_number(token) || fail(json, token.p, "a number that is none");
	}
	value->kind = token.n == 4 && memcmp(token.p, "null", 4) == 0    ? VALUE_NULL
		      : token.n == 4 && memcmp(token.p, "true", 4) == 0  ? VALUE_TRUE
		      : token.n == 5 && memcmp(token.p, "false", 5) == 0 ? VALUE_FALSE
									 : VALUE_ABSENT;
	return value->kind != VALUE_ABSENT || fail(json, token.p, "no value");
}

template <bool keep> static struct walk read_container(struct json *json, struct walk at, const struct slice *name, uint32_t level);

/* The value to come, which lies at this level. keep: it becomes a node. */
template <bool keep> INLINE struct walk read_value(struct json *json, struct walk at, const struct slice *name, uint32_t level)
{
	struct json_node *node = at.node;
	struct value dropped;
	char first;

	if (at.token >= json->tokens_end)
		return stop(json, at.token, "");
	first = json->text[*at.token];
	if (first == '{' || first == '[')
		return read_container<keep>(json, at, name, level);
	if (!read_scalar<keep>(json, token_text(json->text, at.token), keep ? &node->value : &dropped))
		return stop_in(json, name);
	if (keep) {
		node->name = *name;
		node->end = (uint32_t)(node - json->nodes) + 1;
		node->object = node->expanded = false;
		at.node++;
	}
	at.token++;
	return at;
}

/* All members of the object or array to come. */
template <bool keep> static struct walk read_members(struct json *json, struct walk at, uint32_t level)
{
	const char *text = json->text;
	bool object = text[*at.token++] == '{';
	char close = object ? '}' : ']', next;

	if (at.token < json->tokens_end && text[*at.token] == close)
		return { at.token + 1, at.node };
	do {
		struct slice name = { NULL, 0 };

		if (object) {
			if (json->tokens_end - at.token < 2)
				return stop(json, json->tokens_end, "");
			if (text[at.token[0]] != '"')
				return stop(json, at.token, "no name of a member");
			if (!read_string<keep>(json, token_text(text, at.token), &name))
				return { NULL, NULL };
			if (!keep && name.p == json->scratch)
				name = { NULL, 0 }; /* what follows is unescaped to the same place */
			if (text[at.token[1]] != ':')
				return stop(json, at.token + 1, "no colon behind a name");
			at.token += 2;
		}
		at = read_value<keep>(json, at, &name, level + 1);
		if (!at.token)
			return at;
		if (at.token >= json->tokens_end)
			return stop(json, at.token, "");
		next = text[*at.token++];
	} while (next == ',');
	if (next != close)
		return stop(json, at.token - 1, object ? "neither a comma nor the end of an object" : "neither a comma nor the end of an array");
	return at;
}

template <bool keep>
static __attribute__((noinline)) struct walk read_container(struct json *json, struct walk at, const struct slice *name, uint32_t level)
{
	const char *start = json->text + *at.token;
	struct json_node *node = at.node;
	bool expand = keep && level <= json->depth && !(level == 1 && json->raw && name->p && slice_is(*name, json->raw));

	if (level >= JSON_DEPTH_MOST) {
		error_set(json->err, "JSON that is nested deeper than %d", JSON_DEPTH_MOST);
		return { NULL, NULL };
	}
	if (keep)
		at.node++;
	at = expand ? read_members<true>(json, at, level) : read_members<false>(json, at, level);
	if (!at.token || !keep)
		return at;
	node->name = *name;
	node->value.p = start;
	node->value.n = (uint32_t)(json->text + at.token[-1] + 1 - start); /* its last token was its bracket */
	node->value.kind = VALUE_JSON;
	node->value.ready = false;
	node->object = *start == '{';
	node->expanded = expand;
	node->end = (uint32_t)(at.node - json->nodes);
	return at;
}

/* Room in simdjson for a text of this size. */
static int make_room(struct json *json, size_t size, struct error *err)
{
	simdjson::error_code code = simdjson::SUCCESS;

	if (size > json->parser->capacity())
		code = json->parser->set_capacity(size);
	else if (size <= KEPT_BYTES && json->parser->capacity() > KEPT_BYTES)
		code = json->parser->set_capacity(KEPT_BYTES);
	return code ? error_set(err, "a JSON text of %zu bytes: %s", size, simdjson::error_message(code)) : 0;
}

/* Which member it is whose text is no UTF-8. The first stage only tells that there is one; so its bytes are replaced by what the walk
 * cannot read either. */
static int refuse_text(struct json *json, struct slice text, struct arena *arena, struct error *err)
{
	static const struct slice half = SLICE("\\ud800");
	char *copy, *out;
	const struct json_node *nodes;
	size_t at = 0, first = text.n;
	bool found;

	if (!err)
		return -1;
	copy = out = (char *)arena_alloc(arena, text.n + half.n + JSON_PADDING);
	while (at < text.n) {
		size_t n = utf8_sequence(text.p + at, text.n - at);

		if (n) {
			out = (char *)memcpy(out, text.p + at, n) + n;
		} else if (first == text.n) {
			first = at;
			out = (char *)memcpy(out, half.p, half.n) + half.n;
		} else {
			*out++ = '?';
		}
		at += n ? n : 1;
	}
	memset(out, 0, JSON_PADDING);
	json->stands_in = true;
	found = json_read(json, { copy, (size_t)(out - copy) }, 0, NULL, arena, &nodes, err) < 0 && strstr(err->text, "no UTF-8");
	json->stands_in = false;
	return found ? -1 : error_set(err, "no valid JSON: bytes that are no UTF-8 at byte %zu", first);
}

extern "C" int json_read(struct json *json, struct slice text, uint32_t depth, const char *raw, struct arena *arena, const struct json_node **nodes,
			 struct error *err)
{
	simdjson::error_code code;
	const struct slice none = { NULL, 0 };
	struct walk at;

	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = { text.p + 3, text.n - 3 };
	if (text.n > UINT32_MAX / 2)
		return error_set(err, "a JSON text of more than 2 GB");
	if (make_room(json, text.n, err) < 0)
		return -1;
	code = json->parser->stage1((const uint8_t *)text.p, text.n, simdjson::stage1_mode::regular);
	if (code == simdjson::UTF8_ERROR && !json->stands_in)
		return refuse_text(json, text, arena, err);
	if (code)
		return error_set(err, "no valid JSON: %s", simdjson::error_message(code));
	if (json->room < json->parser->n_structural_indexes) {
		free(json->nodes);
		json->room = json->parser->n_structural_indexes + 256;
		json->nodes = (struct json_node *)malloc(json->room * sizeof *json->nodes);
		BUG_IF(!json->nodes);
	}
	json->text = text.p;
	json->escapes = memchr(text.p, '\\', text.n);
	json->tokens_end = json->parser->structural_indexes.get() + json->parser->n_structural_indexes;
	json->depth = depth;
	json->raw = raw;
	json->arena = arena;
	json->err = err;
	at = read_value<true>(json, { json->parser->structural_indexes.get(), json->nodes }, &none, 0);
	if (!at.token)
		return -1;
	if (at.token != json->tokens_end) {
		fail(json, json->text + *at.token, "something follows the document");
		return -1;
	}
	*nodes = json->nodes;
	return (int)(at.node - json->nodes);
}
