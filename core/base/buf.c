#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/utf8.h"

void buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap * 2 : 256;

	while (cap - b->n < n)
		cap *= 2;
	b->p = realloc(b->p, cap);
	BUG_IF(!b->p);
	b->cap = cap;
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	BUG_IF(n < 0);
	vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
	va_end(again);
	b->n += (size_t)n;
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

size_t int_text(int64_t number, char *out)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	size_t n;

	do
		*--p = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		*--p = '-';
	n = (size_t)(digits + sizeof digits - p);
	memcpy(out, p, n);
	return n;
}

void buf_int(struct buf *b, int64_t number)
{
	b->n += int_text(number, buf_reserve(b, 24));
}

void buf_hex(struct buf *b, struct slice bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *out = buf_reserve(b, bytes.n * 2);

	for (size_t i = 0; i < bytes.n; i++) {
		*out++ = digits[(unsigned char)bytes.p[i] >> 4];
		*out++ = digits[(unsigned char)bytes.p[i] & 15];
	}
	b->n += bytes.n * 2;
}

void buf_json_string(struct buf *b, struct slice text)
{
	buf_char(b, '"');
	for (size_t i = 0; i < text.n;) {
		unsigned char c = (unsigned char)text.p[i];
		size_t length;

		if (c == '"' || c == '\\') {
			buf_char(b, '\\');
			buf_char(b, (char)c);
			i++;
		} else if (c == '\n') {
			buf_text(b, "\\n");
			i++;
		} else if (c == '\t') {
			buf_text(b, "\\t");
			i++;
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(b, "\\u%04x", c);
			i++;
		} else if (c < 0x80) {
			buf_char(b, (char)c);
			i++;
		} else if ((length = utf8_sequence(text.p + i, text.n - i)) > 0) {
			buf_append(b, text.p + i, length);
			i += length;
		} else {
			buf_text(b, "\\ufffd");
			i++;
		}
	}
	buf_char(b, '"');
}

const char *buf_cstr(struct buf *b)
{
	*buf_reserve(b, 1) = 0;
	return b->p;
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT;
}
