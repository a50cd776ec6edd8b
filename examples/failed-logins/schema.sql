CREATE TABLE alerts (login_id INTEGER PRIMARY KEY, account VARCHAR(50), first_at DATETIME, last_at DATETIME, last_ip VARCHAR(45));
