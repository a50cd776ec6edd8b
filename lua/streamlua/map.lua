-- ctx:map(name): collections of a key beside its state, one row of streamlua_state an entry: [7] and "a" are the row [7,"a"] of that map.
-- Rows are read as they are needed. Where one is not at hand the event stalls (core/flow/script_map.c): whatever else it does does not
-- count, and it runs again from its beginning. What is written needs no answer before the event's end, so that is asked for all at once.
local ffi = require "ffi"
local check = require "streamlua.check"
local host = require "streamlua.host"
local json = require "streamlua.json"
local native = require "streamlua.native"
local null = require("streamlua").null
local saved = require "streamlua.state"

local C = native.C
local NAME_MOST, ENTRIES_MOST, NAMES_MOST = 160, 10000, 1000

local map = {}

-- What the event at hand may use: { script =, event =, at =, over = }; nil where it may not.
local working
-- By name, then key: { entry =, label =, value =, read =, written =, upgraded =, text = }; and all of them in the order in which they came up.
local entries, list = {}, {}
local stalled = false

local STALL = setmetatable({}, { __tostring = function() return "an entry of a map is not at hand" end })

local function stall()
  stalled = true
  error(STALL, 0)
end

-- The event waits for rows that are asked for already.
map.stall = stall

-- ---- an entry ----

local function key_text(name, key)
  if type(key) == "string" or (type(key) == "number" and key == key and key > -math.huge and key < math.huge) then
    return json.encode(key == 0 and 0 or key, null)
  end
  error(("map %s: a key is a text or a number, not %s"):format(name, type(key) == "number" and tostring(key) or check.kind_of(key)), 4)
end

local function find(name, key)
  if not working then
    error("ctx:map: only process(row, state, ctx) and on_timer(state, ctx) have maps", 3)
  end
  local of = entries[name]
  local one = of and of[key]
  if one then
    return one
  end
  local text = key_text(name, key)
  if #list == ENTRIES_MOST then
    error(("map %s: one event comes to more than %d entries"):format(name, ENTRIES_MOST), 3)
  end
  local entry = C.sl_map_entry(working.event, name, #name, text, #text)
  if entry == nil then
    error(("map %s: %s"):format(name, ffi.string(C.sl_error(host.pointer))), 3)
  end
  one = { entry = entry, label = ("%s[%s]"):format(name, text) }
  if not of then
    of = {}
    entries[name] = of
  end
  of[key] = one
  list[#list + 1] = one
  return one
end

-- What its row holds, as the script's version has it; nil where there is none, or it is too old to count.
local function read(one, name)
  local entry, script, over = one.entry, working.script, working.over
  one.read = true
  if entry.value.n == 0 or (over and script.state and script.state.ttl and tonumber(entry.at[0]) <= over) then
    return nil
  end
  saved.refuse_newer(working.event, entry, script.version)
  local value = saved.decode_value(ffi.string(entry.value.p, entry.value.n))
  if entry.version < script.version then
    local made = script.upgrade(value, entry.version, name)
    one.upgraded = true
    value = made == nil and value or made
  end
  return value
end

local function get(name, key)
  local one = find(name, key)
  if not one.read and not one.written then
    if not one.entry.loaded then
      stall()
    end
    one.value = read(one, name)
  end
  return one.value
end

local function set(name, key, value)
  local one = find(name, key)
  one.written, one.value = true, value
end

-- ---- what scripts see ----

local function refuse_walk(name)
  return function()
    error(("map %s: nothing walks through a map: its entries are rows of the database, read one by one. What is to be walked through belongs " ..
      "into state"):format(name), 2)
  end
end

local made, made_count = {}, 0

local function collection(name)
  local found = made[name]
  if found then
    return found
  end
  if made_count == NAMES_MOST then
    made, made_count = {}, 0
  end
  found = newproxy(true)
  local meta = getmetatable(found)
  meta.__index = function(_, key) return get(name, key) end
  meta.__newindex = function(_, key, value) return set(name, key, value) end -- a tail call, as above: errors are the script's line
  meta.__len, meta.__pairs, meta.__call = refuse_walk(name), refuse_walk(name), refuse_walk(name)
  meta.__metatable = "protected"
  made[name], made_count = found, made_count + 1
  return found
end

-- ctx:map(name, keys): keys are those that will be needed, so that their rows are read at once.
function map.open(_, name, keys)
  if type(name) ~= "string" or name == "" or #name > NAME_MOST or name:find "[%z\1-\31]" then
    error(("ctx:map: a map's name is a text of 1 to %d bytes, not %s"):format(NAME_MOST,
      type(name) == "string" and "this one" or check.kind_of(name)), 2)
  elseif not working then
    error("ctx:map: only process(row, state, ctx) and on_timer(state, ctx) have maps", 2)
  end
  if keys ~= nil then
    if type(keys) ~= "table" then
      error(("ctx:map(name, keys): a list of keys is needed, not %s"):format(check.kind_of(keys)), 2)
    end
    local missing = false
    for _, key in ipairs(keys) do
      missing = not find(name, key).entry.loaded or missing
    end
    if missing then
      stall()
    end
  end
  return collection(name)
end

-- ---- around an event ----

-- at: when it happened, in ms; may be nil. over: entries that expire until then are gone.
function map.begin(script, event, at, over)
  working = { script = script, event = event, at = at, over = over }
end

-- Another script has its turn in the middle of this one's, which has none: gives what was there, to be given back.
function map.lend(back)
  local lent = working
  working = back
  return lent
end

-- Whether something that the script caught, or not, was that it stalled: nobody may go on as if it were any other error.
function map.is_stalled()
  return stalled
end

-- After the script, before anything is taken over: what its rows are to be. Stalls where one that was only written is not at hand.
function map.encode()
  local missing = false
  for i = 1, #list do
    local one = list[i]
    missing = not one.entry.loaded or missing
    if one.written or one.upgraded or type(one.value) == "table" then
      one.text = one.value == nil and "" or saved.encode_value(one.value, one.label)
    end
  end
  if missing then
    stall()
  end
end

function map.put()
  if #list == 0 then
    return
  end
  local ttl, at, over = working.script.state and working.script.state.ttl, working.at, working.over
  for i = 1, #list do
    local one, due = list[i], 0 / 0
    local text, entry = one.text, one.entry
    if text then
      saved.refuse_newer(working.event, entry, working.script.version)
      if ttl and text ~= "" then -- since the last change
        local was = tonumber(entry.at[0])
        local same = text == ffi.string(entry.value.p, entry.value.n) and was < 2 ^ 62 and not (over and was <= over)
        due = same and was or at and at + ttl or due
      end
      C.sl_state_put(working.event, entry, text, #text, nil, 0, due, 0 / 0)
    end
  end
end

-- The event is over, or begins anew. Wants no memory: what it did is taken over already.
function map.finish()
  working, stalled = nil, false
  for i = #list, 1, -1 do
    list[i] = nil
  end
  for name in next, entries do
    entries[name] = nil
  end
end

return map
