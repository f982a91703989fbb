package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
)

// anyTable is CREATE TABLE name (k TYPE, ts timestamptz, v bigint) WITH (slice =
// '1 hour'), partitioned as kind says by k, or by the expressions of testRouter.
func anyTable(oid datum.OID, key datum.Type, kind schema.PartitionKind, exprs ...string) *schema.Table {
	t := eventsTable(oid, "t", false, 0)
	t.Columns[0].Type = key
	t.PartitionKind, t.PartitionExprs = kind, exprs
	switch {
	case kind == schema.PartitionNone:
		t.PartitionColumns, t.Partitions = nil, 0
	case kind == schema.PartitionList:
		t.Partitions, t.PartitionColumns = 0, nil
		for _, e := range exprs {
			id := schema.ColumnID(1)
			if strings.Contains(e, "ts") {
				id = 2
			}
			if !slices.Contains(t.PartitionColumns, id) {
				t.PartitionColumns = append(t.PartitionColumns, id)
			}
		}
	}
	return t
}

// A testRouter knows the expressions k, ts, text(k) and day(ts).
type testRouter struct{ table *schema.Table }

func newTestRouter(t *schema.Table) (engine.Router, error) { return testRouter{t}, nil }

func (r testRouter) Keys(_ context.Context, _ memory.Allocator, b arrow.RecordBatch, n int) ([]string, error) {
	exprs := r.table.PartitionExprs
	if n > 0 {
		exprs = exprs[:n]
	}
	keys := make([]string, b.NumRows())
	for i := range keys {
		var key []byte
		for _, e := range exprs {
			key = r.append(key, e, b, i)
		}
		keys[i] = string(key)
	}
	return keys, nil
}

func (r testRouter) append(key []byte, expr string, b arrow.RecordBatch, row int) []byte {
	t, ts := r.table.Columns[0].Type, datum.Of(datum.TimestampTZ)
	switch expr {
	case "k":
		return datum.AppendKey(key, t, b.Column(0), row, datum.KeyOrder{})
	case "ts":
		return datum.AppendKey(key, ts, b.Column(1), row, datum.KeyOrder{})
	case "text(k)":
		var v datum.Value
		if !b.Column(0).IsNull(row) {
			v = string(datum.AppendTextAt(nil, t, b.Column(0), row, &datum.Env{}))
		}
		return datum.AppendValueKey(key, datum.Of(datum.Text), v, datum.KeyOrder{})
	case "day(ts)":
		v := datum.ValueAt(ts, b.Column(1), row)
		if m, ok := v.(datum.Micros); ok && m != datum.InfinityMicros && m != datum.NegInfinityMicros {
			day := datum.Micros(24 * hour)
			v = (m - (m%day+day)%day)
		}
		return datum.AppendValueKey(key, ts, v, datum.KeyOrder{})
	}
	panic("unknown expression " + expr)
}

func (r testRouter) Rising(i int) (int, bool) {
	at, ok := map[string]int{"k": 0, "ts": 1, "day(ts)": 1}[r.table.PartitionExprs[i]]
	return at, ok
}

// anyRow is a row of anyTable; v tells which.
type anyRow struct{ k, ts datum.Value }

func anyBatch(key datum.Type, rows []anyRow, base int) arrow.RecordBatch {
	ts, v := datum.Of(datum.TimestampTZ), datum.Of(datum.Int8)
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		datum.Field("k", key), datum.Field("ts", ts), datum.Field("v", v)}, nil))
	defer b.Release()
	for i, r := range rows {
		datum.Append(b.Field(0), key, r.k)
		datum.Append(b.Field(1), ts, r.ts)
		datum.Append(b.Field(2), v, int64(base+i))
	}
	return b.NewRecordBatch()
}

func values(t datum.Type, texts ...string) []datum.Value {
	out := make([]datum.Value, len(texts))
	for i, s := range texts {
		v, err := datum.Parse(t, s, &datum.Env{})
		if err != nil {
			panic(err)
		}
		out[i] = v
	}
	return out
}

// TestPruning reads tables of all kinds of partitioning with random filters: what
// is pruned changes no answer. Values are few and at the edges: NULLs, infinities,
// ends of slices, and such as are equal and not the same. The rows lie in several
// generations of the table, and marks of some of them in the last one.
func TestPruning(t *testing.T) {
	texts := map[datum.OID][]string{
		datum.Text:    {"", "a", "a ", "ab", "b", "é", "zz"},
		datum.BPChar:  {"", "a", "a ", "a  ", "ab", "b"},
		datum.Numeric: {"0", "0.0", "1", "1.0", "1.00", "-1", "NaN", "1e30", "0.1", "0.10"},
		datum.Float8:  {"0", "-0", "1", "NaN", "Infinity", "-Infinity", "-1.5"},
		datum.Int4:    {"0", "-1", "1", "2147483647", "-2147483648"},
	}
	rng := newRand(t)
	for _, oid := range slices.Sorted(maps.Keys(texts)) {
		key := datum.Of(oid)
		for _, c := range []struct {
			kind  schema.PartitionKind
			exprs []string
		}{
			{schema.PartitionNone, nil}, {schema.PartitionHash, nil}, {schema.PartitionList, []string{"k"}}, {schema.PartitionList, []string{"text(k)"}},
			{schema.PartitionList, []string{"day(ts)"}}, {schema.PartitionList, []string{"k", "day(ts)"}}, {schema.PartitionList, []string{"day(ts)", "text(k)"}},
		} {
			t.Run(fmt.Sprintf("type=%v/kind=%v/exprs=%v", key, c.kind, strings.Join(c.exprs, "+")), func(t *testing.T) {
				p := &memPlace{}
				pr := &pruner{t: t, rng: rng, key: key, keys: append(values(key, texts[oid]...), nil)}
				pr.run(p.open(t, engine.Options{SealAge: time.Hour, Router: newTestRouter}), anyTable(schema.FirstUserOID, key, c.kind, c.exprs...))
				p.close(t)
			})
		}
	}
}

type pruner struct {
	t    *testing.T
	rng  *rand.Rand
	key  datum.Type
	keys []datum.Value
	rows []anyRow
	gone map[int]bool // by number
}

// times are at the ends of slices and days, before and after 1970.
var times = []datum.Value{nil, datum.InfinityMicros, datum.NegInfinityMicros, datum.Micros(0), datum.Micros(-1), datum.Micros(hour - 1), datum.Micros(hour),
	datum.Micros(-hour), datum.Micros(24*hour - 1), datum.Micros(24 * hour), datum.Micros(-24*hour - 1), datum.Micros(-24 * hour),
	datum.Micros(-210_866_803_200_000_000), datum.Micros(9_223_371_331_199_999_999)} // about the first and the last that there are

func (p *pruner) run(db *engine.DB, def *schema.Table) {
	ctx := context.Background()
	if err := define(db, schema.Change{TakeOIDs: 5}, schema.Change{PutTable: def}); err != nil {
		p.t.Fatal(err)
	}
	for range 3 { // the last part in buffers
		checkpoint(p.t, db)
		tx := begin(p.t, db, engine.TxnOptions{})
		alterIn(p.t, tx, def.OID, p.place)
		rows := make([]anyRow, 60)
		for i := range rows {
			rows[i] = anyRow{p.keys[p.rng.IntN(len(p.keys))], times[p.rng.IntN(len(times))]}
		}
		if _, _, err := tx.Insert(ctx, def.OID, anyBatch(p.key, rows, len(p.rows)), chunk.InsertDefault); err != nil {
			p.t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			p.t.Fatal(err)
		}
		p.rows = append(p.rows, rows...)
	}
	p.deleteSome(db, def.OID)
	tx := begin(p.t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	filters := 60
	if testing.Short() {
		filters = 20
	}
	for range filters {
		filter := make([]chunk.Predicate, 1+p.rng.IntN(3))
		for i := range filter {
			filter[i] = p.predicate()
		}
		var want []int64
		for i, r := range p.rows {
			if p.passes(r, filter) && !p.gone[i] {
				want = append(want, int64(i))
			}
		}
		for _, off := range []chunk.PruningOff{{}, {Partitions: true}, {Slices: true}, {Chunks: true}} {
			if got := p.read(tx, def.OID, filter, off); !slices.Equal(got, want) {
				p.t.Fatalf("filter %v without %+v: rows %v, want %v", filter, off, got, want)
			}
		}
	}
}

// place changes where rows to come go.
func (p *pruner) place(def *schema.Table) {
	def.Slice = []time.Duration{time.Hour, 3 * time.Hour, 24 * time.Hour}[p.rng.IntN(3)]
	if def.PartitionKind == schema.PartitionHash {
		def.Partitions = 1 + p.rng.IntN(6)
	}
}

func (p *pruner) deleteSome(db *engine.DB, table datum.OID) {
	ctx := context.Background()
	p.gone = map[int]bool{}
	tx := begin(p.t, db, engine.TxnOptions{})
	alterIn(p.t, tx, table, p.place)
	if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
		p.t.Fatal(err)
	}
	for i := range p.rows {
		if p.rng.IntN(4) > 0 {
			continue
		}
		p.gone[i] = true
		if again, err := tx.Delete(ctx, table, anyBatch(p.key, p.rows[i:i+1], i)); again || err != nil {
			p.t.Fatal(again, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pruner) predicate() chunk.Predicate {
	pool, id := p.keys, schema.ColumnID(1)
	if p.rng.IntN(2) == 0 {
		pool, id = times, 2
	}
	out := chunk.Predicate{Column: id, Op: chunk.PredicateOp(p.rng.IntN(int(chunk.OpIsNotNull) + 1))}
	n := 1
	switch out.Op {
	case chunk.OpIsNull, chunk.OpIsNotNull:
		return out
	case chunk.OpPrefix:
		out.Op = chunk.OpEQ
	case chunk.OpIn:
		n = 1 + p.rng.IntN(3)
	}
	for len(out.Values) < n {
		if v := pool[p.rng.IntN(len(pool))]; v != nil {
			out.Values = append(out.Values, v)
		}
	}
	return out
}

func (p *pruner) passes(r anyRow, filter []chunk.Predicate) bool {
	for _, f := range filter {
		v, t := r.k, p.key
		if f.Column == 2 {
			v, t = r.ts, datum.Of(datum.TimestampTZ)
		}
		if (v == nil) != (f.Op == chunk.OpIsNull) {
			return false
		}
		ok := false
		for _, x := range f.Values {
			c := 0
			if v != nil {
				c = datum.Compare(t, v, x)
			}
			ok = ok || map[chunk.PredicateOp]bool{chunk.OpEQ: c == 0, chunk.OpIn: c == 0, chunk.OpNE: c != 0, chunk.OpLT: c < 0, chunk.OpLE: c <= 0,
				chunk.OpGT: c > 0, chunk.OpGE: c >= 0}[f.Op]
		}
		if !ok && len(f.Values) > 0 {
			return false
		}
	}
	return true
}

func (p *pruner) read(tx *engine.Txn, table datum.OID, filter []chunk.Predicate, off chunk.PruningOff) []int64 {
	ctx := context.Background()
	splits, _, err := tx.Scan(ctx, table, chunk.ScanSpec{Columns: []schema.ColumnID{3}, Filter: filter, Pruning: off})
	if err != nil {
		p.t.Fatalf("filter %v: %v", filter, err)
	}
	var out []int64
	for _, s := range splits {
		var stats chunk.ScanStats
		r, err := s.Scan(ctx, chunk.NewRoom(memory.DefaultAllocator), &stats)
		if err != nil {
			p.t.Fatal(err)
		}
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				p.t.Fatal(err)
			}
			out = append(out, b.Column(0).(*array.Int64).Int64Values()...)
			b.Release()
		}
		r.Close()
	}
	slices.Sort(out)
	return out
}
