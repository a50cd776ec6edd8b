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
#define likely(what) __builtin_expect(!!(what), 1)
#define unlikely(what) __builtin_expect(!!(what), 0)

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
	uint32_t depth;
	const char *raw;
	struct arena *arena;
	struct error *err;
	struct walk {
		const char *text;
		const uint32_t *end;    /* of the tokens, each where it begins in the text; it reaches to the next, blanks included */
		const uint32_t *token;  /* to be read; simdjson puts the size of the text behind the last */
		struct json_node *node; /* to be written */
		uint32_t written;       /* nodes before it */
		bool escapes;           /* there is a backslash somewhere: most have none, and need not look at each string for one */
	} at; /* how far the walk has come. While it is in one object or array it is a copy of this, which stays in registers. */
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
	error_set(json->err, "no valid JSON: %s at byte %zu", why, (size_t)(at - json->at.text));
	return false;
}

static __attribute__((noinline)) bool stop(struct json *json, const uint32_t *token, const char *why)
{
	if (token >= json->at.end)
		return error_set(json->err, "no valid JSON: the text ends early") == 0;
	return fail(json, json->at.text + *token, why);
}

INLINE bool blank(char c)
{
	return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

/* A token from where it starts to where the next one does, without the blanks between them. */
INLINE struct slice token_text(const char *start, const char *next)
{
	while (blank(next[-1]))
		next--;
	return { start, (size_t)(next - start) };
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

/* Unescaped from between its quotes; p is NULL where that fails. Where nobody wants it (keep is false) it is only checked. */
static __attribute__((noinline)) struct slice unescape(struct json *json, struct slice text, bool keep)
{
	uint8_t *start = unescape_room(json, text.n, keep);
	uint8_t *end = json->parser->parse_string((const uint8_t *)text.p, start);

	if (end)
		return { (const char *)start, (size_t)(end - start) };
	fail(json, text.p, json->stands_in ? "a string that is no UTF-8" : "a string with an escape that is none, or with half of a surrogate pair");
	return { NULL, 0 };
}

/* An error in a member's value says whose it is. */
static __attribute__((noinline)) bool stop_in(struct json *json, struct slice name)
{
	if (name.n && name.n <= 100 && utf8_valid(name))
		error_prefix(json->err, "\"%.*s\"", (int)name.n, name.p);
	return false;
}

/* The text of the string that starts here, p NULL where it is none. Its second quote stands before the next token: simdjson has seen to that. */
template <bool keep> INLINE struct slice read_string(struct json *json, bool escapes, const char *start, const char *next)
{
	struct slice text = { start + 1, (size_t)(next - start) - 2 };

	if (unlikely(next[-1] != '"')) {
		text.n = token_text(start, next).n - 2;
		if (text.p[text.n] != '"') {
			fail(json, start, "a string that something follows");
			return { NULL, 0 };
		}
	}
	if (likely(!escapes) || !may_hold_backslash(text.p, text.n) || !memchr(text.p, '\\', text.n))
		return text;
	return unescape(json, text, keep);
}

/* VALUE_ABSENT: it is none of the three. */
INLINE enum value_kind kind_of_word(struct slice token)
{
	if (token.n == 4 && slice_load(token.p, 4) == slice_load("null", 4))
		return VALUE_NULL;
	if (token.n == 4 && slice_load(token.p, 4) == slice_load("true", 4))
		return VALUE_TRUE;
	return token.n == 5 && memcmp(token.p, "false", 5) == 0 ? VALUE_FALSE : VALUE_ABSENT;
}

/* The number, true, false or null that starts here; VALUE_ABSENT where it is none. */
INLINE enum value_kind read_word(struct json *json, struct slice token)
{
	enum value_kind kind = VALUE_NUMBER;

	if ((unsigned char)(*token.p - '0') <= 9 || *token.p == '-') {
		if ((*token.p != '0' && likely(slice_is_digits(token))) || value_is_number(token))
			return VALUE_NUMBER;
		fail(json, token.p, "a number that is none");
		return VALUE_ABSENT;
	}
	kind = kind_of_word(token);
	if (unlikely(kind == VALUE_ABSENT))
		fail(json, token.p, "no value");
	return kind;
}

template <bool keep> static bool read_container(struct json *json, struct slice name, uint32_t level);

/* The value to come, which lies at this level. keep: it becomes a node. */
template <bool keep> INLINE bool read_value(struct json *json, struct json::walk *at, struct slice name, uint32_t level)
{
	const char *start = at->text + at->token[0], *next = at->text + at->token[1];
	enum value_kind kind = VALUE_TEXT;
	struct slice value;

	if (unlikely(at->token >= at->end))
		return stop(json, at->token, "");
	if (*start == '"') {
		value = read_string<keep>(json, at->escapes, start, next);
		if (unlikely(!value.p))
			return stop_in(json, name);
	} else if (*start == '{' || *start == '[') {
		json->at = *at;
		if (!read_container<keep>(json, name, level))
			return false;
		*at = json->at;
		return true;
	} else {
		value = token_text(start, next);
		kind = read_word(json, value);
		if (unlikely(kind == VALUE_ABSENT))
			return stop_in(json, name);
	}
	at->token++;
	if (keep) {
		struct json_node *node = at->node++;

		node->name = name;
		node->value.p = value.p;
		node->value.n = (uint32_t)value.n;
		node->value.kind = (uint8_t)kind;
		node->value.ready = false;
		node->end = ++at->written;
		node->object = node->expanded = false;
	}
	return true;
}

/* The name of the member to come, and its colon; p is NULL where there is none. */
template <bool keep> INLINE struct slice read_name(struct json *json, struct json::walk *at)
{
	const char *start = at->text + at->token[0], *colon = at->text + at->token[1];
	struct slice name = { NULL, 0 };

	if (unlikely(at->end - at->token < 2)) {
		stop(json, at->end, "");
	} else if (unlikely(*start != '"')) {
		stop(json, at->token, "no name of a member");
	} else {
		name = read_string<keep>(json, at->escapes, start, colon);
		if (unlikely(name.p && *colon != ':')) {
			stop(json, at->token + 1, "no colon behind a name");
			name.p = NULL;
		}
	}
	at->token += 2;
	return name;
}

/* All members of the object or array whose bracket was read. */
template <bool keep, bool object> static bool read_members(struct json *json, uint32_t level)
{
	const char close = object ? '}' : ']';
	struct json::walk at = json->at;
	char next = ',';

	if (at.token < at.end && at.text[*at.token] == close) {
		json->at.token++;
		return true;
	}
	while (next == ',') {
		struct slice name = { NULL, 0 };

		if (object) {
			name = read_name<keep>(json, &at);
			if (unlikely(!name.p))
				return false;
			if (!keep && name.p == json->scratch)
				name.n = 0; /* what follows is unescaped to the same place */
		}
		if (unlikely(!read_value<keep>(json, &at, name, level + 1)))
			return false;
		if (unlikely(at.token >= at.end))
			return stop(json, at.token, "");
		next = at.text[*at.token++];
	}
	json->at = at;
	if (unlikely(next != close))
		return stop(json, at.token - 1, object ? "neither a comma nor the end of an object" : "neither a comma nor the end of an array");
	return true;
}

template <bool keep> static __attribute__((noinline)) bool read_container(struct json *json, struct slice name, uint32_t level)
{
	const char *start = json->at.text + *json->at.token++;
	struct json_node *node = json->at.node;
	bool expand = keep && level <= json->depth && !(level == 1 && json->raw && name.p && slice_is(name, json->raw));
	bool object = *start == '{', read;

	if (level >= JSON_DEPTH_MOST)
		return error_set(json->err, "JSON that is nested deeper than %d", JSON_DEPTH_MOST) == 0;
	if (keep) {
		json->at.node++;
		json->at.written++;
	}
	if (expand)
		read = object ? read_members<true, true>(json, level) : read_members<true, false>(json, level);
	else
		read = object ? read_members<false, true>(json, level) : read_members<false, false>(json, level);
	if (!read || !keep)
		return read;
	node->name = name;
	node->value.p = start;
	node->value.n = (uint32_t)(json->at.text + json->at.token[-1] + 1 - start); /* its last token was its bracket */
	node->value.kind = VALUE_JSON;
	node->value.ready = false;
	node->object = object;
	node->expanded = expand;
	node->end = json->at.written;
	return true;
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
	const uint32_t *tokens;

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
	tokens = json->parser->structural_indexes.get();
	json->at = { text.p, tokens + json->parser->n_structural_indexes, tokens, json->nodes, 0, memchr(text.p, '\\', text.n) != NULL };
	json->depth = depth;
	json->raw = raw;
	json->arena = arena;
	json->err = err;
	if (!read_value<true>(json, &json->at, none, 0))
		return -1;
	if (json->at.token != json->at.end) {
		fail(json, text.p + *json->at.token, "something follows the document");
		return -1;
	}
	*nodes = json->nodes;
	return (int)json->at.written;
}
