-- Patterns as scripts declare them, in the words of Flink's CEP: a chain of steps that begins with sl.pattern.begin. What they find is
-- streamlua.matcher's.
local check = require "streamlua.check"
local nearest = require "streamlua.nearest"
local readonly = require "streamlua.readonly"
local tag = require "streamlua.tag"

local NAME_MOST, COUNT_MOST = 100, 1000

local pattern, methods = {}, {}

-- What a chain has said so far; scripts see none of it.
local said = setmetatable({}, { __mode = "k" })

-- A chain is never changed: each word comes to a new one, so two patterns may begin alike.
local function chain(made)
  local object = tag.set({}, "pattern", function(_, name)
    local method, where = methods[name], readonly.reader(2)
    if not method then
      check.fail(where, "pattern", "there is no '%s'%s", tostring(name), nearest.hint(tostring(name), methods))
    end
    return function(self, ...)
      if not said[self] then
        check.fail(where, name, "it is called with a colon, as in :%s(...)", name)
      end
      return method(where, said[self], ...)
    end
  end)
  said[object] = made
  return object
end

local function copy(of)
  local made = {}
  for name, value in pairs(of) do
    made[name] = value
  end
  return made
end

-- The chain with another last step.
local function with_step(made, step)
  made = copy(made)
  made.steps = copy(made.steps)
  made.steps[#made.steps + 1] = step
  return made
end

local function add(where, kind, made, name, condition)
  local text, reason = check.text(name)
  if not text or #text > NAME_MOST then
    check.fail(where, kind, "the step's name: %s", reason or ("at most %d bytes, not %d"):format(NAME_MOST, #text))
  elseif type(condition) ~= "function" then
    check.fail(where, kind, "%s: a function(row, match, ctx) is needed, which says whether an event is one, not %s", name, check.kind_of(condition))
  end
  for _, step in ipairs(made.steps) do
    if step.name == name then
      check.fail(where, kind, "there is a step '%s' already", name)
    end
  end
  return chain(with_step(made, { name = name, condition = condition, kind = kind, least = 1, most = 1, where = where }))
end

function pattern.begin(where, name, condition)
  return add(where, "begin", { steps = {}, where = where }, name, condition)
end

for _, kind in ipairs { "next", "followed_by", "not_next", "not_followed_by" } do
  methods[kind] = function(where, made, name, condition)
    return add(where, kind, made, name, condition)
  end
end

-- The last step with this changed.
local function change(where, word, made, fields)
  local last = made.steps[#made.steps]
  if last.kind:find "^not_" then
    check.fail(where, word, "it says something of the events of a step, and %s has none", last.kind)
  end
  local step = copy(last)
  for name, value in pairs(fields) do
    step[name] = value
  end
  made = copy(made)
  made.steps = copy(made.steps)
  made.steps[#made.steps] = step
  return chain(made)
end

local function count(where, word, least, value)
  local number, reason = check.whole(least, COUNT_MOST)(value)
  if not number then
    check.fail(where, word, "%s", reason)
  end
  return number
end

-- times(3), times(2, 4)
function methods.times(where, made, least, most)
  least = count(where, "times", 1, least)
  return change(where, "times", made, { least = least, most = most == nil and least or count(where, "times", least, most), listed = true })
end

function methods.times_or_more(where, made, least)
  return change(where, "times_or_more", made, { least = count(where, "times_or_more", 1, least), most = math.huge, listed = true })
end

function methods.consecutive(where, made)
  return change(where, "consecutive", made, { consecutive = true, repeats = where })
end

function methods.without(where, made, condition)
  if type(condition) ~= "function" then
    check.fail(where, "without", "a function(row, match, ctx) is needed, not %s", check.kind_of(condition))
  end
  return change(where, "without", made, { without = condition, repeats = where })
end

local function set(where, word, made, name, value)
  if made[name] ~= nil then
    check.fail(where, word, "it is said twice")
  end
  made = copy(made)
  made[name] = value
  return chain(made)
end

function methods.within(where, made, duration)
  local ms, reason = check.duration(duration)
  if not ms or ms == 0 then
    check.fail(where, "within", "%s", reason or "no time at all")
  end
  return set(where, "within", made, "within", ms)
end

function methods.keep(where, made, names)
  local list, reason = check.texts(names)
  if not list then
    check.fail(where, "keep", "%s", reason)
  end
  return set(where, "keep", made, "keep", list)
end

function methods.after_match(where, made, strategy)
  local word, reason = check.choice("skip_past_last_event", "no_skip")(strategy)
  if not word then
    check.fail(where, "after_match", "%s", reason)
  end
  return set(where, "after_match", made, "skip", word == "skip_past_last_event")
end

-- What stands between two steps goes to the one behind it; what stands behind all of them is the end's.
local function gathered(steps)
  local list, nots = {}, {}
  for _, step in ipairs(steps) do
    if step.kind:find "^not_" then
      nots[#nots + 1] = { condition = step.condition, directly = step.kind == "not_next", where = step.where, kind = step.kind }
    else
      step = copy(step)
      step.directly, step.nots, nots = step.kind == "next", nots, {}
      list[#list + 1] = step
    end
  end
  return list, nots
end

local function check_steps(steps, nots, within)
  for _, step in ipairs(steps) do
    if step.repeats and step.most == 1 then
      check.fail(step.repeats, step.without and "without" or "consecutive", "it is of several events: times(3) or times_or_more(2) stands before it")
    end
    for _, one in ipairs(step.directly and step.nots or {}) do
      if not one.directly then
        check.fail(step.where, "next", "nothing can be between it and the step before: without not_followed_by it says the same")
      end
    end
  end
  for _, one in ipairs(nots) do
    if one.directly then
      check.fail(one.where, "not_next", "a pattern does not end with it: not_followed_by and within say for how long there is to be no such event")
    elseif not within then
      check.fail(one.where, "not_followed_by", "a pattern that ends with it needs within: when is it certain that there is no such event?")
    end
  end
  local last = steps[#steps]
  if #nots == 0 and last.least ~= last.most then
    check.fail(last.where, last.kind, "the last step: it is found with the event number %d, so times(%d) says the same; to wait for all of them, "
      .. "end with not_followed_by and within", last.least, last.least)
  end
end

-- Comes to what streamlua.matcher wants, or fails with file and line:
--   steps   list of { name =, condition =, least =, most =, listed = its events are a list, directly = "next", consecutive =, without =,
--           nots = list of { condition =, directly = } that must not come before it }
--   nots    list of the same, behind the last step
--   within  ms, or nil; skip: begin anew behind a match; keep: list of columns, or nil; where: "scripts/logins.lua:7"
function pattern.compile(value)
  local made = said[value]
  local steps, nots = gathered(made.steps)
  check_steps(steps, nots, made.within)
  local index = {}
  for i, step in ipairs(steps) do
    index[step.name] = i
  end
  return { steps = steps, index = index, nots = nots, within = made.within, skip = made.skip ~= false, keep = made.keep, where = made.where }
end

return { begin = pattern.begin, compile = pattern.compile }
