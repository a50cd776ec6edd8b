CREATE TABLE bids_of_bidder (
  bidder BIGINT NOT NULL,
  bids BIGINT NOT NULL,
  started DATETIME NOT NULL,
  ended DATETIME NOT NULL,
  PRIMARY KEY (bidder, started)
);
