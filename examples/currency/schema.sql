CREATE TABLE rates (day DATE, currency VARCHAR(3), places INTEGER, eur VARCHAR(20), PRIMARY KEY (day, currency));
INSERT INTO rates VALUES ('2024-01-30', 'USD', 2, '0.9225'), ('2024-01-31', 'USD', 2, '0.9227'), ('2024-01-31', 'EUR', 2, '1'),
  ('2024-01-31', 'JPY', 0, '0.0062465'), ('2024-01-31', 'GBP', 2, '1.1709602');
CREATE TABLE payments (id INTEGER PRIMARY KEY, currency VARCHAR(3), amount VARCHAR(30), eur VARCHAR(30)); -- DECIMAL(20,2) where the database has decimals
