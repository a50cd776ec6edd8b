CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, pieces INTEGER);
CREATE TABLE order_items (order_id INTEGER, line INTEGER, sku TEXT, n INTEGER, PRIMARY KEY (order_id, line));
