-- Enums: types of labels in an order of their own.
CREATE TYPE phase AS ENUM ('new', 'open', 'held', 'done', 'void');
CREATE TYPE phase AS ENUM ('new');
CREATE TYPE no_values AS ENUM ();
CREATE TYPE twice AS ENUM ('a', 'b', 'a');
CREATE TYPE long_label AS ENUM ('0123456789012345678901234567890123456789012345678901234567890123');
CREATE TYPE nowhere.phase AS ENUM ('a');
SELECT 'new'::phase, 'held'::public.phase, phase 'done', CAST('void' AS phase);
SELECT 'New'::phase;
SELECT ''::phase;
SELECT 'new '::phase;
SELECT 'x'::no_values;
SELECT enum_first(NULL::no_values);
SELECT enum_range(NULL::no_values);
SELECT NULL::phase, pg_typeof('new'::phase), pg_typeof(ARRAY['new'::phase]), format_type('phase'::regtype, -1), format_type('phase[]'::regtype, -1);
SELECT 'phase'::regtype, to_regtype('phase'), to_regtype('phase[]'), to_regtype('no_phase');

-- order and comparison
SELECT a.v, b.v, a.v = b.v, a.v <> b.v, a.v < b.v, a.v <= b.v, a.v > b.v, a.v >= b.v FROM unnest(enum_range(NULL::phase)) a(v), unnest(ARRAY['open', 'done']::phase[]) b(v) ORDER BY 1, 2;
SELECT v FROM unnest(ARRAY['void', 'new', NULL, 'held']::phase[]) v ORDER BY v;
SELECT v FROM unnest(ARRAY['void', 'new', NULL, 'held']::phase[]) v ORDER BY v DESC NULLS LAST;
SELECT min(v), max(v), count(v), count(DISTINCT v) FROM unnest(ARRAY['void', 'new', NULL, 'held', 'new']::phase[]) v;
SELECT greatest('new'::phase, 'done', 'open'), least('held'::phase, 'done'), nullif('new'::phase, 'new'), coalesce(NULL, 'open'::phase);
SELECT 'new'::phase BETWEEN 'new' AND 'open', 'new'::phase IN ('open', 'new'), 'held'::phase = ANY ('{new,held}'), 'held'::phase IS DISTINCT FROM NULL;
SELECT 'new' = 'open'::phase, 'open'::phase > 'new';
SELECT 'new'::phase = 'gone';
SELECT 'new'::phase = 'new'::text;
SELECT 'new'::phase = 1;
SELECT 'new'::phase || 'x', 'new'::phase || 'open'::phase;
SELECT length('new'::phase);
SELECT upper('new'::phase::text), 'new'::phase LIKE 'n%';
SELECT sum('new'::phase);

-- casts
SELECT 'open'::phase::text, 'open'::phase::varchar(2), 'open'::phase::char(6) || '|', 'open'::text::phase, 'open'::varchar::phase, ('op' || 'en')::phase;
SELECT ('op' || 'x')::phase;
SELECT 'open'::phase::int;
SELECT 1::phase;
SELECT 'open'::phase::no_values;
SELECT 'open'::phase::text::no_values;
SELECT '{new,open,NULL}'::phase[], ARRAY['new', 'done']::phase[], ARRAY['new'::phase, 'done'], ('{new,open}'::text[])::phase[];
SELECT '{new,bad}'::phase[];
SELECT ('{new,bad}'::text[])::phase[];
SELECT ('{new,open}'::phase[])::text[], ('{new,open}'::phase[])[2], array_length('{new,open}'::phase[], 1), '{new,open}'::phase[] || 'held'::phase;
SELECT '{new,open}'::phase[] < '{new,held}'::phase[], 'new'::phase = ANY ('{open,new}'::phase[]), array_position('{open,new}'::phase[], 'new');
SELECT enum_first(NULL::phase), enum_last('new'::phase), enum_range(NULL::phase), enum_range('open'::phase, 'done'), enum_range('open'::phase, NULL), enum_range(NULL, 'open'::phase), enum_range('done'::phase, 'open');
SELECT enum_first(1);
SELECT enum_first(NULL);
SELECT enum_range(NULL::phase, NULL::no_values);
SELECT enum_first(NULL::phase[]);

-- columns
CREATE TABLE task (id int PRIMARY KEY, state phase NOT NULL DEFAULT 'new', past phase[]);
INSERT INTO task VALUES (1, 'open', '{new}'), (2, 'done', '{new,open}'), (3, DEFAULT, NULL), (4, 'void', '{}');
INSERT INTO task (id) VALUES (5);
INSERT INTO task VALUES (6, 'lost');
INSERT INTO task VALUES (6, 'done'::text);
INSERT INTO task VALUES (6, NULL);
INSERT INTO task SELECT g, (enum_range(NULL::phase))[1 + g % 5] FROM generate_series(10, 30) g;
SELECT * FROM task WHERE id < 10 ORDER BY state, id;
SELECT state, count(*) FROM task GROUP BY state ORDER BY state;
SELECT id FROM task WHERE state > 'open' AND state < 'void' ORDER BY id;
SELECT id FROM task WHERE state = 'open' ORDER BY id;
SELECT id FROM task WHERE state IN ('open', 'void') ORDER BY id;
SELECT id FROM task WHERE state = 'nothing';
UPDATE task SET state = 'held' WHERE state = 'open';
UPDATE task SET past = past || state WHERE id < 3;
SELECT id, state, past FROM task WHERE id < 6 ORDER BY id;
SELECT a.id, b.id FROM task a JOIN task b USING (state) WHERE a.id < b.id AND b.id < 15 ORDER BY 1, 2;
SELECT DISTINCT state FROM task ORDER BY 1 DESC;
SELECT state, id, row_number() OVER (PARTITION BY state ORDER BY id) FROM task WHERE id < 14 ORDER BY state, id;
SELECT to_json(state), json_build_object('s', state), row_to_json(t) FROM task t WHERE id < 3 ORDER BY id;
SELECT string_agg(state::text, ',' ORDER BY state, id) FROM task;
SELECT array_agg(state ORDER BY state DESC) FROM task WHERE id < 6;
SELECT state FROM task WHERE id = 1 UNION SELECT 'void' ORDER BY 1;
SELECT state FROM task WHERE id = 1 UNION SELECT 'wrong';
SELECT CASE WHEN id = 1 THEN state ELSE 'done' END FROM task WHERE id < 3 ORDER BY id;
CREATE TABLE by_state (state phase, n int, PRIMARY KEY (state, n));
INSERT INTO by_state VALUES ('open', 1), ('new', 2), ('void', 1);
INSERT INTO by_state VALUES ('new', 2);
SELECT * FROM by_state ORDER BY state DESC;
DELETE FROM by_state WHERE state = 'open';
SELECT * FROM by_state WHERE state >= 'new' ORDER BY 1;

-- values that are added and renamed
ALTER TYPE phase ADD VALUE 'late' BEFORE 'done';
ALTER TYPE phase ADD VALUE 'first' BEFORE 'new';
ALTER TYPE phase ADD VALUE 'last';
ALTER TYPE phase ADD VALUE 'later' AFTER 'late';
ALTER TYPE phase ADD VALUE 'late';
ALTER TYPE phase ADD VALUE IF NOT EXISTS 'late';
ALTER TYPE phase ADD VALUE 'x' BEFORE 'y';
ALTER TYPE phase ADD VALUE 'x' AFTER 'y';
ALTER TYPE no_phase ADD VALUE 'x';
ALTER TYPE int4 ADD VALUE 'x';
SELECT enumlabel, enumsortorder FROM pg_enum WHERE enumtypid = 'phase'::regtype ORDER BY enumsortorder;
INSERT INTO task VALUES (40, 'late'), (41, 'first'), (42, 'last');
SELECT id, state FROM task WHERE id IN (1, 2, 40, 41, 42) ORDER BY state;
ALTER TYPE phase RENAME VALUE 'void' TO 'dropped';
ALTER TYPE phase RENAME VALUE 'void' TO 'x';
ALTER TYPE phase RENAME VALUE 'late' TO 'held';
SELECT id, state FROM task WHERE state = 'dropped' ORDER BY id;
SELECT id FROM task WHERE state = 'void';
SELECT enum_range(NULL::phase);

-- a value cannot be used before its transaction has ended
BEGIN;
ALTER TYPE phase ADD VALUE 'fresh';
SELECT 'open'::phase;
SAVEPOINT a;
SELECT 'fresh'::phase;
ROLLBACK TO a;
SELECT enum_first(NULL::phase), enum_range(NULL, 'open'::phase);
SELECT enum_last(NULL::phase);
ROLLBACK TO a;
SELECT enum_range(NULL::phase);
ROLLBACK;
SELECT 'fresh'::phase;
BEGIN;
CREATE TYPE short AS ENUM ('a', 'b');
SELECT 'a'::short, enum_range(NULL::short);
ALTER TYPE short RENAME TO brief;
SELECT 'a'::brief;
ALTER TYPE brief ADD VALUE 'c';
SELECT 'c'::brief;
ROLLBACK;
SELECT 'a'::brief;
BEGIN;
SAVEPOINT s;
CREATE TYPE sub AS ENUM ('a');
ROLLBACK TO s;
SELECT 'a'::sub;
ROLLBACK;

-- prepared statements and functions of arguments
PREPARE by_phase(phase) AS SELECT id FROM task WHERE state = $1 ORDER BY id LIMIT 3;
EXECUTE by_phase('done');
EXECUTE by_phase('unknown');
PREPARE any_phase AS SELECT id FROM task WHERE state = $1 ORDER BY id LIMIT 2;
EXECUTE any_phase('new');
DEALLOCATE ALL;

-- views keep their types
CREATE VIEW open_tasks AS SELECT id, state, 'held'::phase AS h FROM task WHERE state = 'held'::phase;
SELECT * FROM open_tasks ORDER BY id;
CREATE TABLE copied AS SELECT id, state, past FROM task WHERE id < 4;
SELECT * FROM copied ORDER BY state;
SELECT attname, format_type(atttypid, atttypmod), attlen, attbyval, attalign, attstorage FROM pg_attribute WHERE attrelid = 'copied'::regclass AND attnum > 0 ORDER BY attnum;

-- names
CREATE SCHEMA kept;
CREATE TYPE kept.phase AS ENUM ('other');
SELECT 'other'::kept.phase, pg_typeof('other'::kept.phase);
SELECT 'open'::kept.phase;
SELECT 'other'::kept.phase = 'open'::phase;
ALTER TYPE no_values RENAME TO phase;
ALTER TYPE no_values RENAME TO nothing;
ALTER TYPE nothing SET SCHEMA kept;
SELECT 'x'::kept.nothing;
ALTER TYPE kept.nothing SET SCHEMA nowhere;
SET search_path = kept, public;
SELECT pg_typeof('other'::phase), 'open'::public.phase, pg_typeof('open'::public.phase);
RESET search_path;
CREATE TABLE phase (a int);
CREATE TYPE task AS ENUM ('a');
CREATE VIEW phase AS SELECT 1;

-- what depends on a type
DROP TYPE phase;
DROP TYPE no_phase;
DROP TYPE IF EXISTS no_phase;
DROP TYPE IF EXISTS nowhere.phase;
DROP TYPE int4;
DROP DOMAIN kept.phase;
DROP DOMAIN IF EXISTS no_domain;
DROP TYPE kept.phase;
SELECT 'other'::kept.phase;
DROP SCHEMA kept;
DROP SCHEMA kept CASCADE;
ALTER TYPE phase OWNER TO nobody_at_all;
COMMENT ON TYPE phase IS 'what is done to a task';
SELECT obj_description('phase'::regtype, 'pg_type');
SELECT typname, typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, typdelim, typrelid, typelem, typalign, typstorage, typnotnull, typbasetype, typtypmod, typcollation FROM pg_type WHERE typname = 'phase';
SELECT typname, typlen, typtype, typcategory, typelem::regtype, typalign, typstorage FROM pg_type WHERE typname = '_phase';
SELECT typarray::regtype FROM pg_type WHERE typname = 'phase';
SELECT column_name, data_type, udt_schema, udt_name FROM information_schema.columns WHERE table_name = 'copied' ORDER BY ordinal_position;
DROP VIEW open_tasks;
DROP TABLE by_state;
DROP TYPE phase CASCADE;
SELECT * FROM task WHERE id < 3 ORDER BY id;
DROP TYPE phase;
-- In chunks, and as a key.
CREATE TYPE stage AS ENUM ('1', '2', '10');
CREATE TABLE staged (s stage PRIMARY KEY, v int);
INSERT INTO staged VALUES ('1', 1), ('10', 2);
CHECKPOINT;
INSERT INTO staged VALUES ('1', 3);
INSERT INTO staged VALUES ('1', 5) ON CONFLICT (s) DO UPDATE SET v = excluded.v;
UPDATE staged SET s = '2' WHERE s = '10';
SELECT * FROM staged ORDER BY s;
SELECT min(s), max(s) FROM staged;
SELECT * FROM staged WHERE s > '1';
DELETE FROM staged WHERE s = '1';
SELECT * FROM staged;
DROP TABLE staged;
DROP TYPE stage;
