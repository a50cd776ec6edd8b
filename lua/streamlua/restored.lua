-- What an older version of a window's functions has kept, as a test gives it: into the row that has the key's windows.
local saved = require "streamlua.state"
local time = require "streamlua.time"

local function is_time(ms)
  return ms == ms
end

-- "final": when the first of the windows closes, which is then written; else all are forgotten with the last one.
local function due(script, panes)
  local choose, at = script.emit == "final" and math.min or math.max, nil
  for _, pane in pairs(panes) do
    at = at and choose(at, pane.e) or pane.e
  end
  return at
end

-- kept: the row's text, "" where there is none. text: the accumulator's. start, finish: ms or NaN. Returns the new text, and when the row is due.
return function(script, kept, text, start, finish, rows)
  local spec = script.window
  if not script.add then
    error("what the built-in aggregates keep is of one version, and made by feeding rows", 0)
  elseif not is_time(start) then
    error("window_start is needed: the windows of a key are told apart by it", 0)
  elseif spec.hop and start % spec.hop ~= 0 then
    error(("window_start: no window begins at %s"):format(time.format(start)), 0)
  elseif not spec.size and not is_time(finish) then
    error("window_end is needed: sessions differ in length", 0)
  end
  local panes = kept ~= "" and saved.decode(kept) or {}
  panes[("%.0f"):format(start)] = { n = rows, a = saved.decode(text), e = spec.size and start + spec.size or finish }
  return saved.encode(panes, "the window"), due(script, panes)
end
