CREATE TABLE dw_customers (id BIGINT PRIMARY KEY, name VARCHAR(50));
CREATE TABLE dw_orders (id BIGINT PRIMARY KEY, customer_id BIGINT, price DECIMAL(12,2), ordered_at DATETIME);
