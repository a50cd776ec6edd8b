-- What the examples of a script may be: one event and what comes of it, or several steps. What an expectation means is streamlua.examples' to know.
local check = require "streamlua.check"

local function any_table(value)
  if type(value) ~= "table" then
    return nil, ("a table is needed, not %s"):format(check.kind_of(value))
  end
  return value
end

local function any(value)
  return value
end

local function number(value)
  if type(value) ~= "number" then
    return nil, ("milliseconds are needed, not %s"):format(check.kind_of(value))
  end
  return value
end

local function only_true(value)
  if value ~= true then
    return nil, "it is written with true"
  end
  return value
end

local function expectation(value)
  if type(value) ~= "table" and value ~= false and value ~= "error" then
    return nil, ("a row, false or 'error' is needed, not %s"):format(check.kind_of(value))
  end
  return value
end

local function with(fields, others)
  for name, field in pairs(others) do
    fields[name] = field
  end
  return fields
end

local EVENT = {
  op = { check.choice("insert", "update", "delete", "snapshot") },
  row = { any_table },
  old = { any_table },
  key = { any_table },
  lookup = { any_table },
  expect = { expectation },
}

local EXAMPLE = with({ name = { check.text } }, EVENT)
local OF_STEPS = { name = { check.text }, steps = { any_table } }

-- By its word, which the harness has too; what has none of them is an event.
local STEPS = {
  advance_to = { advance_to = { any }, expect = { expectation } },
  wait = { wait = { check.duration }, expect = { expectation } },
  finish = { finish = { only_true }, expect = { expectation } },
  restart = { restart = { only_true } },
  restore = { restore = { any_table }, expect = { expectation } },
  state = { state = { any }, map = { check.text }, entry = { any }, expect = { any } },
}
local FED = with({ database = { check.text }, table = { check.text }, time = { number }, now = { number } }, EVENT)
for word in pairs(STEPS) do
  FED[word] = { any } -- none of them is there; one that is misspelt is told so
end

local form = {}

-- "advance_to", "wait", "finish", "restart", "restore", "state", or "feed".
function form.word(step)
  for word in pairs(STEPS) do
    if step[word] ~= nil then
      return word
    end
  end
  return "feed"
end

local function check_event(where, event)
  if not event.row and not (event.op == "delete" and (event.old or event.key)) then
    check.fail(nil, where, "option 'row' is needed")
  end
end

local function check_steps(where, example)
  check.options(nil, where, example, OF_STEPS)
  if not check.is_list(example.steps) or #example.steps == 0 then
    check.fail(nil, where, "steps: a list is needed: { { row = { ... }, expect = { ... } }, { advance_to = \"2024-01-31 12:00:00\" } }")
  end
  for i, step in ipairs(example.steps) do
    local of_step = ("%s: step %d"):format(where, i)
    local word = type(step) == "table" and form.word(step) or "feed"
    check.options(nil, of_step, step, STEPS[word] or FED)
    if word == "feed" then
      check_event(of_step, step)
    end
  end
end

local function check_one(where, example)
  if type(example) == "table" and example.steps ~= nil then
    check_steps(where, example)
  else
    check.options(nil, where, example, EXAMPLE)
    check_event(where, example)
  end
end

-- "example 2", and its name if it has one.
function form.label(example, n)
  return example.name and ("example %d (%s)"):format(n, example.name) or ("example %d"):format(n)
end

function form.list(value)
  if type(value) ~= "table" or not check.is_list(value) then
    return nil, "a list of examples is needed: { { op = 'insert', row = { ... }, expect = { ... } } }"
  end
  for i, example in ipairs(value) do
    local ok, reason = pcall(check_one, "example " .. i, example)
    if not ok then
      return nil, reason
    end
  end
  return value
end

return form
