-- The closed environment: what the text of a job, a table script or a module can reach. Every chunk has globals and library
-- tables of its own, so nothing that one does to them is seen by another; what all share (sl) is read-only.
--
-- Scripts are not enemies, but they come from many hands and run beside a database password: they get no files, no FFI, no
-- bytecode, no addresses, and no way to another chunk's globals.
local nearest = require "streamlua.nearest"
local stdlib = require "streamlua.stdlib"

-- Names that a Lua programmer may expect: the message says that they are missing on purpose.
local ABSENT = {}
for name in ([[io ffi debug jit load loadstring dofile loadfile setfenv getfenv collectgarbage newproxy package module gcinfo
  _G _ENV _VERSION]]):gmatch "%S+" do
  ABSENT[name] = true
end

-- Libraries of LuaJIT that are globals here, but are often required.
local GLOBAL_LIBRARIES = { bit = true, coroutine = true, math = true, os = true, string = true, table = true }

local LOADING = {} -- key in options.shared: the modules that are being loaded, outermost first

local load_file -- a module's require loads files too

-- "sub.name" -> "sub/name.lua". Names that could leave the folder of job.lua are no names.
local function module_path(name)
  if type(name) ~= "string" or name == "" then
    error("require: a module's name is a string", 3)
  end
  for part in (name .. "."):gmatch "(.-)%." do
    if not part:find "^[%w_][%w_-]*$" then
      error(("require: '%s' is no module name: write require \"sub.name\" for sub/name.lua beside job.lua"):format(name), 3)
    end
  end
  return name:gsub("%.", "/") .. ".lua"
end

local function load_module(options, name, path)
  local text, reason = options.read(path)
  if not text then
    reason = reason and " (" .. reason .. ")" or ""
    error(("module '%s' is missing: looked for %s beside job.lua%s"):format(name, path, reason), 3)
  end

  local loading = options.shared[LOADING] or {}
  options.shared[LOADING] = loading
  loading[#loading + 1] = name
  local ok, value = pcall(load_file, options, path, text)
  loading[#loading] = nil
  if not ok then
    error(value, 0) -- it has its own place in it
  end
  return value == nil and true or value
end

-- The require of one chunk.
local function new_require(options, libraries)
  return function(name)
    if name == "streamlua" then
      return options.sl
    elseif GLOBAL_LIBRARIES[name] then
      return libraries[name]
    elseif type(name) == "string" and name:find "^streamlua%." then
      error(("module '%s' is streamlua's own: scripts have require \"streamlua\""):format(name), 2)
    end
    local path = module_path(name)
    local value = options.shared[name]
    if value ~= nil then
      return value
    end

    local loading = options.shared[LOADING] or {}
    for i, outer in ipairs(loading) do
      if outer == name then
        error(("modules require each other in a circle: %s -> %s"):format(table.concat(loading, " -> ", i), name), 2)
      end
    end
    value = load_module(options, name, path)
    options.shared[name] = value
    return value
  end
end

-- The metatable of globals, the same for all chunks: they have the same names.
local missing

local function missing_in(globals)
  local names = {}
  for name in pairs(globals) do
    names[name] = true
  end
  return {
    __index = function(_, name)
      if ABSENT[name] then
        error(("'%s' is not available in scripts"):format(name), 2)
      end
      error(("global '%s' is not defined%s"):format(name, nearest.hint(name, names)), 2)
    end,
  }
end

local function undeclared(_, name, value)
  local what = type(value) == "function" and "local function " or "local "
  error(("global '%s' is assigned: write `%s%s`"):format(name, what, name), 2)
end

-- Globals live behind the environment, which stays empty: so assigning one that exists (`type = row.type`) is noticed too.
local function new_environment(options, path)
  local globals = stdlib.new(options, path)
  globals.require = new_require(options, globals)
  missing = missing or missing_in(globals)
  setmetatable(globals, missing)
  return setmetatable({}, { __index = globals, __newindex = undeclared, __metatable = "protected" })
end

-- text is read through options where it is not given.
function load_file(options, path, text)
  if not text then
    local reason
    text, reason = options.read(path)
    if not text then
      error(("%s: %s"):format(path, reason or "there is no such file"), 0)
    end
  end
  if options.loading then
    options.loading(path, text)
  end
  local chunk, reason = load(text, "@" .. path, "t", new_environment(options, path))
  if not chunk then
    if reason:find "wrong mode" or reason:find "malformed bytecode" then -- words that say nothing to anybody
      reason = ("%s: this is compiled Lua; only text is taken"):format(path)
    end
    error(reason, 0)
  end
  return (chunk()) -- only the first value
end

-- A loader of closed chunks. options:
--   read(path)  -> text, or nil and why: the only way to a file
--   shared      modules that are loaded already (name -> value); one table a VM, so that each runs once
--   loading(path, text) (may be nil) is told of each file
--   sl          what `require "streamlua"` gives
--   pairs(v)    (may be nil) -> iterator, state, first for an object of the host's (a row), nil for any other value
--   is_interrupted() (may be nil) -> whether the engine has interrupted the script that runs: then no pcall of it goes on
--   print(text) (may be nil: streamlua.host's) where print goes; text begins with the chunk's path
--   seed        (may be nil) of math.random, which is the same for the whole VM; without it all VMs draw the same numbers
--
-- load_file(path) runs a file in an environment of its own and returns its (first) value. Errors name file and line.
local function new(options)
  assert(options.read and options.shared and options.sl, "read, shared and sl are needed")
  stdlib.close_string_methods()
  if options.seed then
    math.randomseed(options.seed)
  end
  return {
    load_file = function(path)
      return load_file(options, path)
    end,
    environment = function(path)
      return new_environment(options, path)
    end,
  }
end

return { new = new }
