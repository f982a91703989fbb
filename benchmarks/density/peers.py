"""Sizes of the same rows in other systems, column by column.

    peers.py read JOBS      makes Arrow files of the inputs in the JSON file JOBS
    peers.py measure PEERS FILE...   prints {file: {peer: {"total": bytes, "columns": {name: bytes}}}}
"""

import gzip
import json
import os
import shutil
import sys
import tempfile

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

NAMES = {
    "text": pa.string(), "bigint": pa.int64(), "integer": pa.int32(), "smallint": pa.int16(),
    "real": pa.float32(), "double": pa.float64(), "timestamptz": pa.timestamp("us", "UTC"),
}


def read(job):
    path, types = job["path"], {c: NAMES[t] for c, t in (job.get("types") or {}).items()}
    if job["kind"] == "parquet":
        table = pq.read_table(path)
    elif job["kind"] == "doubles":
        if path.endswith(".bin"):
            table = pa.table({"value": pa.Array.from_buffers(pa.float64(), os.path.getsize(path) // 8, [None, pa.py_buffer(open(path, "rb").read())])})
        else:
            options = pa.csv.ReadOptions(column_names=["value"])
            table = pa.csv.read_csv(path, options, convert_options=pa.csv.ConvertOptions(column_types={"value": pa.float64()}))
    elif job["kind"] == "readings":
        table = readings(path, job.get("table"), job.get("tags") == "all")
    elif job["kind"] == "lines":
        with (gzip.open if path.endswith(".gz") else open)(path, "rt") as f:
            table = pa.table({"line": pa.array(f.read().splitlines(), pa.string())})
    else:
        parse = pa.csv.ParseOptions(delimiter=job.get("delimiter") or ",")
        options = pa.csv.ReadOptions(autogenerate_column_names=job.get("header") == "none", block_size=16 << 20)
        table = pa.csv.read_csv(path, options, parse_options=parse, convert_options=pa.csv.ConvertOptions(column_types=types, strings_can_be_null=False))
    for i, f in enumerate(table.schema):
        t = types.get(f.name, f.type)
        if pa.types.is_timestamp(t):
            t = pa.timestamp("us", t.tz)
        elif pa.types.is_large_string(t):
            t = pa.string()
        elif pa.types.is_null(t):
            t = pa.string()
        elif pa.types.is_time(t):
            t = pa.time64("us")
        if t != f.type:
            table = table.set_column(i, f.name, table.column(i).cast(t))
    with pa.ipc.new_file(job["out"], table.schema) as w:
        w.write_table(table, 1 << 20)


def readings(path, name, all_tags):
    """The lines of TSBS's TimescaleDB format: the host, the time and the values of a table, the first one
    unless it is named, and all tags as text if wanted."""
    rows = []
    with gzip.open(path, "rt") as f:
        header = []
        for line in f:
            if line == "\n":
                break
            header.append(line.rstrip("\n").split(","))
        of = {h[0]: h[1:] for h in header[1:]}
        name = name or header[1][0]
        fields = of[name]
        tags_of = [t.split(" ")[0] for t in header[0][1:]] if all_tags else []
        for tags in f:
            values = next(f).rstrip("\n").split(",")
            if values[0] != name:
                continue
            tag = dict(t.split("=", 1) for t in tags.rstrip("\n").split(",")[1:])
            host = tag.get("hostname") or tag.get("name") or ""
            rows.append([host, int(values[1]) // 1000] + [float(x) if x else None for x in values[2:]] + [tag.get(t) for t in tags_of])
    columns = list(zip(*rows))
    arrays = [pa.array(columns[0], pa.string()), pa.array(columns[1], pa.timestamp("us", "UTC"))]
    arrays += [pa.array(c, pa.float64()) for c in columns[2 : 2 + len(fields)]]
    arrays += [pa.array(c, pa.string()) for c in columns[2 + len(fields) :]]
    return pa.table(arrays, names=["host", "time"] + fields + tags_of)


def parquet(table, folder):
    path = os.path.join(folder, "t.parquet")
    pq.write_table(table, path, compression="zstd", compression_level=3)
    columns = {}
    meta = pq.read_metadata(path)
    for g in range(meta.num_row_groups):
        for c in range(meta.num_columns):
            col = meta.row_group(g).column(c)
            columns[col.path_in_schema] = columns.get(col.path_in_schema, 0) + col.total_compressed_size
    return {"total": os.path.getsize(path), "columns": columns}


def duckdb(table, folder):
    """Blocks are large: a column's size is that of a database of its own less that of an empty one."""
    import duckdb

    def size(t):
        path = os.path.join(folder, "t.duckdb")
        if os.path.exists(path):
            os.remove(path)
        con = duckdb.connect()
        con.execute(f"ATTACH '{path}' AS d (STORAGE_VERSION 'latest')")
        if t is not None:
            con.execute("CREATE TABLE d.t AS SELECT * FROM t")
        con.execute("CHECKPOINT d")
        con.close()
        return os.path.getsize(path)

    empty = size(None)
    columns = {c: size(table.select([c])) - empty for c in table.column_names}
    return {"total": size(table) - empty, "columns": columns}


def clickhouse(codec):
    def measure(table, folder):
        from chdb import session

        path = os.path.join(folder, "t.parquet")
        pq.write_table(table, path, compression="none")
        s = session.Session(os.path.join(folder, "chdb"))
        types = s.query(f"DESCRIBE file('{path}')", "JSONCompact")
        defs = []
        for name, typ, *_ in json.loads(str(types))["data"]:
            null = table.column(name).null_count > 0
            if not null and typ.startswith("Nullable("):
                typ = typ[len("Nullable("):-1]
            defs.append(f"`{name}` {typ}" + (f" CODEC({codec})" if codec else ""))
        s.query("CREATE DATABASE IF NOT EXISTS d")
        s.query(f"CREATE TABLE d.t ({', '.join(defs)}) ENGINE = MergeTree ORDER BY tuple() SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0")
        s.query(f"INSERT INTO d.t SELECT * FROM file('{path}')")
        s.query("OPTIMIZE TABLE d.t FINAL")
        got = s.query("SELECT name, data_compressed_bytes FROM system.columns WHERE database = 'd' AND table = 't'", "JSONCompact")
        columns = {n: int(b) for n, b in json.loads(str(got))["data"]}
        s.close()
        return {"total": sum(columns.values()), "columns": columns}

    return measure


PEERS = {"parquet": parquet, "duckdb": duckdb, "clickhouse": clickhouse(""), "clickhouse-zstd": clickhouse("ZSTD(3)")}


def main():
    if sys.argv[1] == "read":
        for job in json.load(open(sys.argv[2])):
            read(job)
        return
    out = {}
    for path in sys.argv[3:]:
        with pa.ipc.open_file(path) as f:
            table = f.read_all()
        out[path] = {}
        for peer in sys.argv[2].split(","):
            folder = tempfile.mkdtemp()
            try:
                out[path][peer] = PEERS[peer](table, folder)
            finally:
                shutil.rmtree(folder)
    json.dump(out, sys.stdout)


main()
