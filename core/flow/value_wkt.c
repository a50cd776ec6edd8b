#include "flow/value_wkt.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

enum { NESTED_MOST = 32 };

enum kind { POINT = 1, LINESTRING, POLYGON, MULTIPOINT, MULTILINESTRING, MULTIPOLYGON, GEOMETRYCOLLECTION };

/* Well-known binary, as it is made: 4 bytes of SRID, then a byte of order and a type for each geometry. */
struct wkt {
	const char *p, *end; /* what is still to be read; a NUL stands at end */
	char *out;
};

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "POINT", POINT },
	{ "LINESTRING", LINESTRING },
	{ "POLYGON", POLYGON },
	{ "MULTIPOINT", MULTIPOINT },
	{ "MULTILINESTRING", MULTILINESTRING },
	{ "MULTIPOLYGON", MULTIPOLYGON },
	{ "GEOMETRYCOLLECTION", GEOMETRYCOLLECTION },
};

static bool geometry(struct wkt *in, int depth);

static void blanks(struct wkt *in)
{
	while (in->p < in->end && (*in->p == ' ' || *in->p == '\t' || *in->p == '\n' || *in->p == '\r'))
		in->p++;
}

static bool mark(struct wkt *in, char c)
{
	blanks(in);
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

static bool word(struct wkt *in, const char *name)
{
	size_t n = strlen(name);

	blanks(in);
	if ((size_t)(in->end - in->p) < n || strncasecmp(in->p, name, n) != 0)
		return false;
	in->p += n;
	return true;
}

static void put_int(char *out, uint32_t number)
{
	for (size_t i = 0; i < sizeof number; i++)
		out[i] = (char)(number >> (8 * i));
}

static void put_head(struct wkt *in, enum kind kind)
{
	*in->out = 1; /* little-endian */
	put_int(in->out + 1, kind);
	in->out += 5;
}

static bool ordinate(struct wkt *in)
{
	uint64_t bits;
	double number;
	char *end;

	blanks(in);
	/* strtod also knows words and hexadecimal digits. */
	if (in->p == in->end || !strchr("+-.0123456789", *in->p))
		return false;
	number = strtod(in->p, &end);
	if (end == in->p || end > in->end || memchr(in->p, 'x', (size_t)(end - in->p)) || memchr(in->p, 'n', (size_t)(end - in->p)))
		return false;
	in->p = end;
	memcpy(&bits, &number, sizeof bits);
	put_int(in->out, (uint32_t)bits);
	put_int(in->out + 4, (uint32_t)(bits >> 32));
	in->out += sizeof bits;
	return true;
}

static bool position(struct wkt *in)
{
	return ordinate(in) && ordinate(in);
}

/* "( item, item ... )" behind the count that they turn out to have. */
static bool list(struct wkt *in, bool (*item)(struct wkt *in, int depth), int depth)
{
	char *count_at = in->out;
	uint32_t count = 0;

	in->out += 4;
	if (!word(in, "EMPTY")) {
		if (!mark(in, '('))
			return false;
		do {
			if (!item(in, depth))
				return false;
			count++;
		} while (mark(in, ','));
		if (!mark(in, ')'))
			return false;
	}
	put_int(count_at, count);
	return true;
}

static bool position_item(struct wkt *in, int depth)
{
	(void)depth;
	return position(in);
}

static bool ring(struct wkt *in, int depth)
{
	return list(in, position_item, depth);
}

/* Of a MULTIPOINT: with brackets of its own or without. */
static bool point_item(struct wkt *in, int depth)
{
	bool bracket = mark(in, '(');

	(void)depth;
	put_head(in, POINT);
	return position(in) && (!bracket || mark(in, ')'));
}

static bool line_item(struct wkt *in, int depth)
{
	put_head(in, LINESTRING);
	return list(in, position_item, depth);
}

static bool polygon_item(struct wkt *in, int depth)
{
	put_head(in, POLYGON);
	return list(in, ring, depth);
}

static bool body(struct wkt *in, enum kind kind, int depth)
{
	put_head(in, kind);
	switch (kind) {
	case POINT:
		return mark(in, '(') && position(in) && mark(in, ')');
	case LINESTRING:
		return list(in, position_item, depth);
	case POLYGON:
		return list(in, ring, depth);
	case MULTIPOINT:
		return list(in, point_item, depth);
	case MULTILINESTRING:
		return list(in, line_item, depth);
	case MULTIPOLYGON:
		return list(in, polygon_item, depth);
	case GEOMETRYCOLLECTION:
		return list(in, geometry, depth + 1);
	}
	return false;
}

static bool geometry(struct wkt *in, int depth)
{
	for (size_t i = 0; depth < NESTED_MOST && i < sizeof kinds / sizeof *kinds; i++)
		if (word(in, kinds[i].name))
			return body(in, kinds[i].kind, depth);
	return false;
}

bool value_is_wkt(const struct value *v)
{
	struct wkt in = { v->p, v->p + v->n, NULL };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (word(&in, kinds[i].name))
			return true;
	return false;
}

int value_wkt(struct value *v, struct arena *arena, struct error *err)
{
	/* Nothing takes more room than the shortest text for it: "1 2," becomes a whole point of 21 bytes. */
	struct slice text = arena_copy(arena, (struct slice){ v->p, v->n });
	char *start = arena_zalloc(arena, 64 + text.n * 8);
	struct wkt in = { text.p, text.p + text.n, start + 4 };

	if (!geometry(&in, 0))
		return error_set(err, "%.*s is no geometry", SLICE_ARG(value_show(v, arena)));
	blanks(&in);
	if (in.p != in.end)
		return error_set(err, "something follows the geometry at byte %zu", (size_t)(in.p - text.p));
	v->p = start;
	v->n = (uint32_t)(in.out - start);
	v->kind = VALUE_BYTES;
	return 0;
}
