#include "fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/json.h"

const struct fuzz_target fuzz_targets[] = {
	{ "debezium", fuzz_debezium },
	{ "flattened", fuzz_flattened },
	{ "maxwell", fuzz_maxwell },
	{ "canal", fuzz_canal },
	{ "ticdc-open", fuzz_ticdc_open },
	{ "ticdc-simple", fuzz_ticdc_simple },
	{ "json", fuzz_json },
	{ "avro", fuzz_avro },
	{ "value", fuzz_value },
	{ "sql", fuzz_sql },
	{ "statements", fuzz_statements },
	{ "lines", fuzz_lines },
	{ "progress", fuzz_progress },
	{ "http", fuzz_http },
	{ "job", fuzz_job },
	{ NULL, NULL },
};

const struct fuzz_target *fuzz_find(const char *name)
{
	for (const struct fuzz_target *target = fuzz_targets; target->name; target++)
		if (strcmp(target->name, name) == 0)
			return target;
	return NULL;
}

void fuzz_fail(const char *condition, const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: not %s: ", file, line, condition);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

uint8_t fuzz_byte(struct slice *input)
{
	uint8_t byte = input->n ? (uint8_t)*input->p : 0;

	if (input->n) {
		input->p++;
		input->n--;
	}
	return byte;
}

uint64_t fuzz_number(struct slice *input, size_t bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < bytes; i++)
		number |= (uint64_t)fuzz_byte(input) << (8 * i);
	return number;
}

struct slice fuzz_until(struct slice *input, char mark)
{
	const char *end = input->n ? memchr(input->p, mark, input->n) : NULL;
	struct slice found = { input->p, end ? (size_t)(end - input->p) : input->n };
	size_t taken = found.n + (end != NULL);

	input->p += taken;
	input->n -= taken;
	return found;
}

struct slice fuzz_padded(struct slice text)
{
	char *copy;

	if (!text.p)
		return text;
	copy = malloc(text.n + JSON_PADDING);
	if (text.n)
		memcpy(copy, text.p, text.n);
	memset(copy + text.n, '}', JSON_PADDING); /* the worst that can stand there */
	return (struct slice){ copy, text.n };
}
