CREATE TABLE events (
  event STRING,
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  channel STRING,
  url STRING,
  dateTime TIMESTAMP(3),
  extra STRING
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE bids (
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  channel STRING,
  url STRING,
  date_time TIMESTAMP(3),
  extra STRING,
  PRIMARY KEY (date_time) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO bids
SELECT auction, bidder, price, channel, url, dateTime, extra
FROM events WHERE event = 'bid';
