-- Windows: for each key, event time is cut into panes, and each pane accumulates its rows. All open panes of a key are one row of
-- streamlua_state: { ["<start in ms>"] = { n = rows, a = { accumulators }, e = end } }, and f where its row is written
-- although it is not closed, d where it changed since. A pane is closed once the watermark, which is the
-- largest event time of the partition less out_of_order, has passed its end: what comes for it then is late.
local check = require "streamlua.check"
local tag = require "streamlua.tag"
local time = require "streamlua.time"

local floor, format = math.floor, string.format

local window = {}

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
  end
  return made(where, "hopping", { size = size, hop = hop }, options)
end

function window.session(where, gap, options)
  return made(where, "session", { gap = length(where, "session", gap) }, options)
end

-- Milliseconds as a time of a database; without a fraction where there is none.
local function text_of(ms)
  return (time.format(ms):gsub("%.000$", ""))
end
window.text_of = text_of

local function key_of(start)
  return format("%.0f", start)
end

-- Panes that the watermark has passed are gone: nothing can come for them that is not late.
local function close(panes, watermark)
  for start, pane in pairs(panes) do
    if pane.e <= watermark then
      panes[start] = nil
    end
  end
end

-- at: the event's time. Calls change(pane, start) for each pane that it falls into; late() where all of them are closed.
local function tumble(spec, panes, at, watermark, change)
  local start, any = floor(at / spec.hop) * spec.hop, false
  while start + spec.size > at do
    if start + spec.size > watermark then
      local key = key_of(start)
      local pane = panes[key]
      if not pane then
        pane = { n = 0, a = {}, e = start + spec.size }
        panes[key] = pane
      end
      any = true
      change(pane, start)
      if pane.n == 0 and not pane.f then
        panes[key] = nil
      end
    end
    start = start - spec.hop
  end
  return any
end

-- merge(into, from) where the event makes one session of two; gone(pane, start) for a session that begins somewhere else now.
local function join(spec, panes, at, watermark, change, merge, gone, final)
  if at + spec.gap <= watermark then
    return false
  end
  local start, finish, pane = at, at + spec.gap, { n = 0, a = {} }
  for key, other in pairs(panes) do
    local from = tonumber(key)
    if from <= at + spec.gap and other.e >= at and other.e > watermark then -- they touch
      merge(pane, other, from)
      start, finish = math.min(start, from), math.max(finish, other.e)
      panes[key] = nil
    end
  end
  pane.e = finish
  panes[key_of(start)] = pane
  for from, written in pairs(pane.from or {}) do
    if from == key_of(start) then
      pane.f = written and final or nil
    elseif written then
      gone(tonumber(from))
    end
  end
  pane.from = nil
  change(pane, start)
  return true
end

-- What add, sub or merge made of an accumulator: another one, or the same where it returned nothing.
local function accumulated(script, name, acc, other)
  local value = script[name](acc, other)
  if value == nil then
    return acc
  elseif type(value) ~= "table" then
    error(("%s returned %s: an accumulator is a table"):format(name, check.kind_of(value)), 0)
  end
  return value
end

-- script: window, aggregates = list of { name, aggregate }. Returns add(panes, row, at, watermark, others, sign, change, gone)
-- -> false where late. others: what the partition's neighbours have come to.
function window.new(script)
  local spec, list = script.window, script.aggregates

  local function update(pane, row, at, sign)
    pane.n = pane.n + sign
    if pane.n < 0 then
      error("a row is taken back from a window that never had it", 0)
    end
    if script.add then
      pane.a = accumulated(script, sign > 0 and "add" or "sub", pane.a, row)
      return
    end
    for i = 1, #list do
      local one = list[i].aggregate
      local value = true
      if one.column then
        value = row[one.column]
      elseif one.call then
        value = one.call(row)
      end
      if value ~= nil then
        pane.a[list[i].name] = one[sign > 0 and "add" or "sub"](pane.a[list[i].name], value, at)
      end
    end
  end

  local final = script.emit == "final" -- what is closed stays until it is written

  local function merge(into, from, start)
    into.n = into.n + from.n
    into.from = into.from or {}
    into.from[key_of(start)] = from.f or not final
    if script.add then
      into.a = next(into.a) == nil and from.a or accumulated(script, "merge", into.a, from.a)
      return
    end
    for i = 1, #list do
      local name = list[i].name
      into.a[name] = list[i].aggregate.merge(into.a[name], from.a[name])
    end
  end

  return function(panes, row, at, watermark, others, sign, change, gone)
    if not final then
      close(panes, math.min(watermark, others))
    end
    local function changed(pane, start)
      update(pane, row, at, sign)
      pane.d = pane.f
      change(pane, start)
    end
    if spec.kind == "session" then
      if sign < 0 then
        error("a session cannot take a row back: this window is for streams without updates and deletes", 0)
      end
      return join(spec, panes, at, watermark, changed, merge, gone, final)
    end
    return tumble(spec, panes, at, watermark, changed)
  end
end

window.close = close

-- When a key's panes are due. "final": when the first of them closes, which is then written; else all are forgotten with the last one.
function window.due(script, panes)
  local choose, due = script.emit == "final" and math.min or math.max, nil
  for _, pane in pairs(panes) do
    due = due and choose(due, pane.e) or pane.e
  end
  return due
end

-- The columns that a pane's row can have beside those of key_by.
function window.result(script, pane, start)
  local values = { window_start = text_of(start), window_end = text_of(pane.e) }
  if script.add then
    local result = script.result and script.result(pane.a, { start = start, finish = pane.e }) or pane.a
    if type(result) ~= "table" then
      error(("result returned %s: a table of columns is needed"):format(check.kind_of(result)), 0)
    end
    for name, value in pairs(result) do
      values[name] = value
    end
    return values
  end
  for _, one in ipairs(script.aggregates) do
    values[one.name] = one.aggregate.result(pane.a[one.name])
  end
  return values
end

return window
