-- luajit man.lua PROGRAM: streamlua(1) on stdout.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local help = require "help".read(arg[1])

-- Text as roff takes it for text.
local function plain(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

local function line(format, ...)
  io.write(format:format(...), "\n")
end

local function option(it)
  line(".TP\n.B %s%s", plain("--" .. it.name), it.argument and (" \\fI%s\\fR"):format(plain(it.argument)) or "")
  line("%s", plain(it.help))
end

line('.\\" Made from streamlua --help.')
line('.TH STREAMLUA 1 "" "streamlua %s" "User Commands"', plain(help.version))
line(".SH NAME\nstreamlua \\- %s", plain(help.title))
line(".SH SYNOPSIS\n.B streamlua\n.I JOB.lua\n.RI [ options ]")
for _, command in ipairs(help.commands) do
  line(".br\n.B streamlua %s\n%s", plain(command.name), plain(command.operands))
end
line(".SH COMMANDS\nWithout a command, a job is run. Options may stand before or after it.")
for _, command in ipairs(help.commands) do
  line(".SS \"streamlua %s %s\"", plain(command.name), plain(command.operands):gsub('"', "\\(dq"))
  line("%s", plain(command.summary))
  if command.details then
    line(".PP\n%s", plain(command.details))
  end
  for _, it in ipairs(command.options) do
    if it.name ~= "help" then
      option(it)
    end
  end
end
line(".SH OPTIONS\nOf all commands:")
for _, it in ipairs(help.options) do
  option(it)
end
line(".SH EXIT STATUS\n%s", plain(help.exit))
