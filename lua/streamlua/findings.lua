-- What `check` finds in a script that would run: what cannot end well, as errors, and what somebody probably did not mean, as hints. The script is
-- bound to its target's schema. What its text does not plainly say is not guessed at.
local ffi = require "ffi"
local excerpt = require "streamlua.excerpt"
local host = require "streamlua.host"
local literals = require "streamlua.literals"
local native = require "streamlua.native"
local nearest = require "streamlua.nearest"
local output = require "streamlua.output"
local place = require "streamlua.place"
local tokens = require "streamlua.tokens"

local C = native.C
local GENERATED, NULLABLE, DEFAULT, BY_ITSELF = 1, 2, 4, 8 -- sl_target_column_about
local LISTED_MOST = 8
local SHOWN_MOST = 100 -- letters of a function that is shown in its other form

local function list_of(names)
  local shown = table.concat(names, ", ", 1, math.min(#names, LISTED_MOST))
  return #names > LISTED_MOST and ("%s and %d more"):format(shown, #names - LISTED_MOST) or shown
end

-- ---- columns of the target ----

local function columns_of(target_id)
  local columns = {}
  for i = 0, C.sl_target_count(host.pointer, target_id) - 1 do
    local about, name = C.sl_target_column_about(host.pointer, target_id, i), C.sl_target_column_name(host.pointer, target_id, i)
    columns[#columns + 1] = {
      name = ffi.string(name.p, name.n),
      key = C.sl_target_is_key(host.pointer, target_id, i) ~= 0,
      generated = bit.band(about, GENERATED) ~= 0,
      nullable = bit.band(about, NULLABLE) ~= 0,
      filled = bit.band(about, DEFAULT + BY_ITSELF) ~= 0,
    }
  end
  return columns
end

local function lower_set(names)
  local set = {}
  for _, name in ipairs(names) do
    set[name:lower()] = true
  end
  return set
end

-- Columns of a table that a text names and that are none of it.
local function check_names(say, target_id, table_name, names, what)
  local known = output.known_names(target_id)
  local folded = {}
  for name in pairs(known) do
    folded[name:lower()] = true
  end
  for _, one in ipairs(names) do
    if not folded[one.name:lower()] then
      say.error(one.line, "%s: table %s has no column '%s'%s", what, table_name, one.name, nearest.hint(one.name, known))
    end
  end
end

-- given: the columns (lower case) that each row of the script has. What a row needs beside them.
local function check_needed(say, script, given, line, what)
  if script.shard then
    given[script.shard.column:lower()] = true
  end
  for _, column in ipairs(columns_of(script.target_id)) do
    local missing = not given[column.name:lower()] and not column.generated and not column.filled
    if missing and column.key then
      say.error(line, "%s: %s is of the key of %s, which tells its rows apart, and no value is given to it", what, column.name, script.target)
    elseif missing and not column.nullable and script.write ~= "update" and not script.owns and not script.merges then
      say.error(line, "%s: %s of %s may not be NULL and has no default, and no value is given to it: the database refuses every such row", what,
        column.name, script.target)
    end
  end
end

local function targets_of(script)
  local names = {}
  for _, column in ipairs(script.columns) do
    names[#names + 1] = column.target
  end
  return names
end

-- Columns that nobody writes, where all scripts of the table write whole rows and say plainly of what; said by the first of them.
local function check_unwritten(say, script, scripts, emitted)
  local written, others_first = {}, true
  for _, other in ipairs(scripts) do
    others_first = others_first and other ~= script
    if other.target_id == script.target_id and (other.has_target or not other.stateful) then
      if (others_first and other ~= script) or not other.columns or other.owns or other.merges or other.write == "update" then
        return
      end
      for name in pairs(lower_set(targets_of(other))) do
        written[name] = true
      end
    end
  end
  if emitted[script.target] or emitted["*"] then
    return
  end
  local missing = {}
  for _, column in ipairs(columns_of(script.target_id)) do
    if not written[column.name:lower()] and column.nullable and not column.key and not column.generated and not column.filled then
      missing[#missing + 1] = column.name
    end
  end
  if #missing > 0 then
    say.hint(say.line "columns", "columns: no script writes %s of %s: NULL in every row that is made here", list_of(missing), script.target)
  end
end

-- What map plainly returns.
local function check_map(say, script, list)
  local func = excerpt.func(list, "map", debug.getinfo(script.map, "S").linedefined)
  for _, at in ipairs(func and excerpt.returned(list, func) or {}) do
    local names, whole = excerpt.names(list, at)
    check_names(say, script.target_id, script.target, names, "map")
    if whole then
      local given = {}
      for _, one in ipairs(names) do
        given[one.name:lower()] = true
      end
      check_needed(say, script, given, list[at].line, "map")
    end
  end
end

-- Tables that it writes to by their plain names, and the columns that it plainly gives them.
local function check_emits(say, list, scripts)
  for _, one in ipairs(literals.targets(list)) do
    if not one.name:find "[:*]" then
      local id = C.sl_target(host.pointer, one.name, #one.name)
      if id < 0 then
        local known = {}
        for _, script in ipairs(scripts) do
          known[script.target] = true
        end
        say.error(one.line, "%s%s", ffi.string(C.sl_error(host.pointer)), nearest.hint(one.name, known))
      elseif not C.sl_target_is_open(host.pointer, id) and list[one.at + 1].kind == "," and list[one.at + 2].kind == "{" then
        check_names(say, id, one.name, (excerpt.names(list, one.at + 2)), one.name)
      end
    end
  end
end

-- ---- columns of the source: examples are all that is known of them ----

local function each_row(script, visit)
  for n, example in ipairs(script.examples or {}) do
    for _, step in ipairs(example.steps or { example }) do
      if type(step) == "table" and type(step.row) == "table" then
        visit(step.row, n)
      end
    end
  end
end

-- The source columns that the script names, as a list of { field =, name = }.
local function named_sources(script)
  local named = {}
  local function add(field, name)
    if type(name) == "string" then
      named[#named + 1] = { field = field, name = name }
    end
  end
  for _, column in ipairs(not script.window and script.columns or {}) do
    add("columns", column.source)
  end
  for _, name in ipairs(type(script.key_by) == "table" and script.key_by or {}) do
    add("key_by", name)
  end
  add("time", script.time and script.time.column)
  for _, one in ipairs(script.lookups or {}) do
    for _, key in ipairs(one.key) do
      add("lookup", key.source)
    end
  end
  return named
end

-- One that no example has, and that one has by almost the same name.
local function check_sources(say, script)
  local seen, exact = {}, {}
  each_row(script, function(row)
    for name in pairs(row) do
      seen[tostring(name):lower()], exact[tostring(name)] = true, true
    end
  end)
  local named = named_sources(script)
  for _, one in ipairs(named) do
    exact[one.name] = nil
  end
  for _, one in ipairs(named) do
    local like = not seen[one.name:lower()] and not seen[one.name:lower():match "^[^.]+"] and nearest.find(one.name, exact)
    if like then
      say.hint(say.line(one.field, one.name), "%s: no example has a source column '%s': did you mean '%s'?", one.field, one.name, like)
    end
  end
end

-- Columns of examples that a plain copy passes over, although they are almost one of the target's.
local function check_passed_over(say, script, list)
  local known, said = output.known_names(script.target_id), {}
  local used, examples = {}, place.assigned(list, "examples")
  local last = examples and list[examples + 2] and list[examples + 2].kind == "{" and excerpt.bracket_end(list, examples + 2)
  for i, token in ipairs(list) do
    used[token.value] = used[token.value] or not last or i < examples or i > last
  end
  local folded = {}
  for name in pairs(known) do
    folded[name:lower()] = true
  end
  each_row(script, function(row, n)
    for name in pairs(row) do
      local like = type(name) == "string" and not folded[name:lower()] and not used[name] and not said[name] and nearest.find(name, known)
      if like and row[like] == nil then
        said[name] = true
        say.hint(say.line("examples", n), "example %d: %s has no column '%s', which is passed over: did you mean '%s'?", n, script.target,
          name, like)
      end
    end
  end)
end

-- ---- what else somebody may have meant otherwise ----

local function check_filter(say, script, list, text)
  local line = debug.getinfo(script.filter, "S").linedefined
  local func = excerpt.func(list, "filter", line)
  if not func or not excerpt.is_of_row_alone(list, func) then
    return
  end
  local body = text:sub(list[func.first].at, list[func.last].stop - 1)
  local way = "name it where"
  if script.where then
    way = "where can say it too"
  elseif not body:find "\n" and #body <= SHOWN_MOST then
    way = ("where = function(%s) %s"):format(func.params[1], body)
  end
  say.hint(line, "filter looks at nothing but the row: one that passes it, and after an update does not, stays in %s as it was. " ..
    "To have it deleted: %s", script.target, way)
end

-- Whether two changes of a target's row have one key_by follows from the row's key, or nobody can tell.
local function check_key_by(say, script)
  local keys, of_key = {}, {}
  for _, column in ipairs(columns_of(script.target_id)) do
    if column.key then
      keys[#keys + 1] = column.name
      of_key[column.name:lower()] = not script.columns and not script.map
    end
  end
  for _, column in ipairs(script.columns or {}) do
    if column.source and of_key[column.target:lower()] ~= nil then
      of_key[column.source:lower()] = true
    end
  end
  local others = {}
  for _, name in ipairs(type(script.key_by) == "table" and script.key_by or { "what the function says" }) do
    if not of_key[name:lower()] then
      others[#others + 1] = name
    end
  end
  if #others > 0 then
    say.hint(say.line "key_by", "key_by: it cannot be told whether %s follows from the key of %s (%s). Where a row's changes differ in it, " ..
      'and messages have no old row, they may be written in another order; key_by = "row" keeps it', list_of(others), script.target, list_of(keys))
  end
end

local function check_lookups(say, script, list, text)
  local at = place.assigned(list, "lookup")
  local last = at and list[at + 2] and list[at + 2].kind == "{" and excerpt.bracket_end(list, at + 2)
  if not last or text:gsub("[\"']streamlua[\"']", ""):find "%f[%w_]require%f[^%w_]" then -- what another file uses is not looked for
    return
  end
  local used = {}
  for i, token in ipairs(list) do
    if (i < at or i > last) and (token.kind == "name" or token.kind == "text") then
      used[token.value:match "[^.]*$"] = true
    end
  end
  for _, one in ipairs(script.lookups) do
    local unused = {}
    for _, name in ipairs(one.columns) do
      unused[#unused + 1] = not used[name] and name or nil
    end
    if #unused > 0 then
      say.hint(say.line("lookup", unused[1]), "lookup: %s: %s is asked of %s and never used: leave it out", one.name, list_of(unused), one.table)
    end
  end
end

local function check_script(say, script, scripts, emitted, text)
  local list = tokens(text)
  local plain = not script.stateful and not script.to_stream and not C.sl_target_is_open(host.pointer, script.target_id)
  if plain and script.columns then
    check_needed(say, script, lower_set(targets_of(script)), say.line "columns", "columns")
    check_unwritten(say, script, scripts, emitted)
  elseif plain and script.map then
    check_map(say, script, list)
  elseif plain and not script.reads then
    check_passed_over(say, script, list)
  end
  check_emits(say, list, scripts)
  if not script.reads then
    check_sources(say, script)
  end
  if plain and script.filter and script.write ~= "update" then
    check_filter(say, script, list, text)
  end
  if plain and (type(script.key_by) == "table" or type(script.key_by) == "function") and not script.merges then
    check_key_by(say, script)
  end
  if script.lookups then
    check_lookups(say, script, list, text)
  end
end

-- Of all scripts of a job: hints, and errors (or nil), as texts of lines with file and line.
local function findings(scripts)
  local hints, errors, emitted = {}, {}, {}
  for _, script in ipairs(scripts) do
    for _, one in ipairs(literals.targets(tokens(host.read(script.path)))) do
      emitted[one.name:find("*", 1, true) and "*" or one.name] = true
    end
  end
  for _, script in ipairs(scripts) do
    local text = host.read(script.path)
    local function add(list, line, kind, format, ...)
      list[#list + 1] = ("%s%s: %s%s"):format(script.path, line and ":" .. line or "", kind, format:format(...))
    end
    check_script({
      error = function(line, ...) add(errors, line, "", ...) end,
      hint = function(line, ...) add(hints, line, "hint: ", ...) end,
      line = function(field, word) return place.line(text, field, word) end,
    }, script, scripts, emitted, text)
  end
  return table.concat(hints, "\n"), errors[1] and table.concat(errors, "\n")
end

return findings
