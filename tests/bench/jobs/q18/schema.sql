CREATE TABLE last_bids (
  auction BIGINT NOT NULL,
  bidder BIGINT NOT NULL,
  price BIGINT NOT NULL,
  channel VARCHAR(40) NOT NULL,
  url VARCHAR(200) NOT NULL,
  date_time DATETIME(3) NOT NULL,
  extra VARCHAR(200) NOT NULL,
  PRIMARY KEY (bidder, auction)
);
