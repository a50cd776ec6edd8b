local test, is = ...
local ffi = require "ffi"
local sandbox_of = require "files"
local host = require "streamlua.host"

-- What scripts/x.lua returns.
local function run(text, files, more)
  files = files or {}
  files["scripts/x.lua"] = text
  local sandbox = sandbox_of(files, more)
  return sandbox.load_file "scripts/x.lua"
end

local function each_word(words, fn)
  for word in words:gmatch "%S+" do
    fn(word)
  end
end

test("a chunk's value comes back, only the first", function()
  is.equal(select("#", run "return 1, 2"), 1)
  is.equal(run "return 1, 2", 1)
  is.equal(run "", nil)
end)

test("errors name the file and the line", function()
  is.failing("scripts/x.lua:2: boom", run, "\nerror 'boom'")
  is.failing("scripts/x.lua:3: ", run, "local x = {\n\n= 3 }")
  is.failing("scripts/none.lua: No such file or directory", sandbox_of({}).load_file, "scripts/none.lua")
end)

test("compiled Lua is refused, as a file and as a module", function()
  local compiled = string.dump(function() end)
  is.failing("scripts/x.lua: this is compiled Lua; only text is taken", run, compiled)
  is.failing("scripts/x.lua: this is compiled Lua; only text is taken", run, "#!/bin/sh\n" .. compiled) -- LuaJIT skips such a line
  is.failing("scripts/x.lua: this is compiled Lua; only text is taken", run, "\239\187\191" .. compiled) -- and a byte order mark
  is.failing("m.lua: this is compiled Lua", run, 'require "m"', { ["m.lua"] = compiled })
end)

test("what reaches outside is not there, and the message says so", function()
  each_word([[io ffi debug jit load loadstring dofile loadfile setfenv getfenv collectgarbage newproxy package module gcinfo
    _G _VERSION]], function(name)
    is.failing(("scripts/x.lua:1: '%s' is not available in scripts"):format(name), run, "return " .. name)
  end)
  is.failing("os.execute is not available in scripts", run, "os.execute 'true'")
  is.failing("os.getenv is not available in scripts: use sl.env", run, "return os.getenv 'HOME'")
  each_word("exit remove rename tmpname setlocale clock difftime", function(name)
    is.failing("is not available in scripts", run, "return os." .. name)
  end)
end)

test("the globals of a chunk are exactly these", function()
  local names = {}
  for name in pairs(require "streamlua.stdlib".new({}, "x")) do
    names[#names + 1] = name
  end
  table.sort(names)
  is.equal(table.concat(names, " "), "assert bit coroutine error getmetatable ipairs math next os pairs pcall print rawequal "
    .. "rawget rawset select setmetatable string table tonumber tostring type unpack xpcall")
end)

test("the functions of the libraries are exactly these", function()
  local globals = require "streamlua.stdlib".new({}, "x")
  local function names(library)
    local list = {}
    for name in pairs(globals[library]) do
      list[#list + 1] = name
    end
    table.sort(list)
    return table.concat(list, " ")
  end
  is.equal(names "string", "byte char find format gmatch gsub len lower match rep reverse sub upper")
  is.equal(names "os", "date time")
  is.equal(names "coroutine", "create isyieldable resume running status wrap yield")
  is.equal(names "table", "concat foreach foreachi getn insert maxn move remove sort")
  is.equal(names "math":find "randomseed", nil)
end)

test("library functions work, as functions and as methods", function()
  is.equal(run "return ('ab'):upper() .. string.rep('x', 2) .. #table.concat({ 1, 2 }, ',') .. bit.band(7, 3)", "ABxx33")
  is.equal(run "return math.floor(2.5) + select('#', unpack({ 1, 2 }))", 4)
  is.equal(run "return os.date('!%Y', 0)", "1970")
  is.equal(run "return type(os.time())", "number")
  is.equal(run "local co = coroutine.wrap(function() coroutine.yield(5) end) return co()", 5)
end)

test("string.dump is gone from the library and from every string's methods", function()
  is.equal(run "return string.dump", nil)
  is.equal(run "return ('x').dump", nil)
  is.equal(run "return ('x').dump or ('x').unpack or ('x').__index or ('x').execute", nil)
end)

test("the metatable that all strings share is out of reach", function()
  is.equal(run "return getmetatable('')", "protected")
  is.failing("scripts/x.lua:1:", run, "getmetatable('').__index = { upper = function() return 'mine' end }")
  is.failing("scripts/x.lua:1:", run, "setmetatable('', {})")
  is.equal(run "local ok = pcall(rawset, 'x', 'upper', 1) return ok", false)
  is.failing("attempt to index", run, "local s = 'x' s.upper = nil")
end)

test("changing a library changes it for that chunk alone, and never what strings' methods do", function()
  local sandbox = sandbox_of {
    ["a.lua"] = "string.upper = function() return 'mine' end table.insert = nil math.pi = 3 bit.band = nil\n"
      .. "coroutine.wrap = nil os.time = nil return ('x'):upper() .. string.upper()",
    ["b.lua"] = "local t = {} table.insert(t, bit.band(3, 1)) assert(os.time() > 0 and coroutine.wrap)\n"
      .. "return ('x'):upper() .. string.upper('y') .. math.floor(math.pi * 100) .. t[1]",
  }
  is.equal(sandbox.load_file "a.lua", "Xmine")
  is.equal(sandbox.load_file "b.lua", "XY3141")
  is.equal(math.pi > 3.14, true)
  is.equal(string.upper "x", "X")
end)

test("the runtime's own libraries are untouched by a script", function()
  run "string.format = nil string.gsub = nil table.concat = nil"
  is.equal(("%d"):format(3), "3")
  is.equal(table.concat { "a" }, "a")
end)

test("rawset cannot get at what is protected, and works on other tables", function()
  is.failing("", run, "rawset(require 'streamlua', 'x', 1)")
  is.failing("", run, "rawset(require 'streamlua'.json, 'decode', 1)")
  is.failing("this table is protected", run, "rawset(setmetatable({}, { __metatable = 'protected' }), 'x', 1)")
  is.failing("this table is protected", run, "rawset(os, 'time', 1)")
  is.equal(run "local t = setmetatable({}, { __newindex = error }) rawset(t, 'x', 1) return t.x", 1)
end)

test("streamlua is read-only: no assignment, no rawset, no table function, no metatable", function()
  is.failing("sl is read-only", run, "local sl = require 'streamlua' sl.job = 1")
  is.failing("sl.json is read-only", run, "local sl = require 'streamlua' sl.json.decode = print")
  is.failing("", run, "table.insert(require 'streamlua', 1)")
  is.failing("", run, "next(require 'streamlua')")
  is.equal(run "return getmetatable(require 'streamlua')", "protected")
  is.equal(run "return getmetatable(require 'streamlua'.null)", "protected")
  is.failing("", run, "setmetatable(require 'streamlua', {})")
  is.failing("scripts/x.lua:2: sl has no 'soruce': did you mean 'source'?", run, "local sl = require 'streamlua'\nlocal x = sl.soruce")
  is.failing("tumbling: '1x' is no duration", run, "return require 'streamlua'.tumbling('1x')")
end)

test("assigning a global is an error that names variable, file and line", function()
  is.failing("scripts/x.lua:12: global 'totl' is assigned: write `local totl`", run, ("\n"):rep(11) .. "totl = 1")
  is.failing("scripts/x.lua:2: global 'helper' is assigned: write `local function helper`", run, "\nfunction helper() end")
  is.failing("scripts/x.lua:3: global 'n'", function()
    run("local M = {}\nfunction M.map()\nn = 1\nend\nreturn M").map()
  end)
end)

test("assigning a global that exists is an error too", function()
  is.failing("scripts/x.lua:1: global 'type' is assigned", run, "type = 5")
  is.failing("scripts/x.lua:1: global 'string' is assigned", run, "string = {}")
end)

test("reading an undefined global is an error with the nearest name", function()
  is.failing("scripts/x.lua:2: global 'pritn' is not defined: did you mean 'print'?", run, "\nlocal x = pritn")
  is.failing("scripts/x.lua:1: global 'totally' is not defined", run, "local x = totally")
end)

test("chunks do not see each other's environment", function()
  local sandbox = sandbox_of { ["a.lua"] = "return function() return print end", ["b.lua"] = "return print" }
  is.equal(sandbox.load_file "a.lua"() == sandbox.load_file "b.lua", false)
end)

test("no function that takes or gives an environment can be had through an error handler or a coroutine", function()
  is.equal(run [[
    local seen = 0
    local function look()
      for _, name in ipairs { "getfenv", "setfenv", "debug", "load", "io", "ffi", "_G" } do
        local ok = pcall(function()
          -- each name as a global, from inside a handler and a coroutine
          if name == "getfenv" then return getfenv(0) elseif name == "setfenv" then return setfenv(1, {})
          elseif name == "debug" then return debug.getregistry() elseif name == "load" then return load "return 1"
          elseif name == "io" then return io.open "/etc/passwd" elseif name == "ffi" then return ffi.C else return _G end
        end)
        seen = seen + (ok and 1 or 0)
      end
      return seen
    end
    xpcall(error, look)
    coroutine.wrap(look)()
    return seen]], 0)
end)

test("there is no __gc for a table, so nothing of a script runs behind the engine's back", function()
  local ran = run "local ran = {} for i = 1, 9 do setmetatable({}, { __gc = function() ran[1] = i end }) end return ran"
  collectgarbage()
  collectgarbage()
  is.equal(ran[1], nil)
end)

test("addresses are never shown", function()
  is.equal(run "return tostring({}) .. tostring(print) .. tostring(coroutine.create(print))", "tablefunctionthread")
  is.equal(run "return tostring(require 'streamlua'.null)", "null")
  is.equal(run "return tostring(setmetatable({}, { __tostring = function() return 'me' end }))", "me")
  is.equal(run "return ('%s %s %d'):format({}, print, 5)", "table function 5")
  is.equal(run "return ('%s|%s|%s'):format(nil, setmetatable({}, { __tostring = function() return 'me' end }), nil)", "nil|me|nil")
  is.equal(run "return ('%%p %d%% plan %s'):format(5, 'x')", "%p 5% plan x")
  is.failing("%p (an address) is not available in scripts", run, "return ('%p'):format({})")
  is.failing("%p (an address) is not available in scripts", run, "return string.format('%-20p', 'x')")
  is.failing("%p (an address) is not available in scripts", run, "return string.format('%%%p', 'x')")
  ffi.cdef "struct spec_row { int id; };"
  is.equal(run("return function(row) return tostring(row) .. ('%s'):format(row) end")(ffi.new "struct spec_row"),
    "cdata<struct spec_row>cdata<struct spec_row>")
end)

test("what tostring and format complain about is blamed on the script", function()
  is.failing("scripts/x.lua:1: bad argument", run, "local x = ('%d'):format('x') return x")
  is.failing("bad argument", run, "local x = string.format(nil) return x")
end)

test("the generator of random numbers cannot be set by a script, and is seeded by the host", function()
  is.equal(run "return math.randomseed", nil)
  local first = run("return math.random()", nil, { seed = 42 })
  is.equal(run("return math.random()", nil, { seed = 42 }), first)
  is.equal(run("return math.random()", nil, { seed = 43 }) == first, false)
end)

test("metatables of rows and other objects of the engine are out of reach", function()
  local read = run "return function(row) return getmetatable(row) end"
  is.equal(read(ffi.new "int64_t"), "protected")
  is.equal(read(newproxy(true)), "protected")
  is.equal(read(5), nil)
  is.equal(run "local mt = {} return getmetatable(setmetatable({}, mt)) == mt", true)
end)

test("pairs walks rows through the host, tables with __pairs, and plain tables", function()
  ffi.cdef "struct spec_pairs { int id; };"
  local row = ffi.metatype("struct spec_pairs", {
    __pairs = function(self)
      return next, { id = self.id }
    end,
    __index = function()
      return nil
    end,
  })(7)
  local names = "return function(t) local out = {} for k, v in pairs(t) do out[#out + 1] = k .. '=' .. v end return table.concat(out, ',') end"
  is.equal(run(names)(row), "id=7")
  is.equal(run(names)(setmetatable({}, { __pairs = function() return next, { a = 1 } end })), "a=1")
  is.equal(run(names) { b = 2 }, "b=2")
  is.failing("scripts/x.lua:1: bad argument #1 to", run(names), nil)

  local hidden = setmetatable({}, { __metatable = "protected" })
  local hooked = run(names, nil, { pairs = function(value) if value == hidden then return next, { hook = 1 } end end })
  is.equal(hooked(hidden), "hook=1")
  is.equal(hooked { c = 3 }, "c=3")
  is.equal(hooked(setmetatable({ d = 4 }, {})), "d=4")
end)

test("ipairs takes rows, which have no numbered values", function()
  ffi.cdef "struct spec_ipairs { int id; };"
  local row = ffi.metatype("struct spec_ipairs", { __index = function() return nil end })()
  is.equal(run "return function(t) local n = 0 for _ in ipairs(t) do n = n + 1 end return n end"(row), 0)
  is.equal(run "return function(t) local n = 0 for _ in ipairs(t) do n = n + 1 end return n end" { 1, 2 }, 2)
end)

test("print goes to the host, with the script's name", function()
  host.printed = {}
  run "print('a', 1, nil, {})"
  is.same(host.printed, { "scripts/x.lua: a\t1\tnil\ttable" })
end)

test("require runs a text module beside job.lua once, in an environment of its own", function()
  local sandbox, options = sandbox_of {
    ["a.lua"] = 'return require "lib.dates"',
    ["b.lua"] = 'return require "lib.dates"',
    ["lib/dates.lua"] = "return { made = {} }",
  }
  local a, b = sandbox.load_file "a.lua", sandbox.load_file "b.lua"
  is.equal(a, b)
  is.equal(options.shared["lib.dates"], a)
end)

test("a module that returns nothing is true, and is not run twice", function()
  local sandbox = sandbox_of {
    ["x.lua"] = 'return require "count" == true and require "count"',
    ["count.lua"] = "local sl = require 'streamlua' print 'ran'",
  }
  host.printed = {}
  is.equal(sandbox.load_file "x.lua", true)
  is.equal(#host.printed, 1)
end)

test("modules shared between sandboxes of one VM are loaded once", function()
  local shared = {}
  local files = { ["x.lua"] = 'return require "m"', ["m.lua"] = "return {}" }
  is.equal(sandbox_of(files, { shared = shared }).load_file "x.lua", sandbox_of(files, { shared = shared }).load_file "x.lua")
end)

test("a missing module says where it was looked for", function()
  is.failing("scripts/x.lua:2: module 'lib.dates' is missing: looked for lib/dates.lua beside job.lua (No such file or directory)", run,
    "\nlocal d = require 'lib.dates'")
end)

test("modules that require each other in a circle are an error that says so", function()
  local files = { ["a.lua"] = 'local b = require "b" return b', ["b.lua"] = 'local a = require "a" return a' }
  is.failing("b.lua:1: modules require each other in a circle: a -> b -> a", run, 'local a = require "a" return a', files)
  is.failing("modules require each other in a circle: me -> me", run, 'local me = require "me"', {
    ["me.lua"] = 'local me = require "me" return me' })
end)

test("a module that failed can be asked for again, and fails the same way", function()
  is.equal(run([[
    local _, first = pcall(require, "bad")
    local _, second = pcall(require, "bad")
    return first == second and first]], { ["bad.lua"] = "error 'boom'" }), "bad.lua:1: boom")
end)

test("a name that leads anywhere else is no module", function()
  for _, name in ipairs { "../secrets", "/etc/passwd", "a..b", ".a", "a.", "a/b", "a\\b", "", "-a", "a\0b" } do
    is.failing("require:", run, ("local x = require %q return x"):format(name))
  end
  is.failing("a module's name is a string", run, "local x = require(5) return x")
end)

test("no library of LuaJIT comes through require", function()
  each_word("ffi jit io debug package jit.util table.new table.clear string.buffer jit.opt", function(name)
    is.failing("is missing: looked for", run, ("local x = require %q return x"):format(name))
  end)
  each_word("bit string table math os coroutine", function(name)
    is.equal(run(("return require %q == %s"):format(name, name)), true)
  end)
  is.failing("is streamlua's own", run, "local x = require 'streamlua.sandbox' return x")
end)

test("requiring streamlua gives the module", function()
  is.equal(run "return require 'streamlua'", require "streamlua")
end)

test("modules are as closed as scripts are", function()
  is.failing("m.lua:1: 'io' is not available in scripts", run, "return require 'm'", { ["m.lua"] = "return io.open" })
  is.failing("m.lua:1: global 'x' is assigned", run, "return require 'm'", { ["m.lua"] = "x = 1" })
end)

test("no value that can be had leads to what is closed, however often one goes on from it", function()
  local closed = { [_G] = "_G", [package.loaded] = "package.loaded", [require] = "require", [rawset] = "rawset", [getmetatable] = "getmetatable",
    [string.dump] = "string.dump", [math.randomseed] = "math.randomseed", [debug.getregistry()] = "the registry",
    [getmetatable ""] = "strings' metatable" }
  each_word("load loadstring loadfile dofile setfenv getfenv collectgarbage newproxy gcinfo module", function(name)
    closed[_G[name] or name] = name
  end)
  for _, library in ipairs { "io", "debug", "ffi", "jit", "package" } do
    for name, value in pairs(require(library)) do
      closed[type(value) == "function" and value or {}] = library .. "." .. tostring(name)
    end
  end
  each_word("execute exit remove rename tmpname getenv setlocale clock difftime", function(name)
    closed[os[name]] = "os." .. name
  end)

  local seen = {}
  local function walk(value, path)
    if seen[value] or (type(value) ~= "table" and type(value) ~= "userdata" and type(value) ~= "function") then
      return
    end
    seen[value] = path
    if closed[value] then
      error(path .. " is " .. closed[value], 0)
    end
    local fields = value
    if type(value) == "userdata" then -- what its fields are is known to this test, not to scripts
      fields = debug.getmetatable(value).__index
    end
    if type(fields) == "table" then
      for name, field in pairs(fields) do
        walk(field, path .. "." .. tostring(name))
      end
      local meta = getmetatable(fields)
      if type(meta) == "table" and not meta.__metatable and type(value) == "table" then
        walk(meta, path .. "'s metatable")
      end
    end
  end
  walk(require "streamlua.stdlib".new({}, "x"), "globals")
  walk(require "streamlua", "sl")
  walk(debug.getmetatable "".__index, "strings' methods")
  local count = 0
  for _ in pairs(seen) do
    count = count + 1
  end
  is.equal(count > 80, true)
end)

test("what the engine interrupts is caught by no script", function()
  local interrupted = false
  local function interrupt() interrupted = true error("away", 0) end
  local more = { is_interrupted = function() return interrupted end, sl = { interrupt = interrupt } }
  for _, catching in ipairs { "pcall(f)", "xpcall(f, tostring)", "coroutine.resume(coroutine.create(f))", "pcall(pcall, f)" } do
    interrupted = false
    local text = ("local f = require 'streamlua'.interrupt local ok = pcall(error, 'mine') local got = %s return 'swallowed'"):format(catching)
    local ok, reason = pcall(run, text, nil, more)
    is.equal(ok, false)
    is.equal(reason, "away")
  end
  interrupted = false
  is.equal(run("local ok, reason = pcall(error, 'mine', 0) return tostring(ok) .. reason", nil, more), "falsemine")
  is.equal(run("return select('#', pcall(function() return 1, nil, nil end))", nil, more), 4)
end)
