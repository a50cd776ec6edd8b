/* When an event happened, by the column that its script names. */
#include "flow/script_private.h"

#include <math.h>

#include "base/clock.h"
#include "flow/plan.h"
#include "flow/script_api.h"

#define TIME_MS_MOST 8.64e15 /* what Lua calls a time: a hundred million days around the epoch */

/* "2024-01-31 12:00:00" or with ".123": the rest is Lua's. */
static double text_ms(struct script_host *host, struct slice text)
{
	char whole[21] = "0000-00-00 00:00:00Z";
	struct known_second *known;
	struct error err;
	int fraction = 0;

	if (text.n == 23 && text.p[19] == '.') {
		for (int i = 20; i < 23; i++) {
			if (text.p[i] < '0' || text.p[i] > '9')
				return NAN;
			fraction = fraction * 10 + (text.p[i] - '0');
		}
	} else if (text.n != 19) {
		return NAN;
	}
	known = &host->known_seconds[(unsigned char)(text.p[18] + 10 * text.p[17]) % KNOWN_SECONDS];
	if (memcmp(known->text, text.p, sizeof known->text) != 0) {
		memcpy(whole, text.p, sizeof known->text);
		known->text[0] = 0;
		if (strspn(whole, "0123456789-: T") != sizeof known->text || clock_time(slice_of(whole), 0, &known->ms, &err) < 0)
			return NAN;
		memcpy(known->text, whole, sizeof known->text);
	}
	return (double)(known->ms + fraction);
}

double sl_time(struct event *event, bool old)
{
	struct script *script = event->script;
	struct image *image = old ? &event->old : &event->row;
	const struct value *value;
	double number;

	if (!script->time_column.n || !image->shape)
		return NAN;
	if (script->time_shape != image->shape) {
		script->time_shape = image->shape;
		script->time_at = shape_find(image->shape, script->time_column);
	}
	if (script->time_at < 0 || plan_read(event, image, (uint32_t)script->time_at, &script->host->error) < 0)
		return NAN;
	value = &image->values[script->time_at];
	if (value->kind == VALUE_TEXT)
		return text_ms(script->host, (struct slice){ value->p, value->n });
	if (value->kind != VALUE_NUMBER || !value_to_double(value, &number))
		return NAN;
	number = floor(number * script->time_factor);
	return fabs(number) < TIME_MS_MOST ? number : NAN;
}
