local test, is = ...
local nearest = require "streamlua.nearest"

test("distance counts inserts, deletes, replacements and swaps", function()
  is.equal(nearest.distance("", ""), 0)
  is.equal(nearest.distance("abc", ""), 3)
  is.equal(nearest.distance("", "abc"), 3)
  is.equal(nearest.distance("columns", "colums"), 1)
  is.equal(nearest.distance("target", "traget"), 1)
  is.equal(nearest.distance("kitten", "sitting"), 3)
end)

test("the nearest name is found in lists and in keys of tables", function()
  is.equal(nearest.find("topcs", { "topics", "brokers" }), "topics")
  is.equal(nearest.find("colums", { columns = {}, where = {} }), "columns")
  is.equal(nearest.find("TOPICS", { "topics" }), "topics")
end)

test("what is far is not guessed", function()
  is.equal(nearest.find("zebra", { "topics", "brokers" }), nil)
  is.equal(nearest.find("ab", { "cd", "os" }), nil)
  is.equal(nearest.find(("x"):rep(1000), { ("x"):rep(999) }), nil)
  is.equal(nearest.find(7, { "topics" }), nil)
  is.equal(nearest.hint("zebra", { "topics" }), "")
end)

test("of two equally near names it is always the same one", function()
  is.equal(nearest.find("bat1", { "batb", "bata" }), "bata")
  is.equal(nearest.find("bat1", { "bata", "batb" }), "bata")
end)
