-- Writes page_files.c: `luajit core/run/page_files.lua FILE ... >page_files.c`. What is below core/run/page/ is served by that path.

local TYPES = {
  html = "text/html; charset=utf-8",
  css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8",
  svg = "image/svg+xml",
  LICENSE = "text/plain; charset=utf-8",
}

local files = {}
io.write '#include "run/page_files.h"\n'
for i, file in ipairs(arg) do
  local text = assert(io.open(file, "rb")):read "*a"
  local path = file:gsub("^core/run/page", "")
  local type = assert(TYPES[path:match "([^./]+)$"], file)
  local lines = {}
  for at = 1, #text, 32 do
    lines[#lines + 1] = table.concat({ text:byte(at, at + 31) }, ",")
  end
  io.write(("static const unsigned char text%d[] = {\n%s\n};\n"):format(i, table.concat(lines, ",\n")))
  files[i] = ('{ "%s", "%s", (const char *)text%d, sizeof text%d },'):format(path == "/index.html" and "/" or path, type, i, i)
end
io.write(("const struct page_file page_files[] = {\n%s\n{ 0 } };\n"):format(table.concat(files, "\n")))
