/* TiCDC's Open Protocol: a batch of events, each with its key in the record's key and its row in the record's value. */
#ifndef FLOW_TICDC_OPEN_H
#define FLOW_TICDC_OPEN_H

#include "flow/known.h"

/* True for a record's key that begins as the protocol's does. */
bool ticdc_open_is_key(struct slice key);
/* Adds the events of such a record. Where it fails, events may have been added. */
int ticdc_open_decode(struct decoder *decoder, const struct message *message, struct known_tables *tables, struct error *err);

#endif
