-- What luacheck holds Lua here to: `luacheck lua scripts tests/spec`.
std = "luajit"
max_line_length = 150
self = false

-- Scripts run in a closed environment (lua/streamlua/sandbox.lua): what they cannot have must not look as if they could.
stds.script = {
  read_globals = {
    "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawset", "require",
    "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
    "bit", "coroutine", "math", "string", "table",
    os = { fields = { "date", "time" } },
  },
}
files["scripts"] = { std = "script" }
files["examples"] = { std = "script" }
files["**/job.lua"] = { std = "script" }
files["lua/types"] = { unused = false } -- annotations: functions without bodies
