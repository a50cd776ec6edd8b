-- sl.count(), sl.sum "price" ... as scripts declare them. What they make of a window's rows is the engine's: core/flow/accumulator.c.
local check = require "streamlua.check"
local tag = require "streamlua.tag"

local aggregate = {}

-- Counted are the rows for which it is true: where SQL has count(*) FILTER (WHERE ...).
local function where_true(call)
  return function(row)
    return call(row) and true or nil
  end
end

-- what: a column, or function(row) -> the value; nothing: whole rows, which only count takes.
for _, name in ipairs { "count", "sum", "avg", "min", "max", "first", "last", "count_distinct" } do
  aggregate[name] = function(where, what)
    local made = { name = name }
    if type(what) == "function" then
      made.call = name == "count" and where_true(what) or what
    elseif what ~= nil or name ~= "count" then
      local text, reason = check.text(what)
      if not text then
        check.fail(where, name, "the name of a column or a function(row) is needed: %s", reason)
      end
      made.column = text
    end
    return tag.set(made, "aggregate")
  end
end

return aggregate
