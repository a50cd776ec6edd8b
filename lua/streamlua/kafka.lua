-- What a source and a sink of Kafka have in common: brokers, and any of librdkafka's properties.
local check = require "streamlua.check"

-- A checker of properties; `own` names those that the engine sets itself, and the option that says them instead.
local function config(own)
  return function(value)
    if type(value) ~= "table" then
      return nil, ("a table of librdkafka properties is needed, not %s"):format(check.kind_of(value))
    end
    local result = {}
    for name, setting in pairs(value) do
      local kind = type(setting)
      if type(name) ~= "string" then
        return nil, 'each property has a name: { ["security.protocol"] = "SASL_SSL" }'
      elseif own[name] then
        return nil, ("'%s' is said by the option '%s'"):format(name, own[name])
      elseif kind == "number" then
        result[name] = setting == math.floor(setting) and ("%.0f"):format(setting) or tostring(setting)
      elseif kind == "string" or kind == "boolean" then
        result[name] = tostring(setting)
      else
        return nil, ("'%s': a text, a number or a boolean is needed, not %s"):format(name, check.kind_of(setting))
      end
    end
    return result
  end
end

local function brokers(value)
  local list, reason = check.texts(value)
  if not list then
    return nil, reason
  end
  return table.concat(list, ",")
end

return { config = config, brokers = brokers }
