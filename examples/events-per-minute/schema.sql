CREATE TABLE views_per_minute (
  page VARCHAR(200), window_start DATETIME, window_end DATETIME, views INT, seconds DECIMAL(10,2), PRIMARY KEY (page, window_start)
);
CREATE TABLE late_views (id INTEGER PRIMARY KEY, page VARCHAR(200), viewed_at VARCHAR(30));
