CREATE TABLE profiles (
  customer_id INTEGER PRIMARY KEY,
  name        TEXT,
  city        TEXT,
  member      INTEGER, -- 1: there is a row of loyalty
  tier        TEXT,
  points      INTEGER,
  updated_at  DATETIME DEFAULT CURRENT_TIMESTAMP
);
