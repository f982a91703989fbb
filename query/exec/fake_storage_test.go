package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// fakeTable is a table in memory.
type fakeTable struct {
	def  *schema.Table
	rows [][]datum.Value
}

// fakeTxn is a transaction over tables in memory, cut into splits and batches of
// any size.
type fakeTxn struct {
	tables    []*fakeTable
	splitRows int
	batchRows int
	sliced    bool  // arrays are slices with an offset
	failAfter int64 // batches after which reading fails, 0 for never
	fold      bool  // every other split can fold aggregates
}

func (f *fakeTxn) Position() int64 { return 0 }

func (f *fakeTxn) TableRows(oid datum.OID) int64 {
	for _, t := range f.tables {
		if t.def.OID == oid {
			return int64(len(t.rows))
		}
	}
	return 0
}

var errFake = errors.New("fake storage failed")

func (f *fakeTxn) Scan(_ context.Context, oid datum.OID, spec chunk.ScanSpec) ([]chunk.Split, chunk.ScanStats, error) {
	for _, t := range f.tables {
		if t.def.OID != oid {
			continue
		}
		t, err := t.withPaths(spec.Paths)
		if err != nil {
			return nil, chunk.ScanStats{}, err
		}
		var out []chunk.Split
		for part := range slices.Chunk(t.rows, max(f.splitRows, 1)) {
			out = append(out, &fakeSplit{f: f, t: t, rows: part, spec: spec, foldable: f.fold && len(out)%2 == 0})
		}
		return out, chunk.ScanStats{RowsTotal: int64(len(t.rows)), ChunksTotal: int64(len(out))}, nil
	}
	return nil, chunk.ScanStats{}, fmt.Errorf("no table %d", oid)
}

// withPaths is the table with what documents have at paths.
func (t *fakeTable) withPaths(paths []chunk.PathColumn) (*fakeTable, error) {
	if len(paths) == 0 {
		return t, nil
	}
	def, out := *t.def, &fakeTable{}
	def.Columns = slices.Clip(t.def.Columns)
	for _, r := range t.rows {
		out.rows = append(out.rows, slices.Clip(r))
	}
	for i := range paths {
		p := &paths[i]
		at := slices.IndexFunc(t.def.Columns, func(c schema.Column) bool { return c.ID == p.Column })
		def.Columns = append(def.Columns, schema.Column{ID: p.ID, Name: p.Name, Type: p.Type()})
		for k, r := range out.rows {
			var v datum.Value
			if doc, ok := r[at].(string); ok {
				text, found, err := p.Value(doc)
				if err != nil {
					return nil, err
				}
				if found {
					v = text
				}
			}
			out.rows[k] = append(r, v)
		}
	}
	out.def = &def
	return out, nil
}

type fakeSplit struct {
	f        *fakeTxn
	t        *fakeTable
	rows     [][]datum.Value
	spec     chunk.ScanSpec
	foldable bool
}

func (s *fakeSplit) Rows() int64 { return int64(len(s.rows)) }

func (s *fakeSplit) Time() (r chunk.TimeRange, all bool) {
	at := s.column(s.t.def.TimeColumn)
	if at < 0 {
		return r, false
	}
	r, all = chunk.TimeRange{Min: 1<<63 - 1, Max: -1 << 63}, true
	for _, row := range s.rows {
		v, ok := row[at].(datum.Micros)
		if !ok {
			all = false
			continue
		}
		r.Min, r.Max = min(r.Min, v), max(r.Max, v)
	}
	return r, all
}

func (s *fakeSplit) column(id schema.ColumnID) int {
	return slices.IndexFunc(s.t.def.Columns, func(c schema.Column) bool { return c.ID == id })
}

func (s *fakeSplit) passing() [][]datum.Value {
	var out [][]datum.Value
	for _, r := range s.rows {
		ok := true
		for _, p := range s.spec.Filter {
			c := s.column(p.Column)
			ok = ok && fakePass(p, s.t.def.Columns[c].Type, r[c])
		}
		if ok {
			out = append(out, r)
		}
	}
	return out
}

func fakePass(p chunk.Predicate, t datum.Type, v datum.Value) bool {
	switch p.Op {
	case chunk.OpIsNull:
		return v == nil
	case chunk.OpIsNotNull:
		return v != nil
	}
	if v == nil {
		return false
	}
	if p.Op == chunk.OpPrefix {
		return strings.HasPrefix(v.(string), p.Values[0].(string))
	}
	if p.Op == chunk.OpIn {
		return slices.ContainsFunc(p.Values, func(x datum.Value) bool { return datum.Compare(t, v, x) == 0 })
	}
	c := datum.Compare(t, v, p.Values[0])
	return map[chunk.PredicateOp]bool{
		chunk.OpEQ: c == 0, chunk.OpNE: c != 0, chunk.OpLT: c < 0,
		chunk.OpLE: c <= 0, chunk.OpGT: c > 0, chunk.OpGE: c >= 0,
	}[p.Op]
}

func (s *fakeSplit) Scan(_ context.Context, room *chunk.Room, stats *chunk.ScanStats) (chunk.BatchReader, error) {
	rows := s.passing()
	if s.spec.Descending {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	return &fakeReader{s: s, mem: room.Allocator(), rows: rows, stats: stats}, nil
}

func (s *fakeSplit) Aggregate(_ context.Context, _ *chunk.Room, aggs []chunk.Aggregate, stats *chunk.ScanStats) ([]chunk.Partial, bool, error) {
	if !s.foldable {
		return nil, false, nil
	}
	stats.ChunksFromManifest++
	out := make([]chunk.Partial, len(aggs))
	for _, r := range s.passing() {
		for i, a := range aggs {
			p := &out[i]
			if a.Func == chunk.AggCountStar {
				p.Count++
				continue
			}
			c := s.column(a.Column)
			if r[c] == nil {
				continue
			}
			p.Count++
			switch v := r[c].(type) {
			case int32:
				addInt(p, int64(v))
			case int64:
				addInt(p, v)
			case float64:
				p.Float += v
			}
			if a.Func == chunk.AggMin || a.Func == chunk.AggMax {
				takeExtreme(p, a.Func, s.t.def.Columns[c].Type, r[c])
			}
		}
	}
	return out, true, nil
}

type fakeReader struct {
	s     *fakeSplit
	mem   memory.Allocator
	rows  [][]datum.Value
	stats *chunk.ScanStats
	n     int64
}

func (r *fakeReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.n++; r.s.f.failAfter > 0 && r.n > r.s.f.failAfter {
		return nil, errFake
	}
	n := min(len(r.rows), r.s.f.batchRows, maxBatchRows)
	if n == 0 {
		return nil, io.EOF
	}
	var cols []int
	for _, id := range r.s.spec.Columns {
		cols = append(cols, r.s.column(id))
	}
	b := makeTestBatch(r.mem, r.s.t, cols, r.rows[:n], r.s.f.sliced)
	r.rows = r.rows[n:]
	r.stats.RowsReturned += int64(n)
	return b, nil
}

func (r *fakeReader) Close() error { return nil }

// makeTestBatch makes a batch; sliced arrays have a row of NULLs before and after.
func makeTestBatch(mem memory.Allocator, t *fakeTable, cols []int, rows [][]datum.Value, sliced bool) arrow.RecordBatch {
	var fields []arrow.Field
	var out []arrow.Array
	for _, c := range cols {
		ty := t.def.Columns[c].Type
		fields = append(fields, datum.Field(t.def.Columns[c].Name, ty))
		b := array.NewBuilder(mem, ty.Arrow())
		if sliced {
			b.AppendNull()
		}
		for _, r := range rows {
			datum.Append(b, ty, r[c])
		}
		a := b.NewArray()
		if sliced {
			b.AppendNull()
			x := array.NewSlice(a, 1, int64(len(rows)+1))
			a.Release()
			a = x
		}
		out = append(out, a)
		b.Release()
	}
	defer releaseAll(out)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), out, int64(len(rows)))
}

// column returns a column of a table definition.
func testColumn(id int, name string, oid datum.OID) schema.Column {
	return schema.Column{ID: schema.ColumnID(id), Name: name, Type: datum.Of(oid)}
}

// testTables are the tables of the SQL tests: a has NULLs and many equal values,
// b is small, c is large with times, e is empty.
func testTables() []*fakeTable {
	a := &fakeTable{def: &schema.Table{OID: 20001, Namespace: schema.PublicOID, Name: "a", Columns: []schema.Column{
		testColumn(1, "id", datum.Int4), testColumn(2, "k", datum.Int4), testColumn(3, "v", datum.Int8),
		testColumn(4, "f", datum.Float8), testColumn(5, "s", datum.Text), testColumn(6, "n", datum.Numeric),
		testColumn(7, "d", datum.Date), testColumn(8, "t", datum.TimestampTZ), testColumn(9, "b", datum.Bool),
		testColumn(10, "r", datum.Int4Array), testColumn(11, "i", datum.Interval), testColumn(12, "h", datum.Int2),
	}}}
	for i := range 300 {
		row := []datum.Value{
			int32(i), int32(i * 7 % 13), int64(i) * 1_000_003 % 997, float64(i%40)/4 - 3, fmt.Sprintf("s%02d", i*31%17),
			mustParse(datum.Numeric, fmt.Sprintf("%d.%0*d", i%9, 1+i%3, i%10)), datum.Days(18000 + i%29),
			datum.Micros(1_600_000_000_000_000 + int64(i*7919%300)*60_000_000), i%3 == 0,
			datum.Array{Elem: datum.Of(datum.Int4), Values: []datum.Value{int32(i % 4), nil, int32(i % 5)}[:i%4%4]},
			datum.IntervalValue{Days: int32(i % 3), Micros: int64(i%7) * 3_600_000_000}, int16(i%23 - 11),
		}
		for c := 1; c < len(row); c++ {
			if (i+c*5)%11 == 0 {
				row[c] = nil
			}
		}
		a.rows = append(a.rows, row)
	}
	b := &fakeTable{def: &schema.Table{OID: 20002, Namespace: schema.PublicOID, Name: "b", Columns: []schema.Column{
		testColumn(1, "k", datum.Int8), testColumn(2, "s", datum.Varchar), testColumn(3, "w", datum.Int4),
	}}}
	for i := range 25 {
		row := []datum.Value{int64(i % 17), fmt.Sprintf("s%02d", i%20), int32(i * 3 % 10)}
		if i%8 == 3 {
			row[i%3] = nil
		}
		b.rows = append(b.rows, row)
	}
	c := &fakeTable{def: &schema.Table{OID: 20003, Namespace: schema.PublicOID, Name: "c", TimeColumn: 2, Columns: []schema.Column{
		testColumn(1, "g", datum.Text), testColumn(2, "ts", datum.TimestampTZ), testColumn(3, "x", datum.Int4), testColumn(4, "y", datum.Float8),
	}}}
	for i := range 20000 {
		row := []datum.Value{fmt.Sprintf("g%d", i*131%97), datum.Micros(1_700_000_000_000_000 + int64(i)*1_000_000), int32(i * 7919 % 10007), float64(i%1000) / 8}
		if i%19 == 5 {
			row[2] = nil
		}
		c.rows = append(c.rows, row)
	}
	e := &fakeTable{def: &schema.Table{OID: 20004, Namespace: schema.PublicOID, Name: "e", Columns: []schema.Column{
		testColumn(1, "k", datum.Int4), testColumn(2, "s", datum.Text),
	}}}
	return []*fakeTable{a, b, c, e}
}

func mustParse(oid datum.OID, s string) datum.Value {
	v, err := datum.Parse(datum.Of(oid), s, &datum.Env{})
	if err != nil {
		panic(err)
	}
	return v
}

func testCatalog(tables []*fakeTable) *schema.Catalog {
	c := &schema.Catalog{
		Database: "test", DatabaseOID: 16000,
		Namespaces: map[datum.OID]*schema.Namespace{
			schema.PGCatalogOID: {OID: schema.PGCatalogOID, Name: "pg_catalog"},
			schema.PublicOID:    {OID: schema.PublicOID, Name: "public"},
		},
		Tables: map[datum.OID]*schema.Table{}, Views: map[datum.OID]*schema.View{}, Roles: map[string]*schema.Role{},
	}
	for _, t := range tables {
		c.Tables[t.def.OID] = t.def
	}
	return c
}
