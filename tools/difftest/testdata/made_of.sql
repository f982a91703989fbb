-- CREATE TABLE AS EXECUTE, and of what a WITH clause changes.
PREPARE numbers (int) AS SELECT g AS n, $1 AS m FROM generate_series(1, 3) g;
CREATE TABLE executed AS EXECUTE numbers(7);
SELECT * FROM executed ORDER BY 1;
CREATE TABLE executed AS EXECUTE numbers(7);
CREATE TABLE IF NOT EXISTS executed AS EXECUTE numbers(7);
CREATE TABLE executed_too (a, b) AS EXECUTE numbers(2 + 3) WITH NO DATA;
CREATE TABLE IF NOT EXISTS executed_too AS EXECUTE numbers(2 + 3) WITH NO DATA;
SELECT * FROM executed_too;
CREATE TABLE not_executed AS EXECUTE numbers;
CREATE TABLE not_executed AS EXECUTE nothing(1);
PREPARE deletes AS DELETE FROM executed;
CREATE TABLE not_executed AS EXECUTE deletes;
CREATE TABLE changed AS WITH d AS (DELETE FROM executed WHERE n = 1 RETURNING *) SELECT * FROM d;
SELECT * FROM changed;
WITH i AS (INSERT INTO executed VALUES (9, 9) RETURNING n) SELECT n INTO changed_too FROM i;
SELECT * FROM changed_too;
SELECT * FROM executed ORDER BY 1;
-- COPY of what was changed.
COPY (INSERT INTO executed VALUES (10, 10), (11, NULL) RETURNING *) TO STDOUT;
COPY (UPDATE executed SET m = m + 1 WHERE n > 9 RETURNING n, m) TO STDOUT (FORMAT csv, HEADER);
COPY (WITH d AS (DELETE FROM executed WHERE n = 11 RETURNING *) SELECT n * 2 AS double FROM d) TO STDOUT;
COPY (DELETE FROM executed WHERE n = 10 RETURNING *) TO STDOUT;
COPY (DELETE FROM executed) TO STDOUT;
SELECT * FROM executed ORDER BY 1;
