/* The scripts of tables whose events have times: each in several ways that come to the same. */
#include "sim/scripts.h"

#define TIME "local sl = require 'streamlua'\n"
#define FILTER "filter = function(row) return row.keep ~= 0 end, "
#define BY_ID "key_by = { 'id' }, "
#define BY_FUNCTION "key_by = function(row) return row.id end, "

/* Which timers an event sets follows from its v, so that its message says everything. The map's entry goes with the state, as in COUNTS. */
#define TIMERS                                                                                                                                       \
	"time = 'w', watermark = { out_of_order = '60ms', idle_after = '3s' },\n"                                                                    \
	"process = function(row, state, ctx)\n"                                                                                                      \
	"  local v, from = row.v, math.max(row.w, ctx.watermark or row.w)\n"                                                                         \
	"  if v % 3 == 0 then ctx:timer(from + 1 + v * 37 % 150, 'q') end\n"                                                                         \
	"  if v % 5 == 0 then ctx:timer(from + 1 + v * 53 % 400) end\n"                                                                              \
	"  if v % 7 == 0 then ctx:cancel 'q' end\n"                                                                                                  \
	"  if v % 4 == 0 then ctx:timer_in(v % 50, 'c') end\n"                                                                                       \
	"  step(state, ctx, row.id, 'e' .. v, v)\n"                                                                                                  \
	"  if row.fault == 1 then error 'at fault' end\n"                                                                                            \
	"end,\n"                                                                                                                                     \
	"on_timer = function(state, ctx)\n"                                                                                                          \
	"  local id, at = type(ctx.key) == 'table' and ctx.key.id or ctx.key, ctx.time\n"                                                            \
	"  if ctx.timer_name == 'c' then return step(state, ctx, id, ('c%.0f'):format(at), 5) end\n"                                                 \
	"  step(state, ctx, id, 't' .. (ctx.timer_name or '') .. at, at)\n"                                                                          \
	"  if at % 13 == 0 then error 'at fault' end\n"                                                                                              \
	"  if at % 3 == 0 then ctx:timer(at + 40) end\n"                                                                                             \
	"  if at % 4 == 0 then ctx:timer_in(30, 'c') end\n"                                                                                          \
	"end }"
#define STEP                                                                                                                                         \
	"local function step(state, ctx, id, name, what)\n"                                                                                          \
	"  local map = ctx:map 'm'\n"                                                                                                                \
	"  state.n, state.h = (state.n or 0) + 1, ((state.h or 0) * 7 + what) % 997\n"                                                               \
	"  if what % 2 == 1 then\n"                                                                                                                  \
	"    if map.g ~= state.g then error 'map and state differ' end\n"                                                                            \
	"    map.g, state.g = state.h, state.h\n"                                                                                                    \
	"  end\n"                                                                                                                                    \
	"  ctx:emit('log', { id = id, what = name, n = state.n, h = state.h })\n"                                                                    \
	"  if state.h % 5 == 0 then state.n, state.h, state.g, map.g = nil, nil, nil, nil end\n"                                                     \
	"end\n"

#define WINDOW(of) "time = 'w', watermark = { idle_after = '3s' }, window = sl." of ", "
#define PANES WINDOW("tumbling('100ms', { out_of_order = '60ms' })") "aggregate = { n = sl.count(), total = sl.sum 'v' }"
#define FINALS                                                                                                                                       \
	WINDOW("hopping('200ms', '100ms', { out_of_order = '60ms' })")                                                                               \
	"emit = 'final', aggregate = { n = sl.count(), total = sl.sum 'v', latest = sl.last 'v' },\n"                                                \
	"late = function(row, ctx) ctx:emit('log', { id = row.id, what = 'late' .. row.v, n = 0, h = 0 }) end"
#define SESSIONS WINDOW("session('80ms', { out_of_order = '60ms' })") "aggregate = { n = sl.count(), most = sl.max 'v' }"

/* The same by functions in Lua, which keep what the aggregates keep. */
#define PANES_IN_LUA                                                                                                                                 \
	WINDOW("tumbling('100ms', { out_of_order = '60ms' })")                                                                                       \
	"add = function(acc, row) return { n = (acc.n or 0) + 1, total = { (acc.total and acc.total[1] or 0) + row.v, (acc.n or 0) + 1 } } end,\n"   \
	"sub = function(acc, row) acc.n, acc.total = acc.n - 1, { acc.total[1] - row.v, acc.n - 1 } end,\n"                                          \
	"result = function(acc) return { n = acc.n, total = acc.total[1] } end"
#define FINALS_IN_LUA                                                                                                                                \
	WINDOW("hopping('200ms', '100ms', { out_of_order = '60ms' })")                                                                               \
	"emit = 'final', add = function(acc, row)\n"                                                                                                 \
	"  acc.n, acc.total = (acc.n or 0) + 1, { (acc.total and acc.total[1] or 0) + row.v, (acc.n or 0) + 1 }\n"                                   \
	"  if not acc.latest or row.w >= acc.latest[2] then acc.latest = { row.v, row.w } end\n"                                                     \
	"end,\n"                                                                                                                                     \
	"result = function(acc) return { n = acc.n, total = acc.total[1], latest = acc.latest[1] } end,\n"                                           \
	"late = function(row, ctx) ctx:emit('log', { id = row.id, what = 'late' .. row.v, n = 0, h = 0 }) end"
#define SESSIONS_IN_LUA                                                                                                                              \
	WINDOW("session('80ms', { out_of_order = '60ms' })")                                                                                         \
	"add = function(acc, row) acc.n, acc.most = (acc.n or 0) + 1, math.max(acc.most or row.v, row.v) end,\n"                                     \
	"merge = function(a, b) return { n = a.n + b.n, most = math.max(a.most, b.most) } end"
#define NAMED(...) ", columns = { id = 'id', window_start = 'window_start', window_end = 'window_end', n = 'n', " __VA_ARGS__ " }"

static const char *const texts[TABLE_COUNT][SCRIPT_WAYS] = {
	[TABLE_TIMED] = {
		STEP "return { " BY_ID FILTER TIMERS,
		STEP "return { " BY_FUNCTION FILTER TIMERS,
		STEP "return { filter = function(row, ctx) return row.keep == 1 end, " BY_ID TIMERS,
		STEP "return { filter = function(row, ctx) return row.keep == 1 end, " BY_FUNCTION TIMERS,
	},
	[TABLE_PANES] = {
		TIME "return { " BY_ID FILTER PANES " }",
		TIME "return { target = 'panes', " BY_ID FILTER PANES " }",
		TIME "return { " BY_ID FILTER PANES NAMED("total = 'total'") " }",
		TIME "return { emit = 'changes', " BY_ID FILTER PANES_IN_LUA " }",
	},
	[TABLE_FINALS] = {
		TIME "return { " BY_ID FILTER FINALS " }",
		TIME "return { target = 'finals', " BY_ID FILTER FINALS " }",
		TIME "return { " BY_ID FILTER FINALS NAMED("total = 'total', latest = 'latest'") " }",
		TIME "return { " BY_ID "filter = function(row) return row.keep == 1 end, " FINALS_IN_LUA " }",
	},
	[TABLE_SESSIONS] = {
		TIME "return { " BY_ID FILTER SESSIONS " }",
		TIME "return { target = 'sessions', " BY_ID FILTER SESSIONS " }",
		TIME "return { " BY_ID FILTER SESSIONS NAMED("most = 'most'") " }",
		TIME "return { emit = 'changes', " BY_ID FILTER SESSIONS_IN_LUA " }",
	},
};

const char *timed_script(enum table table, uint32_t way)
{
	return texts[table][way];
}
