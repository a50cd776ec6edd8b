/* The rows of other tables that a worker has at hand for its scripts' look-ups, each as the database showed it some time ago: they are asked for again
 * after the look-up's ttl, and once this worker has committed a change of them. A bound holds; what was not used for long goes first. */
#ifndef FLOW_LOOKUP_H
#define FLOW_LOOKUP_H

#include "flow/batch_key.h"
#include "flow/sink.h"

/* lookup = { customer = { table =, key =, columns =, ttl = } } of a script. */
struct lookup {
	uint32_t number; /* within the host */
	struct slice name, table_name;
	struct lookup_by {
		struct slice to, from; /* "column of the table" is "column of the event's row" */
	} * by;
	uint32_t by_count;
	struct slice *names; /* of the columns that are looked up */
	uint32_t column_count;
	int64_t ttl_ms;

	/* bound */
	struct target *table;
	uint32_t *columns;
	uint32_t by_at[TARGET_KEY_MOST];
	struct target keyed; /* of the columns of `by` alone, which are its key */
	bool listed;         /* keys can be compared here as the database does it: many are asked for in one list */
	bool is_key;         /* `by` is what tells the table's rows apart */
	bool singles;        /* there were keys that only the database can compare */
	uint64_t version;    /* what is of an older one is outdated */
	const struct shape *shape;
	int32_t from[TARGET_KEY_MOST]; /* in that shape; -1: it is not there */
};

/* What a key has been found to have. */
struct looked {
	/* lua/streamlua/native.lua repeats these */
	struct value *values; /* of the look-up's columns; NULL: there is no such row */
	uint8_t lacks;        /* enum lookup_lack, of what stands for a key that is none */

	bool asked;    /* it is wanted, and not here yet */
	bool outdated; /* its row was changed while it was being asked for, or since */
	bool used;     /* since it last was the oldest */
	bool single;   /* asked for by itself */
	bool found;    /* since it was asked for */
	uint64_t version;
	int64_t loaded_ms;
	uint64_t intake; /* for which it was asked for last */
	struct lookup *of;
	uint64_t hash;
	const char *key; /* behind it */
	size_t key_n;
	const struct value *by; /* the key's values, while it is asked for */
	size_t bytes;           /* of values */
	struct looked *older, *newer;
};

enum lookup_lack {
	LOOKUP_FOUND = 0, /* or there is no such row */
	LOOKUP_ABSENT,    /* the message does not have the key's column */
	LOOKUP_FAULT,     /* that column cannot be read */
};

struct lookups {
	struct lookup_slot { /* open addressing: a stranger on the way costs no look at its entry */
		uint64_t hash;
		struct looked *entry; /* NULL: free */
	} * slots;
	size_t slot_count, count; /* slot_count: a power of two, or 0 */
	struct looked *oldest, *newest;
	size_t bytes, bytes_most;
	struct looked **wanted;
	size_t wanted_count, wanted_cap;
	uint32_t busy; /* intakes whose events have found theirs and have not run: nothing is given up meanwhile */
	int64_t now_ms;
	uint64_t intake;              /* a number of the one that runs */
	bool same_intake;             /* its events ask once more: what it found counts, whatever its ttl */
	struct batch_key name, equal; /* names, one behind another; a key being made */
	struct arena arena;           /* where they are */
};

/* Stands for a key with a NULL, without a column, or that cannot be read. */
struct looked *lookup_none(enum lookup_lack lack);
/* A key as it is found, until names are begun again. */
struct lookup_key {
	size_t at, n; /* of lookups.name */
	uint64_t hash;
	bool listed; /* equal values have one name; else it is asked for by itself */
};

/* For many keys at a time: each is named (by_count values) before the first is wanted, so what that will look at is on its way from memory then, first
 * where the entry is, then that. */
void lookup_names_begin(struct lookups *lookups);
struct lookup_key lookup_name(struct lookups *lookups, struct lookup *of, const struct value *values);
void lookup_hint_entry(const struct lookups *lookups, uint64_t hash);
/* What is known of it; wanted where that is nothing, or too old. The arena lives until it is loaded. */
struct looked *lookup_want(struct lookups *lookups, struct lookup *of, const struct lookup_key *name, const struct value *key, struct arena *arena);
/* All that is wanted, as SELECTs for struct state_load. Which of them answers a key that is asked for by itself is known by its place. */
size_t lookup_questions(struct lookups *lookups, struct arena *arena, const struct look **looks);
/* A row of the answer to one of them: by_count values of the key, then those of the columns. Copied. */
void lookup_found(struct lookups *lookups, const struct look *look, const struct value *cells);
/* What was wanted and not found does not exist. */
void lookup_loaded(struct lookups *lookups);
/* This is committed. */
void lookup_changed(struct lookups *lookups, struct lookup *of, const struct change *change);
void lookup_trim(struct lookups *lookups);
void lookup_clear(struct lookups *lookups);

#endif
