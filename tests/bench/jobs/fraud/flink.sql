-- Payments follow each other as they arrive, as they do for streamlua. MATCH_RECOGNIZE (A B) sorts them by event time, and took minutes for 300,000.
CREATE TABLE payments (
  id BIGINT,
  account_id BIGINT,
  amount DECIMAL(12, 2),
  arrived AS PROCTIME()
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
SELECT id, account_id, amount
FROM (
  SELECT id, account_id, amount, LAG(amount) OVER (PARTITION BY account_id ORDER BY arrived) AS previous
  FROM payments
)
WHERE previous < 1 AND amount > 500;
