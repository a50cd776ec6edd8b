#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct slice bytes)
{
	const unsigned char *in = (const unsigned char *)bytes.p;
	char *begin = buf_reserve(out, (bytes.n + 2) / 3 * 4), *to = begin;
	size_t i = 0;

	for (; i + 3 <= bytes.n; i += 3) {
		unsigned three = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

		*to++ = alphabet[three >> 18];
		*to++ = alphabet[three >> 12 & 63];
		*to++ = alphabet[three >> 6 & 63];
		*to++ = alphabet[three & 63];
	}
	if (i < bytes.n) {
		unsigned rest = (unsigned)in[i] << 16 | (i + 1 < bytes.n ? (unsigned)in[i + 1] << 8 : 0);

		*to++ = alphabet[rest >> 18];
		*to++ = alphabet[rest >> 12 & 63];
		*to++ = i + 1 < bytes.n ? alphabet[rest >> 6 & 63] : '=';
		*to++ = '=';
	}
	out->n += (size_t)(to - begin);
}

static int digit(unsigned char c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'             ? 62
	       : c == '/'             ? 63
				      : -1;
}

ssize_t base64_decode(char *out, struct slice text)
{
	char *to = out;
	unsigned bits = 0;
	int have = 0;

	if (text.n % 4 == 0 && text.n > 0 && text.p[text.n - 1] == '=')
		text.n -= text.p[text.n - 2] == '=' ? 2 : 1;
	if (text.n % 4 == 1)
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		int value = digit((unsigned char)text.p[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*to++ = (char)(bits >> have & 255);
		}
	}
	/* Bits left over that are set belong to no byte: the text was cut or is something else. */
	if (bits & ((1u << have) - 1))
		return -1;
	return to - out;
}
