-- Windows as scripts declare them. What they do is the engine's: core/flow/window.c.
local check = require "streamlua.check"
local tag = require "streamlua.tag"

local window = {}

-- An event is in each of them, and a row of streamlua_state (1 MB) holds them all: of more there would be no room for what they count.
local PANES_MOST = 5000

local OPTIONS = { out_of_order = { check.duration, default = 0 } }

local function length(where, name, value)
  local ms, reason = check.duration(value)
  if not ms then
    check.fail(where, name, "%s", reason)
  elseif ms < 1 then
    check.fail(where, name, "a window of no length")
  end
  return ms
end

local function made(where, name, fields, options)
  fields.kind = name
  fields.out_of_order = check.options(where, name, options, OPTIONS).out_of_order
  return tag.set(fields, "window")
end

-- sl.tumbling("1m", { out_of_order = "10s" })
function window.tumbling(where, size, options)
  size = length(where, "tumbling", size)
  return made(where, "tumbling", { size = size, hop = size }, options)
end

function window.hopping(where, size, hop, options)
  size, hop = length(where, "hopping", size), length(where, "hopping", hop)
  if hop > size or size % hop ~= 0 then
    check.fail(where, "hopping", "the size is a multiple of the hop, as in hopping('5m', '1m')")
  elseif size / hop > PANES_MOST then
    check.fail(where, "hopping", "an event would be in %d windows at once, and there may be %d: a larger hop is needed", size / hop, PANES_MOST)
  end
  return made(where, "hopping", { size = size, hop = hop }, options)
end

function window.session(where, gap, options)
  return made(where, "session", { gap = length(where, "session", gap) }, options)
end

return window
