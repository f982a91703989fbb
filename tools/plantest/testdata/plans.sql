CREATE TABLE readings (sensor int, ts timestamptz, value float8, state text, note text, PRIMARY KEY (sensor, ts))
  PARTITION BY HASH (sensor) WITH (partitions = 4, slice = '1 day');
CREATE TABLE sensors (sensor int PRIMARY KEY, kind int, place text);
CREATE TABLE kinds (kind int PRIMARY KEY, name text);
CREATE TABLE empty (sensor int, kind int);
INSERT INTO readings SELECT i % 100, '2026-01-01'::timestamptz + i * interval '10 seconds', i / 10.0, 'state ' || i % 7, CASE WHEN i % 4 = 0 THEN 'note ' || i END
  FROM generate_series(1, 60000) i;
INSERT INTO sensors SELECT i, i % 5, 'place ' || i FROM generate_series(0, 99) i;
INSERT INTO kinds SELECT i, 'kind ' || i FROM generate_series(0, 4) i;

EXPLAIN SELECT * FROM readings JOIN sensors USING (sensor) WHERE state = 'nothing is known yet'

CHECKPOINT

EXPLAIN SELECT * FROM readings WHERE sensor = 3

EXPLAIN SELECT * FROM readings WHERE sensor IN (3, 4) AND ts >= '2026-01-02' AND ts < '2026-01-03'

EXPLAIN SELECT * FROM readings WHERE note IS NULL

EXPLAIN SELECT * FROM readings WHERE value > 5000 AND state = 'state 1'

EXPLAIN SELECT * FROM readings WHERE value > 7000

EXPLAIN SELECT sensor, state, count(*) FROM readings GROUP BY sensor, state

EXPLAIN SELECT DISTINCT state FROM readings

EXPLAIN SELECT * FROM readings JOIN sensors USING (sensor) JOIN kinds USING (kind) WHERE name = 'kind 2'

EXPLAIN SELECT * FROM kinds, sensors, readings WHERE kinds.kind = sensors.kind AND sensors.sensor = readings.sensor AND place = 'place 7'

EXPLAIN SELECT count(*) FROM readings a JOIN sensors s ON a.sensor = s.sensor JOIN readings b ON b.sensor = s.sensor AND b.ts = a.ts WHERE s.place = 'place 7'

EXPLAIN SELECT * FROM sensors LEFT JOIN readings ON readings.sensor = sensors.sensor AND value < 5

EXPLAIN SELECT * FROM sensors WHERE EXISTS (SELECT FROM readings WHERE readings.sensor = sensors.sensor AND state = 'state 1')

EXPLAIN SELECT * FROM readings, empty WHERE readings.sensor = empty.sensor

EXPLAIN SELECT * FROM (SELECT sensor, max(ts) AS last FROM readings GROUP BY sensor) q JOIN sensors USING (sensor) WHERE place = 'place 7'

EXPLAIN WITH q AS (SELECT sensor, sum(value) AS s FROM readings GROUP BY sensor) SELECT * FROM q a JOIN q b ON a.sensor = b.sensor + 1

EXPLAIN SELECT * FROM readings ORDER BY ts DESC LIMIT 5

EXPLAIN SELECT count(*) FROM readings TABLESAMPLE SYSTEM (20)

EXPLAIN SELECT * FROM readings TABLESAMPLE BERNOULLI (1) REPEATABLE (5) WHERE sensor = 3 AND note IS NULL
