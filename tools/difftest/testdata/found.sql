-- What PostgreSQL's own regression statements and random ones found answered in another way.

-- Rows without columns are rows.
SELECT UNION SELECT;
SELECT FROM generate_series(1, 5) UNION ALL SELECT FROM generate_series(1, 3);
SELECT FROM generate_series(1, 5) EXCEPT ALL SELECT FROM generate_series(1, 3);

-- Views that read each other in a circle go with what they once read.
CREATE TABLE ft (a int);
CREATE VIEW fv AS SELECT a FROM ft;
CREATE VIEW fw AS SELECT a FROM fv;
CREATE OR REPLACE VIEW fv AS SELECT a FROM fw;
SELECT * FROM fw;
DROP VIEW fv;
DROP VIEW fv CASCADE;
SELECT * FROM fw;
DROP TABLE ft;

-- SELECT INTO.
SELECT a, a + 1 AS b INTO fi FROM generate_series(1, 3) a;
SELECT * FROM fi ORDER BY a;
SELECT a INTO fi FROM generate_series(1, 3) a;
DROP TABLE fi;

-- A power of what is nearly one, with an exponent beyond floats.
SELECT round(((1 - 1.500012345678e-1000) ^ 1.45e1003) * 1e1000);
SELECT coalesce(nullif(0.9999999999 ^ 23300000000000, 0), 0);

-- An aggregate belongs to the query whose columns it has, in its filter and its order, too.
SELECT (SELECT variance(a) FROM (VALUES (1)) v) FROM (VALUES (1), (2)) t(a);
SELECT (SELECT sum(a) FILTER (WHERE a > 1) FROM (VALUES (1)) v(x)) FROM (VALUES (1), (2)) t(a);
SELECT (SELECT sum(a) FILTER (WHERE v.x > 0) FROM (VALUES (1)) v(x)) FROM (VALUES (1), (2)) t(a);
SELECT (SELECT count(9) FILTER (WHERE a > 1) FROM (VALUES (1)) v(x)), count(*) FROM (VALUES (1), (2)) t(a);
SELECT (SELECT array_agg(a ORDER BY a DESC) FROM (VALUES (1)) v), NULL::int FROM (VALUES (1), (2)) t(a);
SELECT (SELECT min(a) FROM (VALUES (1)) v), a FROM (VALUES (1), (2)) t(a);
SELECT b, (SELECT (SELECT sum(t.a) FROM (VALUES (1)) w) FROM (VALUES (1)) v) FROM (VALUES (1, 1), (2, 1)) t(a, b) GROUP BY b;
SELECT 1 FROM (VALUES (1)) t(a) JOIN (VALUES (1)) u(b) ON (SELECT max(t.a) FROM (VALUES (1)) v) = u.b;

-- Of constants, an error comes before a NULL beside it.
SELECT NULL::int * (9223372036854775807 + 2::bigint);
SELECT date '2026-01-01' + (1 / 0), lcm(sqrt(-4.07), NULL);
SELECT a FROM (VALUES (1), (NULL)) t(a) WHERE NULL + 1 / 0 > a;
SELECT CASE WHEN a IS NULL THEN NULL + 1 / 0 END FROM (VALUES (1)) t(a);

-- Time zones by POSIX's rules, and DateStyle in parts.
SET timezone = 'CST7CDT,M4.1.0,M10.5.0';
SELECT timestamptz '2005-04-02 12:00-07' + interval '1 day', timestamptz '2005-04-02 12:00-07' + interval '24 hours';
SHOW timezone;
SET timezone = '+02:00';
SELECT timestamptz '2012-12-12 12:00', to_char(timestamptz '2012-12-12 12:00Z', 'OF TZH:TZM');
SET timezone TO '<-01:30>+01:30';
SELECT timestamptz '2012-12-12 12:00', to_char(timestamptz '2012-12-12 12:00', 'TZ');
SET timezone = 'america/new_york';
SHOW timezone;
SET timezone = '00:00x';
RESET timezone;
SET datestyle = 'Postgres, MDY';
SET datestyle = 'DMY';
SHOW datestyle;
SELECT timestamptz '27/12/2001 04:05:06.789-08';
RESET datestyle;
SELECT timezone(interval '1 day', timestamptz '-infinity'), timezone(interval '1 mon', timestamp 'infinity');
SELECT timezone(interval '1 day', timestamptz '2026-01-01');

-- A function's own name of its column stays.
SELECT * FROM json_array_elements('[1, 2]') q;
SELECT * FROM jsonb_array_elements_text('["a"]') q;
SELECT * FROM jsonb_array_elements('[1]') AS q(x);
SELECT q FROM generate_series(1, 2) q;

-- Subscripts of documents are paths.
SELECT ('123'::jsonb)[0], ('[1, "2", null]'::jsonb)['1'], ('[1, "2", null]'::jsonb)[1][0], ('[1, 2]'::jsonb)[-1], ('{"a": {"b": 1}}'::jsonb)['a']['b'], ('{"a": 1}'::jsonb)[NULL];
SELECT ('[1]'::jsonb)[1::bigint];
SELECT ('[1]'::jsonb)[1.5];

-- Logarithms and powers of subnormal numbers.
SELECT ln(5e-324::float8), log(5e-324::float8), ln(1e-310::float8), log10(2e-320::float8), sqrt(5e-324::float8);
SELECT 5e-324::float8 ^ 0.5, 5e-324::float8 ^ 9.5e-7, 1e-310::float8 ^ 1.02, 1e-310::float8 ^ (-0.7);

-- What belongs to the query in whose FROM it stands.
SELECT 1 FROM (VALUES (1)) t(a) LEFT JOIN LATERAL (SELECT min(t.a) FROM (VALUES (1)) v) w ON true;
SELECT w.* FROM (VALUES (1), (2)) t(a) CROSS JOIN LATERAL (SELECT min(t.a + v.b) FROM (VALUES (1)) v(b)) w;
SELECT w.* FROM (VALUES (1), (2)) t(a) CROSS JOIN LATERAL (SELECT count(*) FROM (VALUES (1)) v(b) WHERE b = a) w;
SELECT (SELECT max((SELECT i.x FROM (VALUES (1), (2)) i(x) WHERE i.x = o.x))) FROM (VALUES (1), (3)) o(x);
SELECT (SELECT max((SELECT i.x + v.y FROM (VALUES (1), (2)) i(x) WHERE i.x = o.x)) FROM (VALUES (5)) v(y)) FROM (VALUES (1), (3)) o(x);
SELECT a FROM (VALUES (1), (2)) t(a) GROUP BY a HAVING EXISTS (SELECT 1 FROM (VALUES (1)) v(b) HAVING max((SELECT t.a)) > 1);

-- What is not there is not searched for from anywhere; NaN is itself.
SELECT array_position(ARRAY['a'], NULL, NULL), array_position(ARRAY['a', 'b', 'a'], 'a', 2);
SELECT array_position(ARRAY['a', NULL], NULL, NULL);
SELECT array_agg(DISTINCT a + 'NaN'::float8 ORDER BY a + 'NaN'::float8) FROM (VALUES (1::float8), (2)) t(a);

-- Numbers are rounded at any digit that they can have.
SELECT round(4.4e131071, -131071) = 4e131071, round(4.5e131071, -131071) = 5e131071, round(4.5e131071, -131072), round(5.5e131071, -131073), round(5.5e131071, -1000000);
SELECT round(5.5e131071, -131072);
SELECT round(5e-16383, 1000000) = 5e-16383, round(5e-16383, 16382) = 1e-16382, round(5e-16383, 16381) = 0;
SELECT trunc(9.9e131071, -131071) = 9e131071, trunc(9.9e131071, -131072), trunc(9.9e131071, -1000000), trunc(5e-16383, 1000000) = 5e-16383;
SELECT length(trunc(0.5, 2147483647)::text), round(1.5, -2147483648);
-- Savepoints before SET TRANSACTION stay.
BEGIN;
SAVEPOINT a;
SET TRANSACTION READ ONLY;
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
ROLLBACK TO a;
SELECT 1;
COMMIT;

-- Rows of a table beside those that an outer join makes.
CREATE TABLE wide_ints (f1 int);
INSERT INTO wide_ints VALUES (1), (2), (NULL);
CREATE TABLE narrow_ints (f1 int2);
INSERT INTO narrow_ints VALUES (1);
SELECT * FROM wide_ints i LEFT JOIN LATERAL (SELECT coalesce(i)::text FROM narrow_ints j WHERE i.f1 = j.f1) k ON true ORDER BY i.f1;

-- Dates without an end less the least integer, zones of more than 99 hours, escaped letters of other alphabets.
SELECT '-infinity'::date - '-2147483648'::int4, 'infinity'::date - '-2147483648'::int4;
SELECT '2000-01-01'::date - '-2147483648'::int4;
SELECT timezone('15'::float8 * '0 days 15:00:00'::interval, '01:00+00'::timetz), timezone('-1000:00'::interval, '01:00+00'::timetz);
SELECT regexp_instr('ééé', '\ééé1'), 'é' ~ '\é', 'e' ~ '\q';
