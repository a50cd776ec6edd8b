/* What Lua calls through LuaJIT's FFI (lua/streamlua/native.lua declares the same). These are plain C calls without a
 * Lua stack: they cannot raise errors, so they return -1 and leave the text in host->error (sl_error). All names begin with sl_; they
 * are the only symbols that the program exports. */
#ifndef FLOW_SCRIPT_API_H
#define FLOW_SCRIPT_API_H

#include "flow/event.h"
#include "flow/script.h"

#define SL_EXPORT __attribute__((visibility("default"), used))

/* NULL where the sizes that Lua knows are the engine's, else which one differs. */
SL_EXPORT const char *sl_layout(const uint32_t *sizes);
SL_EXPORT const char *sl_error(struct script_host *host);
/* 1: *number is the value; 0: it is a text of digits to scripts. */
SL_EXPORT int sl_number(const struct value *value, double *number);
SL_EXPORT double sl_nearest(const struct value *value);
/* How many bytes of a bit string are put into out: of a value as it was read, and as it is to be written. 0: it is none. */
SL_EXPORT int sl_bits(const struct value *value, const struct reading *reading, char *out);
SL_EXPORT int sl_change_bits(const struct change *change, uint32_t column, char *out);
/* What lies within a column, by a path that is no column's name: 1, and `value` is what is there; 0 where there is nothing. */
/* Sets tx and position of the event. */
SL_EXPORT void sl_source_place(struct event *event);
SL_EXPORT int sl_path(struct event *event, struct image *image, const char *path, size_t size, struct value *value);
SL_EXPORT int sl_read(struct event *event, struct image *image, uint32_t column);
SL_EXPORT int sl_apply(struct event *event, struct change **row);
SL_EXPORT int sl_key_changed(struct event *event);
SL_EXPORT void sl_fault(struct event *event, const char *text, size_t size);
/* There is no memory left after a collection. */
SL_EXPORT void sl_no_memory(struct script_host *host);
/* As it was before its script began: for a second try. */
SL_EXPORT void sl_again(struct event *event);
/* A column of a change becomes what a look-up has in its column `of`. */
SL_EXPORT int sl_look_copy(struct event *event, struct change *change, uint32_t column, uint32_t lookup, uint32_t of);
/* The row that a look-up has for this event, as an example gives it: what was built last are its columns. Look-ups that are not given have none. -1:
 * there is no such look-up, or it has no such column. */
SL_EXPORT int sl_look_given(struct script_host *host, struct event *event, uint32_t script, const char *name, size_t size, bool found);
SL_EXPORT void sl_lane_key(struct event *event, uint32_t which, const char *text, size_t size);

/* Which of the job's sinks the name of a target is for (struct target, side); -1: none that it declares. */
SL_EXPORT int32_t sl_sink(struct script_host *host, const char *name, size_t size);
SL_EXPORT int32_t sl_target(struct script_host *host, const char *name, size_t size);
SL_EXPORT int32_t sl_target_column(struct script_host *host, uint32_t target, const char *name, size_t size);
SL_EXPORT int sl_target_is_key(struct script_host *host, uint32_t target, uint32_t column);
/* What comes is added to its rows (`merge`). */
SL_EXPORT bool sl_target_is_merged(struct script_host *host, uint32_t target);
/* The key column that the database fills by itself, or -1. */
SL_EXPORT int sl_target_makes_key(struct script_host *host, uint32_t target);
/* The sink has no schema of it. */
SL_EXPORT bool sl_target_is_open(struct script_host *host, uint32_t target);
/* What the schema says of a column: 1 generated, 2 may be NULL, 4 has a default, 8 the database counts. */
SL_EXPORT uint32_t sl_target_column_about(struct script_host *host, uint32_t target, uint32_t column);
SL_EXPORT uint32_t sl_target_count(struct script_host *host, uint32_t target);
SL_EXPORT const struct slice *sl_target_column_name(struct script_host *host, uint32_t target, uint32_t column);
SL_EXPORT const struct slice *sl_target_name(struct script_host *host, uint32_t target);
SL_EXPORT int32_t sl_target_of(const struct change *change);
/* The index of the script that serves the event; -1: none does. */
SL_EXPORT int32_t sl_event_script(const struct event *event);
/* 1: a value of the change does not fit its column's type, as far as that is plain (sl_error says which); 0: none. */
SL_EXPORT int sl_change_misfit(struct script_host *host, const struct change *change);

SL_EXPORT struct change *sl_change(struct event *event, uint32_t target, uint32_t op, uint32_t fill);
/* The copies of a row of the event (its old one, or the one that it has now), as what is added or taken back; NULL: sl_error. */
SL_EXPORT struct change *sl_merge_copy(struct event *event, bool old, bool take_back);
/* The first change of this target, which is the event's no more; NULL: there is none. */
SL_EXPORT struct change *sl_take_change(struct event *event, uint32_t target);
/* Columns that the script does not own are left alone. */
SL_EXPORT void sl_disown(struct event *event, struct change *change);
SL_EXPORT int sl_set(struct event *event, struct change *change, uint32_t column, uint32_t kind, const char *text, size_t size);
SL_EXPORT int sl_set_number(struct event *event, struct change *change, uint32_t column, double number);

/* An event's key (JSON), and the one before it (size 0: the same), made in Lua. */
SL_EXPORT int sl_state_keys(struct event *event, const char *key, size_t size, const char *old, size_t old_size);
/* The plain state of the event's key; NULL: sl_error says why it has none. */
SL_EXPORT struct state_entry *sl_state_main(struct event *event);
/* When the event (old: its old image) happened, ms, by the column that the script names; NaN: Lua has to look at it. */
SL_EXPORT double sl_time(struct event *event, bool old);
/* The event happened then: returns the largest event time that its partition had before it (NaN: none), and moves that on, unless it lies
 * beyond most_ms. */
SL_EXPORT double sl_clock(struct event *event, double at_ms, double most_ms);
/* Counts the event as late, or as one whose time lies too far ahead. */
SL_EXPORT void sl_count_late(struct event *event, bool ahead);
/* The event's rows are complete: checks their keys, so that its state is only changed by an event that can be written. */
SL_EXPORT int sl_finish(struct event *event);
/* What the entry's row is to be from this event on; NaN: never due. */
SL_EXPORT void sl_state_put(struct event *event, struct state_entry *entry, const char *value, size_t size, const char *timers, size_t timers_size,
			    double due, double wake);
/* The entry of a map of the event's key, in use by the event from now on; its row may not be at hand (entry->loaded). NULL: its key is too long. */
SL_EXPORT struct state_entry *sl_map_entry(struct event *event, const char *map, size_t map_size, const char *key, size_t key_size);
/* It cannot go on without a row: as if it had not run. -1: that has happened too often. */
SL_EXPORT int sl_stall(struct event *event);
/* Whether it has to wait for an event of its key that stalled; then it runs again behind that. */
SL_EXPORT int sl_is_stalled(struct event *event);
/* What the row of a timer's key is to be where the timer fails: a dead letter, and not due for ever. */
SL_EXPORT void sl_timer_otherwise(struct event *event, const char *value, size_t size, const char *timers, size_t timers_size, double due,
				  double wake);

/* A window's panes of a key, in the order: open (where the state is an older version's: the text that upgrade made of it), take, for what is
 * accumulated in Lua pane, merged and made, write, put; or fire, write, put where they are due. -1: sl_error. */
struct sl_pane {
	double start, finish, n;
	struct slice made; /* JSON; n is 0: nothing yet */
	bool written;      /* there is a row of it */
};
SL_EXPORT bool sl_window_is_open(const struct state_entry *entry);
SL_EXPORT int sl_window_open(struct event *event, struct state_entry *entry, const char *text, size_t size);
/* One image of the event into its panes (sign 1), or out of them (-1): how many they are; 0: it is late. */
SL_EXPORT int sl_window_take(struct event *event, struct state_entry *entry, bool old, double at_ms, double watermark_ms, double others_ms, int sign);
/* What a function made of the row, into the aggregate that stands at this place in the script. */
SL_EXPORT int sl_window_give(struct event *event, uint32_t place, double at_ms, int sign, uint32_t kind, const char *text, size_t size);
SL_EXPORT int sl_window_give_number(struct event *event, uint32_t place, double at_ms, int sign, double number);
/* The rows of those panes. */
SL_EXPORT int sl_window_write(struct event *event, struct state_entry *entry, bool old);
/* The event's rows are complete: as sl_finish, and the panes are what the entries' rows are to be. old: of the key that the row had. */
SL_EXPORT int sl_window_put(struct event *event, struct state_entry *entry, struct state_entry *old);
/* How many panes of a timer's key are due. */
SL_EXPORT int sl_window_fire(struct event *event, struct state_entry *entry);
SL_EXPORT void sl_window_pane(struct event *event, uint32_t i, struct sl_pane *view);
/* The sessions that are one with that pane from now on; written: there is a row of it, to be deleted. 0: there are no more. */
SL_EXPORT int sl_window_merged(struct event *event, uint32_t i, struct sl_pane *view);
SL_EXPORT void sl_window_made(struct event *event, uint32_t i, const char *text, size_t size);

/* What streamlua.streams found of a script's chain (flow/script.h: struct script_chain), and a column of its lane's key; at < 0: one lane has all. */
SL_EXPORT void sl_chain_settle(struct script_host *host, uint32_t script, uint32_t rank, uint32_t leader, bool feeds, bool kept, bool together,
			       double out_of_order);
SL_EXPORT void sl_chain_lane(struct script_host *host, uint32_t script, int32_t at);
/* An event begins whose rows others may read, and is over: until then what it did can be taken back. */
SL_EXPORT void sl_chain_begin(struct event *event);
SL_EXPORT void sl_chain_over(struct event *event);
/* A row of this event, or of another such row, for a reader; its images are built next (sl_build_column, sl_build_image). */
SL_EXPORT struct event *sl_chain_event(struct event *from, uint32_t reader, uint32_t op);
/* It has its images: finds what it needs. 1: that is not at hand, and wanted; -1: sl_error. */
SL_EXPORT int sl_chain_ready(struct event *row);
/* It ran: what it did is its event's. */
SL_EXPORT void sl_chain_done(struct event *row);
/* Timers of its key have to run before its event does. */
SL_EXPORT void sl_chain_wait(struct event *row);
/* The lanes of an event of a script without state in such a chain; -1: sl_error. */
SL_EXPORT int sl_chain_lanes(struct event *event);
/* Whether one before it stalled that may have rows for the same states; it has run only to find out what it needs, and runs again. */
SL_EXPORT int sl_chain_is_behind(struct event *event);
SL_EXPORT void sl_chain_behind(struct event *event);

/* The events that run are those of examples, each with its script alone. */
SL_EXPORT bool sl_is_example(struct script_host *host);
/* How many events there are of this message so far, the last one that any were made of. */
SL_EXPORT uint32_t sl_built(struct script_host *host, const struct message *message);
SL_EXPORT struct event *sl_build_event(struct script_host *host, const struct message *message, uint32_t op);
SL_EXPORT void sl_build_names(struct script_host *host, struct event *event, const char *database, size_t database_size, const char *table,
			      size_t table_size);
SL_EXPORT void sl_build_column(struct script_host *host, const char *name, size_t name_size, uint32_t kind, const char *text, size_t size);
SL_EXPORT void sl_build_number(struct script_host *host, const char *name, size_t name_size, double number);
SL_EXPORT int sl_build_image(struct script_host *host, struct event *event, uint32_t which, uint32_t state);
SL_EXPORT void sl_build_fault(struct script_host *host, const struct message *message, const char *text, size_t size);

/* The shortest digits that read back as the same double, as a JSON number, into out (40 bytes). Returns how many; 0 for NaN and
 * the infinities. */
size_t number_text(double number, char *out);

#endif
