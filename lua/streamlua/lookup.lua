-- Look-ups as scripts declare them:
--   lookup = { customer = { table = "customers", key = "customer_id", columns = { "name" }, ttl = "5m" } }
-- The rows are the engine's to find: core/flow/lookup.c.
local check = require "streamlua.check"

local KEY_MOST = 16 -- core/flow/target.h: TARGET_KEY_MOST
local NAMES_TAKEN = { has = true }

-- "customer_id", { "shop_id", "id" } or { column of the table = "column of the row" }: comes to a list of { target =, source = }.
local function key(value)
  if type(value) == "string" or (type(value) == "table" and value[1] ~= nil) then
    local names, reason = check.texts(value)
    if not names then
      return nil, reason
    end
    local list = {}
    for i, name in ipairs(names) do
      list[i] = { target = name, source = name }
    end
    return list
  elseif type(value) ~= "table" or next(value) == nil then
    return nil, ('a column of both, a list of them, or { id = "customer_id" } is needed, not %s'):format(
      type(value) == "table" and "an empty table" or check.kind_of(value))
  end
  local list = {}
  for target, source in pairs(value) do
    if type(target) ~= "string" or target == "" or type(source) ~= "string" or source == "" then
      return nil, ('{ column of the table = "column of the row" } is needed, not %s = %s'):format(tostring(target), tostring(source))
    end
    list[#list + 1] = { target = target, source = source }
  end
  table.sort(list, function(a, b) return a.target < b.target end)
  return list
end

local function few(value)
  local list, reason = key(value)
  if list and #list > KEY_MOST then
    return nil, ("at most %d columns"):format(KEY_MOST)
  end
  return list, reason
end

local OPTIONS = {
  table = { check.text, needed = "which one it looks into" },
  key = { few, needed = "which of its rows is meant" },
  columns = { check.texts, needed = "what of its rows is wanted" },
  ttl = { check.duration, default = 5 * 60 * 1000 },
}

local lookup = {}

-- Comes to a list of { name =, table =, key = list of { target =, source = }, columns = list, ttl = ms }, by name.
function lookup.list(value)
  if type(value) ~= "table" or next(value) == nil or value[1] ~= nil then
    return nil, 'names are needed, as in { customer = { table = "customers", key = "customer_id", columns = { "name" } } }'
  end
  local list = {}
  for name, options in pairs(value) do
    if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" or NAMES_TAKEN[name] then
      return nil, ("'%s' is no name for a look-up: it is used as row.%s"):format(tostring(name), NAMES_TAKEN[name] and "customer" or "name")
    end
    local ok, result = pcall(check.options, nil, name, options, OPTIONS)
    if not ok then
      return nil, result
    end
    result.name = name
    list[#list + 1] = result
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

-- columns = { name = "customer.name" }: what the row of that look-up has there. Fails where it has no such column.
function lookup.copies(lookups, columns, path)
  local of = {}
  for i, one in ipairs(lookups) do
    of[one.name] = { number = i - 1, columns = {} }
    for n, name in ipairs(one.columns) do
      of[one.name].columns[name] = n - 1
    end
  end
  for _, column in ipairs(columns) do
    local name, wanted = (column.source or ""):match "^([^.]+)%.(.+)$"
    local one = of[name]
    if one then
      if not one.columns[wanted] then
        check.fail(path, "columns", "%s: look-up %s has no column '%s' among its `columns`", column.target, name, wanted)
      end
      column.lookup, column.of = one.number, one.columns[wanted]
      column.source = nil
      column.call = function(row) -- where Lua makes the whole row
        return row[name][wanted]
      end
    end
  end
end

return lookup
