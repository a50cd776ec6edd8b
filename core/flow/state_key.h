/* The key of a row of streamlua_state: the JSON array of the values of key_by. Equal values make equal texts. */
#ifndef FLOW_STATE_KEY_H
#define FLOW_STATE_KEY_H

#include "base/buf.h"
#include "base/error.h"
#include "flow/json.h"
#include "flow/value.h"

/* What fits an index together with the other columns of the primary key (script 96, map 160): 3,072 bytes, 4 a character. */
enum { STATE_KEY_CHARACTERS_MOST = 400 };

void state_key_begin(struct buf *out);
void state_key_add(struct buf *out, const struct value *value);
void state_key_end(struct buf *out);
/* The key of a map's entry: [7] and "a" are [7,"a"]. */
void state_key_extend(struct buf *key, struct slice entry);
/* The key that a map's entry belongs to: of [7,"a"] it is [7]. */
void state_key_of_entry(struct buf *out, struct slice entry);
/* The text of a column of the key, the first is 0; empty where it has none. */
struct slice state_key_part(struct slice key, uint32_t index);
/* The value of a column of the key, the first is 0; made in the arena. Bytes come back as TEXT. -1: the key has no such value. */
int state_key_value(struct json *json, struct slice key, uint32_t index, struct arena *arena, struct value *value, struct error *err);
/* -1: it is longer than its column. */
int state_key_check(struct slice key, struct error *err);

#endif
