-- format = "debezium", { "debezium", decimal = "string" } or sl.format(function(message) ... end).
local check = require "streamlua.check"
local nearest = require "streamlua.nearest"
local tag = require "streamlua.tag"

local KNOWN = { auto = true, debezium = true, maxwell = true, canal = true, ticdc = true, json = true, avro = true }

-- "+08:00": what a message's TIMESTAMPs are in where they carry no zone.
local function zone(value)
  local text, reason = check.text(value)
  if not text then
    return nil, reason
  end
  local hours, minutes = text:match "^[+-](%d%d):(%d%d)$"
  if not hours or tonumber(hours) > 14 or tonumber(minutes) > 59 then
    return nil, ("'%s' is no zone: write +08:00"):format(text)
  end
  return text
end

-- Without user and password: those would stand in the log.
local function registry(value)
  local text, reason = check.text(value)
  if not text then
    return nil, reason
  elseif not text:find "^https?://[^/]" then
    return nil, ("'%s' is no URL: write http://HOST:8081"):format(text)
  elseif text:find "^https?://[^/]*@" then
    return nil, "user and password are options of their own"
  end
  return text
end

local UNAVAILABLE_MOST = 64

-- As Debezium's unavailable.value.placeholder is written: a text, or octets behind "hex:".
local function unavailable(value)
  local text, reason = check.text(value)
  if not text then
    return nil, reason
  end
  local octets = text:match "^hex:(.*)$"
  if octets and (octets:find "%X" or #octets % 2 == 1) then
    return nil, ("'%s' has no octets in hexadecimal behind hex:"):format(text)
  end
  local n = octets and #octets / 2 or #text
  if n == 0 or n > UNAVAILABLE_MOST then
    return nil, ("1 to %d bytes"):format(UNAVAILABLE_MOST)
  end
  return text
end

local FIELD_MOST = 63

local function field(value)
  local text, reason = check.text(value)
  if not text then
    return nil, reason
  elseif #text > FIELD_MOST then
    return nil, ("at most %d characters"):format(FIELD_MOST)
  end
  return text
end

-- { field = "meta.table" }, { header = "table" } or "topic"; of an op, a field's name alone.
local function place(value, bare)
  if value == "topic" and bare == "topic" then
    return {}
  elseif type(value) == "string" and bare == "field" then
    value = { field = value }
  elseif type(value) ~= "table" then
    return nil, ('{ field = "..." } or { header = "..." } is needed, not %s'):format(check.kind_of(value))
  end
  local ok, result = pcall(check.options, nil, nil, value, { field = { field }, header = { field } })
  if not ok then
    return nil, result
  elseif not result.field and not result.header then
    return nil, 'a field or a header is needed: { field = "..." } or { header = "..." }'
  end
  return result
end

local function name_place(value)
  return place(value, "topic")
end

local function op_place(value)
  return place(value, "field")
end

local SETTINGS = {
  table = { name_place },
  database = { name_place },
  op = { op_place },
  row = { field },
  old = { field },
  decimal = { check.choice("precise", "string", "double") },
  binary = { check.choice("bytes", "base64", "base64-url-safe", "hex") },
  zone = { zone },
  absent = { check.choice("keep", "null") },
  time = { check.choice("adaptive_time_microseconds", "adaptive", "connect", "isostring", "microseconds", "nanoseconds", "structured") },
  unavailable = { unavailable },
  registry = { registry },
  user = { check.text },
  password = { check.any_text },
  ca = { check.text },
}

-- Only plain rows need to be told where they and their names are.
local OF_JSON = { "table", "database", "op", "row", "old" }

local function check_json(name, settings)
  for _, option in ipairs(OF_JSON) do
    if name ~= "json" and settings[option] ~= nil then
      return nil, ("'%s' is for the format json"):format(option)
    end
  end
  return true
end

-- Only Debezium writes something in the place of a value.
local function check_unavailable(name, settings)
  if settings.unavailable and name ~= "debezium" and name ~= "avro" and name ~= "auto" then
    return nil, "'unavailable' is for the formats debezium and avro"
  end
  return true
end

-- Only messages in Avro name their schema by a number.
local OF_A_REGISTRY = { "registry", "user", "password", "ca" }

local function check_registry(name, settings)
  if name == "avro" then
    if not settings.registry then
      return nil, 'registry is missing: write { "avro", registry = "http://HOST:8081" }'
    elseif (settings.user == nil) ~= (settings.password == nil) then
      return nil, "user and password come together"
    end
    return true
  end
  for _, option in ipairs(OF_A_REGISTRY) do
    if settings[option] ~= nil then
      return nil, ("'%s' is for the format avro"):format(option)
    end
  end
  return true
end

local function names()
  local list = {}
  for name in pairs(KNOWN) do
    list[#list + 1] = "'" .. name .. "'"
  end
  table.sort(list)
  return table.concat(list, ", ")
end

-- sl.format(fn)
local function new(where, decode)
  if type(decode) ~= "function" then
    check.fail(where, "format", "a function of the message is needed, not %s", check.kind_of(decode))
  end
  return tag.set({ name = "lua", decode = decode }, "format")
end

-- A checker (streamlua.check).
local function checker(value)
  if tag.get(value) == "format" then
    return value
  elseif type(value) == "function" then
    return nil, "a function goes into sl.format(...)"
  elseif type(value) == "string" then
    value = { value }
  elseif type(value) ~= "table" then
    return nil, ("the name of a format is needed, not %s"):format(check.kind_of(value))
  end

  local name = value[1]
  if not KNOWN[name] then
    local hint = nearest.hint(name, KNOWN)
    return nil, ("the name of a format is needed (%s, or sl.format(...) for any other)%s"):format(names(), hint)
  end
  local settings = {}
  for key, setting in pairs(value) do
    if key ~= 1 then
      settings[key] = setting
    end
  end
  local ok, result = pcall(check.options, nil, name, settings, SETTINGS)
  if not ok then
    return nil, result
  end
  local fits, reason = check_registry(name, result)
  if fits then
    fits, reason = check_json(name, result)
  end
  if fits then
    fits, reason = check_unavailable(name, result)
  end
  if not fits then
    return nil, reason
  end
  result.name = name
  return tag.set(result, "format")
end

return { new = new, checker = checker }
