CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), country VARCHAR(8), discount DECIMAL(4,1));
INSERT INTO customers VALUES (7, 'Ada', 'GB', 10), (8, 'Bob', 'US', NULL), (9, 'robot', 'test', 0);
CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(50), country VARCHAR(8), amount DECIMAL(10,2), due DECIMAL(10,2));
