CREATE TABLE alerts (
  payment_id BIGINT NOT NULL PRIMARY KEY,
  account_id BIGINT NOT NULL,
  amount DECIMAL(12,2) NOT NULL
);
