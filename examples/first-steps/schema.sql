CREATE TABLE orders (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL,
  amount      TEXT,             -- SQLite has no decimals; TEXT keeps every digit
  sku         TEXT
);
