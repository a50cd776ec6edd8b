/* Intakes without a flow: messages become their events, and nobody finishes those. After cmocka.h. */
#ifndef SUPPORT_INTAKES_H
#define SUPPORT_INTAKES_H

#include "flow/format.h"
#include "flow/intake.h"

/* The events of a message of the intake go to its end; the first of them. Fails where it cannot be decoded. */
static inline struct event *intake_decode(struct intake *intake, struct decoder *decoder, const struct message *message)
{
	struct event *first;
	struct error err;

	decoder->first = NULL;
	decoder->end = &decoder->first;
	decoder->arena = &intake->arena;
	if (decoder->format->decode(decoder, message, &err) < 0)
		fail_msg("%s", err.text);
	first = decoder->first;
	for (struct event *event = first, *next; event; event = next) {
		next = event->next;
		intake_add(intake, event);
	}
	return first;
}

/* Gives it back, if there is one, whatever of it is unfinished. */
static inline void intake_forget(struct intake **intake)
{
	for (uint32_t left = *intake ? (*intake)->unfinished : 0; left > 0; left--)
		intake_release(*intake);
	*intake = NULL;
}

#endif
