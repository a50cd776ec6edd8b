CREATE TABLE events (
  event STRING,
  auction BIGINT,
  price BIGINT,
  dateTime TIMESTAMP(3)
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE auction_days (
  auction BIGINT,
  `day` DATE,
  total_bids BIGINT,
  rank1_bids BIGINT,
  rank2_bids BIGINT,
  rank3_bids BIGINT,
  min_price BIGINT,
  max_price BIGINT,
  avg_price DOUBLE,
  sum_price BIGINT,
  PRIMARY KEY (auction, `day`) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO auction_days
SELECT auction, CAST(dateTime AS DATE), COUNT(*),
  COUNT(*) FILTER (WHERE price < 10000),
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000),
  COUNT(*) FILTER (WHERE price >= 1000000),
  MIN(price), MAX(price), AVG(CAST(price AS DOUBLE)), SUM(price)
FROM events WHERE event = 'bid'
GROUP BY auction, CAST(dateTime AS DATE);
