local test, is = ...
local excerpt = require "streamlua.excerpt"
local place = require "streamlua.place"
local tokens = require "streamlua.tokens"

local SCRIPT = [==[
local M = { target = "orders" } -- columns = 1
M.columns = {
  id = "id",
  ["amount"] = 'price',
}
function M.filter(row, ctx)
  return row.columns ~= nil
end
M.examples = {
  { row = { id = 1 }, expect = { id = 1 } },
  --[[ { } ]]
  { row = { id = 2 } },
}
return M
]==]

test("a line is told of a field, of what it names, and of an item of a list", function()
  is.equal(place.line(SCRIPT, "target"), 1)
  is.equal(place.line(SCRIPT, "columns"), 2)
  is.equal(place.line(SCRIPT, "columns", "amount"), 4)
  is.equal(place.line(SCRIPT, "columns", "price"), 4)
  is.equal(place.line(SCRIPT, "columns", "nowhere"), 2)
  is.equal(place.line(SCRIPT, "filter"), 6)
  is.equal(place.line(SCRIPT, "examples", 2), 12)
  is.equal(place.line(SCRIPT, "examples", 9), 9)
  is.equal(place.line(SCRIPT, "merge"), nil)
  is.equal(place.line('return { ["key_by"] = "row" }', "key_by"), 1)
end)

test("a message gets the line that it is of", function()
  is.equal(place.told("s.lua: columns: amount: no", "s.lua", SCRIPT), "s.lua:4: columns: amount: no")
  is.equal(place.told("s.lua: columns: 'amount' is in it twice", "s.lua", SCRIPT), "s.lua:4: columns: 'amount' is in it twice")
  is.equal(place.told("s.lua: examples: example 2: op: no", "s.lua", SCRIPT), "s.lua:12: examples: example 2: op: no")
  is.equal(place.told("s.lua: unknown field 'target'", "s.lua", SCRIPT), "s.lua:1: unknown field 'target'")
  is.equal(place.told("s.lua: it returns nothing", "s.lua", SCRIPT), "s.lua: it returns nothing")
  is.equal(place.told("s.lua:3: source: no", "s.lua", SCRIPT), "s.lua:3: source: no")
end)

local function names_of(text)
  local list, found = tokens(text), {}
  local names, whole = excerpt.names(list, 1)
  for i, one in ipairs(names) do
    found[i] = one.name
  end
  return table.concat(found, " ") .. (whole and "" or " ...")
end

test("a table's names are its own, and not those within it", function()
  is.equal(names_of '{ id = 1, ["a b"] = { x = 1 }, n = f(function() local y = 1 return { z = 1 } end), }', "id a b n")
  is.equal(names_of "{ id = row.a == 1, [name] = 2; c = 3 }", "id c ...")
  is.equal(names_of "{ 1, id = 2 }", "id ...")
  is.equal(names_of "{ id = 1", " ...")
  is.equal(names_of "{}", "")
end)

local function filter_of(text)
  local list = tokens(text)
  local func = excerpt.func(list, "filter", 1)
  return func and excerpt.is_of_row_alone(list, func)
end

test("a function of the row alone", function()
  is.equal(filter_of "return { filter = function(row) return row.ctx ~= 1 end }", true)
  is.equal(filter_of "return { filter = function(row, ctx) local a = row.a if a then return true end end }", true)
  is.equal(filter_of "function M.filter(r) return allowed[r.kind] end", true)
  is.equal(filter_of "return { filter = function(row, ctx) return ctx.op ~= 'delete' end }", false)
  is.equal(filter_of "return { filter = function(row, ...) return f(...) end }", false)
  is.equal(filter_of "return { filter = function() return true end }", false)
  is.equal(filter_of "return { filter = function(row) n = n + 1 return n < 9 end }", false)
  is.equal(filter_of "return { filter = function(row) seen[row.id] = true end }", false)
  is.equal(filter_of "return { filter = function(row) return row.at < os.time() end }", false)
  is.equal(filter_of "return { filter = mine }", nil)
  is.equal(filter_of "\nreturn { filter = function(row) return true end }", nil) -- the compiler means another
  is.equal(filter_of "return { filter = function(row) return true", nil)
end)

test("what a function itself returns", function()
  local list = tokens "map = function(row) local f = function() return { a = 1 } end if row.x then return { b = 1 } end return { c = f } end"
  local found = {}
  for i, at in ipairs(excerpt.returned(list, excerpt.func(list, "map", 1))) do
    found[i] = excerpt.names(list, at)[1].name
  end
  is.same(found, { "b", "c" })
end)
