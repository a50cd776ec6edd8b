/* Table scripts and the VM they live in. One host holds all scripts of one version; a reload makes a new host beside the
 * old one and swaps between two transactions. */
#ifndef FLOW_SCRIPT_H
#define FLOW_SCRIPT_H

#include "flow/bundle.h"
#include "flow/event.h"
#include "flow/intake.h"
#include "flow/sink.h"
#include "flow/state.h"
#include "flow/target.h"

struct lua_State;
struct script_watch;
struct suspects;
struct script_host;
struct script_window; /* script_window.c */
struct plan;          /* flow/plan.h */
struct json;

/* What becomes of scripts with `repartition`. AS_IT_COMES: they are as all others. OUT: all that is done is to find out their keys. IN: their events
 * come through their topics, and no other way. */
enum rekey { REKEY_AS_IT_COMES = 0, REKEY_OUT, REKEY_IN };

enum { REKEYED_MOST = 8 }; /* scripts with `repartition` that serve one table */

enum on_error { ON_ERROR_DEAD_LETTER, ON_ERROR_STOP, ON_ERROR_SKIP };
enum key_by { KEY_BY_DEFAULT, KEY_BY_TABLE, KEY_BY_ROW, KEY_BY_COLUMNS, KEY_BY_FUNCTION };

struct script_counters {
	uint64_t late, ahead;             /* whose windows had closed; whose time lies too far ahead */
	uint64_t outcomes[OUTCOME_COUNT]; /* by enum outcome; PENDING counts all that were routed to it */
};

/* "target column <- source column"; both by name until a schema and a shape say which they are. */
struct copy {
	struct slice to, from;
	int32_t column; /* index of `to` in the target, once bound */
};

/* A column that is merged, by its name until a schema says which it is. */
struct merge {
	struct slice name;
	enum merge_kind kind;
};

struct script {
	struct script_host *host;
	uint32_t index;
	struct slice name, path; /* "orders", "scripts/orders.lua" */
	struct slice *sources;   /* "orders" or "shop.orders" */
	uint32_t source_count;
	struct slice target_name;
	struct slice *keys; /* columns of `key`, where the target has no primary key */
	uint32_t key_count;

	bool copies_all; /* neither columns nor map: columns of the same name are copied */
	struct copy *copies;
	uint32_t copy_count;
	struct slice *computed; /* target columns that are functions of the row */
	uint32_t computed_count;
	bool enters_lua;     /* filter, where, map, a column or key that is a function */
	bool lua_makes_rows; /* map, or a key column that is a function */
	bool reads_stream;   /* its rows are those that other scripts write into a stream */
	bool chained;        /* ... or its target is a stream */
	bool feeds;          /* what it writes into streams comes to scripts that run it as events (script_chain.c) */
	struct script_chain {
		bool kept;       /* among the scripts of its chain are some that keep state: one lane has all events of a key, whosever they are */
		bool one_lane;   /* ... which is one for all keys */
		bool together;   /* where one of its events stalls, all behind it do */
		uint32_t rank;   /* of the scripts that its rows come through; 0: tables */
		uint32_t leader; /* a script of the chain that stands for all of it */
		uint32_t lane_count; /* the lane's key, as places in key_by */
		uint32_t lane_at[TARGET_KEY_MOST];
		uint32_t stalled; /* of the leader: the host's pass in which one of them did */
	} chain;
	struct slice *owns;
	uint32_t own_count;
	struct merge *merges; /* columns of `merge`; NULL: none */
	uint32_t merge_count;
	struct slice shard;                 /* the column of `shard` */
	uint32_t shard_column, shard_count; /* 0: no shards */
	bool *owned;                        /* by target column, where there is `owns`; else NULL */
	bool updates;                       /* write = "update" */

	enum key_by key_by; /* as written; bound: TABLE, ROW, COLUMNS or FUNCTION */
	bool key_copied;    /* all key columns of the target are plain copies */
	struct slice *key_by_columns;
	uint32_t key_by_count;
	enum on_error on_error;
	int64_t park_for_ms;

	struct slice repartition; /* a topic; n is 0: none */
	int32_t repartition_partitions;
	int64_t repartition_retention_ms;
	bool stateful;   /* process, window: rows of streamlua_state belong to it */
	bool patterned;  /* ... a pattern */
	bool windowed;   /* ... window: all open panes of a key are a row */
	bool has_target; /* `target` is named, so its table is described; of a stateful script only */
	int32_t state_version;
	bool closes;             /* emit = "final": what is due are windows, and at the end of the input all of them close */
	bool ends;               /* at the end of the input there may be something to run: such windows, or timers */
	int64_t idle_after_ms;   /* after which partitions without events hold the others up no more */
	int64_t out_of_order_ms; /* that the watermark stays behind the largest event time */
	struct state_owner state;
	struct script_window *window; /* of `windowed` */
	struct slice time_column;     /* that says when an event happened; n is 0: no column alone does */
	double time_factor;           /* a number in it times this are ms */
	const struct shape *time_shape;
	int time_at; /* where it is in that shape; -1: it is not */

	struct lookup *lookups; /* flow/lookup.h */
	uint32_t lookup_count;

	struct target *target; /* bound */
	struct plan **plans;   /* hash table by shape id: of a thousand tables' shapes, a script meets those of its own */
	uint32_t plan_count, plan_cap;
	struct script_counters counters;
	uint32_t work_first, work_count; /* its events of the intake that is being run, in the host's `work` */
};

struct host_options {
	struct bundle *bundle;           /* borrowed; files that are required are read into it until it is sealed */
	struct script_watch *watch;      /* flow/script_watch.h; shared with whoever watches. NULL: nobody does */
	const struct suspects *suspects; /* NULL: none */
	/* A line that a script printed. */
	void (*print)(void *ctx, struct slice text);
	void *ctx;
	/* Reads the file that a variable of the environment names (sl.env), as bundle->read does. NULL: there are no files. */
	int (*read)(const char *folder, const char *path, char **text, size_t *size, struct error *err);
};

/* A VM with job.lua evaluated; scripts are not loaded yet. NULL with err: file, line and reason. Without a job (bundle->job is
 * NULL) the scripts are all there is. */
struct script_host *script_host_new(const struct host_options *options, struct error *err);
void script_host_free(struct script_host *host);
/* Loads one table script of the bundle; `served` is the table that job.lua names for it, or NULL. */
int script_host_load(struct script_host *host, const char *path, const char *served, struct error *err);
/* Describes every script's target by the sink and settles what depends on it: columns, keys, lanes. `warn` (may be NULL) gets
 * what is legal but probably not meant. The sink stays borrowed: targets that only ctx:emit names are described when they come up. */
int script_host_bind(struct script_host *host, struct sink *sink, struct shapes *shapes, const struct reading_settings *readings,
		     void (*warn)(void *ctx, const char *line), void *ctx, struct error *err);
/* The same in steps, for whoever has other things to do: all targets are described at once, which blocks, and then the scripts are bound one a
 * call. settle: 1 there is more to do, 0 they are bound, -1. */
int script_host_meet(struct script_host *host, struct sink *sink, struct shapes *shapes, const struct reading_settings *readings, struct error *err);
int script_host_settle(struct script_host *host, void (*warn)(void *ctx, const char *line), void *ctx, struct error *err);

/* 1: a target is not what it was when the scripts were bound to it; 0: all are; -1: the sink cannot tell. Blocks. */
int script_host_schema_changed(struct script_host *host, struct error *err);
/* A source column that a script would copy, had its target one of that name. */
void script_host_note_missing(struct script_host *host, const struct target *target, struct slice column);
/* True once after source columns have come that would be copied, had their target such columns: it may have them by now. */
bool script_host_misses(struct script_host *host);

/* The bundle's version: what is written beside the progress. */
/* Why what the last run made of its events is not to be believed: the target could not be asked for a table. NULL: it could. */
const char *script_host_outage(const struct script_host *host);
const char *script_host_version(const struct script_host *host);
uint32_t script_host_count(const struct script_host *host);
struct script *script_host_script(struct script_host *host, uint32_t index);
/* Where nothing goes through topics of `repartition`, a table has one script: -1, and which has not. */
int script_host_check_direct(const struct script_host *host, struct error *err);
/* The script that serves a table: the one that names its database first. NULL: none. Without a table: DEFAULT_TABLE_KEY. through: the topic of
 * `repartition` that its event came through (REKEY_IN); elsewhere: that a script with `repartition` has it may still be (script_host_goes_through). */
struct script *script_host_route(struct script_host *host, struct slice database, struct slice table, struct slice through);
bool script_host_goes_through(struct script_host *host, struct slice database, struct slice table);
void script_host_set_rekey(struct script_host *host, enum rekey rekey); /* before its first event */
enum rekey script_host_rekey(const struct script_host *host);
/* A script has `repartition` by this topic. */
bool script_host_has_topic(const struct script_host *host, struct slice topic);
/* A target by name; described and added when it is not known yet. NULL with err where the sink has no such table. */
struct target *script_host_target(struct script_host *host, struct slice name, struct error *err);
struct target *script_host_target_at(struct script_host *host, uint32_t id);
struct shapes *script_host_shapes(struct script_host *host);
const struct reading_settings *script_host_readings(struct script_host *host);
struct json *script_host_json(struct script_host *host);

/* Routes the events of the intake that are still pending and finds the rows of streamlua_state, and of tables that scripts look up, that they need.
 * True: some are wanted and not at hand (script_host_question). */
bool script_host_begin(struct script_host *host, struct intake *intake);
/* The state at hand: lives and ends with the host. */
struct state_cache *script_host_state(struct script_host *host);
bool script_host_is_stateful(const struct script_host *host);
/* A script adds to rows (`merge`): a transaction may hold many events of one row. */
bool script_host_adds(const struct script_host *host);
/* All that is wanted, as a question made in the arena; its `row` gives to script_host_state_row, its `looked` to script_host_looked, and
 * script_host_loaded is its end. */
void script_host_question(struct script_host *host, struct arena *arena, struct state_load *question);
void script_host_looked(struct script_host *host, const struct look *look, const struct value *cells);
void script_host_loaded(struct script_host *host);
/* Before script_host_begin: how late it is, by a clock that look-ups are refreshed by, and how much of them may be kept. */
void script_host_look(struct script_host *host, int64_t now_ms, size_t bytes_most);
/* The event is committed: what it changed is looked up anew. */
void script_host_changed(struct script_host *host, const struct event *event);
/* Everything begins anew: no event has what it found any more. */
void script_host_look_anew(struct script_host *host);
/* A row of streamlua_state, which came from that partition (NULL: none of ours). want: it is taken in although nobody wanted it. */
void script_host_state_row(struct script_host *host, const struct state_row *row, struct partition *partition, bool want);
/* The event of a row that is due, added to the intake; its entry is not due any more until it is set. at_ms: what the clock says (INT64_MIN
 * unknown). ended: it is not due by that, but the input has ended. */
struct event *script_host_timer(struct script *script, struct intake *intake, struct state_entry *entry, enum state_clock clock, int64_t at_ms,
				bool ended);
/* The latest of the timers that a row has by that clock; INT64_MIN: it has none. */
int64_t script_host_last_timer(struct script *script, const struct state_entry *entry, enum state_clock clock);
/* The scripts one after the other, those that write a stream before those that read it. */
struct script *script_host_ranked(struct script_host *host, uint32_t place);
/* The first of a script's rows that is due until then. At the end of the input all are, but those that have had their turn are put aside. */
struct state_entry *script_host_first_due(struct script *script, enum state_clock clock, int64_t until_ms, bool at_end);
/* The sink refused what it wrote, and that never came to be: when it is due again it is written off. */
void script_host_timer_refused(const struct event *event);
/* The event is settled, or begins anew: it runs with nothing any more. */
void script_event_release(struct event *event);
/* Processes them: afterwards each has an outcome, or changes and a lane. Begins by itself where that was not done; rows that are still wanted
 * do not exist. others_ms: the event time that the partitions beside an event's own have come to (INT64_MIN unknown, INT64_MAX: there are
 * none). Timers that are due before an event of their key run before it, and stand before it in the intake. False: some came to rows of maps
 * that are not at hand; those are wanted now, and it is to be called again once they are. */
bool script_host_run(struct script_host *host, struct intake *intake, int64_t now_ms, int64_t others_ms);
/* REKEY_OUT: instead of running them. Those of scripts with `repartition` are pending, with the state of their keys where these could be made;
 * all others are ignored. */
void script_host_rekeyed(struct script_host *host, struct intake *intake);
/* How many messages an intake should have at most: few where one may bring the worker down, and all before it would be done again. */
size_t script_host_intake_most(const struct script_host *host);
/* Scripts have kept so much memory that events do not get what they want: only a new host helps. */
bool script_host_exhausted(struct script_host *host, struct error *err);
/* Decodes the messages of an intake with the job's sl.format function; adds their events to the intake. False: the job has none. */
bool script_host_has_format(const struct script_host *host);
void script_host_decode(struct script_host *host, struct intake *intake, struct message **messages, size_t count);

/* For run/job.c: the VM, with the normalised job table on request at the top of its stack. */
struct lua_State *script_host_lua(struct script_host *host);
void script_host_push_job(struct script_host *host);
/* job.lua's source and sink as text, malloc'ed: equal for two jobs where one can go on with the other's connections. */
char *script_host_outside(struct script_host *host, struct error *err);
/* Runs all examples; report gets a line for each failure. -1: they could not be run. */
int script_host_examples(struct script_host *host, void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed,
			 struct error *err);

/* What else is to be said of scripts that are bound, to those who write them: report gets hints, a line each. -1: some would never write what
 * they are to; err has a line for each of these. */
int script_host_findings(struct script_host *host, void (*report)(void *ctx, const char *line), void *ctx, struct error *err);

/* Runs a *_test.lua file of the bundle in a host without scripts; reads like script_host_bind, reports like script_host_examples. */
int script_host_test(struct script_host *tester, const char *path, const struct reading_settings *readings,
		     void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed, struct error *err);

enum on_error script_on_error(const struct script *script);
int64_t script_park_for(const struct script *script); /* milliseconds */

/* The event is at fault: dead letter, skip or stop as its script says. The text is copied. */
void script_event_fault(struct event *event, enum stage stage, struct slice text);

#endif
