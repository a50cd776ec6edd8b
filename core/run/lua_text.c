#include "run/lua_text.h"

#include <ctype.h>

static bool is_name(struct slice text)
{
	static const char *const words[] = { "and", "break", "do",  "else", "elseif", "end",    "false",  "for",  "function", "goto",  "if",
					     "in",  "local", "nil", "not",  "or",     "repeat", "return", "then", "true",     "until", "while" };

	for (size_t i = 0; i < text.n; i++)
		if (!isalpha((unsigned char)text.p[i]) && text.p[i] != '_' && (i == 0 || !isdigit((unsigned char)text.p[i])))
			return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_is(text, words[i]))
			return false;
	return text.n > 0;
}

void lua_text_string(struct buf *out, struct slice bytes)
{
	buf_char(out, '"');
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		if (c == '"' || c == '\\')
			buf_char(out, '\\');
		if (c < ' ' || c == 0x7f)
			buf_printf(out, "\\%03d", c);
		else
			buf_char(out, (char)c);
	}
	buf_char(out, '"');
}

void lua_text_field(struct buf *out, struct slice name)
{
	if (is_name(name)) {
		buf_slice(out, name);
		return;
	}
	buf_char(out, '[');
	lua_text_string(out, name);
	buf_char(out, ']');
}

void lua_text_comment(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		buf_char(out, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
}
