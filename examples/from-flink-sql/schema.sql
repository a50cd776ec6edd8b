CREATE TABLE dw_orders (order_id BIGINT PRIMARY KEY, sku VARCHAR(20), amount VARCHAR(20), status VARCHAR(10)); -- amount: DECIMAL(14,2) where the database has decimals
CREATE TABLE dw_customers (customer_id BIGINT PRIMARY KEY, payments BIGINT NOT NULL DEFAULT 0, revenue DECIMAL(14,2) NOT NULL DEFAULT 0);
