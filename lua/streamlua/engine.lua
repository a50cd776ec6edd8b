-- What the engine (core/flow/script_host.c) calls: loads job.lua and the table scripts into their closed environments, and hands
-- over what they say as plain tables.
local ffi = require "ffi"
local host = require "streamlua.host"

local native = require "streamlua.native"
host.pointer = ffi.cast("struct script_host *", host.address)

local build = require "streamlua.build"
local chain = require "streamlua.chain"
local chained = require "streamlua.chained"
local decode = require "streamlua.decode"
local example_form = require "streamlua.example_form"
local examples = require "streamlua.examples"
local findings = require "streamlua.findings"
local jobs = require "streamlua.job"
local lanes = require "streamlua.lanes"
local literals = require "streamlua.literals"
local loop = require "streamlua.loop"
local map = require "streamlua.map"
local null = require("streamlua").null
local nearest = require "streamlua.nearest"
local output = require "streamlua.output"
local place = require "streamlua.place"
local restored = require "streamlua.restored"
local row = require "streamlua.row"
local sandbox = require "streamlua.sandbox"
local scripts = require "streamlua.script"
local stateful = require "streamlua.stateful"
local steps = require "streamlua.steps"
local streams = require "streamlua.streams"
local test = require "streamlua.test"

-- LuaJIT's own bounds are for one program: a thousand scripts, each with a loop and branches, would throw each other's compiled code away.
jit.opt.start("maxtrace=20000", "maxmcode=65536")

local named = {} -- path -> what its text says of sinks

local loader = sandbox.new {
  read = host.read,
  loading = function(path, text) named[path] = literals.sinks(text) end,
  shared = {},
  sl = require "streamlua",
  pairs = row.pairs,
  is_interrupted = map.is_stalled,
  print = host.print,
  seed = tonumber(host.secret():sub(1, 8), 16),
}

local engine = { job = nil, scripts = {}, loops = {} }

function engine.load_job(path)
  engine.job = jobs.accept(loader.load_file(path), path)
  engine.decoder = engine.job.source.format.decode and decode.new(engine.job.source.format.decode)
  return engine.job
end

function engine.outside()
  return jobs.outside(engine.job, host.digest)
end

-- served: the table that job.lua names for it, or nil.
function engine.load_script(path, served)
  local ok, script = pcall(scripts.validate, loader.load_file(path), path, served)
  if not ok then
    error(place.told(script, path, host.read(path)), 0)
  end
  script.served = served
  engine.scripts[#engine.scripts + 1] = script
  return script
end

-- The line on which a script's text gives a field its value, or names `word` there; nil: it says so in other words.
function engine.line_of(path, field, word)
  return place.line(host.read(path), field, word)
end

-- ": did you mean 'amount'?", of a target's columns; or "".
function engine.hint(target_id, name)
  return nearest.hint(name, output.known_names(target_id))
end

-- Every sink that a script's text names has to be one of the job's, and every stream has to lead from one script to another.
function engine.check_sinks()
  local paths = {}
  for path in pairs(named) do
    paths[#paths + 1] = path
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    for _, one in ipairs(named[path]) do
      if not one.name:find "^stream:" and native.C.sl_sink(host.pointer, one.name, #one.name) < 0 then
        error(("%s:%d: %s"):format(path, one.line, ffi.string(native.C.sl_error(host.pointer))), 0)
      end
    end
  end
  streams.verify(engine.scripts, named)
end

-- What `check` says of scripts that are bound: hints, and errors or nil; a line each.
function engine.findings()
  return findings(engine.scripts)
end

-- Once all scripts are bound: what the engine is to know of chains, and the loops of scripts that are part of one.
function engine.settle_chains()
  for index, script in ipairs(engine.scripts) do
    script.number = index - 1
  end
  lanes.settle(engine.scripts, named)
  for index, script in ipairs(engine.scripts) do
    native.C.sl_chain_settle(host.pointer, script.number, script.rank, script.leader.number, script.feeds, script.kept, script.together,
      script.out_of_order or 0)
    for _, at in ipairs(script.lane) do
      native.C.sl_chain_lane(host.pointer, script.number, at)
    end
    if not script.stateful and script.chained and (script.feeds or (script.reads and script.lookups)) then
      engine.loops[index] = stateful.new(script, chain.kind)
    end
  end
end

-- For `streamlua repl`: the last events, which have run; nothing is compiled from here on, so that Ctrl-C ends a loop. Most programs never want it.
function engine.repl_begin(events)
  jit.off()
  jit.flush()
  engine.repl = require "streamlua.repl"
  engine.repl.begin(events, engine.scripts, loader.environment)
end

function engine.repl_eval(line)
  return engine.repl.eval(line)
end

function engine.repl_prompt()
  return engine.repl.prompt()
end

function engine.repl_complete(typed)
  return engine.repl.complete(typed)
end

-- Columns of which some are functions, as a map: needed where one of them makes the key.
local function columns_as_map(columns)
  return function(this, ctx)
    local made = {}
    for _, column in ipairs(columns) do
      if column.call then
        row.state.lacks = false
        local value = column.call(this, ctx)
        if value ~= nil or not (row.is_part() and row.state.lacks) then
          made[column.target] = value == nil and null or value
        end
      elseif this:has(column.source) then
        local value = this[column.source]
        made[column.target] = value == nil and null or value
      end
    end
    return made
  end
end

-- Once the target is known: target_id, key_is_function. Returns whether Lua makes the rows, and the script's loop is ready.
function engine.bind(index, target_id, key_is_function)
  local script = engine.scripts[index]
  local functions
  script.target_id = target_id
  local as_event = chain.bind(script, columns_as_map)
  script.chained, script.lane_key = as_event, loop.lane_key
  if script.columns and not script.map and not as_event then
    if key_is_function then
      script.map, script.fill = columns_as_map(script.columns), native.ABSENT
    else
      for _, column in ipairs(script.columns) do
        if column.call then
          functions = functions or {}
          functions[#functions + 1] = {
            index = output.column_of(target_id, column.target), target = column.target, call = column.call, lookup = column.lookup, of = column.of,
          }
        end
      end
    end
  end
  if script.stateful then
    engine.loops[index] = stateful.new(script)
    return
  end
  engine.loops[index] = loop.new {
    name = script.name, filter = not script.reads and script.filter or nil, where = script.where, map = script.map, functions = functions,
    key_by = type(script.key_by) == "function" and script.key_by or nil, fill = script.fill, target_id = target_id, owns = script.owns,
    merges = script.merges, chained = as_event,
  }
end

function engine.run(index, events, count, now, others)
  row.state.now, row.state.others, row.state.watermark, row.state.stateful = now, others, 0 / 0, engine.scripts[index].stateful or false
  chained.enter(engine.scripts[index])
  row.look(engine.scripts[index].lookups)
  return engine.loops[index](ffi.cast("struct event **", events), count)
end

-- The keys of a stateful script whose key_by is a function, before its events run.
function engine.keys(index, events, count)
  row.look(engine.scripts[index].lookups)
  stateful.keys(engine.scripts[index], ffi.cast("struct event **", events), count)
end

function engine.decode(messages, count)
  engine.decoder(ffi.cast("struct message **", messages), count)
end

-- The n-th example of a script as an event of this message; returns what it is called, nil where there is none, and whether it has steps, which
-- are events of their own. Examples need no source: what a script serves is what they are.
function engine.build_example(index, n, message)
  local script = engine.scripts[index]
  local example = script.examples and script.examples[n]
  if not example then
    return nil
  end
  local label = example_form.label(example, n)
  if example.steps then
    return label, true
  end
  local served = script.sources[1]
  local event = build.event(ffi.cast("struct message *", message), {
    op = example.op, row = example.row, old = example.old, key = example.key, database = served.database, table = served.table,
  })
  if example.lookup then
    build.given(event, index - 1, example.lookup)
  end
  return label, false
end

-- Where it stands: "scripts/orders.lua:14".
function engine.example_place(index, n)
  local path = engine.scripts[index].path
  local line = place.line(host.read(path), "examples", n)
  return line and ("%s:%d"):format(path, line) or path
end

function engine.check_example(index, n, event)
  local script = engine.scripts[index]
  return examples.check(host.pointer, ffi.cast("struct event *", event), script.examples[n], script.target)
end

function engine.check_steps(index, n)
  local script = engine.scripts[index]
  return steps.check(script.examples[n], script.path, script.served)
end

-- What the row of a window's key is once this accumulator is put into it.
function engine.restored(index, ...)
  return restored(engine.scripts[index], ...)
end

-- Runs a *_test.lua file: how many of its tests passed, and a text for each that failed.
function engine.test(path)
  return test.run(path, engine.job, loader.load_file)
end

return engine
