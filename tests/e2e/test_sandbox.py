"""Every known way out of a LuaJIT sandbox, tried from each place where the text of others runs. tests/spec/sandbox_spec.lua looks at the
environment from the inside; here it is the whole program, with its rows, contexts and messages."""

import re

import pytest

from support.debezium import Table
from support.files import dead_letters, into_sqlite, rows, tab_lines
from support.job import Lua, file_source

SCHEMA = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v TEXT); CREATE TABLE u (id INT NOT NULL PRIMARY KEY, v TEXT)"

# A Lua expression: the names of all ways that led out. `it`, `ctx`: what the place has been given; both may be nil.
WAYS_OUT = r"""(function(it, ctx)
  local sl = require "streamlua"
  local out = {}
  local function way(name, try)
    local ok, got = pcall(try)
    if ok and got then out[#out + 1] = name end
  end
  local function absent(...)
    for _, name in ipairs { ... } do
      way("require " .. name, function() return require(name) end)
    end
  end

  -- Libraries and what hands them out.
  way("io", function() return io end)
  way("os.execute", function() return os.execute end)
  way("os.exit", function() return os.exit end)
  way("os.getenv", function() return os.getenv end)
  way("os.remove", function() return os.remove end)
  way("os.rename", function() return os.rename end)
  way("os.tmpname", function() return os.tmpname end)
  way("rawget os", function() return rawget(os, "execute") end)
  way("next os", function() for name in next, os do if name ~= "date" and name ~= "time" then return name end end end)
  way("debug", function() return debug end)
  way("ffi", function() return ffi end)
  way("jit", function() return jit end)
  way("package", function() return package end)
  way("module", function() return module end)
  way("_G", function() return _G end)
  way("_ENV", function() return _ENV end)
  way("collectgarbage", function() return collectgarbage("stop") end)
  way("newproxy", function() return newproxy(true) end)
  absent("ffi", "jit", "jit.util", "jit.opt", "io", "debug", "package", "_G", "table.new", "table.clear", "string.buffer", "lfs", "socket", "ffi.C",
    "streamlua.native", "streamlua.row", "streamlua.host", "streamlua.sandbox", "streamlua.engine", "../secret", "/etc/passwd", "..secret", "a/../../b")

  -- Bytecode.
  way("load", function() return load "return 1" end)
  way("loadstring", function() return loadstring "\27LJ\2\0" end)
  way("loadfile", function() return loadfile "/etc/passwd" end)
  way("dofile", function() return dofile "/etc/passwd" end)
  way("string.dump", function() return string.dump(way) end)
  way("a string's dump", function() return ("").dump end)

  -- Environments.
  way("getfenv", function() return getfenv(0) end)
  way("getfenv of a function", function() return getfenv(print) end)
  way("setfenv", function() return setfenv(1, {}) end)
  way("global by rawset", function() rawset(getmetatable(print) or {}, "x", 1) return x end)
  way("in an error handler", function() local _, e = xpcall(error, function() return getfenv(2) end) return type(e) == "table" and e end)
  way("in a coroutine", function() return coroutine.wrap(function() return getfenv(0) end)() end)
  way("in a comparator", function() table.sort({ 3, 2, 1 }, function() return getfenv(2) end) return true end)
  way("in gsub", function() return ("x"):gsub(".", function() return getfenv(2) and "y" end) == "y" end)
  way("in __tostring", function() local e tostring(setmetatable({}, { __tostring = function() e = getfenv(2) return "" end })) return e end)
  way("in __gc", function() local ran setmetatable({}, { __gc = function() ran = true end }) for i = 1, 1e4 do local _ = { i } end return ran end)

  -- Metatables that others depend on.
  way("metatable of strings", function() return type(getmetatable("")) == "table" end)
  way("methods of strings", function() getmetatable("").__index = nil return true end)
  way("rawset on strings' methods", function() return rawset(("").x or "", "x", 1) end)
  way("a metatable for a string", function() return setmetatable("", {}) end)
  way("metatable of a function", function() return setmetatable(print, {}) end)
  way("metatable of nil", function() return setmetatable(nil, {}) end)
  way("metatable of sl", function() return type(getmetatable(sl)) == "table" or setmetatable(sl, {}) end)
  way("sl is written to", function() sl.env = 1 return true end)
  way("sl by rawset", function() return rawset(sl, "env", 1) end)
  way("sl by table.insert", function() table.insert(sl, 1) return true end)
  way("sl.json is written to", function() sl.json.decode = print return true end)
  way("sl.null has a metatable", function() return type(getmetatable(sl.null)) == "table" end)

  -- Addresses, and calls into the machine.
  way("an address by %s", function() return ("%s%s%s"):format({}, print, coroutine.create(print)):find "0x" end)
  way("an address by tostring", function() return (tostring {} .. tostring(print)):find "0x" end)
  way("an address by %p", function() return ("%p"):format {} end)
  way("an address in an error", function() local _, e = pcall(error, {}) return tostring(e):find "0x" end)
  way("an address in concat", function() local _, e = pcall(table.concat, { {} }) return e:find "0x" end)
  way("a hostile __tostring", function() return ("%s"):format(setmetatable({}, { __tostring = function() return 5 end })) == 5 end)
  way("yield out of it", function() coroutine.yield(1) return true end)
  way("resume what runs", function() local co = coroutine.running() return co and coroutine.resume(co) end)
  way("math.randomseed", function() return math.randomseed end)
  way("huge unpack", function() return unpack({}, 1, 1e8) or unpack({}, -2^31, 2^31 - 1) end)

  -- What the engine lends: nobody is to see through it.
  local spy = {}
  local trap = setmetatable({}, { __index = function(_, name) spy[#spy + 1] = name end })
  for name, value in pairs { it = it, ctx = ctx } do
    local what = name
    way(what .. "'s metatable", function() return type(getmetatable(value)) == "table" and type(value) ~= "table" end)
    way(what .. " gets a metatable", function() return type(value) ~= "table" and setmetatable(value, {}) end)
    way(what .. " by rawset", function() return type(value) ~= "table" and rawset(value, "x", 1) end)
    way(what .. " by rawget", function() return type(value) ~= "table" and rawget(value, 1) end)
    way(what .. " by table.insert", function() return type(value) ~= "table" and (table.insert(value, 1) or true) end)
    way(what .. " by next", function() return type(value) ~= "table" and next(value) end)
    way(what .. " is called", function() return value() end)
    way(what .. " as a number", function() return value + 1 end)
    way(what .. " as a pointer", function() return value[0] or value[1] or value[-1] or value[2^40] end)
    way(what .. " shows an address", function() return type(value) ~= "table" and tostring(value):find "0x" end)
  end
  if it and type(it) ~= "table" then
    way("a row is written to", function() it.id = 5 return true end)
    way("has of another", function() it.has(trap, "v") return true end)
    way("the iterator of another", function() local step = pairs(it) step(trap) return true end)
    way("the iterator of a lie", function() local step = pairs(it) return step(it, "no such column") or true end)
    way("names of the engine", function() return spy[1] end)
  end
  return table.concat(out, ", ")
end)"""


def told(where):
    return f'do local won = {WAYS_OUT}({where}) if won ~= "" then error("THE WAY OUT: " .. won, 0) end end'


@pytest.fixture
def small(job):
    job.file("in.tsv", tab_lines(Table(t).insert({"id": i, "v": f"v{i}"}) for i in (1, 2, 3) for t in "tu"))
    (job.folder.parent / "secret.lua").write_text("return true")
    return into_sqlite(job, file_source("in.tsv", key_separator="\t"), SCHEMA, t="return {}", u="return {}")


PLACES = {
    "filter": "return { filter = function(row, ctx) %s return true end }" % told("row, ctx"),
    "map": "return { map = function(row, ctx) %s return { id = row.id, v = row.v } end }" % told("row, ctx"),
    "column": 'return { columns = { id = "id", v = function(row, ctx) %s return row.v end } }' % told("row, ctx"),
    "key_by": "return { key_by = function(row, ctx) %s return row.id end }" % told("row, ctx"),
    "where": "return { where = function(row) %s return true end }" % told("row"),
    "load": told("nil") + " return {}",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_script_finds_no_way_out(small, place):
    small.write(t=PLACES[place]).run().ok()
    assert not [letter["error"][:1000] for letter in dead_letters(small)]
    assert len(rows(small)) == 3


def test_a_module_finds_no_way_out(small):
    small.file("lib/m.lua", told("nil") + " return { f = function(row, ctx) %s return true end }" % told("row, ctx"))
    small.write(t='return { filter = require("lib.m").f }').run().ok()
    assert not dead_letters(small) and len(rows(small)) == 3


def test_job_lua_and_formats_find_no_way_out(small):
    small.file("lines", b"1\n2\n3\n")
    into_sqlite(small, file_source("lines", format=Lua('''sl.format(function(message) %s
      return { op = "insert", table = "t", key = { "id" }, row = { id = tonumber(message.value), v = "v" } } end)''' % told("message"))), "", t="return {}")
    small.file("job.lua", told("nil") + "\n" + (small.folder / "job.lua").read_text())
    small.run().ok()
    assert not [letter["error"][:1000] for letter in dead_letters(small)]
    assert len(rows(small)) == 3


def test_tests_find_no_way_out(small):
    small.file("scripts/t_test.lua", '''local sl = require "streamlua"
      %s
      sl.test.case("t", function()
        local h = sl.test.harness "scripts/t.lua"
        h:feed { op = "insert", row = { id = 1 } }
        %s
        h:expect { { target = "t", row = { id = 1 } } }
      end)''' % (told("nil"), told("h")))
    ended = small.command("test")
    assert "THE WAY OUT" not in ended.out + ended.err, ended
    assert ended.code == 0, ended


def test_what_a_script_does_to_its_libraries_stays_with_it(small):
    """Neither the engine nor another script sees it; a module's table is one for all, as its author has chosen."""
    small.file("shared.lua", "return { n = 0 }")
    small.write(t='''
      local evil = function() return "evil" end
      for name in pairs(string) do string[name] = evil end
      for name in pairs(table) do table[name] = evil end
      for name in pairs(math) do math[name] = evil end
      for name in pairs(bit) do bit[name] = evil end
      for name in pairs(coroutine) do coroutine[name] = evil end
      local shared = require "shared"
      return { columns = { id = "id", v = function(row) shared.n = shared.n + 1 return string.upper(row.v) .. row.v:upper() end } }''',
                u='''
      local shared = require "shared"
      return { columns = { id = "id", v = function(row) return table.concat({ string.upper(row.v), shared.n }, " ") end } }''').run().ok()
    assert not dead_letters(small)
    assert [row["v"] for row in rows(small)] == ["evilV1", "evilV2", "evilV3"]
    # Scripts run one after the other in each intake: how far the first had come is not the second's to know, only that it is the same table.
    assert all(re.fullmatch(r"V\d \d", row["v"]) for row in rows(small, "SELECT * FROM u"))


@pytest.mark.parametrize("thrown", ["{}", "setmetatable({}, { __tostring = function() error 'again' end })",
                                    "setmetatable({}, { __tostring = function() while true do end end })", "setmetatable({}, { __concat = error })",
                                    "nil", "false", "print", "coroutine.create(print)", "row", "ctx", "('x'):rep(1e6)", "'\\0\\255'"])
def test_whatever_is_thrown_is_a_dead_letter(small, thrown):
    small.write(t=f"return {{ filter = function(row, ctx) if row.id == 2 then error({thrown}) end return true end }}").run().ok()
    assert [row["id"] for row in rows(small)] == [1, 3]
    assert len(dead_letters(small)) == 1
