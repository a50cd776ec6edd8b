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
  MEASURES large.id AS payment_id, large.amount AS amount
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (small large) WITHIN INTERVAL '1' DAY
  DEFINE
    small AS small.amount < 1,
    large AS large.amount > 500
);
