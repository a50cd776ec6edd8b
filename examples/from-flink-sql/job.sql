CREATE TABLE orders (
  id BIGINT, sku STRING, price DECIMAL(12, 2), quantity INT, status STRING NOT NULL,
  PRIMARY KEY (id) NOT ENFORCED
) WITH (
  'connector' = 'kafka', 'topic' = 'shop.orders', 'properties.bootstrap.servers' = '127.0.0.1:9092',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'debezium-json'
);

CREATE TABLE payments (
  id BIGINT, customer_id BIGINT, amount DECIMAL(12, 2), state STRING NOT NULL,
  PRIMARY KEY (id) NOT ENFORCED
) WITH (
  'connector' = 'kafka', 'topic' = 'shop.payments', 'properties.bootstrap.servers' = '127.0.0.1:9092',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'debezium-json'
);

CREATE TABLE dw_orders (
  order_id BIGINT, sku STRING, amount DECIMAL(14, 2), status STRING,
  PRIMARY KEY (order_id) NOT ENFORCED
) WITH ('connector' = 'jdbc', 'url' = 'jdbc:mysql://127.0.0.1:4000/dw', 'table-name' = 'dw_orders', 'username' = 'sync');

CREATE TABLE dw_customers (
  customer_id BIGINT, payments BIGINT, revenue DECIMAL(14, 2),
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH ('connector' = 'jdbc', 'url' = 'jdbc:mysql://127.0.0.1:4000/dw', 'table-name' = 'dw_customers', 'username' = 'sync');

EXECUTE STATEMENT SET BEGIN
  INSERT INTO dw_orders
  SELECT id, UPPER(sku), price * quantity, CASE status WHEN 'p' THEN 'paid' WHEN 'n' THEN 'new' ELSE status END
  FROM orders WHERE status <> 'test';

  INSERT INTO dw_customers
  SELECT customer_id, COUNT(*), SUM(amount)
  FROM payments WHERE state = 'done' GROUP BY customer_id;
END;
