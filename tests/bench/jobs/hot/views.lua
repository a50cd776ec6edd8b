-- All views in one row, to which eight workers add.
return {
  target  = "totals",
  merge   = { views = "sum", seconds = "sum" },
  columns = {
    name = function() return "all" end, shard = function() return 0 end,
    views = function() return 1 end, seconds = "dwell",
  },
}
