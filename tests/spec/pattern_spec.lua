local test, is = ...
local new_sandbox = require "files"
local script = require "streamlua.script"

local function fn() return true end

-- What a script with this pattern comes to; its text stands on line 2.
local function accepted(text, more)
  local loader = new_sandbox { ["scripts/logins.lua"] = ("local sl, f = require 'streamlua', function() return true end\nreturn %s"):format(text) }
  local fields = { key_by = { "k" }, pattern = loader.load_file "scripts/logins.lua", match = fn }
  for name, value in pairs(more or {}) do
    fields[name] = value or nil
  end
  return script.validate(fields, "scripts/logins.lua")
end

local function refused(reason, text, more)
  is.failing(reason, accepted, text, more)
end

test("a pattern is a chain of steps, with what may not be between them", function()
  local made = accepted "sl.pattern.begin('a', f):times(2, 3):without(f):not_followed_by('x', f):followed_by('b', f):next('c', f):within '10m'"
  is.equal(made.stateful, true)
  is.equal(made.uses_time, true)
  is.equal(made.ends, nil)
  local pattern = made.pattern
  is.equal(pattern.where, "scripts/logins.lua:2")
  is.equal(pattern.within, 600000)
  is.equal(pattern.skip, true)
  is.same(pattern.index, { a = 1, b = 2, c = 3 })
  local a, b, c = unpack(pattern.steps)
  is.same({ a.least, a.most, a.listed, a.without ~= nil, #a.nots }, { 2, 3, true, true, 0 })
  is.same({ b.least, b.most, #b.nots, b.nots[1].directly, b.directly }, { 1, 1, 1, false, false })
  is.equal(c.directly, true)
  is.equal(accepted("sl.pattern.begin('a', f):not_followed_by('b', f):within '1s'").ends, true)
  is.equal(accepted("sl.pattern.begin('a', f):after_match 'no_skip'").pattern.skip, false)
  is.equal(accepted("sl.pattern.begin('a', f)").uses_time, nil)
  is.same(accepted("sl.pattern.begin('a', f):keep { 'id', 'at' }").pattern.keep, { "id", "at" })
end)

test("patterns may begin alike", function()
  local made = accepted "(function() local p = sl.pattern.begin('a', f) p:next('b', f) p:times(5) return p:next('c', f) end)()"
  is.same(made.pattern.index, { a = 1, c = 2 })
  is.equal(made.pattern.steps[1].most, 1)
end)

test("what makes no sense is refused with its line", function()
  local line = "scripts/logins.lua:2: "
  refused(line .. "pattern: there is no 'followedby': did you mean 'followed_by'?", "sl.pattern.begin('a', f):followedby('b', f)")
  refused(line .. "next: it is called with a colon", "sl.pattern.begin('a', f).next('b', f)")
  refused(line .. "begin: b: a function(row, match, ctx) is needed, which says whether an event is one, not nothing", "sl.pattern.begin 'b'")
  refused(line .. "begin: the step's name: a text is needed, not a function", "sl.pattern.begin(f)")
  refused(line .. "next: there is a step 'a' already", "sl.pattern.begin('a', f):next('a', f)")
  refused(line .. "times: a whole number from 1 to 1000 is needed, not 0", "sl.pattern.begin('a', f):times(0)")
  refused(line .. "times: a whole number from 3 to 1000 is needed, not 2", "sl.pattern.begin('a', f):times(3, 2)")
  refused(line .. "times: it says something of the events of a step, and not_next has none", "sl.pattern.begin('a', f):not_next('b', f):times(2)")
  refused(line .. "consecutive: it is of several events", "sl.pattern.begin('a', f):consecutive()")
  refused(line .. "without: it is of several events", "sl.pattern.begin('a', f):without(f)")
  refused(line .. "without: a function(row, match, ctx) is needed, not a text", "sl.pattern.begin('a', f):times(2):without 'b'")
  refused(line .. "within: '10 minutes' is no duration", "sl.pattern.begin('a', f):within '10 minutes'")
  refused(line .. "within: no time at all", "sl.pattern.begin('a', f):within '0s'")
  refused(line .. "within: it is said twice", "sl.pattern.begin('a', f):within '1s':within '2s'")
  refused(line .. "after_match: 'noskip' is none of 'skip_past_last_event', 'no_skip'", "sl.pattern.begin('a', f):after_match 'noskip'")
  refused(line .. "keep: an empty list", "sl.pattern.begin('a', f):keep {}")
  refused(line .. "not_followed_by: a pattern that ends with it needs within", "sl.pattern.begin('a', f):not_followed_by('b', f)")
  refused(line .. "not_next: a pattern does not end with it", "sl.pattern.begin('a', f):not_next('b', f):within '1s'")
  refused(line .. "next: nothing can be between it and the step before", "sl.pattern.begin('a', f):not_followed_by('b', f):next('c', f)")
  refused(line .. "begin: the last step: it is found with the event number 2, so times(2) says the same", "sl.pattern.begin('a', f):times(2, 4)")
  refused(line .. "times_or_more", "sl.pattern.begin('a', f):times_or_more(0)")
end)

test("a script with a pattern has match, a key, and nothing that keeps state beside it", function()
  local one = "sl.pattern.begin('a', f)"
  refused("scripts/logins.lua:2: pattern: it needs a function match(match, ctx)", one, { match = false })
  refused("scripts/logins.lua: key_by: the state of a script is kept for each key", one, { key_by = false })
  refused("scripts/logins.lua: process: a pattern keeps its partial matches by itself", one, { process = fn })
  refused("scripts/logins.lua: state: a pattern keeps", one, { state = { version = 2 } })
  refused("scripts/logins.lua: on_timer: a pattern keeps", one, { on_timer = fn })
  refused("scripts/logins.lua: map: a script has match or map, not both: match returns", one, { map = fn })
  refused("scripts/logins.lua: pattern: sl.pattern.begin(name, function(row) ... end) is needed, not a table", "{}")
  is.failing("match: it is for patterns", script.validate, { match = fn }, "scripts/logins.lua")
  is.failing("unknown field 'mach': did you mean 'match'?", script.validate, { mach = fn }, "scripts/logins.lua")
end)
