-- Which script writes which stream and which reads it, found before anything runs: streams that lead nowhere or come from nowhere, and loops.
local check = require "streamlua.check"
local nearest = require "streamlua.nearest"
local tag = require "streamlua.tag"

-- sl.stream "paid"
local function stream(where, name)
  local text, reason = check.text(name)
  if not text then
    check.fail(where, "stream", "the name of a stream: %s", reason)
  elseif text:find "[^%w_-]" then
    check.fail(where, "stream", "'%s': letters, digits, '-' and '_' make the name of a stream", text)
  end
  return tag.set({ name = text, where = where }, "stream")
end

-- What each script writes: path -> list of { stream =, where =, own = (it is its target) }; and all those names.
-- anything: one of them is made up while it runs.
local function written(scripts, named)
  local by_path, all, anything = {}, {}, false
  local function add(path, name, where, own)
    by_path[path] = by_path[path] or {}
    table.insert(by_path[path], { stream = name, where = where, own = own })
    all[name] = true
    anything = anything or name:find("*", 1, true) ~= nil
  end
  for _, script in ipairs(scripts) do
    if script.to_stream then
      add(script.path, script.to_stream, script.to_stream_at, true)
    end
  end
  for path, list in pairs(named) do
    for _, one in ipairs(list) do
      local name = one.name:match "^stream:(.+)$"
      if name then
        add(path, name, ("%s:%d"):format(path, one.line))
      end
    end
  end
  return by_path, all, anything
end

-- Goes along the streams from a script on; where it comes back to one that it is in, that is a loop.
local function follow(script, outputs, readers, way, done)
  for i, one in ipairs(way) do
    if one.script == script then
      local parts = {}
      for k = i, #way do
        parts[#parts + 1] = ("%s writes stream '%s'"):format(way[k].script.path, way[k].stream)
      end
      error(("%s: the streams are a loop: %s, which %s reads"):format(way[#way].where, table.concat(parts, ", "), script.path), 0)
    end
  end
  if done[script] then
    return
  end
  for _, one in ipairs(outputs[script.path] or {}) do
    for _, reader in ipairs(readers[one.stream] or {}) do
      way[#way + 1] = { script = script, stream = one.stream, where = one.where }
      follow(reader, outputs, readers, way, done)
      way[#way] = nil
    end
  end
  done[script] = true
end

-- scripts: as streamlua.script has them; named: path -> what streamlua.literals found in it. Raises an error that says what is wrong.
local function verify(scripts, named)
  local readers, read = {}, {}
  for _, script in ipairs(scripts) do
    if script.reads then
      readers[script.reads] = readers[script.reads] or {}
      table.insert(readers[script.reads], script)
      read[script.reads] = true
    end
  end
  local outputs, all, anything = written(scripts, named)
  for _, script in ipairs(scripts) do
    if script.reads and not all[script.reads] and not anything then
      error(("%s: source: no script writes stream '%s'%s"):format(script.reads_at, script.reads, nearest.hint(script.reads, all)), 0)
    end
  end
  local paths = {}
  for path in pairs(outputs) do
    paths[#paths + 1] = path
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    for _, one in ipairs(outputs[path]) do
      if not read[one.stream] and not one.stream:find("*", 1, true) then
        error(("%s: no script reads stream '%s'%s"):format(one.where, one.stream, nearest.hint(one.stream, read)), 0)
      end
    end
  end
  local done = {}
  for _, script in ipairs(scripts) do
    for _, reader in ipairs(script.window and script.to_stream and readers[script.to_stream] or {}) do
      if reader.merges and not reader.stateful then
        error(("%s: source: the script adds up (merge) the rows of a window, %s, which are written again when they change: aggregate them there")
          :format(reader.reads_at, script.path), 0)
      end
    end
    follow(script, outputs, readers, {}, done)
  end
end

return { stream = stream, written = written, verify = verify }
