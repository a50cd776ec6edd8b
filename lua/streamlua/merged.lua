-- A script that adds to rows (`merge`): what it makes of an event's new row is added, and what it makes of the old one is taken back.
local ffi = require "ffi"
local context = require "streamlua.context"
local host = require "streamlua.host"
local native = require "streamlua.native"
local output = require "streamlua.output"
local row = require "streamlua.row"

local C, state = native.C, row.state
local UPDATE, DELETE, ABSENT = native.UPDATE, native.DELETE, native.ABSENT
local WHOLE = 1 -- enum image_state

local WHY = "let the source send whole rows (binlog_row_image = FULL, REPLICA IDENTITY FULL)"

-- A nil of a column that the message does not have says nothing of the row.
local function check_lacks(event, old)
  local image = old and event.old or event.row
  if state.lacks and image.state ~= WHOLE and event.op ~= native.INSERT and event.op ~= native.SNAPSHOT then
    error(("the script asks for a column that the message does not have of its %s row, and what that adds would not be known: %s")
      :format((old or event.op == DELETE) and "old" or "new", WHY), 0)
  end
end

-- script: as for streamlua.loop. Comes to a function(event) that makes the event's changes.
local function new(script)
  local where, functions, map, target_id = script.where, script.functions, script.map, script.target_id

  local function copy(event, old, take_back)
    local change = C.sl_merge_copy(event, old, take_back)
    if change == nil then
      error(ffi.string(C.sl_error(host.pointer)), 0)
    end
    return change
  end

  local function one(event, old, take_back)
    local this = row.new(state.generation, old and row.OLD or row.NEW)
    state.op, state.lacks = take_back and DELETE or event.op, false
    if not where or where(this, context) then
      if map then
        local values = map(this, context)
        if values ~= nil then
          output.write(target_id, output.check(values), take_back and native.CHANGE_DELETE or native.CHANGE_UPSERT, ABSENT)
        end
      else
        local change = copy(event, old, take_back)
        for i = 1, functions and #functions or 0 do
          local column = functions[i]
          output.set(change, column.index, column.target, column.call(this, context))
        end
      end
    end
    if state.lacks then
      check_lacks(event, old)
    end
  end

  return function(event)
    if event.op == UPDATE then
      if event.old.shape == nil then
        error("an update without its old row: what that has added is to be taken back; " .. WHY, 0)
      end
      one(event, true, true)
    end
    one(event, false, event.op == DELETE)
    state.op = event.op
    if event.changes == nil then
      event.outcome = native.FILTERED
    end
  end
end

return { new = new }
