-- The same, in as many rows as there are partitions.
return {
  target  = "totals",
  merge   = { views = "sum", seconds = "sum" },
  shard   = { column = "shard", count = 8 },
  columns = { name = function() return "all" end, views = function() return 1 end, seconds = "dwell" },
}
