-- Three failed logins of an account without a success between them, within 10 minutes.
local sl = require "streamlua"
local M = { key_by = { "account" }, time = "at", target = "alerts" }

local function failed(row) return row.result == "failure" end
local function succeeded(row) return row.result == "success" end

M.pattern = sl.pattern.begin("failure", failed):times(3):without(succeeded):within "10m"

function M.match(match)
  local first, last = match.failure[1], match.failure[3]
  return { login_id = last.id, account = last.account, first_at = first.at, last_at = last.at, last_ip = last.ip }
end

local function login(id, result, at)
  return { id = id, account = "ada", result = result, at = "2024-01-31 " .. at, ip = "192.0.2." .. id }
end

M.examples = {
  { name = "three failures", steps = {
    { row = login(1, "failure", "12:00:00") },
    { row = login(2, "failure", "12:04:00") },
    { restart = true },
    { row = login(3, "locked", "12:04:30") },
    { row = login(4, "failure", "12:09:59"), expect = { login_id = 4, account = "ada", first_at = "2024-01-31 12:00:00", last_ip = "192.0.2.4" } },
    { state = { "ada" }, expect = false },
  } },
  { name = "a success between them", steps = {
    { row = login(1, "failure", "12:00:00") },
    { row = login(2, "failure", "12:01:00") },
    { row = login(3, "success", "12:02:00") },
    { row = login(4, "failure", "12:03:00") },
  } },
  { name = "the third comes too late for the first", steps = {
    { row = login(1, "failure", "12:00:00") },
    { row = login(2, "failure", "12:01:00") },
    { row = login(3, "failure", "12:10:00") },
    { row = login(4, "failure", "12:10:30"), expect = { login_id = 4, first_at = "2024-01-31 12:01:00" } },
  } },
}

return M
