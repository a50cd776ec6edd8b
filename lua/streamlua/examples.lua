-- The examples of scripts: each is made an event, goes through the engine like any other, and what comes out is compared.
--
--   expect = { id = 1, name = "A" }                      this row is written to the script's target
--   expect = false                                       nothing is written
--   expect = { delete = { id = 1 } }                     this row is deleted
--   expect = { target = "t", row = { .. } }              this row is written to another target
--   expect = { { target = "t", row = { .. } }, { delete = { .. } } }   these, in this order
--   expect = "error" or { error = "part of its text" }   the script refuses it
-- Columns that an expected row does not name are not compared. A table in it is JSON, whatever the order of its names.
local ffi = require "ffi"
local native = require "streamlua.native"
local null = require("streamlua").null
local row = require "streamlua.row"
local saved = require "streamlua.state"

local C = native.C
local DELETE = native.CHANGE_DELETE

local function name_of(slice)
  return ffi.string(slice.p, slice.n)
end

local bytes = ffi.new "char[8]"

-- What a script sees of a bit string, or nil: an example may also give its number.
local function bits_of(change, column)
  local n = C.sl_change_bits(change, column, bytes)
  return n > 0 and ffi.string(bytes, n) or nil
end

local function to_table(host, change)
  local target, values, bits = C.sl_target_of(change), {}, {}
  for i = 0, tonumber(change.count) - 1 do
    local value = change.values + i
    if value.kind ~= native.ABSENT and value.kind ~= native.DEFAULT then
      local got = row.to_lua(value)
      local name = name_of(C.sl_target_column_name(host, target, i))
      values[name], bits[name] = got == nil and null or got, bits_of(change, i)
    end
  end
  return { target = name_of(C.sl_target_name(host, target)), delete = change.op == DELETE, row = values, bits = bits }
end

local function show_value(value)
  if type(value) == "table" then
    return saved.encode_value(value, "expect")
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function show_row(values)
  local names, parts = {}, {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = name .. " = " .. show_value(values[name])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function show(change)
  if change.error then
    return type(change.error) == "string" and ("an error: %s"):format(change.error) or "an error"
  end
  return ("%s %s %s"):format(change.delete and "delete from" or "row of", change.target, show_row(change.row))
end

-- Whether it is { target =, row = } or { delete = }, and no row of such columns.
local function is_change(expect)
  for name in pairs(expect) do
    if name ~= "target" and name ~= "row" and name ~= "delete" then
      return false
    end
  end
  return type(expect.row) == "table" or type(expect.delete) == "table"
end

-- The ways to write an expectation, as a list of changes.
local function expected_changes(expect, target)
  if expect == false or expect == nil then
    return {}
  elseif expect[1] == nil then
    expect = { is_change(expect) and expect or { row = expect } }
  end
  local list = {}
  for i, one in ipairs(expect) do
    local named = one.row or one.delete
    list[i] = { target = one.target or target, delete = one.delete ~= nil, row = named or one }
  end
  return list
end

local function same_json(expected, text)
  local ok, got = pcall(saved.decode_value, text)
  return ok and saved.encode_value(got, "got") == saved.encode_value(expected, "expect")
end

local function same(expected, got)
  if expected == got then
    return true
  elseif expected == null or got == null or got == nil then
    return false
  elseif type(expected) == "table" then
    return type(got) == "string" and same_json(expected, got)
  end
  -- A number, and the text of its digits.
  return type(expected) ~= type(got) and (tostring(expected) == tostring(got) or (type(expected) == "number" and expected == tonumber(got)))
end

local function compare(expected, got)
  if expected.error or got.error then
    return got.error ~= nil and (expected.error == true or (expected.error ~= nil and got.error:find(expected.error, 1, true) ~= nil))
  end
  if expected.target ~= got.target or expected.delete ~= got.delete then
    return false
  end
  for name, value in pairs(expected.row) do
    if not same(value, got.row[name]) and (got.bits[name] == nil or value ~= got.bits[name]) then
      return false
    end
  end
  return true
end

-- What the event writes, but for its state, which is the script's own business.
local function changes(host, event)
  local list, change = {}, event.changes
  while change ~= nil do
    if change.values ~= nil then
      list[#list + 1] = to_table(host, change)
    end
    change = change.next
  end
  return list
end

local function count(list)
  return #list == 1 and "1 change" or #list .. " changes"
end

-- nil where these are those that are wanted, else both as text.
local function difference(wanted, got)
  local differs = #wanted ~= #got
  for i = 1, #wanted do
    differs = differs or not compare(wanted[i], got[i])
  end
  if not differs then
    return nil
  end
  local lines = {}
  for _, one in ipairs(wanted) do
    lines[#lines + 1] = "  expected " .. show(one)
  end
  for _, one in ipairs(got) do
    lines[#lines + 1] = "  got      " .. show(one)
  end
  return ("expected %s, got %d:\n%s"):format(count(wanted), #got, table.concat(lines, "\n"))
end

-- What is wrong with the event, or nil.
local function error_of(event)
  return event.error.p ~= nil and name_of(event.error) or nil
end

-- What the types of the target's columns do not take of what it writes, or nil.
local function misfit(host, event)
  local change = event.changes
  while change ~= nil do
    if C.sl_change_misfit(host, change) ~= 0 then
      return ffi.string(C.sl_error(host))
    end
    change = change.next
  end
end

-- nil where all is as expected, else what differs.
local function check(host, event, example, target)
  local expect = example.expect
  local wants_error = expect == "error" or (type(expect) == "table" and expect.error)
  local failed = error_of(event)
  if wants_error then
    if not failed then
      return "an error was expected, and there was none"
    elseif type(wants_error) == "string" and wants_error ~= "error" and not failed:find(wants_error, 1, true) then
      return ("an error with %q in it was expected, got: %s"):format(wants_error, failed)
    end
    return nil
  elseif failed then
    return failed
  end
  return difference(expected_changes(expect, target), changes(host, event)) or misfit(host, event)
end

return { check = check, changes = changes, difference = difference, error_of = error_of, expected_changes = expected_changes }
