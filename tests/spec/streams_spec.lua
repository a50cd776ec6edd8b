local test, is = ...
local script = require "streamlua.script"
local streams = require "streamlua.streams"

local function stream(name, line)
  return streams.stream("scripts/x.lua:" .. (line or 1), name)
end

local function accepted(fields, name)
  return script.validate(fields, ("scripts/%s.lua"):format(name))
end

local function writer(name, to)
  return accepted({ target = stream(to, 3) }, name)
end

local function reader(name, from, to)
  return accepted({ source = stream(from, 5), target = to and stream(to, 6) }, name)
end

test("a script reads a stream, or writes one, or both", function()
  local it = reader("b", "in", "out")
  is.equal(it.reads, "in")
  is.equal(it.reads_at, "scripts/x.lua:5")
  is.equal(it.to_stream, "out")
  is.equal(it.target, "stream:out")
  is.same(it.sources, { { table = "stream:in>b" } })
  is.equal(reader("b", "in").target, "b")
end)

test("what a reader cannot have is refused", function()
  for _, name in ipairs { "key_by", "on_error", "park_for", "owns", "write" } do
    local values = {
      key_by = "table", on_error = "skip", park_for = "1s", owns = { "a" },
      write = "update",
    }
    is.failing(("scripts/r.lua: %s: the script reads stream 'in'"):format(name), accepted,
      { source = stream "in", map = function() end, [name] = values[name] }, "r")
  end
  is.failing("repartition: the script reads stream 'in'", accepted,
    { source = stream "in", key_by = { "id" }, process = function() end, repartition = "t" }, "r")
  is.failing("time: it is for scripts that keep state", accepted, { source = stream "in", target = stream "out", time = "at" }, "r")
  is.equal(accepted({ target = stream "out", time = "at" }, "w").time.column, "at")
end)

test("streams go from one script to another", function()
  streams.verify({ writer("a", "s"), reader("b", "s", "t"), reader("c", "t"), reader("d", "s") }, {})
  streams.verify({ accepted({}, "a"), reader("b", "s") }, { ["scripts/a.lua"] = { { line = 7, name = "stream:s" }, { line = 8, name = "log:x" } } })
  streams.verify({ accepted({}, "a"), reader("b", "s") }, { ["scripts/a.lua"] = { { line = 7, name = "stream:*" } } })
end)

test("one that leads nowhere, or comes from nowhere", function()
  is.failing("scripts/x.lua:3: no script reads stream 'clena': did you mean 'clean'", streams.verify,
    { writer("a", "clena"), writer("b", "clean"), reader("c", "clean") }, {})
  local named = { ["scripts/a.lua"] = { { line = 7, name = "stream:s" } } }
  is.failing("scripts/a.lua:7: no script reads stream 's'", streams.verify, { accepted({}, "a") }, named)
  is.failing("scripts/x.lua:5: source: no script writes stream 's'", streams.verify, { reader("b", "s") }, {})
end)

test("loops, of one script or of several", function()
  is.failing("a loop: scripts/a.lua writes stream 's', which scripts/a.lua reads", streams.verify, { reader("a", "s", "s") }, {})
  is.failing("a loop: scripts/b.lua writes stream 't', scripts/c.lua writes stream 's', which scripts/b.lua reads", streams.verify,
    { writer("a", "s"), reader("b", "s", "t"), reader("c", "t", "s") }, {})
end)

test("names of streams", function()
  is.failing("'a.b': letters, digits", stream, "a.b")
  is.failing("an empty text", stream, "")
  is.failing('a stream is sl.stream "s"', accepted, { target = "stream:s" }, "a")
end)
