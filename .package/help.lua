-- What `streamlua --help` says, as tables: the man page and the completions of shells are made from it, so that options and commands are
-- written down once, in the program.
local M = {}

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  assert(text ~= "", command .. " says nothing")
  pipe:close()
  return text
end

-- "  --log text|json     form of the log": the options of one help text, in their order.
local function options_of(text)
  local options = {}
  for name, argument, help in text:gmatch "\n  %-%-([%w-]+) ?(%S*) +([^\n]+)" do
    local values = {}
    for value in (argument:find("|", 1, true) and argument or ""):gmatch "[^|]+" do
      values[#values + 1] = value
    end
    for value in help:gmatch '"([%l-]+)"' do -- its argument may be something else as well, as a time may be "latest"
      values[#values + 1] = value
    end
    options[#options + 1] = { name = name, argument = argument ~= "" and argument or nil, help = help, values = values }
  end
  return options
end

-- "JOB.lua [list|show ID]": the words that are written as they are.
local function words_of(operands)
  local words = {}
  for choice in operands:gmatch "%b[]" do
    if choice:find("|", 1, true) then
      for word in ("|" .. choice:sub(2, -2)):gmatch "|(%l[%l-]*)" do
        words[#words + 1] = word
      end
    end
  end
  return words
end

-- { title, exit, version, options = { of all commands }, commands = { { name, operands, summary, details, words, options } } }
function M.read(program)
  local quoted = "'" .. program:gsub("'", "'\\''") .. "'"
  local text = output(quoted .. " --help")
  local help = {
    title = text:match "^streamlua: ([^\n]+)",
    exit = text:match "\nExit: ([^\n]+)",
    version = output(quoted .. " --version"):match "^streamlua (%S+)",
    options = options_of(text),
    commands = {},
  }
  for name in text:gmatch "\n  streamlua (%l[%w-]*) " do
    local own = output(quoted .. " " .. name .. " --help")
    local usage, rest = own:match "^Usage: streamlua [%w-]+ ?([^\n]*)\n\n(.*)"
    local said = rest:match "^(.-)\n\nOptions:\n" or rest
    help.commands[#help.commands + 1] = {
      name = name,
      operands = usage,
      summary = said:match "^([^\n]+)",
      details = said:match "^[^\n]+\n\n(.*)",
      words = words_of(usage),
      options = options_of(own),
    }
  end
  assert(help.title and help.exit and help.version and #help.commands > 0, program .. " --help is not what it was: .package/help.lua has to learn it")
  return help
end

return M
