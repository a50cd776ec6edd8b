-- Plain tables that are known for what they are: a job, a source, a sink, a format. The tag is what getmetatable says, so that
-- the host sees it too (the field __metatable: "streamlua job").
local PREFIX = "streamlua "

-- index (may be nil): what its fields are asked for that it does not have.
local function set(value, kind, index)
  return setmetatable(value, { __metatable = PREFIX .. kind, __index = index })
end

-- "job", "source", "sink", "format", or nil for what is none of ours.
local function get(value)
  local tag = type(value) == "table" and getmetatable(value)
  return type(tag) == "string" and tag:sub(1, #PREFIX) == PREFIX and tag:sub(#PREFIX + 1) or nil
end

return { set = set, get = get }
