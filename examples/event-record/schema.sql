CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT, balance BIGINT);
CREATE TABLE payments (id INTEGER PRIMARY KEY, account_id INTEGER, amount TEXT);
CREATE TABLE leftovers (topic VARCHAR(200), part INTEGER, place INTEGER, record TEXT, PRIMARY KEY (topic, part, place));
