CREATE TABLE minutes (service VARCHAR(40), minute DATETIME, requests INT, errors INT, PRIMARY KEY (service, minute));
CREATE TABLE alerts (service VARCHAR(40), minute DATETIME, percent INT, PRIMARY KEY (service, minute));
