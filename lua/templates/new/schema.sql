-- The target, as target.db was made from it. Scripts write to tables that exist; they never make one.
CREATE TABLE orders (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL,
  amount      DECIMAL(10,2),
  sku         VARCHAR(64)
);
