-- What sl.test.harness gives: a script of the job for a test to use, whose errors name the test's line.
local harness = require "streamlua.harness"
local host = require "streamlua.host"

local inside = setmetatable({}, { __mode = "k" }) -- what a harness has, out of the test's reach

local function get(h, name)
  local this = inside[h]
  if not this then
    error(("write h:%s(...)"):format(name), 3)
  elseif this.closed then
    error(("h:%s: this harness ended with the sl.test.case that made it"):format(name), 3)
  end
  return this
end

local methods = {}

for _, name in ipairs { "feed", "advance_to", "wait", "finish", "state", "restore", "restart" } do
  methods[name] = function(h, ...)
    local this, info = get(h, name), debug.getinfo(2, "Sl")
    this.at = ("%s:%d"):format(info.source:sub(2), info.currentline)
    local ok, value = pcall(harness[name], this, ...)
    if not ok then
      error(("h:%s: %s"):format(name, tostring(value)), 2)
    end
    return value
  end
end

function methods.expect(h, expect)
  local ok, differs = pcall(harness.difference, get(h, "expect"), expect)
  if not ok then
    error("h:expect: " .. tostring(differs), 2)
  elseif differs then
    error(differs, 2)
  end
end

local META = {
  __index = function(_, name)
    return methods[name] or
      error(("a harness has no '%s': it has feed, advance_to, wait, finish, expect, state, restore and restart"):format(tostring(name)), 2)
  end,
  __newindex = function(_, name)
    error(("h.%s is assigned: a harness is read-only"):format(tostring(name)), 2)
  end,
  __metatable = "protected",
}

-- ---- finding the script ----

local function plain(path)
  return (path:gsub("^%./", ""):gsub("/+$", ""))
end

-- Whether the job has this script, and the table that it names for it.
local function of_job(job, path)
  for served, of in pairs(job.tables.map or {}) do
    if plain(of) == path then
      return of, served
    end
  end
  local folder = job.tables.folder
  local name = folder and path:sub(1, #plain(folder) + 1) == plain(folder) .. "/" and path:sub(#plain(folder) + 2)
  if name and not name:find "/" and not name:find "_test%.lua$" and host.read(folder .. "/" .. name) then
    return folder .. "/" .. name
  end
end

-- test_path: of the file that asks; its folder is the second where the script is looked for. nil and why.
local function new(path, test_path, job)
  local beside = plain((test_path:match "^(.*/)" or "") .. plain(path))
  local found, served = of_job(job, plain(path))
  if not found then
    found, served = of_job(job, beside)
  end
  if not found then
    return nil, ("the job has no script %s, and none %s"):format(path, beside)
  end
  local this, reason = harness.open(found, served)
  if not this then
    return nil, reason
  end
  local h = setmetatable({}, META)
  inside[h] = this
  return h
end

-- What nobody expected and nobody may overlook, or nil.
local function close(h)
  local this = inside[h]
  harness.close(this)
  this.closed = true
  for _, one in ipairs(this.made) do
    if one.error then
      return ("%s: this event became a dead letter, and no h:expect says so: %s"):format(one.at, one.error)
    end
  end
end

return { new = new, close = close }
