-- JSON for scripts. Reading is the engine's (simdjson): digits of large numbers stay, as texts; null is sl.null. Writing is
-- here: the same value gives the same text, with members in the order of their names.
local host = require "streamlua.host"

-- What decode marks an array with, so that an empty one is written as [] again.
local ARRAY = { __metatable = "streamlua array" }

local json = { ARRAY = ARRAY }

local DEPTH_MOST = 1000 -- as deep as decode goes; deeper is a circle

local ESCAPE = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(character)
  return ESCAPE[character] or ("\\u%04x"):format(character:byte())
end

-- A character beyond ASCII in UTF-8, by RFC 3629's table: their first bytes differ, so at most one of them fits.
local SEQUENCES = {
  "[\194-\223][\128-\191]",
  "\224[\160-\191][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]", "\237[\128-\159][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]",
}

local function is_utf8(text)
  local i = text:find "[\128-\255]"
  while i do
    local last
    for _, sequence in ipairs(SEQUENCES) do
      last = last or select(2, text:find("^" .. sequence, i))
    end
    if not last then
      return false
    end
    i = text:find("[\128-\255]", last + 1)
  end
  return true
end

local function encode_string(text)
  if not is_utf8(text) then
    error("this text is no UTF-8: bytes go through sl.base64 or sl.hex", 0)
  end
  return '"' .. text:gsub('[%c"\\]', escape) .. '"'
end

-- The shortest digits that read back as the same double.
local function encode_number(number)
  if number ~= number or number == math.huge or number == -math.huge then
    error(("%s is no number in JSON"):format(tostring(number)), 0)
  elseif number == math.floor(number) and math.abs(number) < 2 ^ 53 then
    return ("%.0f"):format(number + 0) -- -0 + 0 is 0
  end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(number)
    if tonumber(text) == number then
      return text
    end
  end
end

local encode

-- An array is what decode made one, or what has the keys 1 .. n and no other; an empty table is an object.
local function encode_table(value, null, depth)
  if depth > DEPTH_MOST then
    error(("more than %d tables in each other, or a table in itself"):format(DEPTH_MOST), 0)
  end
  local names, count = {}, 0
  for key in pairs(value) do
    count = count + 1
    names[count] = key
  end

  local out = {}
  if count == #value and (count > 0 or getmetatable(value) == ARRAY.__metatable) then
    for i = 1, count do
      out[i] = encode(value[i], null, depth + 1)
    end
    return "[" .. table.concat(out, ",") .. "]"
  end
  for _, name in ipairs(names) do
    if type(name) ~= "string" then
      error(("a table with the key %s beside others is neither an array nor an object"):format(tostring(name)), 0)
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    out[i] = encode_string(name) .. ":" .. encode(value[name], null, depth + 1)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

function encode(value, null, depth)
  local kind = type(value)
  if kind == "string" then
    return encode_string(value)
  elseif kind == "number" then
    return encode_number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif value == nil or value == null then
    return "null"
  elseif kind == "table" then
    return encode_table(value, null, depth)
  end
  error(("a %s has no form in JSON"):format(kind), 0)
end

-- A list that is an array even where it is empty.
function json.array(list)
  return setmetatable(list or {}, ARRAY)
end

function json.encode(value, null)
  return encode(value, null, 0)
end

function json.decode(text, null)
  local value, reason = host.json_decode(text, null, ARRAY)
  if value == nil then
    error(reason, 0)
  end
  return value
end

return json
