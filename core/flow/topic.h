/* What a format remembers of a topic from one message to the next. It only saves work, but for `flat` and `enveloped`. */
#ifndef FLOW_TOPIC_H
#define FLOW_TOPIC_H

#include <uthash.h>

#include "flow/connect.h"
#include "flow/integer_key.h"

struct topic {
	struct slice name;
	struct slice database, table; /* that the name says; format_names_from_topic */
	struct connect_side value, key;
	struct integer_key last_key;
	struct image_pick key_of_row; /* the key's columns, in rows */
	bool flat, enveloped;         /* how its last row came: what a tombstone means; neither before the first */
	UT_hash_handle hh;
};

struct topics;

struct topics *topics_new(void);
void topics_free(struct topics *topics);
struct topic *topics_get(struct topics *topics, struct slice name); /* made where it is new */

#endif
