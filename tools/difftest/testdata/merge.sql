-- MERGE and statements in WITH that change rows. The tables are made by TestChanges' set-up: stock and orders have keys, events has none.
INSERT INTO stock SELECT 'sku ' || g, (ARRAY['new', 'paid', 'sent', NULL])[g % 4 + 1], g * 1.25, g % 7, g % 2 = 0 FROM generate_series(1, 30) g;
INSERT INTO orders SELECT g % 10, timestamptz '2026-03-01 00:00Z' + g * interval '3 hours', (ARRAY['a', 'b', NULL])[g % 3 + 1], g * 0.5, g FROM generate_series(0, 79) g;
INSERT INTO events SELECT g % 5, 'e' || g % 3, CASE WHEN g % 4 > 0 THEN g % 2 + 0.5 END, date '2026-01-01' + g % 2 FROM generate_series(1, 60) g;
INSERT INTO rates VALUES ('new', 1.5), ('paid', 2), (NULL, 4), ('lost', 9);

-- MERGE
MERGE INTO stock s USING (VALUES ('sku 1', 5), ('sku 99', 6), ('sku 2', NULL)) AS v(sku, n) ON v.sku = s.sku WHEN MATCHED AND v.n IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET parts = parts + v.n, status = 'merged' WHEN NOT MATCHED THEN INSERT (sku, parts) VALUES (v.sku, v.n * 2);
SELECT * FROM stock ORDER BY sku;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN MATCHED AND r.rate > 1.6 THEN UPDATE SET amount = amount * r.rate WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND r.status IS NULL THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (coalesce(r.status, '?'), DEFAULT, r.rate, 1 + 1, false);
SELECT * FROM stock ORDER BY sku;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED THEN INSERT DEFAULT VALUES;
MERGE INTO stock USING rates r ON false WHEN NOT MATCHED AND r.rate = 9 THEN INSERT (sku) VALUES ('only the key') WHEN NOT MATCHED AND r.rate = 4 THEN INSERT (sku, ok) VALUES ('and ok', DEFAULT);
SELECT * FROM stock WHERE sku IN ('only the key', 'and ok') ORDER BY sku;
MERGE INTO stock AS s USING stock AS o ON s.sku = o.sku AND o.parts = 3 WHEN MATCHED THEN DELETE;
SELECT sku FROM stock ORDER BY sku;
MERGE INTO orders o USING (SELECT id, at, count(*) OVER () AS c FROM orders WHERE n < 10) x ON o.id = x.id AND o.at = x.at WHEN MATCHED AND o.n % 2 = 0 THEN UPDATE SET at = o.at + interval '100 days', n = -o.n WHEN MATCHED THEN UPDATE SET (mark, amount) = ('m', x.c);
SELECT * FROM orders ORDER BY id, at;
MERGE INTO orders o USING generate_series(1, 3) g ON o.id = g WHEN MATCHED AND o.mark = 'a' THEN DELETE WHEN MATCHED AND o.mark = 'b' THEN UPDATE SET n = n + 1000;
SELECT * FROM orders ORDER BY id, at;
MERGE INTO events e USING (SELECT DISTINCT status, rate FROM rates) r ON e.kind = r.status WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (r.rate, r.status);
SELECT * FROM events ORDER BY id, kind, value, day;
MERGE INTO events USING (VALUES (3)) v(x) ON id = x WHEN MATCHED AND value IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET kind = 'e9', day = day + 1;
SELECT * FROM events ORDER BY id, kind, value, day;
WITH w AS (SELECT 'sku 4' AS sku UNION SELECT 'sku w') MERGE INTO stock s USING w ON w.sku = s.sku WHEN MATCHED THEN UPDATE SET parts = (SELECT count(*) FROM w) WHEN NOT MATCHED THEN INSERT (sku, parts) SELECT 1, 2;
WITH w AS (SELECT 'sku 4' AS sku UNION SELECT 'sku w') MERGE INTO stock s USING w ON w.sku = s.sku WHEN MATCHED THEN UPDATE SET parts = (SELECT count(*) FROM w) WHEN NOT MATCHED THEN INSERT (sku, parts) VALUES (w.sku, 2);
SELECT sku, parts FROM stock ORDER BY sku;

-- Values are computed for rows of their clause only.
MERGE INTO stock s USING (VALUES ('sku 5', 0), ('none', 1)) v(sku, d) ON v.sku = s.sku WHEN MATCHED AND v.d <> 0 AND 1 / v.d > 0 THEN DELETE WHEN MATCHED THEN UPDATE SET parts = 7 WHEN NOT MATCHED THEN INSERT (sku, parts) VALUES (v.sku, 10 / v.d);
MERGE INTO stock s USING (VALUES ('sku 5', 0)) v(sku, d) ON v.sku = s.sku WHEN MATCHED THEN UPDATE SET parts = 7 / d;
SELECT sku, parts FROM stock WHERE sku IN ('sku 5', 'none') ORDER BY sku;

-- MERGE refused
MERGE INTO stock s USING (VALUES ('sku 5'), ('sku 5')) v(sku) ON v.sku = s.sku WHEN MATCHED THEN DELETE;
MERGE INTO stock s USING (VALUES ('sku 5'), ('sku 5')) v(sku) ON v.sku = s.sku WHEN MATCHED THEN DO NOTHING;
MERGE INTO stock s USING (VALUES ('sku 5', 1), ('sku 5', 2)) v(sku, n) ON v.sku = s.sku WHEN MATCHED AND n = 1 THEN DELETE;
MERGE INTO stock s USING (VALUES ('new key'), ('new key')) v(sku) ON v.sku = s.sku WHEN NOT MATCHED THEN INSERT (sku) VALUES (v.sku);
MERGE INTO stock s USING rates s ON true WHEN MATCHED THEN DELETE;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN MATCHED THEN DELETE WHEN MATCHED THEN DO NOTHING;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN MATCHED THEN INSERT VALUES (1);
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED THEN DELETE;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED THEN INSERT (sku) VALUES (stock.sku);
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED AND stock.parts = 1 THEN DO NOTHING;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED AND parts = 1 THEN DO NOTHING;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED THEN INSERT (sku, parts) VALUES ('a');
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED THEN INSERT (sku) VALUES ('a', 2);
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED THEN INSERT (nope) VALUES ('a');
MERGE INTO stock USING rates r ON r.status = stock.status WHEN MATCHED THEN UPDATE SET nope = 1;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN MATCHED AND count(*) > 1 THEN DELETE;
MERGE INTO stock USING rates r ON r.nope = stock.status WHEN MATCHED THEN DELETE;
MERGE INTO stock USING nothing r ON r.rate = 1 WHEN MATCHED THEN DELETE;
MERGE INTO nothing USING rates r ON r.rate = 1 WHEN MATCHED THEN DELETE;
MERGE INTO stock USING rates r ON r.status = stock.status;
MERGE INTO stock USING rates r ON r.status = stock.status WHEN NOT MATCHED AND r.status = 'lost' THEN INSERT (sku, ok) VALUES ('x', NULL);
WITH RECURSIVE w AS (SELECT 1 AS n) MERGE INTO stock USING w ON n = parts WHEN MATCHED THEN DELETE;
WITH m AS (MERGE INTO stock USING rates r ON r.status = stock.status WHEN MATCHED THEN DELETE) SELECT 1;
SELECT count(*), sum(parts) FROM stock;

-- WITH that changes rows: all see the same snapshot.
WITH gone AS (DELETE FROM stock WHERE sku LIKE 'sku 2%' RETURNING *) INSERT INTO rates SELECT sku, amount FROM gone;
SELECT * FROM rates ORDER BY 1, 2;
SELECT sku FROM stock ORDER BY sku;
WITH u AS (UPDATE stock SET parts = parts + 1 WHERE sku = 'sku 4' RETURNING sku, parts) SELECT u.*, s.parts AS before FROM u JOIN stock s USING (sku);
WITH u AS (UPDATE stock SET parts = 50 WHERE sku = 'sku w' RETURNING *) INSERT INTO stock (sku, parts) SELECT 'sku w', 1 WHERE NOT EXISTS (SELECT FROM u);
WITH u AS (UPDATE stock SET parts = 50 WHERE sku = 'sku v' RETURNING *) INSERT INTO stock (sku, parts) SELECT 'sku v', 1 WHERE NOT EXISTS (SELECT FROM u) RETURNING sku, parts;
SELECT sku, parts FROM stock WHERE sku IN ('sku v', 'sku w') ORDER BY sku;
WITH i AS (INSERT INTO rates VALUES ('i', 1), ('j', 2) RETURNING *) SELECT count(*), sum(rate) FROM i;
WITH i AS (INSERT INTO rates VALUES ('k', 3)) SELECT count(*) FROM rates;
SELECT count(*) FROM rates;
WITH ids AS (SELECT g, random() AS r FROM generate_series(1, 4) g), a AS (INSERT INTO events (id, value) SELECT g, r FROM ids RETURNING value), b AS (INSERT INTO rates SELECT 'r' || g, r FROM ids RETURNING rate) SELECT count(*) FROM a JOIN b ON a.value = b.rate;
WITH t(a, b) AS (UPDATE rates SET rate = rate * 2 WHERE status = 'i' RETURNING status, rate) SELECT b, a FROM t;
WITH a AS (DELETE FROM rates WHERE status = 'j' RETURNING *), b AS (INSERT INTO events (id, kind) SELECT rate, status FROM a RETURNING id) DELETE FROM stock USING b WHERE parts = b.id RETURNING sku;
SELECT * FROM events WHERE kind = 'j';
WITH x AS (SELECT 10 AS n), y AS (UPDATE stock SET parts = n FROM x WHERE sku = 'sku 1' RETURNING parts) SELECT parts + (SELECT n FROM x) FROM y;
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5), i AS (INSERT INTO events (id) SELECT n + 900 FROM r RETURNING id) SELECT max(id), (SELECT count(*) FROM r) FROM i;
WITH unread AS (DELETE FROM events WHERE id > 900) SELECT count(*) FROM events WHERE id > 900;
SELECT count(*) FROM events WHERE id > 900;
WITH a AS (INSERT INTO rates VALUES ('z', 1) RETURNING *), b AS (SELECT * FROM a UNION ALL SELECT * FROM a) SELECT count(*) FROM b;
WITH w AS (SELECT 'sku ret' AS sku) INSERT INTO stock (sku) SELECT sku FROM w RETURNING (SELECT max(sku) FROM w), sku;
WITH w AS (SELECT 7 AS n) INSERT INTO stock (sku, parts) VALUES ('sku ret', 1) ON CONFLICT (sku) DO UPDATE SET parts = (SELECT n FROM w) RETURNING parts;
WITH d AS (DELETE FROM rates RETURNING *) SELECT status FROM d ORDER BY status LIMIT 2;
SELECT count(*) FROM rates;

-- and is refused
WITH d AS (DELETE FROM events) SELECT * FROM d;
SELECT * FROM (WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d) x;
INSERT INTO rates WITH d AS (DELETE FROM events RETURNING *) SELECT kind, id FROM d;
WITH o AS (WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d) SELECT * FROM o;
WITH d AS (DELETE FROM events RETURNING nope) SELECT * FROM d;
WITH d(a, b) AS (DELETE FROM events RETURNING id) SELECT * FROM d;
WITH i AS (INSERT INTO stock (sku) VALUES ('sku 4') RETURNING *) SELECT * FROM i;
WITH i AS (INSERT INTO rates VALUES ('n', 1) RETURNING *) SELECT 1 / 0 FROM i;
WITH RECURSIVE d AS (DELETE FROM rates WHERE status IN (SELECT status FROM d) RETURNING status) SELECT * FROM d;
SELECT * FROM rates WHERE status = 'n';
DECLARE c CURSOR FOR WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d;
CREATE VIEW v AS WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d;
BEGIN;
WITH i AS (INSERT INTO rates VALUES ('b', 1) RETURNING *) SELECT * FROM i;
SAVEPOINT s;
WITH i AS (INSERT INTO rates VALUES ('c', 1) RETURNING *), d AS (DELETE FROM stock WHERE sku = 'sku 4' RETURNING *) SELECT i.status, d.sku FROM i, d;
MERGE INTO rates USING (VALUES ('b'), ('c'), ('d')) v(s) ON s = status WHEN MATCHED THEN UPDATE SET rate = 9 WHEN NOT MATCHED THEN INSERT VALUES (s, 10);
SELECT * FROM rates ORDER BY status;
ROLLBACK TO s;
MERGE INTO rates USING (VALUES ('b'), ('c'), ('d')) v(s) ON s = status WHEN MATCHED THEN UPDATE SET rate = 9 WHEN NOT MATCHED THEN INSERT VALUES (s, 10);
COMMIT;
SELECT * FROM rates ORDER BY status;
SELECT count(*) FROM stock WHERE sku = 'sku 4';

-- Columns that are computed, and checks.
CREATE TABLE priced (id int PRIMARY KEY, net int CHECK (net < 100), gross int GENERATED ALWAYS AS (net * 2) STORED, s text);
INSERT INTO priced VALUES (1, 10), (2, 20);
MERGE INTO priced p USING (VALUES (1, 15), (3, 30)) v(id, n) ON p.id = v.id WHEN MATCHED THEN UPDATE SET net = n WHEN NOT MATCHED THEN INSERT (id, net) VALUES (v.id, n);
SELECT * FROM priced ORDER BY id;
MERGE INTO priced p USING (VALUES (1, 150)) v(id, n) ON p.id = v.id WHEN MATCHED THEN UPDATE SET net = n;
MERGE INTO priced p USING (VALUES (9, 150)) v(id, n) ON p.id = v.id WHEN NOT MATCHED THEN INSERT (id, net) VALUES (v.id, n);
MERGE INTO priced p USING (VALUES (9, 15)) v(id, n) ON p.id = v.id WHEN NOT MATCHED THEN INSERT (id, net, gross) VALUES (v.id, n, 7);
MERGE INTO priced p USING (VALUES (1, 15)) v(id, n) ON p.id = v.id WHEN MATCHED THEN UPDATE SET gross = 1;
MERGE INTO priced p USING (VALUES (1, 15), (2, 3)) v(id, n) ON p.id = v.id WHEN MATCHED AND n > 10 THEN DELETE WHEN MATCHED THEN UPDATE SET s = 'x', gross = DEFAULT;
WITH u AS (UPDATE priced SET net = net + 1 RETURNING *) SELECT id, gross FROM u ORDER BY id;
WITH u AS (UPDATE priced SET net = net + 80 RETURNING *) SELECT id, gross FROM u ORDER BY id;
SELECT * FROM priced ORDER BY id;
