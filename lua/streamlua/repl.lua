-- What `streamlua repl` works out: Lua on the last events of a job, with the names that its scripts have.
local ffi = require "ffi"
local ctx = require "streamlua.context"
local examples = require "streamlua.examples"
local host = require "streamlua.host"
local native = require "streamlua.native"
local nearest = require "streamlua.nearest"
local null = require("streamlua").null
local row = require "streamlua.row"

local C, state = native.C, row.state
local OUTCOMES = { [0] = "written", "written", "filtered", "unmatched", "ignored", "dead letter", "skipped", "parked" } -- enum outcome
local WIDTH = 100 -- a table that is no longer stands on one line
local DEEPEST = 6

local HELP = [[
row, old, ctx        of the event at hand, as its script sees them: row.price, row:has "price", ctx.op
map(row), where(row), filter(row), columns.sku(row)
                     the script's functions; those that its file keeps local have their names too
out                  what the script makes of the event: rows, deletes, or what is wrong
event, events[3]     the event at hand, and any of them: op, table, row, old, key, out, outcome, topic, partition, offset
script               the script as it is understood; sl is its library
next, prev, 12       another event becomes the one at hand; so does: find row.id == 7
events               lists them
x = row.id * 2       names of your own
help, quit           this text; the end, as Ctrl-D]]

local repl = {}

-- ---- values as text ----

local function is_name(value)
  return type(value) == "string" and value:find "^[%a_][%w_]*$" ~= nil
end

local show

local function show_table(value, depth, seen)
  if seen[value] or depth > DEEPEST then
    return "{ ... }"
  end
  seen[value] = true
  local names, parts = {}, {}
  for i = 1, #value do
    parts[i] = show(value[i], depth + 1, seen)
  end
  for name in pairs(value) do
    if type(name) ~= "number" or name < 1 or name > #value or name ~= math.floor(name) then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do
    parts[#parts + 1] = ("%s = %s"):format(is_name(name) and name or ("[%s]"):format(show(name, depth + 1, seen)), show(value[name], depth + 1, seen))
  end
  seen[value] = nil
  local line = #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
  if #line + 2 * depth <= WIDTH then
    return line
  end
  local indent = ("  "):rep(depth)
  return ("{\n%s  %s,\n%s}"):format(indent, table.concat(parts, (",\n%s  "):format(indent)), indent)
end

function show(value, depth, seen)
  if value == null then
    return "null"
  elseif row.is_row(value) then
    return show_table(row.to_table(value, null), depth or 0, seen or {})
  elseif type(value) == "string" then
    return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("%z", "\\0"))
  elseif type(value) == "table" then
    return show_table(value, depth or 0, seen or {})
  end
  return type(value) == "function" and "function" or tostring(value)
end

-- ---- the events ----

local scripts, environment -- of the job; (path) -> its globals
local events = {}          -- as tables
local pointers = {}        -- as the engine has them
local at = 0

local function text(slice)
  return slice.p ~= nil and ffi.string(slice.p, slice.n) or nil
end

local function enter(event)
  state.event, state.generation, state.op = event, state.generation + 1, event.op
end

local function image(which, of)
  return of.shape ~= nil and row.to_table(row.new(state.generation, which), null) or nil
end

local function key_of(event)
  if event.key.shape == nil then
    return nil
  end
  local values = {}
  for i = 0, tonumber(event.key.shape.count) - 1 do
    values[text(event.key.shape.columns[i].name)] = row.get(event.key, i)
  end
  return values
end

-- What its script makes of it, as examples expect it.
local function made_of(event)
  local failed = examples.error_of(event)
  if failed then
    return { error = failed }
  end
  local list = {}
  for i, one in ipairs(examples.changes(host.pointer, event)) do
    list[i] = { [one.delete and "delete" or "row"] = one.row, target = one.target }
  end
  return list
end

local function as_table(number, event)
  enter(event)
  local script = scripts[C.sl_event_script(event) + 1]
  return {
    number = number, op = native.OPS[event.op] or "no row", database = text(event.database), table = text(event.table),
    topic = text(event.message.topic), partition = event.message.partition, offset = tonumber(event.message.offset),
    row = image(row.NEW, event.row), old = image(row.OLD, event.old), key = key_of(event),
    error = examples.error_of(event), outcome = OUTCOMES[event.outcome] or "written", script = script and script.path,
    out = made_of(event),
  }
end

-- first: all of the last events, which have run. list: the job's scripts.
function repl.begin(first, list, environment_of)
  scripts, environment = list, environment_of
  events, pointers = {}, {}
  local event = ffi.cast("struct event *", first)
  while event ~= nil do
    pointers[#pointers + 1] = event
    local ok, made = pcall(as_table, #pointers, event)
    events[#pointers] = ok and made or { number = #pointers, error = made, out = {}, outcome = "dead letter" }
    event = event.next
  end
  at = #events
  while at > 1 and pointers[at].row.shape == nil and events[at].outcome == "ignored" do -- marks, tombstones: no rows
    at = at - 1
  end
end

-- ---- the names ----

local own = {} -- of whoever types

local function current_script()
  local event = pointers[at]
  return event and scripts[C.sl_event_script(event) + 1]
end

-- A function of the script without its second argument, or its first: that of the event at hand.
local function with_defaults(fn)
  return function(first, second, ...)
    return fn(first == nil and row.new(state.generation, row.NEW) or first, second == nil and ctx or second, ...)
  end
end

local function columns_of(script)
  if not script.columns then
    return nil
  end
  local columns = {}
  for _, column in ipairs(script.columns) do
    columns[column.target] = column.call and with_defaults(column.call) or column.source
  end
  return columns
end

function repl.print(...)
  local parts = {}
  for i = 1, select("#", ...) do
    local value = (select(i, ...))
    parts[i] = type(value) == "string" and value or show(value)
  end
  io.write(table.concat(parts, "\t"), "\n")
end

local NAMES = {
  row = function(event) return event.row.shape ~= nil and row.new(state.generation, row.NEW) or nil end,
  old = function(event) return event.old.shape ~= nil and row.new(state.generation, row.OLD) or nil end,
  ctx = function() return ctx end,
  event = function() return events[at] end,
  out = function() return events[at].out end,
  script = function() return current_script() end,
  columns = function() return current_script() and columns_of(current_script()) end,
}

-- What a script's file keeps local and its functions use.
local function local_of(script, name)
  for _, fn in pairs(script) do
    for i = 1, type(fn) == "function" and math.huge or 0 do
      local found, value = debug.getupvalue(fn, i)
      if not found then
        break
      elseif found == name then
        return value
      end
    end
  end
  for _, column in ipairs(script.columns or {}) do
    local value = column.call and local_of({ call = column.call }, name)
    if value ~= nil then
      return value
    end
  end
end

local function lookup(_, name)
  if own[name] ~= nil then
    return own[name]
  elseif name == "events" then
    return events
  elseif name == "print" then
    return repl.print
  elseif NAMES[name] and at > 0 then
    return NAMES[name](pointers[at])
  end
  local script = at > 0 and current_script() or nil
  if script and type(script[name]) == "function" then
    return with_defaults(script[name])
  elseif name == "sl" then
    return require "streamlua"
  end
  local value = script and local_of(script, name)
  if value ~= nil then
    return value
  end
  local globals = environment(script and script.path or "repl")
  local ok, found = pcall(function() return globals[name] end)
  if not ok then
    error(found:gsub("^streamlua/[%w_]+:%d+: ", "") .. (found:find("did you mean", 1, true) and "" or nearest.hint(name, NAMES)), 2)
  end
  return found
end

local session = setmetatable({}, { __index = lookup, __newindex = function(_, name, value) own[name] = value end })

-- ---- what is typed ----

local function brief(event)
  local key = event.key and show(event.key) or ""
  local what = event.error or event.outcome
  return ("%s%4d  %-8s %-20s %s  %s"):format(event.number == at and ">" or " ", event.number, event.op or "?",
    (event.database and event.database .. "." or "") .. (event.table or "(no table)"), key, (what:match "^[^\n]*"))
end

local function list_events()
  local lines = {}
  for i, event in ipairs(events) do
    lines[i] = brief(event)
  end
  return table.concat(lines, "\n")
end

local function go(number)
  if not events[number] then
    error(#events == 0 and "there are no events" or ("there is no event %d: they are 1 to %d"):format(number, #events), 0)
  end
  at = number
  enter(pointers[at])
  return brief(events[at])
end

local COMMANDS = {
  help = function() return HELP end,
  events = list_events,
  next = function() return go(at + 1) end,
  prev = function() return go(at - 1) end,
}
COMMANDS["?"], COMMANDS.n, COMMANDS.p = COMMANDS.help, COMMANDS.next, COMMANDS.prev

local function results(...)
  local shown = {}
  for i = 1, select("#", ...) do
    shown[i] = show((select(i, ...)))
  end
  return table.concat(shown, "  ")
end

-- Goes on behind the event at hand, and around, to the first for which it is true.
local function find(condition)
  local chunk, reason = load("return " .. condition, "=find", "t", session)
  if not chunk then
    error(reason, 0)
  end
  local before = at
  for step = 1, #events do
    go((before + step - 1) % #events + 1)
    local ok, is = pcall(chunk)
    if ok and is then
      return brief(events[at])
    end
  end
  if before > 0 then
    go(before)
  end
  error(("no event has %s"):format(condition), 0)
end

-- A message of our own does not say where in here it was made.
local function said(reason)
  return (tostring(reason):gsub("^streamlua/[%w_]+:%d+: ", ""))
end

-- A line, or the lines of something that is not finished yet -> its results as text. nil, "more": the next line belongs to it; nil, "quit".
local function eval(line)
  local word = line:match "^%s*(.-)%s*$"
  if word == "" then
    return ""
  elseif word == "quit" or word == "exit" then
    return nil, "quit"
  elseif at > 0 then
    enter(pointers[at])
  end
  if COMMANDS[word] then
    return COMMANDS[word]()
  elseif word:find "^%d+$" then
    return go(tonumber(word))
  elseif word:find "^find%s" then
    return find(word:match "^find%s+(.*)$")
  end
  local chunk, unfinished = load("return " .. word, "=repl", "t", session)
  if chunk then
    return results(chunk())
  end
  local reason
  chunk, reason = load(word, "=repl", "t", session)
  if not chunk then
    if (unfinished .. reason):find("<eof>", 1, true) then
      return nil, "more"
    end
    error(reason, 0)
  end
  return results(chunk())
end

function repl.eval(line)
  local ok, shown, what = pcall(eval, line)
  if not ok then
    error(said(shown), 0)
  end
  return shown, what
end

-- "orders 3/100> "
function repl.prompt()
  local event = events[at]
  return ("%s %d/%d> "):format(event and event.table or "streamlua", at, #events)
end

-- ---- completion ----

local function add_all(found, values, before)
  for name in pairs(values) do
    if is_name(name) then
      found[#found + 1] = before .. name
    end
  end
end

local function names_in(object)
  if object == ctx then
    local ok, reason = pcall(function() return ctx[""] end)
    return ok and {} or reason and repl.ctx_names
  elseif row.is_row(object) then
    local values = row.to_table(object, null)
    values.has = true
    return values
  end
  return type(object) == "table" and object or {}
end

repl.ctx_names = {
  op = true, old = true, database = true, table = true, time = true, key = true, headers = true, topic = true, partition = true, offset = true,
  tx = true, position = true, now = true, watermark = true, emit = true, delete = true,
}

-- All that a text may go on with, as a list; what stands before the last name is kept.
function repl.complete(typed)
  if at > 0 then
    enter(pointers[at])
  end
  local path, start = typed:match "^(.-)([%a_][%w_]*)$"
  path, start = path or typed, start or ""
  local found, object = {}, path:match "([%a_][%w_.%[%]]*)[.:]$"
  if object then
    local chunk = load("return " .. object, "=complete", "t", session)
    local ok, value = pcall(chunk or error)
    add_all(found, ok and names_in(value) or {}, path)
  else
    add_all(found, own, path)
    add_all(found, NAMES, path)
    add_all(found, { events = 1, sl = 1, help = 1, next = 1, prev = 1, quit = 1, find = 1, pairs = 1, ipairs = 1, tostring = 1, tonumber = 1 }, path)
    add_all(found, { string = 1, table = 1, math = 1, os = 1, bit = 1 }, path)
    for name, value in pairs(at > 0 and current_script() or {}) do
      if type(value) == "function" then
        found[#found + 1] = path .. name
      end
    end
  end
  local list = {}
  for _, one in ipairs(found) do
    if one:sub(1, #typed) == typed and #path + #start <= #one then
      list[#list + 1] = one
    end
  end
  table.sort(list)
  return list
end

return repl
