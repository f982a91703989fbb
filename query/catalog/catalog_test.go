package catalog

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

func str(s string) *string { return &s }

// testEnv has a keyed table with a dropped column, an events table, a view, two
// sessions and a chunk.
func testEnv() *Env {
	of := datum.Of
	bus := &schema.Table{OID: 16384, Namespace: schema.PublicOID, Name: "bus", Owner: "ann",
		Columns: []schema.Column{
			{ID: 1, Name: "vehicle_id", Type: of(datum.Text), NotNull: true},
			{ID: 2, Name: "ts", Type: of(datum.TimestampTZ), NotNull: true, Comment: "when"},
			{ID: 3}, // dropped
			{ID: 4, Name: "speed", Type: of(datum.Float4), Default: "0", Missing: str("0")},
			{ID: 5, Name: "Fare", Type: datum.Type{OID: datum.Numeric, Mod: 10<<16 | 2 + 4}},
			{ID: 6, Name: "tags", Type: of(datum.TextArray)},
			{ID: 7, Name: "code", Type: datum.Type{OID: datum.Varchar, Mod: 14}},
		},
		PrimaryKey: []schema.ColumnID{1, 2}, PrimaryKeyName: "bus_pkey", PrimaryKeyOID: 16388, IndexOID: 16387,
		PartitionKind: schema.PartitionHash, PartitionColumns: []schema.ColumnID{1},
		Partitions: 4, TimeColumn: 2, Slice: 24 * time.Hour, OnDuplicate: schema.DuplicateReplace, Comment: "buses"}
	events := &schema.Table{OID: 16390, Namespace: 16400, Name: "events", Owner: "ann",
		Columns: []schema.Column{{ID: 1, Name: "x", Type: of(datum.Int4)}}}
	view := &schema.View{OID: 16395, Namespace: schema.PublicOID, Name: "v", Owner: "ann", SQL: "SELECT 1 AS a",
		Columns: []schema.Column{{Name: "a", Type: of(datum.Int4)}}}
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	return &Env{
		Catalog: &schema.Catalog{Database: "phyllo", DatabaseOID: 5,
			Namespaces: map[datum.OID]*schema.Namespace{schema.PublicOID: {OID: schema.PublicOID, Name: "public"}, 16400: {OID: 16400, Name: "s", Owner: "ann"}},
			Tables:     map[datum.OID]*schema.Table{bus.OID: bus, events.OID: events},
			Views:      map[datum.OID]*schema.View{view.OID: view},
			Roles:      map[string]*schema.Role{"ann": {OID: 16401, Name: "ann", Superuser: true}},
		},
		User: "bob", Database: "phyllo", Now: at, Started: at,
		Backends: func() []Backend {
			return []Backend{{PID: 7, User: "bob", Database: "phyllo", ClientAddr: "127.0.0.1", ClientPort: 5, Started: at, State: "active", Query: "select 1"},
				{PID: 8, User: "ann", Database: "phyllo", Started: at, State: "idle", TLSVersion: "TLSv1.3", TLSCipher: "x", TLSBits: 256}}
		},
		Prepared: func() []Prepared {
			return []Prepared{{Name: "p", Statement: "select $1", Types: []datum.OID{23}, Made: at}}
		},
		Cursors:   func() []Cursor { return []Cursor{{Name: "c", Statement: "select 1", Made: at}} },
		TableRows: func(datum.OID) int64 { return 1000 }, TableBytes: func(datum.OID) int64 { return 10000 },
		Partitions: func(_ context.Context, t *schema.Table) ([]Partition, error) {
			if t.OID != bus.OID {
				return nil, nil
			}
			entries := func(context.Context) iter.Seq2[*chunk.Entry, error] {
				return func(yield func(*chunk.Entry, error) bool) {
					_ = yield(&chunk.Entry{ID: chunk.ID{1}, Version: 1, Slice: -1, Rows: 10, Schema: 4, Time: chunk.TimeRange{Min: -5, Max: 5},
						Columns: []chunk.ColumnEntry{{Size: 100}, {Size: 20}}}, nil) &&
						yield(&chunk.Entry{ID: chunk.ID{2}, Version: 1, Slice: chunk.SliceInfinity, Rows: 1, Time: chunk.TimeRange{Min: 1, Max: 0}}, nil)
				}
			}
			return []Partition{{Name: "0", PartitionInfo: chunk.PartitionInfo{Sequence: 9, BufferedRows: 3, Chunks: 2, Rows: 11, Bytes: 120,
				Time: chunk.TimeRange{Min: -5, Max: 5}, Entries: entries}}}, nil
		},
	}
}

func testContext(t *testing.T) *function.Context {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return &function.Context{Context: t.Context(), Mem: mem, Catalog: testEnv().Catalog, Env: &datum.Env{Now: testEnv().Now}}
}

// TestEveryRelation reads all columns of all relations: every value must be of
// its column's type, and those that must not be NULL must not be.
func TestEveryRelation(t *testing.T) {
	set := New(nil)
	if n := len(set.Relations()); n < 200 {
		t.Fatalf("only %d relations", n)
	}
	c := testContext(t)
	reader := &Reader{Set: set, Env: *testEnv()}
	env := testEnv()
	for _, r := range set.Relations() {
		rows, err := set.Rows(t.Context(), r, env)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if len(row) != len(r.Columns) {
				t.Fatalf("%s: row of %d values", r.Name, len(row))
			}
			for i, v := range row {
				if v == nil && r.Columns[i].NotNull {
					t.Errorf("%s.%s is NULL", r.Name, r.Columns[i].Name)
				}
			}
		}
		columns := make([]int, len(r.Columns))
		for i := range columns {
			columns[i] = len(columns) - 1 - i
		}
		batches, err := reader.Relation(t.Context(), c, r.Namespace, r.Name, columns)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, b := range batches {
			for i, col := range columns {
				for j := range int(b.NumRows()) {
					want := rows[total+j][col]
					got := datum.ValueAt(r.Columns[col].Type, b.Column(i), j)
					if (got == nil) != (want == nil) {
						t.Fatalf("%s.%s row %d: %v, want %v", r.Name, r.Columns[col].Name, total+j, got, want)
					}
					if got != nil {
						datum.AppendText(nil, r.Columns[col].Type, got, &datum.Env{})
						datum.AppendBinaryAt(nil, r.Columns[col].Type, b.Column(i), j, nil)
					}
				}
			}
			total += int(b.NumRows())
			b.Release()
		}
		if total != len(rows) {
			t.Errorf("%s: %d rows in batches, want %d", r.Name, total, len(rows))
		}
	}
}

// select1 returns the rows of a relation where a column has a text, by the texts
// of some columns.
func select1(t *testing.T, qualified, where, is string, columns ...string) [][]string {
	t.Helper()
	set := testSet()
	r := set.mustLookup(qualified)
	rows, err := set.Rows(t.Context(), r, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{rel: r}
	text := func(row Row, col string) string {
		i := w.column(col)
		if row[i] == nil {
			return "NULL"
		}
		return string(datum.AppendText(nil, r.Columns[i].Type, row[i], &datum.Env{}))
	}
	var out [][]string
	for _, row := range rows {
		if text(row, where) != is {
			continue
		}
		var line []string
		for _, c := range columns {
			line = append(line, text(row, c))
		}
		out = append(out, line)
	}
	return out
}

var sharedSet = New(nil)

func testSet() *Set { return sharedSet }
