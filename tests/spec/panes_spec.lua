local test, is = ...
local panes = require "streamlua.panes"
local saved = require "streamlua.state"

local function list(...)
  local made = {}
  for i, name in ipairs { ... } do
    made[i] = { name = name, aggregate = { name = name:match "^%a+" } }
  end
  return { aggregates = made }
end

test("the text of panes is that of any table", function()
  local encode = panes.encoder(list("sum2", "count1", "avg_3", "min \"4\"", "last5"))
  local held = {
    { count1 = 3, sum2 = { 12345, 2 }, avg_3 = { { 5, 1 }, 4 }, ['min "4"'] = 0.25, last5 = { "\n", 1700000000123 } },
    { count1 = 2 ^ 53 - 1, sum2 = "123456789012345678901.5", ['min "4"'] = "\195\164\"" },
    { sum2 = { -7, 0 }, last5 = { true, -1 } },
    {},
  }
  for i = 1, #held do
    local of = { ["1700000040000"] = { a = held[i], e = 1700000100000, n = i } }
    is.equal(encode(of), saved.encode(of, "the window"))
    of["-60000"] = { a = held[1], e = 0, n = 1000000, f = true }
    of["1700000100000"] = { a = held[2], e = 1700000160000.5, n = -0, f = true, d = true }
    is.equal(encode(of), saved.encode(of, "the window"))
  end
  is.equal(encode {}, "")
end)

test("what scripts accumulate themselves is a table like any other", function()
  local encode = panes.encoder { add = function() end }
  for _, acc in ipairs { {}, { n = 1, names = { "a", "b" } } } do
    local of = { ["0"] = { a = acc, e = 60000, n = 2 } }
    is.equal(encode(of), saved.encode(of, "the window"))
  end
  is.failing("the window.x cannot be saved", encode, { ["0"] = { a = { x = print }, e = 1, n = 1 } })
end)

test("panes too large for a row are refused", function()
  local half = ("x"):rep(saved.BYTES_MOST / 2)
  is.failing("keep many things in ctx:map", panes.encoder(list("max1", "min2")), { ["0"] = { a = { max1 = half, min2 = half }, e = 1, n = 1 } })
end)
