CREATE TABLE events (
  event STRING,
  auction BIGINT,
  price BIGINT,
  dateTime TIMESTAMP(3)
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE selected (
  auction BIGINT,
  price BIGINT,
  date_time TIMESTAMP(3),
  PRIMARY KEY (date_time) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO selected
SELECT auction, price, dateTime
FROM events WHERE event = 'bid' AND MOD(auction, 123) = 0;
