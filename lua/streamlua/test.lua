-- sl.test: what *_test.lua files have. A file is one test, or as many as it has cases. What fails is told with its file and line, and the rest
-- goes on.
local check = require "streamlua.check"

local test = {}
local running -- while a file runs: { path =, job =, harnesses =, case =, cases =, passed =, failures = }

local function needs_test(what)
  if not running then
    error(("%s: no test runs here: it is for *_test.lua files, which `streamlua test` runs"):format(what), 3)
  end
end

local run -- the function whose callers are none of the test's

-- The error with its place, and the places in the test's files that it was called from.
local function describe(reason)
  local text = type(reason) == "string" and reason or ("error of type " .. type(reason))
  local places, level = {}, 2
  local info = debug.getinfo(level, "Slf")
  while info and info.func ~= run do
    if info.source:sub(1, 1) == "@" then
      places[#places + 1] = ("%s:%d"):format(info.source:sub(2), info.currentline)
    end
    level = level + 1
    info = debug.getinfo(level, "Slf")
  end
  if places[1] and not text:find "^[^\n]-%.lua:%d+: " then -- assert(false) does not say where
    text = places[1] .. ": " .. text
  end
  for i = 2, #places do
    text = text .. "\n  called from " .. places[i]
  end
  return text
end

-- Whether fn ended well, and so did the harnesses that it made.
function run(fn, name)
  local outer = running.harnesses
  running.harnesses = {}
  local ok, reason = xpcall(fn, describe)
  for _, harness in ipairs(running.harnesses) do
    local left = require("streamlua.test_harness").close(harness)
    if ok and left then
      ok, reason = false, left
    end
  end
  running.harnesses = outer
  if not ok then
    running.failures[#running.failures + 1] = name and ("%s\n  in %q"):format(reason, name) or reason
  end
  return ok
end

function test.case(name, fn)
  needs_test "sl.test.case"
  if type(name) ~= "string" or type(fn) ~= "function" then
    error('sl.test.case("what it tests", function() ... end) is needed', 2)
  elseif running.case then
    error(("sl.test.case: %q is within %q"):format(name, running.case), 2)
  end
  running.case, running.cases = name, running.cases + 1
  if run(fn, name) then
    running.passed = running.passed + 1
  end
  running.case = nil
end

function test.harness(path)
  needs_test "sl.test.harness"
  local text, reason = check.text(path)
  if not text then
    error("sl.test.harness: the path of a script: " .. reason, 2)
  end
  local harness, fault = require("streamlua.test_harness").new(path, running.path, running.job)
  if not harness then
    error("sl.test.harness: " .. fault, 2)
  end
  running.harnesses[#running.harnesses + 1] = harness
  return harness
end

-- How many passed, and what is to be said of those that failed.
function test.run(path, job, load_file)
  running = { path = path, job = job, cases = 0, passed = 0, failures = {} }
  local ok = run(function()
    load_file(path)
  end)
  local passed = running.passed + (ok and running.cases == 0 and 1 or 0)
  local failures = running.failures
  running = nil
  return passed, failures
end

return test
