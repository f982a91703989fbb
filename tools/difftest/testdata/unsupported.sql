-- What PostgreSQL answers and Phyllo does not yet: each must fail with 0A000, never answer something close.
SELECT pg_column_size(1);
SELECT B'101';
SELECT xmlelement(name a);
BEGIN ISOLATION LEVEL SERIALIZABLE;
DO 'BEGIN END';
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TRIGGER t BEFORE INSERT ON x EXECUTE FUNCTION f();
CREATE TYPE t AS RANGE (subtype = int4);
CREATE TYPE t;
CREATE TYPE t (INPUT = int4in, OUTPUT = int4out);
CREATE EXTENSION hstore;
CREATE DATABASE other ENCODING LATIN1;
CREATE ROLE somebody;
GRANT SELECT ON pg_class TO public;
COPY (SELECT 1 FROM pg_class FOR UPDATE) TO STDOUT;
SELECT * FROM pg_class FOR UPDATE;
SELECT count(*) FROM pg_class TABLESAMPLE BERNOULLI (1);
SELECT rank(a) WITHIN GROUP (ORDER BY b) FROM (VALUES (1, 1), (3, 2)) v(a, b) GROUP BY ROLLUP (a);
