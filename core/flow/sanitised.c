#include "flow/sanitised.h"

#include "base/utf8.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Whether `spelt` is how a message spells `name`: a character that may not stand there is an underscore, and one goes before a digit that
 * comes first. */
static bool spells(struct slice spelt, struct slice name)
{
	size_t at = 0;

	for (size_t i = 0, size; i < name.n; i += size) {
		char c = name.p[i];

		size = utf8_sequence(name.p + i, name.n - i);
		if (size == 0)
			return false;
		if (i == 0 && is_digit(c) && (at == spelt.n || spelt.p[at++] != '_'))
			return false;
		if (at == spelt.n || spelt.p[at++] != (is_letter(c) || is_digit(c) ? c : '_'))
			return false;
	}
	return at == spelt.n;
}

int sanitised_target(const struct target *target, struct slice name)
{
	int found = -1;

	for (uint32_t i = 0; i < target->count; i++) {
		if (!spells(name, target->columns[i].name))
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

int sanitised_source(const struct shape *shape, struct slice name)
{
	for (uint32_t i = 0; i < shape->count; i++)
		if (spells(shape->columns[i].name, name))
			return (int)i;
	return -1;
}
