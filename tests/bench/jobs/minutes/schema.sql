CREATE TABLE views_per_minute (
  page VARCHAR(80) NOT NULL,
  window_start DATETIME NOT NULL,
  window_end DATETIME NOT NULL,
  views BIGINT NOT NULL,
  seconds DECIMAL(14,2) NOT NULL,
  PRIMARY KEY (page, window_start)
);
CREATE TABLE late_views (id BIGINT NOT NULL PRIMARY KEY, page VARCHAR(80), viewed_at DATETIME(3));
