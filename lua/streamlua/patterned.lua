-- An event of a script with a pattern: what its matcher (streamlua.matcher) keeps of a key is the key's state, and a timer tells when the first of
-- its partial matches is over.
local context = require "streamlua.context"
local keyed = require "streamlua.keyed"
local matcher = require "streamlua.matcher"
local row = require "streamlua.row"
local saved = require "streamlua.state"
local timer = require "streamlua.timer"

local LABEL, HINT = "what the pattern keeps of this key", "a shorter within, or keep { ... } with fewer columns, is needed"

local patterned = {}

-- The end of the input fires what comes before the latest timer that is there: so where there are matches then, the last has one too.
local function keep_timers(pattern, state, work)
  local first, last = matcher.due(pattern, state)
  timer.keep(work, "first", first)
  timer.keep(work, "last", #pattern.nots > 0 and last ~= first and last or nil)
end

-- What is kept of a row: the columns that `keep` names, otherwise all that have a value.
local function keeper(names)
  return function(this)
    local kept = {}
    if names then
      for _, name in ipairs(names) do
        kept[name] = this[name]
      end
    else
      for name, value in row.pairs(this) do
        kept[name] = value
      end
    end
    return kept
  end
end

local function finder(script, write_row)
  return function(rows)
    write_row(script, "match", script.match(rows, context))
  end
end

-- What the row of a key holds.
function patterned.encode(state)
  return saved.check_size(matcher.encode(state, function(value) return saved.encode_value(value, LABEL) end), LABEL, HINT)
end

-- at: when it happened, nil where that does not matter. work: as of timer.begin. write_row(script, name, values): of what the script returns.
function patterned.advance(script, event, this, state, at, work, write_row)
  local pattern = script.pattern
  if pattern.within and not at then
    error("within: nothing says when this event happened: `time` names the column that does", 0)
  end
  pattern.keeper = pattern.keeper or keeper(pattern.keep)
  local fired_to = work.watermark and math.min(work.watermark, keyed.others(script, event))
  matcher.advance(pattern, state, { row = this, at = at, watermark = fired_to, ctx = context, keep = pattern.keeper }, finder(script, write_row))
  keep_timers(pattern, state, work)
end

-- Event time has come to `at`.
function patterned.expire(script, state, at, work, write_row)
  matcher.expire(script.pattern, state, at, finder(script, write_row))
  keep_timers(script.pattern, state, work)
end

return patterned
