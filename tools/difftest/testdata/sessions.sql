-- Modes of transactions, what a session prepares and opens, schemas made with what is in them.
CREATE TABLE notes (id int PRIMARY KEY, body text);
INSERT INTO notes SELECT g, 'note ' || g FROM generate_series(1, 6) g;
CREATE TEMP TABLE scratch (a int);
INSERT INTO scratch VALUES (1), (2);
CREATE INDEX scratch_a ON scratch (a);
DROP INDEX scratch_a;
DROP INDEX scratch_a;
CREATE INDEX scratch_a ON scratch (a DESC);
DROP INDEX pg_temp.scratch_a;
CREATE TEMP SEQUENCE scratch_seq;
CREATE SEQUENCE lasting_seq;

-- What may only read may write into temporary tables.
BEGIN READ ONLY;
INSERT INTO scratch VALUES (3);
UPDATE scratch SET a = a + 10 WHERE a = 1;
DELETE FROM scratch WHERE a = 2;
SELECT nextval('scratch_seq');
SELECT setval('scratch_seq', 40);
INSERT INTO scratch VALUES (4) RETURNING a;
SELECT * FROM scratch ORDER BY a;
COMMIT;
SELECT * FROM scratch ORDER BY a;
BEGIN READ ONLY;
INSERT INTO notes VALUES (7, 'no');
ROLLBACK;
BEGIN READ ONLY;
SELECT nextval('lasting_seq');
ROLLBACK;
BEGIN READ ONLY;
WITH gone AS (DELETE FROM notes RETURNING id) INSERT INTO scratch SELECT id FROM gone;
ROLLBACK;
SELECT nextval('scratch_seq');

-- Savepoints give the access mode back.
BEGIN;
SAVEPOINT one;
SET TRANSACTION READ ONLY;
SHOW transaction_read_only;
SAVEPOINT two;
SET TRANSACTION READ WRITE;
ROLLBACK TO two;
RELEASE two;
SHOW transaction_read_only;
ROLLBACK TO one;
SHOW transaction_read_only;
SET TRANSACTION READ ONLY;
RELEASE one;
SHOW transaction_read_only;
INSERT INTO notes VALUES (8, 'written');
SELECT count(*) FROM notes;
ROLLBACK;
BEGIN;
SELECT 1;
SET TRANSACTION READ ONLY;
SET TRANSACTION READ WRITE;
ROLLBACK;

-- DEFERRABLE is remembered, and goes on with AND CHAIN.
START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE, DEFERRABLE;
SHOW transaction_deferrable;
COMMIT AND CHAIN;
SHOW transaction_deferrable;
SHOW transaction_isolation;
SET TRANSACTION NOT DEFERRABLE;
SHOW transaction_deferrable;
SELECT 1;
SET TRANSACTION DEFERRABLE;
ROLLBACK;
SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE;
SHOW default_transaction_deferrable;
BEGIN;
SHOW transaction_deferrable;
SAVEPOINT s;
SET TRANSACTION NOT DEFERRABLE;
ROLLBACK;
SET default_transaction_deferrable = off;
SET CONSTRAINTS ALL DEFERRED;
BEGIN;
SET CONSTRAINTS nothing DEFERRED;
ROLLBACK;

-- Cursors that go backward though nobody said so: those over scans.
BEGIN;
DECLARE plain CURSOR FOR SELECT * FROM notes LIMIT 4;
FETCH 3 FROM plain;
FETCH BACKWARD 2 FROM plain;
FETCH ALL FROM plain;
FETCH BACKWARD ALL FROM plain;
FETCH RELATIVE 2 FROM plain;
DECLARE sorted CURSOR FOR SELECT id FROM notes ORDER BY id DESC OFFSET 1;
FETCH LAST FROM sorted;
FETCH PRIOR FROM sorted;
DECLARE both_sides CURSOR FOR SELECT id FROM notes UNION ALL SELECT a FROM scratch;
FETCH 2 FROM both_sides;
FETCH PRIOR FROM both_sides;
SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors ORDER BY name;
CLOSE ALL;
DECLARE grouped BINARY CURSOR FOR SELECT count(*) FROM notes;
SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors;
FETCH grouped;
FETCH PRIOR FROM grouped;
ROLLBACK;
BEGIN;
DECLARE forward NO SCROLL CURSOR FOR SELECT * FROM notes;
FETCH 2 FROM forward;
FETCH PRIOR FROM forward;
ROLLBACK;
BEGIN;
DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM notes ORDER BY id;
FETCH 2 FROM kept;
COMMIT;
FETCH PRIOR FROM kept;
FETCH ALL FROM kept;
FETCH BACKWARD ALL FROM kept;
CLOSE kept;

-- Prepared statements, and tables of what they yield.
PREPARE some (int) AS SELECT id, body FROM notes WHERE id <= $1 ORDER BY id;
SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements ORDER BY name;
CREATE TABLE taken AS EXECUTE some(2);
SELECT * FROM taken;
CREATE TABLE taken AS EXECUTE some(3);
CREATE TABLE IF NOT EXISTS taken AS EXECUTE some(3);
CREATE TEMP TABLE empty_one (n, t) AS EXECUTE some(4) WITH NO DATA;
SELECT * FROM empty_one;
CREATE TABLE other AS EXECUTE some;
CREATE TABLE other AS EXECUTE unknown_one(1);
PREPARE changing AS DELETE FROM notes RETURNING id;
CREATE TABLE other AS EXECUTE changing;
CREATE TABLE IF NOT EXISTS taken AS SELECT 1 / 0;
DEALLOCATE ALL;

-- Schemas with what is in them, in whatever order.
CREATE SCHEMA shop
  CREATE INDEX items_name ON items (name)
  CREATE VIEW cheap AS SELECT name FROM items WHERE price < 10
  CREATE TABLE items (id int PRIMARY KEY DEFAULT nextval('numbers'), name text, price numeric)
  CREATE SEQUENCE numbers START 100;
INSERT INTO shop.items (name, price) VALUES ('pen', 2), ('desk', 200);
SELECT * FROM shop.items ORDER BY id;
SELECT * FROM shop.cheap;
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'shop'::regnamespace ORDER BY relname;
CREATE SCHEMA wrong CREATE TABLE public.misplaced (a int);
CREATE SCHEMA wrong CREATE VIEW broken AS SELECT missing FROM notes;
CREATE SCHEMA IF NOT EXISTS wrong CREATE TABLE a (a int);
SELECT count(*) FROM pg_namespace WHERE nspname = 'wrong';
DROP SCHEMA shop CASCADE;

-- A sequence is renamed by ALTER TABLE as well.
ALTER TABLE lasting_seq RENAME TO renamed_seq;
SELECT nextval('renamed_seq');
ALTER TABLE renamed_seq RENAME TO notes;

-- Parameters of one's own.
SHOW mine.color;
SET mine.color = 'red';
SHOW mine.color;
RESET mine.color;
SHOW mine.color;
SET mine."a-b" = 1;
SHOW mine."a-b";
SET a.b.c = 'deep';
SHOW a.b.c;
SET max_stack_depth = '200kB';
SHOW max_stack_depth;
RESET max_stack_depth;

-- Foreign keys whose columns cannot be compared, and what ON DELETE sets.
CREATE TABLE parents (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE one_parent (a int PRIMARY KEY);
CREATE TABLE children (x numeric REFERENCES one_parent);
CREATE TABLE children (x bigint REFERENCES one_parent);
DROP TABLE children;
CREATE TABLE children (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES parents ON DELETE SET NULL (missing));
CREATE TABLE children (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES parents ON DELETE SET NULL (c));
CREATE TABLE children (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES parents ON UPDATE SET NULL (b));
CREATE TABLE children (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES parents ON DELETE SET DEFAULT (b, b));
SELECT pg_get_constraintdef(oid), confdelsetcols FROM pg_constraint WHERE conrelid = 'children'::regclass;

-- EXPLAIN of what is prepared.
EXPLAIN EXECUTE nothing_prepared;
PREPARE explained(int) AS SELECT $1 + 1;
EXPLAIN EXECUTE explained;
EXPLAIN (nonsense) EXECUTE explained(1);
EXPLAIN (COSTS maybe) EXECUTE explained(1);
EXPLAIN EXECUTE explained('x');
DEALLOCATE explained;
