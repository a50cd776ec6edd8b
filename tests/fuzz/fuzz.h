/* What the fuzz targets share. A target takes any bytes; where a promise of the engine does not hold, it aborts. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct fuzz_target {
	const char *name; /* also its folder in tests/fuzz/corpus */
	void (*run)(struct slice input);
};
extern const struct fuzz_target fuzz_targets[]; /* ended by a name of NULL */
const struct fuzz_target *fuzz_find(const char *name);

/* fuzz/decode.c: texts are lines, a message a line, `key<TAB>value`; of the binary ones fuzz/decode.c says more. */
void fuzz_debezium(struct slice input);
void fuzz_flattened(struct slice input);
void fuzz_maxwell(struct slice input);
void fuzz_canal(struct slice input);
void fuzz_ticdc_open(struct slice input);
void fuzz_ticdc_simple(struct slice input);
void fuzz_json(struct slice input);
void fuzz_avro(struct slice input);
void fuzz_value(struct slice input);
void fuzz_sql(struct slice input);
void fuzz_statements(struct slice input);
void fuzz_lines(struct slice input);
void fuzz_progress(struct slice input);
void fuzz_http(struct slice input);
void fuzz_job(struct slice input);

#define FUZZ_CHECK(condition, ...)                                                                                                                   \
	do {                                                                                                                                         \
		if (!(condition))                                                                                                                    \
			fuzz_fail(#condition, __FILE__, __LINE__, __VA_ARGS__);                                                                      \
	} while (0)

void fuzz_fail(const char *condition, const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 4, 5)));

/* Takes from the front; zeros behind the end. */
uint8_t fuzz_byte(struct slice *input);
uint64_t fuzz_number(struct slice *input, size_t bytes);
/* Up to the mark, which is dropped; all of it where there is none. */
struct slice fuzz_until(struct slice *input, char mark);

/* A copy with nothing but JSON_PADDING bytes behind it, so that a sanitizer sees what reads further. Free its p. A p of NULL stays. */
struct slice fuzz_padded(struct slice text);

/* An SQL literal as the database would read it. */
struct literal {
	enum { LITERAL_WORD, LITERAL_NUMBER, LITERAL_DOUBLE, LITERAL_TEXT, LITERAL_BYTES } kind;
	struct buf bytes; /* of WORD, NUMBER, TEXT and BYTES */
	double number;    /* of DOUBLE: SQLite's exact form */
};
/* Reads one off the front by rules of its own. False: there is none, or it never ends. */
bool literal_read(struct slice *sql, bool backslash, struct literal *literal);
void literal_free(struct literal *literal);

/* Aborts where a value that was read is not what flow/value.h promises, or where its SQL for this column (any dialect) is not exactly one
 * literal that reads back as the value. */
struct value;
struct target_column;
void fuzz_check_read(const struct value *value);
void fuzz_check_sql(const struct value *value, const struct target_column *column);
/* Columns of every type, by number; the number may be anything. */
struct target_column fuzz_column(unsigned number);
/* Whether flow/json.h takes it, and what its kind is. */
bool fuzz_json_kind(struct slice text, uint8_t *kind);

/* "-" where it is negative, its digits without zeros at either end, "e", the exponent: equal for equal numbers, however they are
 * written. Worked out apart from flow/number.h. */
void number_canonical(struct slice text, struct buf *out);

#endif
