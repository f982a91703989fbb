-- ALTER TABLE. The tables are made by TestAlter: stock, orders and events as in changes.sql.
INSERT INTO stock SELECT 'sku ' || g, (ARRAY['new', 'paid', NULL])[g % 3 + 1], g * 1.25, g % 7, g % 2 = 0 FROM generate_series(1, 30) g;
INSERT INTO orders SELECT g % 5, timestamptz '2026-03-01 00:00Z' + g * interval '3 hours', 'm' || g % 3, g * 0.5, g FROM generate_series(0, 39) g;
INSERT INTO events SELECT g % 5, 'e' || g % 3, CASE WHEN g % 4 > 0 THEN g % 2 + 0.5 END, date '2026-01-01' + g % 2 FROM generate_series(1, 40) g;

-- New columns: rows that are there read the default of then.
ALTER TABLE stock ADD COLUMN note text;
SELECT * FROM stock ORDER BY sku;
ALTER TABLE stock ADD weight numeric(6,2) NOT NULL DEFAULT 1.5, ADD COLUMN tags text[] DEFAULT '{a,b}', ADD made timestamptz DEFAULT timestamptz '2026-01-01 12:00Z';
SELECT * FROM stock ORDER BY sku;
SELECT count(*), sum(weight), min(made), count(note) FROM stock WHERE weight = 1.5 AND 'a' = ANY(tags);
INSERT INTO stock (sku) VALUES ('sku new');
ALTER TABLE stock ALTER COLUMN weight SET DEFAULT 7, ALTER note SET DEFAULT 'n' || 1;
INSERT INTO stock (sku) VALUES ('sku newer');
UPDATE stock SET weight = weight + 1, note = 'changed' WHERE sku IN ('sku 1', 'sku new');
DELETE FROM stock WHERE weight = 1.5 AND parts = 3;
SELECT * FROM stock ORDER BY sku;
ALTER TABLE stock ADD COLUMN note int;
ALTER TABLE stock ADD COLUMN IF NOT EXISTS note int;
ALTER TABLE stock ADD COLUMN ctid int;
ALTER TABLE stock ADD COLUMN bad int DEFAULT 'x';
ALTER TABLE stock ADD COLUMN bad nonsense;
ALTER TABLE stock ADD COLUMN must int NOT NULL;
ALTER TABLE stock ALTER nothing SET DEFAULT 1;
ALTER TABLE nothing ADD COLUMN x int;
ALTER TABLE IF EXISTS nothing ADD COLUMN x int;
ALTER TABLE stock ALTER weight DROP DEFAULT;
INSERT INTO stock (sku) VALUES ('sku without weight');
INSERT INTO stock (sku, weight) VALUES ('sku with weight', 3);

-- NOT NULL.
ALTER TABLE stock ALTER status SET NOT NULL;
UPDATE stock SET status = 'none' WHERE status IS NULL;
ALTER TABLE stock ALTER status SET NOT NULL;
INSERT INTO stock (sku, weight) VALUES ('sku x', 3);
ALTER TABLE stock ALTER status DROP NOT NULL;
INSERT INTO stock (sku, weight) VALUES ('sku x', 3);
ALTER TABLE stock ALTER sku DROP NOT NULL;

-- Columns that go, and come again under the same name.
ALTER TABLE stock DROP COLUMN amount, DROP COLUMN IF EXISTS nothing;
SELECT * FROM stock ORDER BY sku;
SELECT amount FROM stock;
ALTER TABLE stock DROP COLUMN amount;
ALTER TABLE stock ADD COLUMN amount int DEFAULT 5;
SELECT sku, amount, parts FROM stock ORDER BY sku;
INSERT INTO stock (sku, weight, amount) VALUES ('sku amount', 1, 6) RETURNING *;
DELETE FROM stock WHERE amount = 6 RETURNING *;

-- Wider types.
ALTER TABLE stock ALTER COLUMN parts TYPE bigint;
UPDATE stock SET parts = 5000000000 WHERE sku = 'sku 1';
SELECT sku, parts, pg_typeof(parts) FROM stock WHERE parts > 2 ORDER BY sku;
SELECT sum(parts), max(parts), min(parts) FROM stock;
ALTER TABLE stock ALTER weight TYPE numeric(10,2), ALTER weight SET DATA TYPE numeric;
ALTER TABLE stock ALTER weight TYPE numeric(10,2);
INSERT INTO stock (sku, weight) VALUES ('sku large', 12345678.123) RETURNING weight;
ALTER TABLE stock ALTER weight SET DATA TYPE numeric;
SELECT sku, weight FROM stock ORDER BY sku;
INSERT INTO stock (sku, weight) VALUES ('sku exact', 1.23456) RETURNING weight;
ALTER TABLE stock ALTER nothing TYPE text;

-- Floats keep all their digits.
ALTER TABLE events ADD COLUMN third double precision DEFAULT 1.0::float8 / 3, ADD COLUMN r real DEFAULT 1.1;
INSERT INTO events (id) VALUES (99);
SELECT count(*) FROM events WHERE third = 1.0::float8 / 3;
DELETE FROM events WHERE id = 2;
ALTER TABLE events ALTER r TYPE double precision;
SELECT id, third, r, count(*) FROM events GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
DELETE FROM events WHERE id = 99;
ALTER TABLE events DROP COLUMN third, DROP COLUMN r;

-- Names.
ALTER TABLE stock RENAME COLUMN weight TO mass;
ALTER TABLE stock RENAME status TO mass;
ALTER TABLE stock RENAME status TO state, ADD COLUMN x int;
ALTER TABLE stock ADD COLUMN x int, RENAME status TO state;
SELECT mass FROM stock ORDER BY mass LIMIT 3;
SELECT weight FROM stock;
ALTER TABLE stock RENAME sku TO code;
INSERT INTO stock (code, mass) VALUES ('sku 1', 1);
UPDATE stock SET mass = 0 WHERE code = 'sku 1' RETURNING code, mass;
ALTER TABLE stock RENAME CONSTRAINT stock_pkey TO code_is_unique;
INSERT INTO stock (code, mass) VALUES ('sku 1', 1);
ALTER TABLE stock RENAME CONSTRAINT nothing TO x;
ALTER TABLE stock RENAME TO goods;
SELECT count(*) FROM stock;
SELECT count(*) FROM goods;
ALTER TABLE goods RENAME TO events;
CREATE SCHEMA other;
ALTER TABLE goods SET SCHEMA other;
SELECT count(*) FROM goods;
SELECT count(*) FROM other.goods;
ALTER TABLE other.goods SET SCHEMA public;
ALTER TABLE goods SET SCHEMA nowhere;
ALTER TABLE goods OWNER TO nobody_at_all;

-- In transactions.
BEGIN;
INSERT INTO events VALUES (1, 'own', 1, '2026-02-02');
ALTER TABLE events ADD COLUMN extra int DEFAULT 9;
SELECT kind, extra, count(*) FROM events GROUP BY 1, 2 ORDER BY 1, 2;
INSERT INTO events VALUES (2, 'own', 2, '2026-02-02', 10);
SAVEPOINT a;
ALTER TABLE events DROP COLUMN value;
SELECT * FROM events WHERE kind = 'own' ORDER BY id;
UPDATE events SET extra = extra + 1 WHERE kind = 'own';
ROLLBACK TO a;
SELECT * FROM events WHERE kind = 'own' ORDER BY id;
DELETE FROM events WHERE extra = 9 AND id = 3;
COMMIT;
SELECT id, kind, value, day, extra, count(*) FROM events GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5;
BEGIN;
ALTER TABLE events DROP COLUMN extra;
ROLLBACK;
SELECT sum(extra) FROM events;
ALTER TABLE orders ADD COLUMN more text DEFAULT 'more', DROP COLUMN mark;
SELECT * FROM orders ORDER BY id, at;
SELECT DISTINCT ON (id) * FROM orders ORDER BY id, at DESC;
INSERT INTO orders VALUES (1, timestamptz '2026-03-01 03:00Z', 1, 1, 'x') ON CONFLICT (id, at) DO UPDATE SET more = excluded.more RETURNING *;
SELECT attname, atttypid::regtype, attnotnull, attisdropped, attnum FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum;
SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns WHERE table_name = 'goods' AND column_name NOT IN ('made', 'note', 'tags') ORDER BY column_name;

-- Views.
CREATE VIEW early AS SELECT id, more FROM orders WHERE id < 3;
ALTER TABLE orders ADD COLUMN late int;
SELECT count(*) FROM early;
ALTER TABLE orders DROP COLUMN more;
ALTER TABLE orders DROP COLUMN late;
SELECT count(*) FROM early;
ALTER TABLE orders DROP COLUMN more CASCADE;
SELECT count(*) FROM early;
