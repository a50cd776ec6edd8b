-- What lies within a column of JSON, as columns.
local sl = require "streamlua"

return {
  columns = {
    "id", "name",
    color     = "attributes.color",
    width     = "attributes.size.w",
    height    = "attributes.size.h",
    first_tag = "attributes.tags.0",
    paper     = "attributes.paper",                                   -- an object stays JSON
    tags      = function(row)                                         -- and what no path says, a function does
      local tags = row["attributes.tags"]
      return tags and #sl.json.decode(tags) or 0
    end,
  },

  examples = {
    { op = "insert", row = { id = 1, name = "mug", attributes = '{"color":"red","size":{"w":8},"tags":["gift"],"paper":{"gsm":300}}' },
      expect = { id = 1, color = "red", width = 8, first_tag = "gift", tags = 1, paper = '{"gsm":300}' } },
    { op = "insert", row = { id = 3, name = "plain" }, expect = { id = 3, name = "plain", tags = 0 } },
  },
}
