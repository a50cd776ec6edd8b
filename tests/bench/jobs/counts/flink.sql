CREATE TABLE `views` (
  page STRING,
  dwell DECIMAL(8, 2)
) WITH (
  ${kafka},
  'format' = 'json'
);

CREATE TABLE views_of_page (
  page STRING,
  `views` BIGINT,
  seconds DECIMAL(14, 2),
  PRIMARY KEY (page) NOT ENFORCED
) WITH (
  ${sink}
);

INSERT INTO views_of_page
SELECT page, COUNT(*), CAST(SUM(dwell) AS DECIMAL(14, 2))
FROM `views`
GROUP BY page;
