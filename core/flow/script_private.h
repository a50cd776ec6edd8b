/* What the files of the script host share, and nobody else. */
#ifndef FLOW_SCRIPT_PRIVATE_H
#define FLOW_SCRIPT_PRIVATE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <uthash.h>

#include "base/buf.h"
#include "flow/json.h"
#include "flow/lookup.h"
#include "flow/script.h"
#include "flow/script_watch.h"

/* Many events have the same second: its text is understood once (script_time.c). */
enum { KNOWN_SECONDS = 61 };
struct known_second {
	char text[19];
	int64_t ms; /* since the epoch */
};

enum { TARGETS_MOST = 4096, MISSING_MOST = 10000, PUT_NAMES = 256 };

/* script_schema.c */
struct missing_column {
	UT_hash_handle hh;
	char name[]; /* target, NUL, column */
};

struct route; /* script_route.c */

struct script_host {
	struct host_options options;
	lua_State *lua;
	int engine; /* reference of streamlua.engine's table */
	struct json *json;
	struct arena decoding; /* of json_decode */
	struct arena arena;    /* names, schemas: everything that lives as long as the host */

	struct script *scripts;
	uint32_t script_count;
	struct route *routes;
	enum rekey rekey;

	struct sink *sink; /* borrowed; NULL: no schema, targets are open */
	struct shapes *shapes;
	const struct reading_settings *readings;
	struct target **targets;
	uint32_t target_count;
	uint32_t settled; /* scripts that are bound */
	struct missing_column *missing;
	bool adds;   /* a script has `merge` */
	bool misses; /* one was added since it was last asked */

	struct error error;  /* of the last sl_* call that failed, for Lua to raise */
	struct error outage; /* why the target could not be asked for a table; "": it could */
	struct state_cache state;
	struct lookups lookups;
	uint32_t lookup_count;                /* of all scripts */
	struct refused_timer *refused_timers; /* script_timer.c */
	struct target *state_target;          /* streamlua_state; NULL: no script keeps state */
	char state_now[40];
	struct slice state_job, state_updated; /* what all its rows of an intake have in common: the job's name, and state_now as SQL has it */
	struct known_second known_seconds[KNOWN_SECONDS];
	struct buf key, key_old;     /* being made */
	uint32_t pass;               /* how many times intakes have gone through scripts */
	uint32_t *ranked;            /* numbers of the scripts, by rank */
	struct chain_run *chain_run; /* script_chain.c */
	bool stalled;                /* an event did in this one */

	struct event **work; /* events of one intake, one script's behind another's */
	size_t work_cap;

	/* the change that was made last, for host_put, and where names of columns were found */
	struct change *filled;
	struct event *filled_event;
	struct put_name {
		const char *p; /* of a Lua string, never read */
		uint32_t target, column;
	} names[PUT_NAMES];

	/* script_guard.c */
	struct script_watch *watch; /* options.watch, or own_watch */
	struct script_watch *own_watch;
	lua_Alloc allocate; /* LuaJIT's own */
	void *allocate_ctx;
	size_t memory, memory_most; /* of the VM */
	size_t memory_base;         /* what the scripts hold before their first event */
	size_t kept_before;         /* what they had kept of earlier events when they were given a suspect message */
	bool exhausted;             /* by this message (exhausted_owner NULL: by those before a suspect message): */
	const void *exhausted_owner;
	int64_t exhausted_position;
	int64_t instructions_left;
	int instruction_millions;

	struct harness *harnesses; /* flow/harness.h: of the tests that run here */

	/* while events are built from Lua tables */
	struct intake *building;
	struct arena *built_in;
	struct column *columns;
	struct value *values;
	uint32_t column_count, column_cap;
	const struct message *built_message;
	uint32_t built_parts;
};

/* The functions of streamlua.host, as a table on the stack. */
void host_functions_push(struct script_host *host);
/* Which of the sinks a target's name is for: 0 the job's, from 1 a side sink ("kafka:alerts"); -1: it is declared nowhere. */
int script_host_side(const struct script_host *host, struct slice name, struct error *err);
/* Reads the normalised script at the top of the stack into `script`. */
void script_from_lua(struct script_host *host, struct script *script);
/* Calls a function of streamlua.engine that lies below its `args` arguments; -1: err has its message. */
int host_call(struct script_host *host, int args, int results, struct error *err);
void host_push_engine(struct script_host *host, const char *function);

/* put(values, null, keys_only) -> whether all of them are set in the change that sl_change made last; where not, Lua's own loop sets them
 * again, which handles what this does not (tables, columns that are new) and says what is wrong. */
int host_put(lua_State *lua);
void host_missing_free(struct script_host *host);

int routes_build(struct script_host *host, struct error *err);
void routes_free(struct script_host *host);
/* All scripts with `repartition` that serve a table. */
uint32_t script_host_rekeyed_scripts(struct script_host *host, struct slice database, struct slice table, struct script *const **scripts);
/* script_rekey.c: finds out the keys that events have in scripts with `repartition`: of the first that serves their table, and as its twins of the
 * others. */
void rekey_begin(struct script_host *host, struct intake *intake);
/* A target that is not the user's: no columns yet. */
struct target *script_host_target_own(struct script_host *host, struct slice name);
/* Begins and ends building events into an intake. */
void build_begin(struct script_host *host, struct intake *intake);
void build_end(struct script_host *host);

/* script_state.c: before scripts are bound, and before the events of an intake run. */
void state_bind(struct script_host *host);
void state_begin(struct script_host *host, struct script *script, struct event *const *events, size_t count);
void state_now(struct script_host *host, int64_t now_ms);
/* The event runs with this entry. */
void state_use(struct event *event, struct state_entry *entry, bool old);
uint64_t state_lane_hash(const struct event *event, struct slice key);
/* What the entry's row is to be from this event on. */
void state_put(struct event *event, struct state_entry *entry, const struct state_otherwise *made);
struct state_otherwise state_made(const char *value, size_t size, const char *timers, size_t timers_size, double due, double wake, int32_t version);
/* script_window.c: reads `window` and `aggregates` of the script at the top of the stack; once the target is known; and gives back. */
void window_load(struct script_host *host, struct script *script);
void window_bind(struct script *script);
void window_free(struct script *script);
/* The event failed: panes are again as their rows' texts have them. */
void window_forget(struct event *event);
/* script_lookup.c: reads `lookups` of the script at the top of the stack; once the schema is known, -1: err says where and what; and finds what
 * events need. */
void lookups_load(struct script_host *host, struct script *script);
int lookups_bind(struct script *script, struct error *err);
void lookups_begin(struct script *script, struct event *const *events, size_t count);
/* script_timer.c */
void timers_free(struct script_host *host);

/* Sets a column of a change to a value that lives as long as the event does; text becomes what the column is of. -1: host->error. */
int script_set(struct event *event, struct change *change, uint32_t column, struct value value);

/* script_place.c: -1; err says what is wrong with a field of the script, with the line that names `word` there, or with that of the field. */
int script_fault(struct script_host *host, const struct script *script, const char *field, struct slice word, struct error *err, const char *format,
		 ...) __attribute__((format(printf, 6, 7)));
/* The same before what err says. */
int script_blame(struct script_host *host, const struct script *script, const char *field, struct slice word, struct error *err);
/* A column that `field` names of a table (`what` stands before the message); of its target, which is to be written. -1: there is none. */
int script_find_column(struct script_host *host, const struct script *script, struct target *target, struct slice name, const char *field,
		       const char *what, struct error *err);
int script_find_written(struct script_host *host, const struct script *script, struct slice name, const char *field, struct error *err);

/* script_share.c: `merge` and `shard` of a script whose key is known. */
int share_settle_merges(struct script_host *host, struct script *script, struct error *err);
/* Once all scripts are bound: no two of them have one column; and whether rows go with the last that owns something in them. */
int share_settle(struct script_host *host, void (*warn)(void *ctx, const char *line), void *ctx, struct error *err);

/* script_work.c: fills host->work, and says in each script where its own begins. done_too: with what was done before a restart. chains: what is of one
 * chain is its leader's, in the order of the intake. */
void host_gather(struct script_host *host, const struct intake *intake, bool done_too, bool chains);

/* script_chain.c: once all scripts are bound; and gives back. */
int chain_settle(struct script_host *host, struct error *err);
void chain_free(struct script_host *host);
/* The lane of a key of a script's state, or of an event of one that keeps none. */
uint64_t chain_lane(const struct script *script, struct slice key);
/* What the entry is, before the event changes it: comes back where the event fails, or runs again. */
void chain_remember(const struct event *event, const struct state_entry *entry);
void chain_undo(struct event *event);
/* The timer that has to run before this event: of its own key, or of a reader's. */
struct chain_timer {
	struct script *script;
	struct state_entry *entry;
	int64_t clock_ms;
};
struct chain_timer chain_timer(struct script_host *host, const struct event *event);
/* script_state.c: the text of its key by the columns of key_by; -1: err. */
int state_key_of(struct event *event, struct image *image, struct buf *out, struct error *err);
/* The keys of its state, which its script has in use from now on; -1: err. */
int state_read_keys(struct event *event, struct error *err);
/* script_run.c: how its values are read. */
void script_event_readings(struct event *event);
/* script_map.c: the event has nothing to do any more with entries of maps. */
void maps_release(struct event *event);
/* The timer fails, and is not due any more. */
void state_write_off(struct event *event);

#endif
