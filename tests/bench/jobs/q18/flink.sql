CREATE TABLE events (
  event STRING,
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  channel STRING,
  url STRING,
  dateTime TIMESTAMP(3),
  extra STRING,
  WATERMARK FOR dateTime AS dateTime
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE last_bids (
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  channel STRING,
  url STRING,
  date_time TIMESTAMP(3),
  extra STRING,
  PRIMARY KEY (bidder, auction) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO last_bids
SELECT auction, bidder, price, channel, url, dateTime, extra
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) AS `rank` FROM events WHERE event = 'bid')
WHERE `rank` = 1;
