-- sl.count(), sl.sum "price" ... : what a window makes of the values of its rows. An accumulator is what JSON can hold: it is part of a row
-- of streamlua_state. nil is no value yet; NULLs are not counted, as in SQL.
local check = require "streamlua.check"
local decimal = require "streamlua.decimal"
local tag = require "streamlua.tag"

local floor, abs = math.floor, math.abs

local aggregate = {}

local EXACT_MOST = 2 ^ 53
local PLACES_MOST = 6 -- of the quick way; other numbers go through texts of digits

local function cannot(name)
  return function()
    error(("%s cannot take a row back: this window is for streams without updates and deletes"):format(name), 0)
  end
end

local function number(value, name)
  if type(value) == "number" then
    if value ~= value or value == math.huge or value == -math.huge then
      error(("%s: %s is no value"):format(name, value ~= value and "NaN (not a number)" or "an infinite number"), 0)
    end
    return value
  elseif type(value) == "string" then
    return value
  end
  error(("%s: a number is needed, not %s"):format(name, check.kind_of(value)), 0)
end

-- A number as an integer and its digits behind the point; nil where that is not exact.
local function scaled(value)
  if type(value) ~= "number" then
    return nil
  end
  local factor = 1
  for places = 0, PLACES_MOST do
    local integer = floor(value * factor + 0.5)
    if abs(integer) >= EXACT_MOST then
      return nil
    elseif integer / factor == value then
      return integer, places
    end
    factor = factor * 10
  end
end

-- A sum is { integer, places }, or the text of its digits where that would not be exact.
local function to_text(sum)
  if type(sum) ~= "table" then
    return sum or "0"
  end
  local digits = ("%.0f"):format(sum[1])
  return sum[2] == 0 and digits or decimal.mul(digits, "0." .. ("0"):rep(sum[2] - 1) .. "1")
end

local function plus(sum, value, sign)
  local integer, places = scaled(value)
  if integer and (sum == nil or type(sum) == "table") then
    local total, at = 0, 0
    if sum then
      total, at = sum[1], sum[2]
    end
    while at < places do
      total, at = total * 10, at + 1
    end
    while places < at do
      integer, places = integer * 10, places + 1
    end
    if abs(integer) < EXACT_MOST and abs(total) < EXACT_MOST and abs(total + sign * integer) < EXACT_MOST then
      return { total + sign * integer, at }
    end
  end
  return sign > 0 and decimal.add(to_text(sum), value) or decimal.sub(to_text(sum), value)
end

local function merge_sums(a, b)
  if a == nil or b == nil then
    return a == nil and b or a
  end
  return decimal.add(to_text(a), to_text(b))
end

local function sum_result(sum)
  if type(sum) == "table" and sum[2] == 0 then
    return sum[1]
  end
  return sum and to_text(sum)
end

-- A number of more than 15 digits comes as the text of them; what is shorter is a text of a column of texts.
local function is_large(text)
  return #text > 15 and text:find "^-?%d+%.?%d*$"
end

local function less(a, b)
  if type(a) == "number" and type(b) == "number" then
    return a < b
  elseif type(a) == "string" and type(b) == "string" and not (is_large(a) and is_large(b)) then
    return a < b
  end
  return decimal.compare(a, b) < 0
end

local function one_of(choose)
  return function()
    return {
      add = function(held, value)
        return (held == nil or choose(value, held)) and value or held
      end,
      merge = function(a, b)
        return (a == nil or (b ~= nil and choose(b, a))) and b or a
      end,
      result = function(held) return held end,
    }
  end
end

-- By event time; of two at one time, the one that came first is first and the other last.
local function by_time(choose)
  return function()
    return {
      add = function(held, value, at)
        return (held == nil or choose(at, held[2])) and { value, at } or held
      end,
      merge = function(a, b)
        return (a == nil or (b ~= nil and choose(b[2], a[2]))) and b or a
      end,
      result = function(held) return held and held[1] end,
    }
  end
end

local KINDS = {
  count = function()
    return {
      add = function(n) return (n or 0) + 1 end,
      sub = function(n)
        if (n or 0) < 1 then
          error("count: a row is taken back that was never counted", 0)
        end
        return n - 1
      end,
      merge = function(a, b) return (a or 0) + (b or 0) end,
      result = function(n) return n or 0 end,
    }
  end,
  sum = function()
    return {
      add = function(sum, value) return plus(sum, number(value, "sum"), 1) end,
      sub = function(sum, value) return plus(sum, number(value, "sum"), -1) end,
      merge = merge_sums,
      result = sum_result,
    }
  end,
  avg = function()
    return {
      add = function(held, value)
        return { plus(held and held[1], number(value, "avg"), 1), (held and held[2] or 0) + 1 }
      end,
      sub = function(held, value)
        if not held then
          error("avg: a row is taken back that was never counted", 0)
        end
        return held[2] > 1 and { plus(held[1], number(value, "avg"), -1), held[2] - 1 } or nil
      end,
      merge = function(a, b)
        if not a or not b then
          return a or b
        end
        return { merge_sums(a[1], b[1]), a[2] + b[2] }
      end,
      result = function(held) return held and tonumber(to_text(held[1])) / held[2] end,
    }
  end,
  min = one_of(less),
  max = one_of(function(a, b) return less(b, a) end),
  first = by_time(function(at, held) return at < held end),
  last = by_time(function(at, held) return at >= held end),
  count_distinct = function()
    local function named(value)
      local text = tostring(value) -- of a number 14 digits
      if type(value) == "number" and tonumber(text) ~= value then
        text = ("%.17g"):format(value)
      end
      return type(value):sub(1, 1) .. text
    end
    return {
      add = function(held, value)
        held = held or { n = 0, of = {} }
        local name = named(value)
        held.n = held.n + (held.of[name] and 0 or 1)
        held.of[name] = (held.of[name] or 0) + 1
        return held
      end,
      sub = function(held, value)
        local name = named(value)
        if not held or not held.of[name] then
          error("count_distinct: a row is taken back that was never counted", 0)
        end
        held.of[name] = held.of[name] > 1 and held.of[name] - 1 or nil
        held.n = held.n - (held.of[name] and 0 or 1)
        return held
      end,
      merge = function(a, b)
        if not a or not b then
          return a or b
        end
        for name, n in pairs(b.of) do
          a.n = a.n + (a.of[name] and 0 or 1)
          a.of[name] = (a.of[name] or 0) + n
        end
        return a
      end,
      result = function(held) return held and held.n or 0 end,
    }
  end,
}

-- Counted are the rows for which it is true: where SQL has count(*) FILTER (WHERE ...).
local function where_true(call)
  return function(row)
    return call(row) or nil
  end
end

-- what: a column, or function(row) -> the value; nothing: whole rows, which only count takes.
for name, make in pairs(KINDS) do
  aggregate[name] = function(where, what)
    local made = make()
    if type(what) == "function" then
      made.call = name == "count" and where_true(what) or what
    elseif what ~= nil or name ~= "count" then
      local text, reason = check.text(what)
      if not text then
        check.fail(where, name, "the name of a column or a function(row) is needed: %s", reason)
      end
      made.column = text
    end
    made.name = name
    made.sub = made.sub or cannot(name)
    return tag.set(made, "aggregate")
  end
end

return aggregate
