#include "run/table.h"

#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

static const struct slice null = SLICE("NULL");

void table_add(struct table *table, size_t columns, char *const *cells)
{
	BUG_IF(table->count && columns != table->columns);
	table->columns = columns;
	table->cells = realloc(table->cells, (table->count + columns) * sizeof *table->cells);
	BUG_IF(!table->cells);
	for (size_t i = 0; i < columns; i++)
		table->cells[table->count++] = cells[i] ? arena_copy(&table->arena, slice_of(cells[i])) : (struct slice){ 0 };
}

/* How many places a terminal gives it: letters of some scripts take two, accents none. Needs a locale that knows UTF-8. */
static size_t width(struct slice text)
{
	mbstate_t state = { 0 };
	size_t places = 0;

	while (text.n) {
		wchar_t letter;
		size_t n = mbrtowc(&letter, text.p, text.n, &state);
		int wide = n == 0 || n > text.n ? -1 : wcwidth(letter);

		if (n == 0 || n > text.n) {
			n = 1;
			state = (mbstate_t){ 0 };
		}
		places += wide < 0 ? 1 : (size_t)wide;
		text = (struct slice){ text.p + n, text.n - n };
	}
	return places;
}

static bool is_number(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!isdigit((unsigned char)text.p[i]) && text.p[i] != '.' && text.p[i] != '-')
			return false;
	return text.n > 0;
}

static void write_places(struct buf *out, char c, size_t count)
{
	while (count--)
		buf_char(out, c);
}

static void write_cell(struct buf *out, struct slice text, size_t places, bool right)
{
	size_t room = places - width(text);

	write_places(out, ' ', right ? room : 0);
	buf_slice(out, text);
	write_places(out, ' ', right ? 0 : room);
}

static void write_rows(const struct table *table, const char *indent, struct buf *out, const size_t *places, const bool *right)
{
	for (size_t i = 0; i < table->count; i += table->columns) {
		size_t line = out->n;

		buf_text(out, indent);
		for (size_t c = 0; c < table->columns; c++) {
			struct slice cell = table->cells[i + c].p ? table->cells[i + c] : null;

			write_places(out, ' ', c ? 2 : 0);
			write_cell(out, cell, places[c], right[c]);
		}
		while (out->n > line && out->p[out->n - 1] == ' ')
			out->n--;
		buf_char(out, '\n');
		if (i > 0)
			continue;
		buf_text(out, indent);
		for (size_t c = 0; c < table->columns; c++) {
			write_places(out, ' ', c ? 2 : 0);
			write_places(out, '-', places[c]);
		}
		buf_char(out, '\n');
	}
}

void table_write(const struct table *table, const char *indent, struct buf *out)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
	size_t *places = calloc(table->columns + 1, sizeof *places);
	bool *right = calloc(table->columns + 1, sizeof *right);

	BUG_IF(!places || !right);
	for (size_t c = 0; c < table->columns; c++)
		right[c] = table->count > table->columns;
	for (size_t i = 0; i < table->count; i++) {
		size_t c = i % table->columns, n = width(table->cells[i].p ? table->cells[i] : null);

		places[c] = n > places[c] ? n : places[c];
		right[c] &= i < table->columns || is_number(table->cells[i]);
	}
	write_rows(table, indent, out, places, right);
	free(places);
	free(right);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
}

void table_free(struct table *table)
{
	free(table->cells);
	arena_free(&table->arena);
	*table = (struct table){ 0 };
}
