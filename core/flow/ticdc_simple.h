/* TiCDC's Simple protocol in JSON: a row and what it was before, whole, with its values as text. */
#ifndef FLOW_TICDC_SIMPLE_H
#define FLOW_TICDC_SIMPLE_H

#include "flow/known.h"

enum { TICDC_SIMPLE_DEPTH = 2 }; /* the parts of a column's value */

/* True for an object that is such a message. */
bool ticdc_simple_is_message(const struct json_node *nodes);
/* Adds the event of a message (json_read with TICDC_SIMPLE_DEPTH). Where it fails, an event may have been added. */
int ticdc_simple_decode(struct decoder *decoder, const struct message *message, const struct json_node *nodes, struct known_tables *tables,
			struct error *err);

#endif
