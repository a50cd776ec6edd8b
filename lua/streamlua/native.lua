-- The engine's structures as LuaJIT's FFI sees them. They repeat core/flow/{value,shape,event}.h; the engine refuses to start
-- where a size differs.
local ffi = require "ffi"

ffi.cdef [[
struct slice { const char *p; size_t n; };
struct value { const char *p; uint32_t n; uint8_t kind; bool ready; };
struct reading { uint8_t meaning; int16_t scale; int32_t length; };
struct column { struct slice name; struct reading declared; };
struct shape { uint32_t id; uint32_t count; struct column *columns; };
struct header { struct slice name; struct slice value; };
struct message {
  struct slice topic; int32_t partition; bool time_is_brokers; int64_t offset; int64_t time_ms; struct slice key, value;
  const struct header *headers; uint32_t header_count, parts_done; void *owner; int64_t position; const char *flaw;
};
struct image { const struct shape *shape; struct value *values; const struct reading *readings; uint8_t state; };
struct change { struct change *next; void *target; struct value *values; uint32_t count; uint8_t op;
  bool waits, partial, asked, missed, clears, told; uint32_t state_bytes; uint64_t key_hash; void *state; };
struct event {
  struct change *changes; struct state_use *uses; void *parked; void *owner; int64_t owner_position; void *intake; void *script;
  uint32_t part, parts; uint64_t lane_hash[2]; uint32_t bytes, ordinal;
  uint8_t op, lane_hashes, lanes_waited, lane_state, outcome, stage; bool was_done, missed, parks, settled;
  const struct message *message; struct event *next;
  struct slice database, table; struct image row, old, key; int64_t time_ms;
  struct change **changes_end; bool row_matches, keyed, unnamed, uncertain, must_stop, whole, clocked, keyless, finished; uint8_t due_by;
  bool spans, ended, stalled; uint32_t stalls, reparks;
  struct slice error, script_version, tx, position; int64_t at_ms, clock_ms;
  void *otherwise; struct looked **looked; struct event *twin, *of;
};
struct looked { struct value *values; uint8_t lacks; };
struct state_entry {
  double id; struct slice value, timers; int64_t at[2]; struct slice map, key; int32_t version; bool loaded;
};
struct state_use { struct state_use *next; struct state_entry *entry; bool old; };
struct script_host;
struct script_watch { double serial; const void *owner; int64_t position; uint32_t at; };

const char *sl_layout(const uint32_t *sizes);
const char *sl_error(struct script_host *host);
int sl_number(const struct value *value, double *number);
double sl_nearest(const struct value *value);
int sl_bits(const struct value *value, const struct reading *reading, char *out);
int32_t sl_event_script(const struct event *event);
int sl_change_misfit(struct script_host *host, const struct change *change);
int sl_change_bits(const struct change *change, uint32_t column, char *out);
int sl_read(struct event *event, struct image *image, uint32_t column);
int sl_path(struct event *event, struct image *image, const char *path, size_t size, struct value *value);
void sl_source_place(struct event *event);
int sl_apply(struct event *event, struct change **row);
int sl_key_changed(struct event *event);
void sl_fault(struct event *event, const char *text, size_t size);
void sl_no_memory(struct script_host *host);
void sl_again(struct event *event);
int sl_look_copy(struct event *event, struct change *change, uint32_t column, uint32_t lookup, uint32_t of);
int sl_look_given(struct script_host *host, struct event *event, uint32_t script, const char *name, size_t size, bool found);
void sl_lane_key(struct event *event, uint32_t which, const char *text, size_t size);
int32_t sl_sink(struct script_host *host, const char *name, size_t size);
int32_t sl_target(struct script_host *host, const char *name, size_t size);
int32_t sl_target_column(struct script_host *host, uint32_t target, const char *name, size_t size);
int sl_target_is_key(struct script_host *host, uint32_t target, uint32_t column);
bool sl_target_is_merged(struct script_host *host, uint32_t target);
int sl_target_makes_key(struct script_host *host, uint32_t target);
bool sl_target_is_open(struct script_host *host, uint32_t target);
uint32_t sl_target_column_about(struct script_host *host, uint32_t target, uint32_t column);
uint32_t sl_target_count(struct script_host *host, uint32_t target);
const struct slice *sl_target_column_name(struct script_host *host, uint32_t target, uint32_t column);
int32_t sl_target_of(const struct change *change);
const struct slice *sl_target_name(struct script_host *host, uint32_t target);
struct change *sl_change(struct event *event, uint32_t target, uint32_t op, uint32_t fill);
struct change *sl_merge_copy(struct event *event, bool old, bool take_back);
void sl_disown(struct event *event, struct change *change);
int sl_set(struct event *event, struct change *change, uint32_t column, uint32_t kind, const char *text, size_t size);
int sl_set_number(struct event *event, struct change *change, uint32_t column, double number);

int sl_state_keys(struct event *event, const char *key, size_t size, const char *old, size_t old_size);
struct state_entry *sl_state_main(struct event *event);
double sl_time(struct event *event, bool old);
double sl_clock(struct event *event, double at_ms, double most_ms);
int sl_finish(struct event *event);
void sl_count_late(struct event *event, bool ahead);
void sl_state_put(struct event *event, struct state_entry *entry, const char *value, size_t size, const char *timers, size_t timers_size,
  double due, double wake);
struct sl_pane { double start, finish, n; struct slice made; bool written; };
bool sl_window_is_open(const struct state_entry *entry);
int sl_window_open(struct event *event, struct state_entry *entry, const char *text, size_t size);
int sl_window_take(struct event *event, struct state_entry *entry, bool old, double at_ms, double watermark_ms, double others_ms, int sign);
int sl_window_give(struct event *event, uint32_t place, double at_ms, int sign, uint32_t kind, const char *text, size_t size);
int sl_window_give_number(struct event *event, uint32_t place, double at_ms, int sign, double number);
int sl_window_write(struct event *event, struct state_entry *entry, bool old);
int sl_window_put(struct event *event, struct state_entry *entry, struct state_entry *old);
int sl_window_fire(struct event *event, struct state_entry *entry);
void sl_window_pane(struct event *event, uint32_t i, struct sl_pane *view);
int sl_window_merged(struct event *event, uint32_t i, struct sl_pane *view);
void sl_window_made(struct event *event, uint32_t i, const char *text, size_t size);
struct state_entry *sl_map_entry(struct event *event, const char *map, size_t map_size, const char *key, size_t key_size);
int sl_stall(struct event *event);
int sl_is_stalled(struct event *event);
void sl_timer_otherwise(struct event *event, const char *value, size_t size, const char *timers, size_t timers_size, double due, double wake);

struct change *sl_take_change(struct event *event, uint32_t target);
void sl_chain_settle(struct script_host *host, uint32_t script, uint32_t rank, uint32_t leader, bool feeds, bool kept,
  bool together, double out_of_order);
void sl_chain_lane(struct script_host *host, uint32_t script, int32_t at);
void sl_chain_begin(struct event *event);
struct event *sl_chain_event(struct event *from, uint32_t reader, uint32_t op);
int sl_chain_ready(struct event *row);
void sl_chain_done(struct event *row);
void sl_chain_over(struct event *event);
void sl_chain_wait(struct event *row);
int sl_chain_lanes(struct event *event);
int sl_chain_is_behind(struct event *event);
void sl_chain_behind(struct event *event);
bool sl_is_example(struct script_host *host);
uint32_t sl_built(struct script_host *host, const struct message *message);
struct event *sl_build_event(struct script_host *host, const struct message *message, uint32_t op);
void sl_build_names(struct script_host *host, struct event *event, const char *database, size_t database_size, const char *table, size_t table_size);
void sl_build_column(struct script_host *host, const char *name, size_t name_size, uint32_t kind, const char *text, size_t size);
void sl_build_number(struct script_host *host, const char *name, size_t name_size, double number);
int sl_build_image(struct script_host *host, struct event *event, uint32_t which, uint32_t state);
void sl_build_fault(struct script_host *host, const struct message *message, const char *text, size_t size);

struct harness;
struct harness *sl_harness_new(struct script_host *tester, const char *path, const char *served);
int sl_harness_restart(struct harness *harness);
void sl_harness_close(struct harness *harness);
struct script_host *sl_harness_host(struct harness *harness);
const struct slice *sl_harness_source(struct harness *harness);
const struct slice *sl_harness_target(struct harness *harness);
struct message *sl_harness_begin(struct harness *harness);
struct event *sl_harness_run(struct harness *harness, double now_ms);
struct event *sl_harness_fire(struct harness *harness, double now_ms);
void sl_harness_advance(struct harness *harness, double at_ms);
void sl_harness_finish(struct harness *harness, bool finished);
void sl_harness_end(struct harness *harness);
uint32_t sl_harness_key_count(struct harness *harness);
void sl_harness_key(struct harness *harness, const char *key, size_t size, const char *map, size_t map_size, const char *entry, size_t entry_size);
const struct slice *sl_harness_state(struct harness *harness);
int sl_harness_restore(struct harness *harness, const char *value, size_t size, int32_t version, double start, double finish, double rows);
]]

local sizes = ffi.new("uint32_t[9]", ffi.sizeof "struct value", ffi.sizeof "struct image", ffi.sizeof "struct message",
  ffi.sizeof "struct change", ffi.sizeof "struct event", ffi.offsetof("struct event", "settled"),
  ffi.offsetof("struct event", "ended"),
  ffi.offsetof("struct state_entry", "loaded"), ffi.offsetof("struct state_use", "old"))
local wrong = ffi.C.sl_layout(sizes)
if wrong ~= nil then
  error("lua/streamlua/native.lua does not fit the engine: " .. ffi.string(wrong))
end

return {
  C = ffi.C,
  ABSENT = 0, NULL = 1, FALSE = 2, TRUE = 3, NUMBER = 4, TEXT = 5, BYTES = 6, JSON = 7, DEFAULT = 8, -- enum value_kind
  DOUBLE = 3, BITS = 13, BIT_NUMBER = 14, -- enum meaning
  INSERT = 0, UPDATE = 1, DELETE = 2, SNAPSHOT = 3, TIMER = 7, -- enum op
  OPS = { [0] = "insert", "update", "delete", "snapshot", [7] = "timer" },
  CHANGE_UPSERT = 0, CHANGE_UPDATE = 1, CHANGE_DELETE = 2, -- enum change_op
  FILTERED = 2, UNMATCHED = 3, -- enum outcome
  PARTIAL = 2, -- enum image_state
}
