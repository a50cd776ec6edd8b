CREATE TABLE auction_days (
  auction BIGINT NOT NULL,
  day DATE NOT NULL,
  total_bids BIGINT NOT NULL,
  rank1_bids BIGINT NOT NULL,
  rank2_bids BIGINT NOT NULL,
  rank3_bids BIGINT NOT NULL,
  min_price BIGINT NOT NULL,
  max_price BIGINT NOT NULL,
  avg_price DOUBLE NOT NULL,
  sum_price BIGINT NOT NULL,
  PRIMARY KEY (auction, day)
);
