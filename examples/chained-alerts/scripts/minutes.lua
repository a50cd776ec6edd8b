-- All of them, as they are.
local sl = require "streamlua"

return { source = sl.stream "minutes", columns = { service = "service", minute = "window_start", requests = "requests", errors = "errors" } }
