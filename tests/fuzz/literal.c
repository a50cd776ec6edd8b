/* How databases read SQL literals and numbers, written without a look at how the engine writes them. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

static bool take(struct slice *sql, const char *text)
{
	size_t n = strlen(text);

	if (sql->n < n || memcmp(sql->p, text, n) != 0)
		return false;
	sql->p += n;
	sql->n -= n;
	return true;
}

static int hex_of(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct slice *sql, struct buf *bytes)
{
	if (!take(sql, "x'"))
		return false;
	while (sql->n >= 2 && hex_of(sql->p[0]) >= 0 && hex_of(sql->p[1]) >= 0) {
		buf_char(bytes, (char)(hex_of(sql->p[0]) << 4 | hex_of(sql->p[1])));
		sql->p += 2;
		sql->n -= 2;
	}
	return take(sql, "'");
}

/* MySQL knows more escapes than these; the engine has no business with them. */
static bool read_text(struct slice *sql, bool backslash, struct buf *bytes)
{
	if (!take(sql, "'"))
		return false;
	while (sql->n) {
		char c = (char)fuzz_byte(sql);

		if (c == '\'' && (backslash || !take(sql, "'")))
			return true;
		if (c == '\\' && backslash) {
			c = (char)fuzz_byte(sql);
			if (c != '\\' && c != '\'' && c != '0')
				return false;
			c = c == '0' ? '\0' : c;
		}
		buf_char(bytes, c);
	}
	return false;
}

static bool read_number(struct slice *sql, struct buf *bytes)
{
	size_t n = 0;

	while (n < sql->n && (isdigit((unsigned char)sql->p[n]) || strchr("+-.eE", sql->p[n])) && sql->p[n])
		n++;
	buf_append(bytes, sql->p, n);
	sql->p += n;
	sql->n -= n;
	return n > 0;
}

/* (integer*1.0/integer/integer...) */
static bool read_double(struct slice *sql, double *number)
{
	struct buf part = BUF_INIT;
	bool good = take(sql, "(") && read_number(sql, &part) && take(sql, "*1.0");

	*number = good ? strtod(buf_cstr(&part), NULL) : 0;
	while (good && !take(sql, ")")) {
		bool divided = take(sql, "/");

		good = divided || take(sql, "*");
		buf_clear(&part);
		good = good && read_number(sql, &part);
		if (good)
			*number = divided ? *number / strtod(buf_cstr(&part), NULL) : *number * strtod(buf_cstr(&part), NULL);
	}
	buf_free(&part);
	return good;
}

bool literal_read(struct slice *sql, bool backslash, struct literal *literal)
{
	static const char *const words[] = { "NULL", "DEFAULT" };
	char first = sql->n ? sql->p[0] : 0;

	*literal = (struct literal){ 0 };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (take(sql, words[i])) {
			buf_text(&literal->bytes, words[i]);
			return true;
		}
	}
	if (take(sql, "CAST(")) {
		literal->kind = LITERAL_TEXT;
		return read_hex(sql, &literal->bytes) && take(sql, " AS TEXT)");
	}
	literal->kind = first == 'x' ? LITERAL_BYTES : first == '\'' ? LITERAL_TEXT : first == '(' ? LITERAL_DOUBLE : LITERAL_NUMBER;
	switch (literal->kind) {
	case LITERAL_BYTES:
		return read_hex(sql, &literal->bytes);
	case LITERAL_TEXT:
		return read_text(sql, backslash, &literal->bytes);
	case LITERAL_DOUBLE:
		return read_double(sql, &literal->number);
	default:
		return read_number(sql, &literal->bytes);
	}
}

void literal_free(struct literal *literal)
{
	buf_free(&literal->bytes);
}

void number_canonical(struct slice text, struct buf *out)
{
	struct buf digits = BUF_INIT;
	bool negative = text.n && text.p[0] == '-';
	long exponent = 0, behind = 0;
	size_t i = negative, first = 0;

	for (bool point = false; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
		if (text.p[i] == '.') {
			point = true;
			continue;
		}
		buf_char(&digits, text.p[i]);
		behind += point;
	}
	if (i < text.n) {
		struct buf power = BUF_INIT;

		buf_append(&power, text.p + i + 1, text.n - i - 1);
		exponent = strtol(buf_cstr(&power), NULL, 10);
		buf_free(&power);
	}
	while (digits.n > 0 && digits.p[digits.n - 1] == '0') {
		digits.n--;
		behind--;
	}
	while (first < digits.n && digits.p[first] == '0')
		first++;
	if (first == digits.n)
		buf_text(out, "0");
	else
		buf_printf(out, "%s%.*se%ld", negative ? "-" : "", (int)(digits.n - first), digits.p + first,
			   exponent > INT32_MAX || exponent < INT32_MIN ? exponent : exponent - behind);
	buf_free(&digits);
}
