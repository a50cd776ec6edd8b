-- Stands for the functions that the engine gives to the runtime, with what each was asked last.
local host = { variables = {}, printed = {} }

function host.env(name)
  if host.variables[name] == nil and host.variables[name .. "_FILE"] then
    return nil, "/away: No such file or directory"
  end
  return host.variables[name]
end

function host.print(text)
  host.printed[#host.printed + 1] = text
end

-- Knows three documents; that the real one reads JSON is for the tests of the engine.
function host.json_decode(text, null, array)
  if text == "[]" then
    return setmetatable({}, array)
  elseif text == "null" then
    return null
  elseif text == '{"id":9007199254740993}' then
    return { id = "9007199254740993" }
  end
  return nil, "no JSON"
end

function host.time_parse(text)
  host.asked = text
  if text:find "Z$" or text:find "%+08:00$" then
    return 1706702400000
  end
  return nil, "no time zone"
end

function host.time_format(ms)
  host.asked = ms
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(ms / 1000)) .. (".%03dZ"):format(ms % 1000)
end

-- Knows one zone; that the real one knows all is for the tests of the engine.
local function zone(sign)
  return function(name, seconds)
    if name == "Asia/Shanghai" then
      return seconds + sign * 8 * 3600
    end
    return nil, "there is no time zone"
  end
end

host.zone_to_local, host.zone_to_utc = zone(1), zone(-1)

return host
