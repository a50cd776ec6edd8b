CREATE TABLE totals (
  name VARCHAR(80) NOT NULL,
  shard TINYINT NOT NULL,
  views BIGINT NOT NULL,
  seconds DECIMAL(14,2) NOT NULL,
  PRIMARY KEY (name, shard)
);
