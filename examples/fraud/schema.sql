CREATE TABLE alerts (payment_id INTEGER PRIMARY KEY, account_id INTEGER, amount DECIMAL(10,2));
