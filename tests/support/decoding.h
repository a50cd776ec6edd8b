/* One format with all that it needs, for tests: messages in, events out. Texts are copied with nothing but JSON_PADDING behind them, so
 * that a sanitizer sees what reads further. */
#ifndef SUPPORT_DECODING_H
#define SUPPORT_DECODING_H

#include <stdlib.h>

#include "flow/format.h"
#include "flow/json.h"

struct decoding {
	struct decoder decoder;
	struct arena arena;
	struct message message;
	struct error err;
	struct event *first;
	void *texts[1024];
	size_t text_count;
};

static inline struct slice decoding_text(struct decoding *d, struct slice text)
{
	char *copy;

	if (!text.p)
		return text;
	copy = malloc(text.n + JSON_PADDING);
	if (text.n)
		memcpy(copy, text.p, text.n);
	memset(copy + text.n, '}', JSON_PADDING); /* the worst that can stand there */
	d->texts[d->text_count++] = copy;
	return (struct slice){ copy, text.n };
}

static inline void decoding_open(struct decoding *d, const struct format *format)
{
	*d = (struct decoding){ .message = { .topic = SLICE("dbserver1.shop.orders") } };
	d->decoder = (struct decoder){ .format = format, .shapes = shapes_new(), .json = json_new(), .arena = &d->arena };
	if (!format)
		return;
	d->decoder.options.readings.plain = format->plain;
	d->decoder.options.readings.capture = format->capture;
	d->decoder.state = format->open(&d->decoder);
}

static inline void decoding_close(struct decoding *d)
{
	if (d->decoder.format)
		d->decoder.format->close(d->decoder.state);
	json_free(d->decoder.json);
	shapes_free(d->decoder.shapes);
	arena_free(&d->arena);
	for (size_t i = 0; i < d->text_count; i++)
		free(d->texts[i]);
}

/* key and value: NULL for none. */
static inline int decode(struct decoding *d, const char *key, const char *value)
{
	d->message.key = decoding_text(d, slice_of(key));
	d->message.value = decoding_text(d, slice_of(value));
	d->first = NULL;
	d->decoder.first = NULL;
	d->decoder.end = &d->decoder.first;
	d->err.text[0] = 0;
	if (d->decoder.format->decode(&d->decoder, &d->message, &d->err) < 0)
		return -1;
	d->first = d->decoder.first;
	return 0;
}

/* An image as "name=value ..." in order; kinds show as value_show writes them. */
static inline const char *image_text(struct decoding *d, const struct image *image)
{
	struct slice text = SLICE("");

	for (uint32_t i = 0; image->state != IMAGE_ABSENT && i < image->shape->count; i++)
		text = arena_printf(&d->arena, "%.*s%s%.*s=%.*s", SLICE_ARG(text), i ? " " : "", SLICE_ARG(image->shape->columns[i].name),
				    SLICE_ARG(value_show(&image->values[i], &d->arena)));
	return arena_copy(&d->arena, text).p;
}

static inline const char *names_text(struct decoding *d, const struct event *event)
{
	return arena_printf(&d->arena, "%.*s.%.*s", SLICE_ARG(event->database), SLICE_ARG(event->table)).p;
}

/* The text with " where it has ', so that JSON can be read in C. */
static inline const char *quoted(struct decoding *d, const char *text)
{
	char *copy = text ? (char *)arena_copy(&d->arena, slice_of(text)).p : NULL;

	for (char *c = copy; c && (c = strchr(c, '\'')); c++)
		*c = '"';
	return copy;
}

/* What a column's value is on its way into a column of the target, or why it cannot be. */
static inline const char *written(struct decoding *d, const struct image *image, const char *name, struct target_column to)
{
	int at = shape_find(image->shape, slice_of(name));
	struct value value = at < 0 ? (struct value){ 0 } : image->values[at];

	if (at >= 0 && value_read(&value, reading_resolve(&image->shape->columns[at], &to, &d->decoder.options.readings), &d->arena, &d->err) < 0)
		return arena_copy(&d->arena, slice_of(d->err.text)).p;
	return arena_copy(&d->arena, value_show(&value, &d->arena)).p;
}

#endif
