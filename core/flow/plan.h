/* What to do with images of one shape in one script: which source column goes to which target column, and how each is
 * read. Worked out once for each pair, used for every event. */
#ifndef FLOW_PLAN_H
#define FLOW_PLAN_H

#include "flow/script.h"

struct plan {
	uint32_t shape_id;
	struct reading *readings; /* by source column */
	struct plan_copy {
		uint32_t from, to;
	} * copies;
	uint32_t copy_count;
	struct plan_path {
		struct slice path; /* within `from` */
		struct reading reading;
		uint32_t from, to;
	} * paths; /* copies of what lies within a column */
	uint32_t path_count;
	uint32_t *nulls; /* target columns that are NULL where a whole row does not have them (absent = "null") */
	uint32_t null_count;
	int32_t key_from[TARGET_KEY_MOST]; /* by key column of the target: the source column it is copied from, or -1 */
	int32_t key_path[TARGET_KEY_MOST]; /* or the one of `paths` that it is copied by, or -1 */
};

/* The plan for a shape; made when it is new. */
const struct plan *plan_for(struct script *script, const struct shape *shape);
void plans_free(struct script *script);

/* Reads one value of an image. -1: err names the column. */
int plan_read(struct event *event, struct image *image, uint32_t column, struct error *err);

/* The changes of an event whose script copies columns: a delete of the old key where it changed, then the row. `*row` (may be NULL) is
 * the upsert, for a script whose functions still add columns to it, or NULL where there is none. */
int plan_apply(struct event *event, struct change **row, struct error *err);
/* Deletes of the same rows, from which the lanes of an event that failed follow. -1: its keys cannot be read. */
int plan_apply_keys(struct event *event, struct error *err);
/* The script's copies of an image, into a change. */
int plan_copy(struct event *event, struct image *image, struct change *change, struct error *err);
/* A change with all its values `fill` (ABSENT or DEFAULT; generated columns are ABSENT). */
struct change *plan_change(struct event *event, struct target *target, enum change_op op, enum value_kind fill);
/* Whether an update gave the source row another key: 1 yes, 0 no, -1 the message does not say. */
int plan_key_changed(struct event *event, struct error *err);
/* For a script with `merge` (plan_merge.c): the copies of a row, as what is added or, with take_back, as a delete that has all columns. NULL: err. */
struct change *plan_merge_copy(struct event *event, bool old, bool take_back, struct error *err);
/* Both, of an event whose script is nothing but copies. */
int plan_merge_apply(struct event *event, struct error *err);
/* Sets the column of `shard`. */
void plan_merge_shard(struct event *event);
/* Of an event that adds: what it takes back and what it adds are one for each row; deletes are none any more. */
int plan_merge_finish(struct event *event, struct error *err);
/* Whether every message tells its row's key. Rows that are no captured changes (json, sl.format) need not, and often their deletes alone do. */
bool plan_source_keyed(const struct script *script);
/* The last step: checks the keys of all changes, applies `write` and `owns`, and chooses the event's lanes. */
int plan_finish(struct event *event, struct error *err);
/* The lanes of an event that its script failed on: those that it would have had. -1: nobody can tell. */
int plan_failed(struct event *event);

#endif
