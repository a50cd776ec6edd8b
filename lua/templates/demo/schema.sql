-- The target, as target.db was made from it. Scripts write to tables that exist; they never make one.
CREATE TABLE orders (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL,
  amount      TEXT,                    -- SQLite has no decimals; TEXT keeps every digit
  sku         TEXT,
  note        TEXT
);
CREATE TABLE customers (
  id   INTEGER PRIMARY KEY,
  name TEXT,
  mail TEXT
);
