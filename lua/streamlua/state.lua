-- What scripts keep: rows of streamlua_state as Lua tables. A table lives on from event to event; what the row holds is its text, made
-- after each event, so that a fault can go back to it and a crash changes nothing.
local ffi = require "ffi"
local host = require "streamlua.host"
local json = require "streamlua.json"
local null = require("streamlua").null

local concat, sort, floor, abs = table.concat, table.sort, math.floor, math.abs
local find, format = string.find, string.format -- and not the methods of texts: those are the scripts', which cost more

local state = {
  BYTES_MOST = 1024 * 1024, -- of one row
}

local DEPTH_MOST = 100

-- Tables of entries, by their ids. All are let go now and then: they are made again from their texts.
local LIVE_MOST = 50000
local live, live_count = {}, 0

-- Those that the event at hand has opened, by their ids: an entry may be gone by the time that it is asked for, and its id is no other's.
local opened, opened_count = {}, 0

-- Where in the table something stands that cannot be saved: ".cart[3].price".
local function place(path, key)
  if key == nil then
    return path
  elseif type(key) == "number" then
    return ("%s[%s]"):format(path, tostring(key))
  end
  return ("%s.%s"):format(path, tostring(key))
end

local encode

local function encode_table(value, path, depth)
  if depth > DEPTH_MOST then
    error(("%s cannot be saved: more than %d tables in each other, or a table in itself"):format(path:sub(1, 60), DEPTH_MOST), 0)
  end
  local count, names = 0, {}
  for key in pairs(value) do
    count = count + 1
    names[count] = key
  end
  local length = #value
  if count == length and (count > 0 or getmetatable(value) == json.ARRAY.__metatable) then
    for i = 1, count do
      names[i] = encode(value[i], path, i, depth + 1)
    end
    return "[" .. concat(names, ",") .. "]"
  end
  for i = 1, count do
    if type(names[i]) ~= "string" then
      error(("%s cannot be saved: its keys are neither texts nor 1 to n; write t[tostring(key)]"):format(place(path, names[i])), 0)
    end
  end
  if count > 1 then
    sort(names)
  end
  for i = 1, count do
    local name = names[i]
    names[i] = encode(name, path, name, depth) .. ":" .. encode(value[name], path, name, depth + 1)
  end
  return "{" .. concat(names, ",") .. "}"
end

function encode(value, path, key, depth)
  local kind = type(value)
  if kind == "number" and value == floor(value) and abs(value) < 2 ^ 53 then
    return format("%.0f", value + 0)
  elseif kind == "string" and not find(value, '[^ !#-[%]^-~]') then
    return '"' .. value .. '"'
  elseif kind == "boolean" then
    return value and "true" or "false"
  elseif kind == "table" then
    return encode_table(value, place(path, key), depth)
  end
  local ok, text = pcall(json.encode, value, null)
  if not ok then
    error(("%s cannot be saved: %s"):format(place(path, key), text), 0)
  end
  return text
end

-- The text of any value but nil. label: what the script calls it.
function state.encode_value(value, label)
  local text = encode(value, label, nil, 1)
  if #text > state.BYTES_MOST then
    error(("%s takes %d bytes, and a row of streamlua_state holds %d"):format(label, #text, state.BYTES_MOST), 0)
  end
  return text
end

-- The text of a table, unless it is too long. label: what the script calls it. hint: what to do then.
function state.check_size(text, label, hint)
  if #text > state.BYTES_MOST then
    hint = hint or "keep many things in ctx:map"
    error(("%s takes %d bytes, and a row of streamlua_state holds %d: %s"):format(label, #text, state.BYTES_MOST, hint), 0)
  end
  return text
end

-- The text of a table; "" of an empty one.
function state.encode(value, label)
  if type(value) ~= "table" then
    error(("%s is a %s: a table is needed"):format(label, type(value)), 0)
  elseif next(value) == nil then
    return ""
  end
  return state.check_size(encode_table(value, label, 1), label)
end

function state.decode(text)
  local value, reason = host.json_decode(text, null, json.ARRAY, true)
  if value == nil then
    error(reason, 0)
  end
  return value
end

-- Of a map's entry: any value but nil.
function state.decode_value(text)
  local first = text:byte()
  if first == 123 or first == 91 then -- { [
    return state.decode(text)
  end
  return state.decode("[" .. text .. "]")[1]
end

-- What the row of an entry holds, as the script's version has it. upgrade(value, from): may be nil where there is none below it.
local function read(entry, version, upgrade)
  local value = state.decode(ffi.string(entry.value.p, entry.value.n))
  if entry.version < version then
    value = upgrade(value, entry.version)
    if type(value) ~= "table" then
      error(("upgrade returned a %s: the new state is needed, a table, or nothing where it was changed in place"):format(type(value)), 0)
    end
  end
  return value
end

-- Where the row is a newer script's the job stops: every way on would lose either the event or that state.
function state.refuse_newer(event, entry, version)
  if entry.version > version and entry.value.n > 0 then
    event.must_stop = true
    error(("this state was written by version %d, and the script has version %d: take the newer script again, or delete the state"):format(
      entry.version, version), 0)
  end
end

-- An event begins.
function state.begin()
  opened_count = 0
end

local function remember(id)
  opened_count = opened_count + 1
  opened[opened_count] = id
end

-- The table of an entry.
function state.open(entry, version, upgrade)
  local id = entry.id
  remember(id)
  local value = live[id]
  if value == nil then
    if entry.value.n == 0 then
      value = {}
    else
      value = read(entry, version, upgrade)
    end
    live_count = live_count + 1
    if live_count > LIVE_MOST then
      live, live_count = {}, 1
    end
    live[id] = value
  end
  return value
end

-- It is too old to count.
function state.empty(entry)
  local id = entry.id
  remember(id)
  live[id] = {}
end

-- What scripts did to tables while the event ran is taken back.
function state.undo()
  for i = 1, opened_count do
    live[opened[i]] = nil
  end
  opened_count = 0
end

return state
