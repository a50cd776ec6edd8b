-- luajit completion.lua bash|zsh PROGRAM: the completion of that shell on stdout.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local help = require "help".read(arg[2])

local function names(list, before)
  local found = {}
  for i, it in ipairs(list) do
    found[i] = (before or "") .. it.name
  end
  return table.concat(found, " ")
end

local shells = {}

local BASH = [==[
# bash completion of streamlua, made from streamlua --help.
_streamlua() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' at words
	COMPREPLY=()
	for ((at = 1; at < COMP_CWORD; at++)); do
		case ${COMP_WORDS[at]} in
		%s | *.lua | */*)
			command=${COMP_WORDS[at]}
			break
			;;
		esac
	done
	case $prev in
%s	esac
	case $command in
%s	'') words='%s' ;;
	*) words='%s' ;;
	esac
	[[ $cur == -* && -z $command ]] && words='%s'
	# Where none of these begins so, a file does (complete -o default).
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _streamlua streamlua
]==]

function shells.bash()
  local commands, values, of, seen, run = {}, {}, {}, {}, ""
  for i, command in ipairs(help.commands) do
    commands[i] = command.name
    local words = table.concat(command.words, " ")
    words = words .. (words ~= "" and " " or "") .. names(command.options, "--")
    run = command.name == "run" and words or run
    of[#of + 1] = ("\t%s) words='%s' ;;\n"):format(command.name, words)
    for _, option in ipairs(command.options) do
      if option.argument and not seen[option.name] then
        seen[option.name] = true
        local values_of = table.concat(option.values, " ")
        local offer = values_of ~= "" and ("mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\")\n\t\t"):format(values_of) or ""
        values[#values + 1] = ("\t--%s)\n\t\t%sreturn\n\t\t;;\n"):format(option.name, offer)
      end
    end
  end
  return BASH:format(table.concat(commands, " | "), table.concat(values), table.concat(of), names(help.commands), run,
    run .. " --version")
end

local ZSH = [==[
#compdef streamlua
# zsh completion of streamlua, made from streamlua --help.
local curcontext=$curcontext state line
local -a commands=(
%s)

_arguments -C %s '1: :->command' '*:: :->rest' && return
case $state in
command)
  _alternative 'commands:command:{ _describe command commands }' 'jobs:job:_files -g "*.lua(-.)"'
  ;;
rest)
  case $words[1] in
%s  *) _arguments %s '*:file:_files' ;;
  esac
  ;;
esac
]==]

local function zsh_text(text)
  return (text:gsub("([%[%]:\\])", "\\%1"):gsub("'", "'\\''"))
end

local function zsh_options(options)
  local specs = {}
  for i, option in ipairs(options) do
    local action = option.argument == "FILE" and "_files" or #option.values > 0 and "(" .. table.concat(option.values, " ") .. ")" or ""
    specs[i] = ("'--%s[%s]%s'"):format(option.name, zsh_text(option.help),
      option.argument and (":%s:%s"):format(zsh_text(option.argument), action) or "")
  end
  return table.concat(specs, " ")
end

function shells.zsh()
  local described, of, run = {}, {}, ""
  for i, command in ipairs(help.commands) do
    described[i] = ("  '%s:%s'\n"):format(command.name, zsh_text(command.summary))
    local words = #command.words > 0 and (" '2:what:(%s)'"):format(table.concat(command.words, " ")) or ""
    of[i] = ("  %s) _arguments %s '1:job:_files'%s '*:file:_files' ;;\n"):format(command.name, zsh_options(command.options), words)
    run = command.name == "run" and zsh_options(command.options) or run
  end
  return ZSH:format(table.concat(described), zsh_options(help.options), table.concat(of), run)
end

io.write(assert(shells[arg[1]], "completion.lua bash|zsh PROGRAM")())
