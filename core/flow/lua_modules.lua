-- Writes lua_modules.c: `luajit core/flow/lua_modules.lua FILE ... >lua_modules.c`. Each file is a module, named by its path below lua/. What
-- is Lua is there a second time, compiled: that takes a twentieth of the time to load. Names of files and numbers of lines stay in it.

local function bytes(name, text)
  local lines = {}
  for i = 1, #text, 32 do
    lines[#lines + 1] = table.concat({ text:byte(i, i + 31) }, ",")
  end
  io.write(("static const unsigned char %s[] = {\n%s\n};\n"):format(name, table.concat(lines, ",\n")))
end

local modules = {}
io.write '#include "flow/lua_modules.h"\n'
for i, path in ipairs(arg) do
  local text = assert(io.open(path, "rb")):read "*a"
  local name = path:gsub("^lua/", ""):gsub("%.lua$", "")
  local compiled = path:find "%.lua$" and not path:find "^lua/templates/" and not path:find "^lua/types/"
  bytes("text" .. i, text)
  if compiled then
    bytes("code" .. i, string.dump(assert(loadstring(text, "=" .. name))))
  end
  modules[i] = ('{ "%s", (const char *)text%d, sizeof text%d, %s },'):format(name:gsub("/", "."), i, i,
    compiled and ("(const char *)code%d, sizeof code%d"):format(i, i) or "0, 0")
end
io.write(('const char lua_modules_made_by[] = "%s";\n'):format(jit.version))
io.write(("const struct lua_module lua_modules[] = {\n%s\n{ 0 } };\n"):format(table.concat(modules, "\n")))
