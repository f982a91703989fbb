"""What a user of psycopg 3 does, checked step by step. Argument: a DSN."""
import datetime as dt
import decimal
import sys
import threading
import time
import uuid

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

dsn = sys.argv[1]


def check(what, got, want):
    if got != want:
        raise SystemExit(f"{what}: got {got!r}, want {want!r}")


def every_type(conn):
    conn.execute(
        "CREATE TABLE py_types (id int PRIMARY KEY, b boolean, i2 smallint, i8 bigint, r real, d double precision,"
        " n numeric(12,3), t text, v varchar(10), by bytea, da date, ti time, ts timestamp, tz timestamptz,"
        " iv interval, u uuid, j jsonb, a int[], ta text[])"
    )
    utc = dt.timezone.utc
    row = (
        1, True, -5, 2**62, 1.5, 0.1, decimal.Decimal("12.345"), "héllo", "short", b"\x00\xff", dt.date(2020, 2, 29),
        dt.time(1, 2, 3, 456789), dt.datetime(2020, 1, 2, 3, 4, 5, 678901), dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=utc),
        dt.timedelta(days=3, seconds=4.5), uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), {"a": [1, None]}, [1, None, 3], ["x", "y,z"],
    )
    send = tuple(Jsonb(v) if isinstance(v, dict) else v for v in row)
    marks = ",".join(["%s"] * len(row))
    conn.execute(f"INSERT INTO py_types VALUES ({marks})", send)
    conn.execute("INSERT INTO py_types (id) VALUES (2)")
    for binary in (False, True):
        with conn.cursor(binary=binary) as cur:
            got = cur.execute("SELECT * FROM py_types WHERE id = 1").fetchone()
            check(f"row (binary {binary})", got, row)
            got = cur.execute("SELECT * FROM py_types WHERE id = %s", (2,)).fetchone()
            check(f"nulls (binary {binary})", got, (2,) + (None,) * (len(row) - 1))


def binary_parameters(conn):
    got = conn.execute(
        "SELECT %b + 1, %b || 'x', %b::timestamptz, %b::float8",
        (41, "a", dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), 1.25),
    ).fetchone()
    check("binary parameters", got, (42, "ax", dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), 1.25))


def prepared(conn):
    for i in range(12):  # psycopg prepares on the sixth run
        check("prepared", conn.execute("SELECT %s::int * 2", (i,)).fetchone(), (2 * i,))


def copy_both_ways(conn):
    conn.execute("CREATE TABLE py_copy (n int, s text, ts timestamptz)")
    for fmt in ("TEXT", "BINARY"):
        with conn.cursor() as cur:
            with cur.copy(sql.SQL("COPY py_copy FROM STDIN (FORMAT {})").format(sql.SQL(fmt))) as copy:
                copy.set_types(["int4", "text", "timestamptz"])
                for n in range(1000):
                    copy.write_row((n, f"row\t{n}\\", dt.datetime(2020, 1, 1, 0, n // 60, n % 60, tzinfo=dt.timezone.utc)))
            rows = []
            with cur.copy(sql.SQL("COPY (SELECT * FROM py_copy ORDER BY n, ts) TO STDOUT (FORMAT {})").format(sql.SQL(fmt))) as copy:
                copy.set_types(["int4", "text", "timestamptz"])
                rows = list(copy.rows())
            check(f"copy {fmt}", (len(rows), rows[-1][1]), (1000, "row\t999\\"))
            conn.execute("TRUNCATE py_copy")


def transactions(conn):
    conn.execute("CREATE TABLE py_txn (n int PRIMARY KEY)")
    with conn.transaction():
        conn.execute("INSERT INTO py_txn VALUES (1)")
        try:
            with conn.transaction():  # a savepoint
                conn.execute("INSERT INTO py_txn VALUES (1)")
        except psycopg.errors.UniqueViolation as e:
            check("constraint", e.diag.constraint_name, "py_txn_pkey")
        else:
            raise SystemExit("a duplicate key went in")
        conn.execute("INSERT INTO py_txn VALUES (2)")
    check("savepoint", conn.execute("SELECT count(*) FROM py_txn").fetchone(), (2,))
    try:
        with conn.transaction():
            conn.execute("INSERT INTO py_txn VALUES (3)")
            conn.execute("SELECT 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    check("rollback", conn.execute("SELECT count(*) FROM py_txn").fetchone(), (2,))


def portions():
    with psycopg.connect(dsn) as conn:  # not autocommit: a named cursor needs a transaction
        with conn.cursor(name="big") as cur:
            cur.itersize = 100
            cur.execute("SELECT g FROM generate_series(1, 1000) g")
            check("named cursor", sum(r[0] for r in cur), 500500)


def pipeline(conn):
    with conn.pipeline():
        cursors = [conn.execute("SELECT %s::int", (i,)) for i in range(50)]
    check("pipeline", [c.fetchone()[0] for c in cursors], list(range(50)))


def cancel():
    with psycopg.connect(dsn, autocommit=True) as conn:
        threading.Timer(0.3, conn.cancel).start()
        start = time.monotonic()
        try:
            conn.execute("SELECT pg_sleep(30)")
        except psycopg.errors.QueryCanceled:
            pass
        else:
            raise SystemExit("the query was not cancelled")
        if time.monotonic() - start > 10:
            raise SystemExit("cancel came late")
        check("after cancel", conn.execute("SELECT 1").fetchone(), (1,))


with psycopg.connect(dsn, autocommit=True) as conn:
    for step in (every_type, binary_parameters, prepared, copy_both_ways, transactions, pipeline):
        step(conn)
portions()
cancel()
print("ok")
