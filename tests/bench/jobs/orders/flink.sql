CREATE TABLE changes (
  id BIGINT,
  customer_id BIGINT,
  sku STRING,
  quantity INT,
  price DECIMAL(12, 2),
  status STRING,
  note STRING,
  created_at BIGINT,
  updated_at TIMESTAMP_LTZ(0),
  PRIMARY KEY (id) NOT ENFORCED
) WITH (
  ${kafka},
  'format' = 'debezium-json',
  'debezium-json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE orders (
  id BIGINT,
  customer_id BIGINT,
  sku STRING,
  quantity INT,
  price DECIMAL(12, 2),
  status STRING,
  note STRING,
  created_at TIMESTAMP(3),
  updated_at TIMESTAMP(0),
  PRIMARY KEY (id) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO orders
SELECT id, customer_id, sku, quantity, price, status, note,
  CAST(TO_TIMESTAMP_LTZ(created_at, 3) AS TIMESTAMP(3)), CAST(updated_at AS TIMESTAMP(0))
FROM changes WHERE status <> 'test';
