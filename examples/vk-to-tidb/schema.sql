CREATE TABLE dw_orders (
  order_id BIGINT PRIMARY KEY, customer_id BIGINT, amount VARCHAR(30), status VARCHAR(20), created_at DATETIME,
  carrier VARCHAR(20), sent_at DATETIME
);
CREATE TABLE dw_customers (customer_id BIGINT PRIMARY KEY, name VARCHAR(40), phone VARCHAR(20));
CREATE TABLE dw_unnamed (topic VARCHAR(200), part INT, place BIGINT, record TEXT, PRIMARY KEY (topic, part, place));
