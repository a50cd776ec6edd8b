/* A growable run of bytes that owns its memory. Allocation failure aborts: memory is bounded by counting, not by malloc. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

struct buf {
	char *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes owned */
};

#define BUF_INIT ((struct buf){ 0 })

/* Slow path of buf_reserve. Aborts where the system has no memory. */
void buf_grow(struct buf *b, size_t n);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* A decimal number, without printf's cost; int_text writes at most 20 bytes to out, no NUL, and returns how many. */
void buf_int(struct buf *b, int64_t number);
size_t int_text(int64_t number, char *out);
/* Lower-case hexadecimal. */
void buf_hex(struct buf *b, struct slice bytes);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void buf_json_string(struct buf *b, struct slice text);
/* NUL-terminated view; the NUL is not counted in n. */
const char *buf_cstr(struct buf *b);
void buf_free(struct buf *b);

/* Makes room for n more bytes and returns where they go; the caller adds to b->n what it wrote. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
	if (__builtin_expect(b->cap - b->n < n, 0))
		buf_grow(b, n);
	return b->p + b->n;
}

static inline void buf_append(struct buf *b, const void *bytes, size_t n)
{
	if (n)
		memcpy(buf_reserve(b, n), bytes, n);
	b->n += n;
}

static inline void buf_slice(struct buf *b, struct slice s)
{
	buf_append(b, s.p, s.n);
}

static inline void buf_text(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

static inline void buf_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->n++;
}

static inline void buf_clear(struct buf *b)
{
	b->n = 0;
}

static inline struct slice buf_view(const struct buf *b)
{
	return (struct slice){ b->p, b->n };
}

#endif
