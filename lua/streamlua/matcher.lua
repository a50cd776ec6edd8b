-- What a pattern (streamlua.pattern) finds in the events of one key, one by one in the order in which they come. What it keeps of them is
-- plain:
--   { partial = { { step = "failure", n = 2, rows = { failure = { { id = 1 }, { id = 2 } } }, at = 1706702400000 } } }
-- a list of the partial matches, the one that began first in front: the step that it is in, how many events this has, the events by the
-- names of their steps, and when the first of them happened (where there is a `within`). Besides, where it makes a difference:
--   closed       the step takes no more events     behind   an event came behind those of the step
--   first, last  of the events that partial matches took, the numbers of this one's first and last; `taken` beside `partial` counts them
local matcher = {
  PARTIAL_MOST = 1000, -- of a key
}

-- Of partial matches that did not change since: a key may have many, and an event changes few.
local texts = setmetatable({}, { __mode = "k" })

local STAYS, DROPPED, TAKEN, LEFT = 0, 1, 2, 3

-- The condition, for an event that the pattern's time does not rule out.
local function holds(condition, run, event)
  return not event.beyond and condition(event.row, run.rows, event.ctx)
end

local function is_refused(nots, run, event)
  for _, one in ipairs(nots) do
    if not (one.directly and run.behind) and holds(one.condition, run, event) then
      return true
    end
  end
  return false
end

-- Whether it makes a difference that an event came directly behind those of the step.
local function minds_order(following, nots)
  local minds = following ~= nil and following.directly
  for _, one in ipairs(nots) do
    minds = minds or one.directly
  end
  return minds
end

-- What the event is to a partial match: it is taken into its step, or LEFT this one and is the first of the next one.
local function step_of(pattern, run, event)
  local i = pattern.index[run.step]
  local step, following = pattern.steps[i], pattern.steps[i + 1]
  local enough, open = run.n >= step.least, run.n < step.most and not run.closed
  if open and step.without and holds(step.without, run, event) then
    if not enough then
      return DROPPED
    end
    run.closed, open = true, false
  end
  local nots = following and following.nots or pattern.nots
  if enough and is_refused(nots, run, event) then
    return DROPPED
  elseif open and holds(step.condition, run, event) then
    return TAKEN
  elseif not enough then
    return step.consecutive and DROPPED or STAYS
  elseif following and not (following.directly and run.behind) and holds(following.condition, run, event) then
    return LEFT
  end
  run.closed = run.closed or (open and step.consecutive) or nil
  if following and following.directly and (run.closed or not open) then
    return DROPPED
  end
  run.behind = run.behind or minds_order(following, nots) or nil
  return STAYS
end

local function put(pattern, state, run, step, event)
  local row = event.keep(event.row)
  if step.listed then
    local rows = run.rows[step.name] or {}
    rows[#rows + 1] = row
    run.rows[step.name] = rows
  else
    run.rows[step.name] = row
  end
  if pattern.skip and #pattern.nots > 0 then
    event.number = event.number or (state.taken or 0) + 1
    state.taken = event.number
    run.first, run.last = run.first or event.number, event.number
  end
end

local function is_complete(pattern, run)
  return #pattern.nots == 0 and run.step == pattern.steps[#pattern.steps].name and run.n == pattern.steps[#pattern.steps].least
end

-- Whether the event completed it; and whether it is to be kept.
local function advance(pattern, state, run, event)
  event.beyond = run.at and event.at >= run.at + pattern.within
  local closed, behind = run.closed, run.behind
  local verdict = step_of(pattern, run, event)
  if verdict == DROPPED then
    return false, false
  elseif verdict == STAYS then
    texts[run] = run.closed == closed and run.behind == behind and texts[run] or nil
    return false, true
  end
  texts[run] = nil
  local i = pattern.index[run.step] + (verdict == LEFT and 1 or 0)
  local step = pattern.steps[i]
  run.n = verdict == LEFT and 1 or run.n + 1
  run.step, run.behind = step.name, nil
  if verdict == LEFT then
    run.closed = nil
  end
  put(pattern, state, run, step, event)
  return is_complete(pattern, run), true
end

local function save(state, partial)
  if #partial > matcher.PARTIAL_MOST then
    error(("this key has %d partial matches already, which is the most: a shorter within, or conditions that fewer events fulfil, are needed"):format(
      matcher.PARTIAL_MOST), 0)
  end
  state.partial = #partial > 0 and partial or nil
  state.taken = state.partial and state.taken
end

local function begin(pattern, state, event)
  local step, run = pattern.steps[1], { n = 1, rows = {} }
  event.beyond = false
  if not step.condition(event.row, run.rows, event.ctx) then
    return nil
  end
  run.step, run.at = step.name, pattern.within and event.at
  put(pattern, state, run, step, event)
  return run
end

-- An event. state: what is kept of the key, changed in place. event: { row =, at = ms (needed with `within`), watermark = ms or nil, ctx =,
-- keep = function(row) -> what of it is kept }. found(rows) is called with each match: the events by the names of their steps.
function matcher.advance(pattern, state, event, found)
  local partial = {}
  for _, run in ipairs(state.partial or {}) do
    -- A step that the script does not have any more; or its time was over before, and what it should have come to then failed.
    local is_gone = not pattern.index[run.step] or (run.at and event.watermark and run.at + (pattern.within or math.huge) <= event.watermark)
    local complete, stays = false, false
    if not is_gone then
      complete, stays = advance(pattern, state, run, event)
    end
    if complete then
      found(run.rows)
      if pattern.skip then
        return save(state, {})
      end
    elseif stays then
      partial[#partial + 1] = run
    end
  end
  local run = begin(pattern, state, event)
  if run and is_complete(pattern, run) then
    found(run.rows)
    if pattern.skip then
      partial = {}
    end
  else
    partial[#partial + 1] = run
  end
  return save(state, partial)
end

-- Event time has come to `at`: what began so long before is over, and is a match where there was only to be nothing more.
function matcher.expire(pattern, state, at, found)
  local partial, over, last = {}, {}, 0
  for _, run in ipairs(state.partial or {}) do
    local is_over = run.at and pattern.within and run.at + pattern.within <= at
    local list = is_over and over or partial
    list[#list + 1] = run
  end
  local final = pattern.steps[#pattern.steps]
  for _, run in ipairs(over) do
    if #pattern.nots > 0 and run.step == final.name and run.n >= final.least and (run.first or math.huge) > last then
      last = run.last or 0
      found(run.rows)
    end
  end
  local left = {}
  for _, run in ipairs(partial) do
    if pattern.index[run.step] and (run.first or math.huge) > last then
      left[#left + 1] = run
    end
  end
  return save(state, left)
end

-- What is kept, as text: "" where it is nothing. encode(value): of any other value.
function matcher.encode(state, encode)
  local parts = {}
  for i, run in ipairs(state.partial or {}) do
    local text = texts[run] or encode(run)
    parts[i], texts[run] = text, text
  end
  if #parts == 0 then
    return ""
  end
  return ('{"partial":[%s]%s}'):format(table.concat(parts, ","), state.taken and ',"taken":' .. encode(state.taken) or "")
end

-- When the first and the last of the partial matches are over, in ms; nil: none ever is.
function matcher.due(pattern, state)
  local first, last
  for _, run in ipairs(state.partial or {}) do
    local at = run.at and pattern.within and run.at + pattern.within
    first, last = at and math.min(at, first or at) or first, at and math.max(at, last or at) or last
  end
  return first, last
end

return matcher
