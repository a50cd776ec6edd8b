CREATE TABLE events (
  event STRING,
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  dateTime TIMESTAMP(3),
  extra STRING
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE bids (
  auction BIGINT,
  bidder BIGINT,
  price DECIMAL(23, 3),
  date_time TIMESTAMP(3),
  extra STRING,
  PRIMARY KEY (date_time) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO bids
SELECT auction, bidder, 0.908 * price, dateTime, extra
FROM events WHERE event = 'bid';
