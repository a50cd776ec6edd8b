-- The text of a window's panes, which is made after each event: as streamlua.state writes any table (names sorted), but by what is known of panes,
-- without looking for it. Most of what an event costs is this text.
local saved = require "streamlua.state"

local concat, sort, floor, abs, format, type = table.concat, table.sort, math.floor, math.abs, string.format, type

local panes = {}

-- Texts of whole numbers. They repeat: ends of windows, counts.
local NUMBERS_MOST = 10000
local numbers, numbers_count = {}, 0

local function number(value)
  local text = numbers[value]
  if text then
    return text
  elseif value ~= floor(value) or abs(value) >= 2 ^ 53 then
    return saved.encode_value(value, "the window")
  end
  text = format("%.0f", value + 0)
  if abs(value) < 1000 or value > 2 ^ 40 then
    if numbers_count == NUMBERS_MOST then
      numbers, numbers_count = {}, 0
    end
    numbers[value], numbers_count = text, numbers_count + 1
  end
  return text
end

-- An accumulator; of a sum it is { integer, places } where that is exact.
local function accumulator(value, is_sum)
  if type(value) == "number" then
    return number(value)
  elseif is_sum and type(value) == "table" then
    return "[" .. number(value[1]) .. "," .. number(value[2]) .. "]"
  end
  return saved.encode_value(value, "the window")
end

local function accumulators(list, values)
  local text = nil
  for i = 1, #list do
    local one = list[i]
    local value = values[one.name]
    if value ~= nil then
      local made = one.label .. accumulator(value, one.is_sum)
      text = text and text .. "," .. made or made
    end
  end
  return text and "{" .. text .. "}" or "{}"
end

-- script: aggregates = list of { name, aggregate }, or add(acc, row). Returns encode(panes) -> text, "" where there is none.
function panes.encoder(script)
  local list = nil
  if not script.add then
    list = {}
    for i, one in ipairs(script.aggregates) do
      list[i] = { name = one.name, label = saved.encode_value(one.name, "the window") .. ":", is_sum = one.aggregate.name == "sum" }
    end
    sort(list, function(a, b) return a.name < b.name end)
  end

  local function one(start, pane)
    local a = list and accumulators(list, pane.a) or saved.encode_value(pane.a, "the window")
    return '"' .. start .. '":{"a":' .. a .. (pane.d and ',"d":true,"e":' or ',"e":') .. number(pane.e) .. (pane.f and ',"f":true,"n":' or ',"n":') ..
      number(pane.n) .. "}"
  end

  return function(of)
    local start, pane = next(of)
    if start == nil then
      return ""
    elseif next(of, start) == nil then
      return saved.check_size("{" .. one(start, pane) .. "}", "the window")
    end
    local names, count = {}, 0
    for name in pairs(of) do
      count = count + 1
      names[count] = name
    end
    sort(names)
    for i = 1, count do
      names[i] = one(names[i], of[names[i]])
    end
    return saved.check_size("{" .. concat(names, ",") .. "}", "the window")
  end
end

return panes
