CREATE TABLE events (
  event STRING,
  bidder BIGINT,
  seen AS CURRENT_ROW_TIMESTAMP(),
  WATERMARK FOR seen AS seen
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE bids_of_bidder (
  bidder BIGINT,
  bids BIGINT,
  started TIMESTAMP(3),
  ended TIMESTAMP(3),
  PRIMARY KEY (bidder, started) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO bids_of_bidder
SELECT bidder, COUNT(*), window_start, window_end
FROM TABLE(TUMBLE((SELECT * FROM events WHERE event = 'bid'), DESCRIPTOR(seen), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
