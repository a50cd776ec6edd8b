-- Views of each page, added up in the table: no state, and no event waits for another.
return {
  target  = "views_of_page",
  merge   = { views = "sum", seconds = "sum" },
  columns = { "page", views = function() return 1 end, seconds = "dwell" },
}
