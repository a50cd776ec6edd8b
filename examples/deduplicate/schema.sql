CREATE TABLE deposits (event_id VARCHAR(20) PRIMARY KEY, account_id INTEGER, amount DECIMAL(12,2), balance DECIMAL(12,2));
