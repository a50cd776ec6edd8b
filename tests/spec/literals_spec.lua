local test, is = ...
local literals = require "streamlua.literals"

-- "line name" of each.
local function found(text)
  local list = {}
  for i, one in ipairs(literals.sinks(text)) do
    list[i] = one.line .. " " .. one.name
  end
  return table.concat(list, ", ")
end

test("names of sinks are found where a text says them", function()
  is.equal(found 'local M = {}\nfunction M.map(row, ctx)\n  ctx:emit("alerts:big", row)\nend', "3 alerts:big")
  is.equal(found "ctx:delete('log:x', row) ctx : emit ( [[a:b]], {})", "1 log:x, 1 a:b")
  is.equal(found 'if x then context:emit("a:b", { n = row["x:y"] }) end', "1 a:b")
  is.equal(found 'ctx:emit("it\\"s:x", row)', '1 it\\"s:x')
end)

test("of a name that is put together, what stands before the colon", function()
  is.equal(found 'ctx:emit("alerts:" .. row.kind, row)', "1 alerts:*")
  is.equal(found 'ctx:emit("al" .. "erts:x", row)', "")
end)

test("a constant is what it was said to be", function()
  is.equal(found 'local TO = "alerts:big"\n\nctx:emit(TO, row)', "3 alerts:big")
  is.equal(found 'local TO <const> = 1 local TO2 = "a:b" ctx:emit(TO, row)', "")
  is.equal(found 'local TO = "a:b" do local TO = "c:d" ctx:emit(TO, row) end', "") -- nobody knows which
  is.equal(found 'local to = pick("a:b") ctx:emit(to, row)', "")
end)

test("what is no call is passed over", function()
  is.equal(found '-- ctx:emit("a:b", row)\n--[[ ctx:emit("c:d", row)\n]] ctx:emit("e:f", row)', "3 e:f")
  is.equal(found '--[==[ ]] ctx:emit("c:d") ]==] ctx:emit("e:f", row)', "1 e:f")
  is.equal(found [[local s = "ctx:emit('a:b', row)" local t = 'say \' ctx:emit("c:d")']], "")
  is.equal(found 'ctx:emit("orders", row) ctx:map("a:b") sl.emit("a:b")', "")
  is.equal(found 'local s = "a:b" ctx:emit(s .. "x", row) goto done ::done::', "")
end)

test("texts that end in the middle end there", function()
  for _, text in ipairs { 'ctx:emit("a:b', "ctx:emit(", 'x = "a:b\\', '--[[ "a:b', 'ctx:emit([==[a:b', '--', '"a:b"' } do
    is.equal(type(found(text)), "string")
  end
end)
