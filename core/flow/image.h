/* From an object of a message to an image: names become a shape, members become values. */
#ifndef FLOW_IMAGE_H
#define FLOW_IMAGE_H

#include "flow/format.h"
#include "flow/json.h"

enum { IMAGE_RECENT = 4 };

/* The columns of images that are alike: what a schema says of them, and the shapes that they had lately. Zero it to begin. */
struct image_columns {
	const struct column *declared; /* borrowed; NULL without a schema */
	uint32_t declared_count;
	const struct shape *recent[IMAGE_RECENT]; /* newest first; compared with an image before any hashing */
};

/* The members of an object (a node of `nodes`) as a WHOLE image. A member that stands twice: the last one. skip_added: members whose
 * names begin with two underscores are no columns of the row. */
int image_read(struct decoder *decoder, const struct json_node *nodes, const struct json_node *object, bool skip_added, struct image_columns *columns,
	       struct image *image, struct error *err);

/* The image of a message's key: its columns, or one column without a name where it is a bare scalar. ABSENT where it is neither. */
int image_read_key(struct decoder *decoder, const struct json_node *nodes, const struct json_node *key, struct image_columns *columns,
		   struct image *image, struct error *err);

/* Columns of one shape looked up in another, which both stay the same from message to message. Zero it to begin. */
enum { IMAGE_PICK_MOST = 32 };
struct image_pick {
	const struct shape *wanted, *from, *shape;
	uint32_t at[IMAGE_PICK_MOST]; /* of shape's columns, in from */
};

/* The columns of `wanted` with their values in `from`, KEY_ONLY. False where `from` does not have them all. */
bool image_pick(struct decoder *decoder, struct image_pick *pick, const struct image *wanted, const struct image *from, struct image *image);

#endif
