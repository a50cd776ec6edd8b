CREATE TABLE `views` (
  page STRING,
  viewed_at TIMESTAMP(3),
  dwell DECIMAL(8, 2),
  WATERMARK FOR viewed_at AS viewed_at - INTERVAL '10' SECOND
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE views_per_minute (
  page STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  `views` BIGINT,
  seconds DECIMAL(14, 2),
  PRIMARY KEY (page, window_start) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO views_per_minute
SELECT page, window_start, window_end, COUNT(*), CAST(SUM(dwell) AS DECIMAL(14, 2))
FROM TABLE(TUMBLE(TABLE `views`, DESCRIPTOR(viewed_at), INTERVAL '1' MINUTE))
GROUP BY page, window_start, window_end;
