-- Runs every tests/spec/*_spec.lua, from the top of the repository: luajit tests/spec/run.lua [PATTERN]
--
-- A spec is a chunk that gets test(name, fn) and the checks in `is`; tests run in the order in which they stand.
package.path = "lua/?.lua;tests/spec/support/?.lua;" .. package.path
package.preload["streamlua.host"] = function()
  return require "fake_host"
end

local function show(value, seen)
  if type(value) == "string" then
    return ("%q"):format(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  seen = seen or {}
  if seen[value] then
    return "<circle>"
  end
  seen[value] = true
  local fields = {}
  for key, field in pairs(value) do
    fields[#fields + 1] = ("[%s] = %s"):format(show(key, seen), show(field, seen))
  end
  table.sort(fields)
  seen[value] = nil
  return "{ " .. table.concat(fields, ", ") .. " }"
end

local is = {}

function is.equal(got, wanted)
  if got ~= wanted then
    error(("got %s, wanted %s"):format(show(got), show(wanted)), 2)
  end
end

-- Tables with the same fields, all the way down.
function is.same(got, wanted)
  if show(got) ~= show(wanted) then
    error(("got %s\n    wanted %s"):format(show(got), show(wanted)), 2)
  end
end

-- fn fails, and its error holds this text (plain, no pattern). Returns the error.
function is.failing(text, fn, ...)
  local ok, reason = pcall(fn, ...)
  if ok then
    error(("nothing failed, wanted: %s"):format(text), 2)
  elseif not tostring(reason):find(text, 1, true) then
    error(("failed with: %s\n    wanted: %s"):format(tostring(reason), text), 2)
  end
  return reason
end

local passed, failed = 0, 0

local function test(name, fn)
  local ok, reason = xpcall(fn, debug.traceback)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    io.stdout:write(("FAILED %s\n    %s\n"):format(name, reason))
  end
end

local listing = assert(io.popen "ls tests/spec/*_spec.lua")
for path in listing:lines() do
  if path:find(arg[1] or "", 1, true) then
    local chunk, reason = loadfile(path)
    local ok = chunk ~= nil
    if chunk then
      ok, reason = xpcall(function()
        chunk(test, is)
      end, debug.traceback)
    end
    if not ok then -- outside of any test
      failed = failed + 1
      io.stdout:write(("FAILED %s\n    %s\n"):format(path, reason))
    end
  end
end
listing:close()

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0 and 0 or 1)
