package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/benchmarks/measure"
)

// compacted tells bytes on disk after VACUUM FULL beside the compacted CQL tables: of the
// positions and of readings of CPUs.
func (b *bench) compacted(ctx context.Context) error {
	cql, err := b.cql.bytesOnDisk(ctx, plainKeyspace, "positions")
	if err != nil {
		return err
	}
	if err := b.compactedTable(ctx, "positions", cql, b.cql.distinct, ">= 5"); err != nil {
		return err
	}
	if b.opt.CPU == 0 {
		return nil
	}
	if err := b.loadReadings(ctx); err != nil {
		return err
	}
	if cql, err = b.cql.bytesOnDisk(ctx, plainKeyspace, "cpu"); err != nil {
		return err
	}
	return b.compactedTable(ctx, "cpu", cql, int64(b.opt.CPU), ">= 12")
}

// compactedTable adds what the chunks of a table of ours take on disk when they are
// compacted. Those that VACUUM FULL replaces stay for an hour, for other nodes may read
// them: its chunks are what there is more than before, provided that it writes all anew.
func (b *bench) compactedTable(ctx context.Context, table string, cql, rows int64, demand string) error {
	if _, err := b.ours.conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	before, err := b.cql.bytesOnDisk(ctx, keyspace, "chunks")
	if err != nil {
		return err
	}
	if _, err := b.ours.conn.Exec(ctx, "VACUUM FULL "+table); err != nil {
		return err
	}
	after, err := b.cql.bytesOnDisk(ctx, keyspace, "chunks")
	if err != nil {
		return err
	}
	var live int64
	if err := b.ours.conn.QueryRow(ctx, "SELECT pg_total_relation_size('"+table+"')").Scan(&live); err != nil {
		return err
	}
	if grown := after - before; grown < live*9/10 || grown > live*5/4 {
		return fmt.Errorf("VACUUM FULL of %s added %d bytes on disk, and its chunks have %d", table, grown, live)
	}
	per := func(bytes int64) series { return series{float64(bytes) / float64(rows)} }
	ours := per(after - before)
	b.table.add("    compacted, "+table, ours, "CQL", per(cql), per(cql).median()/ours.median(), demand)
	return nil
}

// loadReadings fills tables of both with readings of CPUs, as doubles, the rows by key.
func (b *bench) loadReadings(ctx context.Context) error {
	if err := b.cql.loadReadings(ctx, b.opt.Seed, b.opt.CPU); err != nil {
		return err
	}
	create := "CREATE TABLE cpu (host text, time timestamptz, " + strings.Join(measure.Metrics, " float8, ") + " float8, PRIMARY KEY (host, time))" +
		" PARTITION BY HASH (host) WITH (partitions = 4, slice = '30 days')"
	if _, err := b.ours.conn.Exec(ctx, create); err != nil {
		return err
	}
	var data bytes.Buffer
	w := csv.NewWriter(&data)
	record := make([]string, 2+len(measure.Metrics))
	for r := range measure.Readings(b.opt.Seed, b.opt.CPU) {
		record[0], record[1] = r.Host, r.At.Format(time.RFC3339)
		for i, x := range r.Values {
			record[2+i] = strconv.FormatInt(x, 10)
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	_, err := b.ours.conn.PgConn().CopyFrom(ctx, &data, "COPY cpu FROM STDIN (FORMAT csv)")
	return err
}
