package catalog

import (
	"context"
	"math"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// firstOwnRelation is the first OID of the relations that PostgreSQL does not
// have; each takes three: its own, its row type's and its array type's.
const firstOwnRelation datum.OID = 15000

// ownRelations are the relations of phyllo_catalog. Their order gives them
// their OIDs: new ones go to the end.
func ownRelations() []*Relation {
	text, name := datum.Of(datum.Text), datum.Of(datum.Name)
	int8, ts := datum.Of(datum.Int8), datum.Of(datum.TimestampTZ)
	defs := []*Relation{
		{Name: "tables", Columns: []Column{
			{"table_oid", datum.Of(datum.OIDType), true}, {"table_schema", name, true}, {"table_name", name, true},
			{"primary_key", datum.Of(datum.NameArray), false}, {"partition_strategy", text, true},
			{"partition_key", datum.Of(datum.TextArray), false}, {"partitions", datum.Of(datum.Int4), false},
			{"time_column", name, false}, {"slice", datum.Of(datum.Interval), false},
			{"retention", datum.Of(datum.Interval), false}, {"on_duplicate", text, false}, {"rows", int8, false},
			{"bytes", int8, false}, {"schema_version", int8, true}, {"history_retention", datum.Of(datum.Interval), false},
		}},
		{Name: "partitions", Columns: []Column{
			{"table_schema", name, true}, {"table_name", name, true}, {"partition", text, true},
			{"commit_sequence", int8, true}, {"chunks", int8, true}, {"rows", int8, true}, {"buffered_rows", int8, true},
			{"bytes", int8, true}, {"min_time", ts, false}, {"max_time", ts, false},
			{"layout", datum.Of(datum.Int4), true}, {"slice", datum.Of(datum.Interval), false},
		}},
		{Name: "chunks", Columns: []Column{
			{"table_schema", name, true}, {"table_name", name, true}, {"partition", text, true},
			{"chunk_id", datum.Of(datum.UUID), true}, {"slice_start", ts, false}, {"rows", int8, true},
			{"min_time", ts, false}, {"max_time", ts, false}, {"bytes", int8, true},
			{"schema_version", int8, true}, {"format_version", datum.Of(datum.Int4), true},
		}},
		{Name: "compactions", Columns: []Column{
			{"table_schema", name, true}, {"table_name", name, true}, {"partition", text, true}, {"slice_start", ts, false},
			{"kind", text, true}, {"state", text, true}, {"chunks_in", int8, true}, {"chunks_out", int8, true},
			{"rows_in", int8, true}, {"rows_out", int8, true}, {"bytes_in", int8, true}, {"bytes_out", int8, true},
			{"memory_bytes", int8, true}, {"started_at", ts, true}, {"ended_at", ts, false}, {"error", text, false},
		}},
	}
	for i, r := range defs {
		r.Namespace, r.NamespaceOID, r.Kind = "phyllo_catalog", schema.PhylloCatalogOID, 'v'
		r.OID = firstOwnRelation + datum.OID(3*i)
		r.RowType, r.ArrayType = r.OID+1, r.OID+2
	}
	return defs
}

func storedTables(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_oid", "table_schema", "table_name", "primary_key", "partition_strategy", "partition_key", "partitions",
		"time_column", "slice", "retention", "on_duplicate", "rows", "bytes", "schema_version", "history_retention")
	for _, t := range env.tables() {
		var key, by []string
		for _, id := range t.PrimaryKey {
			key = append(key, t.Column(id).Name)
		}
		strategy, partitions := "none", any(nil)
		switch t.PartitionKind {
		case schema.PartitionHash:
			strategy, partitions = "hash", t.Partitions
			for _, id := range t.PartitionColumns {
				if c := t.Column(id); c != nil {
					by = append(by, c.Name)
				}
			}
		case schema.PartitionList:
			strategy, by = "list", t.PartitionExprs
		}
		var timeColumn, duplicate, rows any
		if c := t.Column(t.TimeColumn); t.TimeColumn != 0 && c != nil {
			timeColumn = c.Name
		}
		if t.Keyed() {
			duplicate = duplicateText(t.OnDuplicate)
		}
		if n := env.rows(t.OID); n >= 0 {
			rows = n
		}
		w.add(t.OID, env.namespaceName(t.Namespace), t.Name, key, strategy, by, partitions, timeColumn, interval(t.Slice),
			interval(t.Retention), duplicate, rows, env.bytes(t.OID), int64(t.Version), interval(t.History))
	}
	return nil
}

// eachPartition calls f for every partition of every table.
func eachPartition(ctx context.Context, env *Env, f func(t *schema.Table, ns string, p *Partition) error) error {
	if env.Partitions == nil {
		return nil
	}
	for _, t := range env.tables() {
		list, err := env.Partitions(ctx, t)
		if err != nil {
			return err
		}
		for i := range list {
			if err := f(t, env.namespaceName(t.Namespace), &list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func storedPartitions(ctx context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_schema", "table_name", "partition", "commit_sequence", "chunks", "rows", "buffered_rows", "bytes",
		"min_time", "max_time", "layout", "slice")
	return eachPartition(ctx, env, func(t *schema.Table, ns string, p *Partition) error {
		minTime, maxTime := timeRange(p.Time.Min, p.Time.Max)
		layout, _ := schema.SplitPartitionKey(p.ID.Key)
		placement, _ := t.PlacementOf(p.ID.Key)
		w.add(ns, t.Name, p.Name, int64(p.Sequence), p.Chunks, p.Rows, p.BufferedRows, p.Bytes, minTime, maxTime, layout, interval(placement.Slice))
		return nil
	})
}

// timeRange makes values of two times, NULL if there are none.
func timeRange(low, high datum.Micros) (any, any) {
	if low > high {
		return nil, nil
	}
	return low, high
}

func storedChunks(ctx context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_schema", "table_name", "partition", "chunk_id", "slice_start", "rows", "min_time", "max_time", "bytes",
		"schema_version", "format_version")
	return eachPartition(ctx, env, func(t *schema.Table, ns string, p *Partition) error {
		if p.Entries == nil {
			return nil
		}
		for c, err := range p.Entries(ctx) {
			if err != nil {
				return err
			}
			var bytes int64
			for _, col := range c.Columns {
				bytes += col.Size
			}
			minTime, maxTime := timeRange(c.Time.Min, c.Time.Max)
			w.add(ns, t.Name, p.Name, datum.UUIDValue(c.ID), sliceStart(t, p.ID.Key, c.Slice), c.Rows, minTime, maxTime, bytes,
				int64(c.Schema), int(c.Version))
		}
		return nil
	})
}

// sliceStart is when a slice of a partition begins; NULL for the one of tables without
// slices and those of infinite times.
func sliceStart(t *schema.Table, partition string, slice int64) any {
	p, _ := t.PlacementOf(partition)
	length := p.Slice / time.Microsecond
	if length <= 0 || slice > math.MaxInt64/int64(length) || slice < math.MinInt64/int64(length) {
		return nil
	}
	return datum.Micros(slice * int64(length))
}

func storedCompactions(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_schema", "table_name", "partition", "slice_start", "kind", "state", "chunks_in", "chunks_out", "rows_in", "rows_out",
		"bytes_in", "bytes_out", "memory_bytes", "started_at", "ended_at", "error")
	if env.Compactions == nil {
		return nil
	}
	for _, c := range env.Compactions() {
		var ended, failure any
		if !c.Ended.IsZero() {
			ended = datum.Micros(c.Ended.UnixMicro())
		}
		if c.Error != "" {
			failure = c.Error
		}
		w.add(env.namespaceName(c.Table.Namespace), c.Table.Name, c.Partition, sliceStart(c.Table, c.ID.Key, c.Slice), c.Kind, c.State, c.ChunksIn, c.ChunksOut,
			c.RowsIn, c.RowsOut, c.BytesIn, c.BytesOut, c.MemoryPeak, datum.Micros(c.Started.UnixMicro()), ended, failure)
	}
	return nil
}
