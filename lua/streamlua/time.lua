-- Times as scripts have them: milliseconds since the epoch on one side, text on the other. Zones are the system's
-- ("Europe/Berlin") or offsets ("+08:00"); without one a time of day is UTC's.
local host = require "streamlua.host"

local byte, find, sub = string.byte, string.find, string.sub

local time = {}

local function bad(what, text, reason)
  error(("%s: '%s'%s"):format(what, text, reason), 0)
end

local function need_text(what, text)
  if type(text) ~= "string" then
    error(("%s: a text is needed, not a %s"):format(what, type(text)), 0)
  end
end

local function zoned(what, convert, zone, seconds)
  if type(zone) ~= "string" then
    error(("%s: the name of a zone is needed, not a %s"):format(what, type(zone)), 0)
  end
  local moved, reason = convert(zone, seconds)
  return moved or error(("%s: %s"):format(what, reason), 0)
end

-- Milliseconds, and the fraction as it stands: a text may have more digits of it than milliseconds do.
local function parse(what, text, zone)
  need_text(what, text)
  local day, rest = text:match "^(%d%d%d%d%-%d%d%-%d%d)[Tt ]?(.*)$"
  if not day then
    bad(what, text, " is no time")
  end
  local clock, own = rest:match "^([%d:.]*)(.*)$"
  clock = clock == "" and "00:00:00" or clock
  local ms, reason = host.time_parse(day .. "T" .. clock .. ((own == "" or own == "z") and "Z" or own))
  if not ms then
    bad(what, text, ": " .. reason)
  end
  if zone ~= nil and own == "" then
    local seconds = math.floor(ms / 1000)
    ms = ms + (zoned(what, host.zone_to_utc, zone, seconds) - seconds) * 1000
  end
  return ms, clock:match "%.%d+$" or ""
end

local function format(what, ms, zone)
  if zone ~= nil then
    local seconds = math.floor(ms / 1000)
    ms = ms + (zoned(what, host.zone_to_local, zone, seconds) - seconds) * 1000
  end
  return (host.time_format(ms):gsub("T", " "):gsub("Z$", ""))
end

-- Events' times have whole seconds, or milliseconds behind them, and many have the same second: it is worked out once.
local SECONDS_MOST = 1000
local seconds, seconds_count = {}, 0

-- Milliseconds; nil where the text has another form.
local function parse_quick(what, text)
  local fraction = 0
  if #text == 23 then
    local point, a, b, c = byte(text, 20, 23)
    if point ~= 46 or a < 48 or a > 57 or b < 48 or b > 57 or c < 48 or c > 57 then
      return nil
    end
    fraction = a * 100 + b * 10 + c - 48 * 111
  elseif #text ~= 19 then
    return nil
  end
  local whole = sub(text, 1, 19)
  local ms = seconds[whole]
  if not ms then
    if not find(whole, "^%d%d%d%d%-%d%d%-%d%d[ T]%d%d:%d%d:%d%d$") then
      return nil
    end
    ms = parse(what, whole)
    if seconds_count == SECONDS_MOST then
      seconds, seconds_count = {}, 0
    end
    seconds[whole], seconds_count = ms, seconds_count + 1
  end
  return ms + fraction
end

-- "2024-01-31 12:00:00.5", "2024-01-31", "2024-01-31T12:00:00+08:00" -> milliseconds. A text's own zone counts before `zone`.
function time.parse(text, zone)
  if zone == nil and type(text) == "string" then
    return parse_quick("time.parse", text) or (parse("time.parse", text))
  end
  return (parse("time.parse", text, zone))
end

-- The same; what: whose text it is, for the error.
function time.parse_of(what, text)
  return parse_quick(what, text) or (parse(what, text))
end

-- Milliseconds -> "2024-01-31 12:00:00.123", as MySQL writes a DATETIME(3).
function time.format(ms, zone)
  if type(ms) ~= "number" or ms ~= ms or math.abs(ms) > 8.64e15 then
    error("time.format: milliseconds since the epoch are needed", 0)
  end
  return format("time.format", math.floor(ms), zone)
end

-- "2024-01-31 12:00:00.123456" as clocks in one zone show it -> as they do in the other, with every digit of its fraction.
function time.convert(text, from, to)
  need_text("time.convert", text)
  if text:find "^0000%-00%-00" then
    return text -- no time, whatever the zone
  end
  local ms, fraction = parse("time.convert", text, from)
  return format("time.convert", ms, to):sub(1, 19) .. fraction
end

return time
