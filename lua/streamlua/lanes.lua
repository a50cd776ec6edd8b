-- Chains with readers that keep state: which scripts are one chain, in which order their timers fire, and which columns of a state's key say in whose
-- lane it is. A state is only ever changed in one lane: that of the key of the events whose rows come to it.
local streams = require "streamlua.streams"

local ONE_LANE = { -1 }

-- script -> list of { reader =, stream =, own = (its target) }; and the other way round: script -> those that write what it reads.
local function edges_of(scripts, named)
  local by_path, readers, edges, writers = streams.written(scripts, named), {}, { count = #scripts }, {}
  for _, script in ipairs(scripts) do
    edges[script], writers[script] = {}, {}
    if script.reads then
      readers[script.reads] = readers[script.reads] or {}
      table.insert(readers[script.reads], script)
    end
  end
  for _, script in ipairs(scripts) do
    for _, one in ipairs(by_path[script.path] or {}) do
      for _, reader in ipairs(readers[one.stream] or {}) do
        table.insert(edges[script], { reader = reader, stream = one.stream, own = one.own })
        table.insert(writers[reader], script)
      end
    end
  end
  return edges, writers
end

-- Names of columns of a script's row (of its key) as the stream has them; nil and the one that the stream does not have.
local function names_in(script, edge, names)
  if not (edge.own and script.columns) then
    return names
  end
  local mapped = {}
  for i, name in ipairs(names) do
    for _, column in ipairs(script.columns) do
      mapped[i] = mapped[i] or (column.source == name and column.target or nil)
    end
    if not mapped[i] then
      return nil, name
    end
  end
  return mapped
end

local function places_in(list, names)
  local places = {}
  for i, name in ipairs(names) do
    for at, column in ipairs(list) do
      if column:lower() == name:lower() then
        places[i] = at - 1
      end
    end
    if not places[i] then
      return nil, name
    end
  end
  return places
end

local function has_columns(script)
  return type(script.key_by) == "table"
end

-- All states that rows of `from` come to, of the next readers that keep any, have to be told apart by these columns.
local function check_nested(from, script, names, edges)
  for _, edge in ipairs(edges[script]) do
    local reader = edge.reader
    local mapped, lost = names_in(script, edge, names)
    if reader.stateful then
      local places, missing = nil, lost
      if mapped and has_columns(reader) then
        places, missing = places_in(reader.key_by, mapped)
      end
      if not places then
        local lacks = lost and "the stream does not have" or ("key_by of %s has not"):format(reader.path)
        error(("%s: key_by: %s writes stream '%s', and its key_by has %s, which %s. What one key here keeps would come from several keys there, " ..
          "in several lanes: name it in key_by, or write the rows into a topic that another job reads"):format(reader.reads_at, from.path,
          edge.stream, missing or names[1] or "a function", lacks), 0)
      end
    elseif mapped then
      check_nested(from, reader, mapped, edges)
    end
  end
end

-- The columns of a lane's key, from a script on. False where a reader's key does not have them: one lane has all.
local function pass_lane(script, names, edges)
  for _, edge in ipairs(edges[script]) do
    local reader = edge.reader
    local mapped = reader.kept and names_in(script, edge, names)
    if reader.kept and not mapped then
      return false
    elseif reader.kept and reader.stateful then
      local places = has_columns(reader) and places_in(reader.key_by, mapped)
      if not places or (reader.lane and table.concat(reader.lane, ",") ~= table.concat(places, ",")) then
        return false
      end
      reader.lane = places
    end
    if reader.kept and not pass_lane(reader, mapped, edges) then
      return false
    end
  end
  return true
end

local function first_of(script)
  while script.leader ~= script do
    script = script.leader
  end
  return script
end

-- A window that reads windows.
local function check_times(script, edge)
  local reader = edge.reader
  if not (edge.own and script.window and reader.stateful) then
    return
  elseif reader.window and script.emit ~= "final" then
    error(('%s: source: the script counts the rows of a window, %s, which are written again with each event: say emit = "final" there')
      :format(reader.reads_at, script.path), 0)
  elseif reader.uses_time and not reader.time then
    error(("%s: time: it reads the rows of a window, %s: say which of their columns it is, as in time = \"window_start\""):format(reader.reads_at,
      script.path), 0)
  end
end

-- Through all readers of a script: how far it is from the tables, and what comes to them.
local function follow(script, edges, rank)
  if rank > edges.count then -- a loop, which is refused where there is a target (streamlua.streams)
    return
  end
  script.rank = math.max(script.rank, rank)
  for _, edge in ipairs(edges[script]) do
    local reader = edge.reader
    check_times(script, edge)
    follow(reader, edges, rank + 1)
    script.feeds = script.feeds or reader.feeds or reader.stateful or reader.lookups ~= nil
    script.leads = script.leads or reader.leads or reader.stateful or false
    script.leads_to_time = script.leads_to_time or reader.leads_to_time or (reader.stateful and reader.uses_time) or false
  end
end

-- A watermark that those who write do not have passed yet is passed by nobody who reads.
local function hold_back(scripts, writers)
  for rank = 1, #scripts do
    for _, script in ipairs(scripts) do
      for _, writer in ipairs(script.rank == rank and writers[script] or {}) do
        script.out_of_order = math.max(script.out_of_order or 0, writer.out_of_order or 0)
      end
    end
  end
end

local function settle_chain(chain, edges)
  local roots, one_lane = 0, false
  for _, script in ipairs(chain) do
    if not script.reads then
      roots = roots + 1
      chain.plain = chain.plain or not script.stateful
      if script.stateful and not has_columns(script) then
        error(("%s: key_by: rows of this script come to others that keep state, so it has to be known which columns its key is: name them, " ..
          'as in key_by = { "account_id" }'):format(script.path), 0)
      end
      one_lane = one_lane or not has_columns(script)
    end
    if script.stateful then
      check_nested(script, script, script.key_by, edges)
    end
  end
  for _, script in ipairs(chain) do
    if not one_lane and not script.reads then
      script.lane = {}
      for i in ipairs(script.key_by) do
        script.lane[i] = i - 1
      end
      one_lane = not pass_lane(script, script.key_by, edges)
    end
  end
  for _, script in ipairs(chain) do
    if one_lane and script.repartition and not script.stateful then
      error(("%s: repartition: its rows come to scripts that keep state, so its key_by has to be columns that theirs have, too: events of one of " ..
        "their keys would go through several partitions of the topic"):format(script.path), 0)
    end
    script.together = roots > 1 or chain.plain or false
    script.lane = one_lane and ONE_LANE or script.lane or {}
  end
end

-- scripts: as streamlua.script has them; named: path -> what streamlua.literals found in it. Each gets
--   rank, leader  how many streams lie between it and a table; the script that stands for its chain
--   feeds         its rows come to scripts that run them as events
--   kept          it is of a chain in which some of these keep state
--   lane          places in key_by (from 0) whose columns make the lane's key; { -1 }: all is one lane
--   together      what stalls in its chain holds up all behind it
-- Raises an error where a state could not be in one lane.
local function settle(scripts, named)
  local edges, writers = edges_of(scripts, named)
  for _, script in ipairs(scripts) do
    script.rank, script.leader, script.feeds, script.leads, script.leads_to_time, script.lane = 0, script, false, false, false, nil
  end
  for _, script in ipairs(scripts) do
    if not script.reads then
      follow(script, edges, 0)
    end
  end
  local chains = {}
  for _, script in ipairs(scripts) do
    script.kept = script.leads or (script.reads and script.stateful) or false
    if script.repartition and not script.stateful and not script.kept then
      error(("%s: repartition: it is for scripts that keep state, or whose rows come to such"):format(script.path), 0)
    end
    for _, edge in ipairs(edges[script]) do
      if edge.reader.leads or edge.reader.stateful then
        first_of(edge.reader).leader = first_of(script)
      end
    end
    if script.leads_to_time and not script.reads then
      script.uses_time = true
    end
    if script.kept then
      script.out_of_order = script.out_of_order or 0
    end
  end
  hold_back(scripts, writers)
  for _, script in ipairs(scripts) do
    script.leader = first_of(script)
    if script.kept then
      chains[script.leader] = chains[script.leader] or {}
      table.insert(chains[script.leader], script)
    end
  end
  for _, script in ipairs(scripts) do
    if chains[script] then
      settle_chain(chains[script], edges)
    end
  end
  for _, script in ipairs(scripts) do
    script.together, script.lane = script.together or false, script.lane or {}
  end
end

return { settle = settle }
