CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, mail TEXT, mail_domain TEXT, city TEXT);
