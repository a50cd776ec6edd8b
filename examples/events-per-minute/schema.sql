CREATE TABLE views_per_minute (page TEXT, window_start TEXT, window_end TEXT, views INTEGER, seconds DECIMAL(10,2), PRIMARY KEY (page, window_start));
CREATE TABLE late_views (id INTEGER PRIMARY KEY, page TEXT, viewed_at TEXT);
