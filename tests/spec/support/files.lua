-- A sandbox over files that are texts in a table.
local sandbox = require "streamlua.sandbox"

return function(files, more)
  local options = { shared = {}, sl = require "streamlua" }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  options.read = function(path)
    if files[path] then
      return files[path]
    end
    return nil, "No such file or directory"
  end
  return sandbox.new(options), options
end
