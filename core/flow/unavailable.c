#include "flow/unavailable.h"

#include "base/base64.h"
#include "base/buf.h"

enum { ARRAY_AROUND = 4 }; /* bytes: [" and "] */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool put_octets(struct unavailable *u, struct slice hex)
{
	if (hex.n % 2 || hex.n / 2 > UNAVAILABLE_MOST)
		return false;
	for (size_t i = 0; i < hex.n; i += 2) {
		int high = digit(hex.p[i]), low = digit(hex.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		u->text[u->text_n++] = (char)(high << 4 | low);
	}
	return true;
}

bool unavailable_set(struct unavailable *u, struct slice setting)
{
	static const struct slice octets = SLICE("hex:");
	struct buf text = BUF_INIT;

	*u = (struct unavailable){ 0 };
	if (setting.n >= octets.n && memcmp(setting.p, octets.p, octets.n) == 0) {
		if (!put_octets(u, (struct slice){ setting.p + octets.n, setting.n - octets.n }))
			return false;
	} else if (setting.n <= UNAVAILABLE_MOST) {
		memcpy(u->text, setting.p, setting.n);
		u->text_n = (uint32_t)setting.n;
	}
	if (u->text_n == 0)
		return false;
	base64_encode(&text, (struct slice){ u->text, u->text_n });
	memcpy(u->base64, text.p, text.n);
	u->base64_n = (uint32_t)text.n;
	buf_clear(&text);
	buf_hex(&text, (struct slice){ u->text, u->text_n });
	memcpy(u->hex, text.p, text.n);
	u->hex_n = (uint32_t)text.n;
	buf_free(&text);
	return true;
}

/* Of an array: one element, the text. */
static bool is_array_of(const struct unavailable *u, const struct value *v)
{
	return v->n == u->text_n + ARRAY_AROUND && memcmp(v->p, "[\"", 2) == 0 && memcmp(v->p + 2, u->text, u->text_n) == 0 &&
	       memcmp(v->p + 2 + u->text_n, "\"]", 2) == 0;
}

static bool is_unavailable(const struct unavailable *u, const struct value *v)
{
	if (v->kind == VALUE_JSON)
		return is_array_of(u, v);
	if (v->kind != VALUE_TEXT && v->kind != VALUE_BYTES)
		return false;
	return (v->n == u->text_n && memcmp(v->p, u->text, v->n) == 0) || (v->n == u->base64_n && memcmp(v->p, u->base64, v->n) == 0) ||
	       (v->n == u->hex_n && memcmp(v->p, u->hex, v->n) == 0);
}

bool unavailable_drop(const struct unavailable *unavailable, struct image *image)
{
	/* Debezium's default. */
	static const struct unavailable usual = {
		"__debezium_unavailable_value",
		"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
		"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565",
		28,
		40,
		56,
	};
	const struct unavailable *u = unavailable->text_n ? unavailable : &usual;
	const uint32_t count = image->state != IMAGE_ABSENT ? image->shape->count : 0;
	const uint32_t text_n = u->text_n, base64_n = u->base64_n, hex_n = u->hex_n, array_n = text_n + ARRAY_AROUND;
	bool dropped = false;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = image->values[i].n; /* tells it of nearly all, in each row of each message */

		if ((n != text_n && n != base64_n && n != hex_n && n != array_n) || !is_unavailable(u, &image->values[i]))
			continue;
		image->values[i] = (struct value){ .kind = VALUE_ABSENT };
		image->state = IMAGE_PARTIAL;
		dropped = true;
	}
	return dropped;
}
