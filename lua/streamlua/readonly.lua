-- What all scripts share and none may change. A userdata, not a table: rawset, table.insert and next cannot reach into it.
local nearest = require "streamlua.nearest"

-- Who reads this field, as "job.lua:7". Kept from the moment of reading: a call in tail position (`return sl.job { ... }`)
-- has no caller any more by the time that it runs.
local function reader(level)
  local info = debug.getinfo(level + 1, "Sl")
  return info and info.currentline > 0 and ("%s:%d"):format(info.short_src, info.currentline) or "?"
end

-- fields: name -> value. placed (may be nil): name -> function(where) that makes the value for a reader at `where`.
-- later (may be nil): names that the documentation knows and this version does not have.
local function new(label, fields, placed, later)
  placed, later = placed or {}, later or {}

  local known = {}
  for name in pairs(fields) do
    known[name] = true
  end
  for name in pairs(placed) do
    known[name] = true
  end

  local proxy = newproxy(true)
  local meta = getmetatable(proxy)
  meta.__metatable = "protected"
  meta.__tostring = function()
    return label
  end
  meta.__newindex = function(_, name)
    error(("%s.%s: %s is read-only"):format(label, tostring(name), label), 2)
  end
  meta.__index = setmetatable(fields, { -- a table: fields that are there cost no call
    __index = function(_, name)
      if placed[name] then
        return placed[name](reader(2))
      elseif later[name] then
        error(("%s.%s is not available in this version"):format(label, name), 2)
      end
      error(("%s has no '%s'%s"):format(label, tostring(name), nearest.hint(name, known)), 2)
    end,
  })
  return proxy
end

-- A value that is only itself.
local function sentinel(text)
  local proxy = newproxy(true)
  local meta = getmetatable(proxy)
  meta.__metatable = "protected"
  meta.__tostring = function()
    return text
  end
  return proxy
end

return { new = new, sentinel = sentinel, reader = reader }
