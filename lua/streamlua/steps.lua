-- The examples of scripts that have several steps: each runs in a harness of its own, and each of its steps is one of the harness's words. What a
-- step writes has to be what it expects; a step that expects nothing writes nothing.
local example_form = require "streamlua.example_form"
local harness = require "streamlua.harness"
local saved = require "streamlua.state"

local function event_of(step)
  local event = {}
  for name, value in pairs(step) do
    event[name] = value
  end
  event.expect = nil
  return event
end

local function show(value)
  return value == nil and "nothing" or saved.encode_value(value, "state")
end

-- What is kept is the script's own business: all of it is compared.
local function compare_state(this, step)
  local got = show(harness.state(this, step.state, step.map, step.entry))
  local wanted = show(step.expect or nil)
  if got ~= wanted then
    return ("another state was expected:\n  expected %s\n  got      %s"):format(wanted, got)
  end
end

local function take(this, step)
  local word = example_form.word(step)
  if word == "state" then
    return compare_state(this, step)
  elseif word == "feed" then
    harness.feed(this, event_of(step))
  else
    harness[word](this, step[word])
  end
  return harness.difference(this, step.expect or false)
end

local steps = {}

-- nil where all is as expected, else what differs. path, served: of the script.
function steps.check(example, path, served)
  local this, reason = harness.open(path, served)
  if not this then
    return reason
  end
  local differs
  for i, step in ipairs(example.steps) do
    local ok, result = pcall(take, this, step)
    if not ok or result then
      differs = ("step %d: %s"):format(i, tostring(result))
      break
    end
  end
  harness.close(this)
  return differs
end

return steps
