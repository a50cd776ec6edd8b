-- Times as scripts have them: milliseconds since the epoch on one side, text on the other.
local host = require "streamlua.host"

local time = {}

-- "2024-01-31 12:00:00.5", "2024-01-31", "2024-01-31T12:00:00+08:00" -> milliseconds. UTC where the text says nothing else.
function time.parse(text)
  if type(text) ~= "string" then
    error(("time.parse: a text is needed, not a %s"):format(type(text)), 0)
  end
  local day, rest = text:match "^(%d%d%d%d%-%d%d%-%d%d)[Tt ]?(.*)$"
  if not day then
    error(("time.parse: '%s' is no time"):format(text), 0)
  end
  local clock, zone = rest:match "^([%d:.]*)(.*)$"
  clock = clock == "" and "00:00:00" or clock
  zone = (zone == "" or zone == "z") and "Z" or zone
  local ms, reason = host.time_parse(day .. "T" .. clock .. zone)
  if not ms then
    error(("time.parse: '%s': %s"):format(text, reason), 0)
  end
  return ms
end

-- Milliseconds -> "2024-01-31 12:00:00.123", UTC, as MySQL writes a DATETIME(3).
function time.format(ms)
  if type(ms) ~= "number" or ms ~= ms or math.abs(ms) > 8.64e15 then
    error("time.format: milliseconds since the epoch are needed", 0)
  end
  return (host.time_format(math.floor(ms)):gsub("T", " "):gsub("Z$", ""))
end

return time
