-- sl.job { ... }: what job.lua returns, checked, with every default filled in.
local check = require "streamlua.check"
local tag = require "streamlua.tag"

local NAME_MOST = 64 -- a column of the target's own tables holds it

local function name(value)
  local text, reason = check.text(value)
  if not text then
    return nil, reason
  elseif #text > NAME_MOST then
    return nil, ("at most %d characters"):format(NAME_MOST)
  elseif not text:find "^[%w_][%w_.-]*$" then -- it names files too
    return nil, ("'%s': letters, digits, '-', '_' and '.' (not at the beginning) make a name"):format(text)
  end
  return text
end

local function made_by(kind, examples)
  return function(value)
    local is = tag.get(value)
    if is == kind then
      return value
    elseif is then
      return nil, ("this is a %s; a %s is made by %s"):format(is, kind, examples)
    end
    return nil, ("a %s is made by %s, this is %s"):format(kind, examples, check.kind_of(value))
  end
end

-- A folder, or table -> script.
local function tables(value)
  if type(value) == "string" then
    local folder, reason = check.text(value)
    return folder and { folder = folder }, reason
  elseif type(value) ~= "table" then
    return nil, ('a folder or { ["shop.orders"] = "scripts/orders.lua" } is needed, not %s'):format(check.kind_of(value))
  elseif next(value) == nil then
    return nil, "no table is named"
  end
  local map = {}
  for served, path in pairs(value) do
    if type(served) ~= "string" then
      return nil, 'each script stands behind its table: { ["shop.orders"] = "scripts/orders.lua" }'
    end
    local text, reason = check.text(path)
    if not text then
      return nil, ("'%s': the path of a script: %s"):format(served, reason)
    end
    map[served] = text
  end
  return { map = map }
end

local SIDES_MOST = 32
-- Their rows go before the transaction commits, and may come twice: what is no database has readers who can tell.
local ASIDE = { kafka = true, jsonl = true, blackhole = true }

-- alerts -> sink; scripts write to "alerts:table".
local function sinks(value)
  if type(value) ~= "table" then
    return nil, ("sinks by their names are needed, { alerts = sl.sink.kafka { ... } }, not %s"):format(check.kind_of(value))
  end
  local names = {}
  for given in pairs(value) do
    names[#names + 1] = given
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, given in ipairs(names) do
    local sink = value[given]
    if type(given) ~= "string" or not given:find "^[%a_][%w_-]*$" or #given > NAME_MOST then
      return nil, ("'%s': letters, digits, '-' and '_' make the name of a sink"):format(tostring(given))
    elseif given == "stream" then
      return nil, "'stream:' is what streams between scripts are written by: give the sink another name"
    elseif tag.get(sink) ~= "sink" then
      return nil, ("%s: a sink is made by sl.sink.kafka { ... } or sl.sink.jsonl { ... }, this is %s"):format(given, check.kind_of(sink))
    elseif not ASIDE[sink.kind] then
      return nil, ("%s: %s is a database: only the job's own sink is one, with progress in its transactions; what goes into a second one is " ..
        "a job of its own"):format(given, sink.kind)
    end
  end
  if #names > SIDES_MOST then
    return nil, ("%d sinks: %d are the most"):format(#names, SIDES_MOST)
  end
  return value
end

local CONTROL = check.choice("ignore", "stop", "dead-letter")

local OPTIONS = {
  name = { name, needed = "it is what progress is kept under" },
  source = { made_by("source", "sl.source.kafka { ... } or sl.source.file { ... }"), needed = true },
  tables = { tables, default = "scripts" },
  sink = { made_by("sink", "sl.sink.tidb { ... } or another of sl.sink"), needed = true },
  sinks = { sinks, default = {} },
  dead_letters = { check.text },
  dead_letter_limit = { check.whole(0, 2 ^ 31 - 1) },
  on_ddl = { CONTROL, default = "ignore" },
  on_truncate = { CONTROL, default = "ignore" },
  memory = { check.bytes, default = 256 * 2 ^ 20 },
  max_rows_per_second = { check.whole(1, 2 ^ 31 - 1) },
  script_timeout = { check.duration, default = 2000 },
  park_for = { check.duration, default = 10 * 60 * 1000 },
}

-- The sink's brokers are the source's where it names none; and what it writes must not be what the job reads.
local function into_kafka(where, what, sink, from)
  local same = from.kind == "kafka" and (not sink.brokers or sink.brokers == from.brokers)
  sink.brokers = sink.brokers or from.brokers
  if not sink.brokers then
    check.fail(where, "job", '%s: write brokers = "HOST:9092"', what)
  end
  for _, topic in ipairs(same and from.topics or {}) do
    if topic == sink.topic then
      check.fail(where, "job", "%s: the job would read what it writes into topic '%s'", what, topic)
    end
  end
end

local MEMORY_LEAST = 16 * 2 ^ 20

local function new(where, options)
  local job = check.options(where, "job", options, OPTIONS)
  if job.memory < MEMORY_LEAST then
    check.fail(where, "job", "memory: at least %dMB is needed", MEMORY_LEAST / 2 ^ 20)
  end
  if type(job.tables) == "string" then
    job.tables = { folder = job.tables }
  end
  if job.sink.kind == "kafka" then
    if not job.sink.topic then
      check.fail(where, "job", "sink: option 'topic' is needed: write topic = \"NAME\"")
    end
    into_kafka(where, "sink", job.sink, job.source)
  end
  job.side_names = {}
  for given, sink in pairs(job.sinks) do
    job.side_names[#job.side_names + 1] = given
    if sink.kind == "kafka" then
      into_kafka(where, "sinks." .. given, sink, job.source)
    end
  end
  table.sort(job.side_names)
  if job.source.kind == "kafka" and not job.source.group then
    job.source.group = "streamlua-" .. job.name
  end
  job.dead_letters = job.dead_letters or job.name .. ".dead-letters.jsonl"
  return tag.set(job, "job")
end

-- What a job.lua returned, or an error that says what it should have been.
local function accept(value, path)
  local is = tag.get(value)
  if is == "job" then
    return value
  elseif is then
    error(("%s: it returns a %s: a job ends with return sl.job { ... }"):format(path, is), 0)
  end
  error(("%s: it returns %s: a job ends with return sl.job { ... }"):format(path, check.kind_of(value)), 0)
end

local SECRET = { "password", "secret", "jaas", "key.pem", "token" }

-- A secret is told apart from another one, never told.
local function hide(key, value, digest)
  for _, part in ipairs(SECRET) do
    if tostring(key):find(part, 1, true) then
      return digest and "digest:" .. digest(tostring(value)) or "***"
    end
  end
  return value
end

local function serialise(value, out, indent, digest)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for _, key in ipairs(keys) do
    local field = value[key]
    if type(field) == "table" then
      out[#out + 1] = ("%s%s:"):format(indent, tostring(key))
      serialise(field, out, indent .. "  ", digest)
    elseif type(field) ~= "function" then
      field = hide(key, field, digest)
      field = type(field) == "string" and ("%q"):format(field) or tostring(field)
      out[#out + 1] = ("%s%s = %s"):format(indent, tostring(key), field)
    end
  end
end

-- The job's source and sink as text: equal for two jobs exactly when one can go on with the other's connections. digest(text)
-- (may be nil) makes a password's change visible without the password.
local function outside(job, digest)
  local out = {}
  serialise({ name = job.name, source = job.source, sink = job.sink, sinks = job.sinks }, out, "", digest)
  return table.concat(out, "\n") .. "\n"
end

return { new = new, accept = accept, outside = outside }
