CREATE TABLE payments (
  id BIGINT,
  account_id BIGINT,
  amount DECIMAL(12, 2),
  created_at TIMESTAMP(3),
  WATERMARK FOR created_at AS created_at
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE alerts (
  payment_id BIGINT,
  account_id BIGINT,
  amount DECIMAL(12, 2),
  PRIMARY KEY (payment_id) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO alerts
SELECT payment_id, account_id, amount
FROM payments MATCH_RECOGNIZE (
  PARTITION BY account_id
  ORDER BY created_at
  MEASURES B.id AS payment_id, B.amount AS amount
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B) WITHIN INTERVAL '1' DAY
  DEFINE
    A AS A.amount < 1,
    B AS B.amount > 500
);
