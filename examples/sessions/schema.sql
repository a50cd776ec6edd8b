CREATE TABLE sessions (
  user VARCHAR(100), window_start DATETIME, window_end DATETIME, clicks INT, first_page VARCHAR(200), last_page VARCHAR(200), pages INT,
  PRIMARY KEY (user, window_start)
);
