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

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Annals are a random history of three tables, with what they hold after each action.
type annals struct {
	rng     *rand.Rand
	acts    []act
	after   [][]pastTable // by action and table
	queries [][]pastQuery // by action
	next    int64         // tells rows apart
	batches int
}

// pastTables are the tables: without a key, and with keys of both kinds.
var pastTables = []struct {
	name  string
	keyed bool
	dup   schema.OnDuplicate
}{{"events", false, 0}, {"state", true, schema.DuplicateReplace}, {"uniq", true, schema.DuplicateError}}

var seven = "7"

// pastColumns are the columns that a table has in the course of a history.
var pastColumns = []schema.Column{
	{ID: 1, Name: "k", Type: datum.Of(datum.Text)}, {ID: 2, Name: "ts", Type: datum.Of(datum.TimestampTZ)}, {ID: 3, Name: "v", Type: datum.Of(datum.Int8)},
	{ID: 4, Name: "f", Type: datum.Of(datum.Float8)}, {ID: 5, Name: "s", Type: datum.Of(datum.Text)}, {ID: 6, Name: "b", Type: datum.Of(datum.Bool)},
	{ID: 7, Name: "extra", Type: datum.Of(datum.Int8), Missing: &seven},
}

// pastRow is a row; what its table does not have is zero.
type pastRow struct {
	k     string
	ts, v int64
	f     float64
	s     string
	null  bool // s is NULL
	b     bool
	extra int64
}

// pastTable is what a table holds, and which columns it has.
type pastTable struct {
	extra, noText bool
	rows          map[pastRow]int
}

// columns returns those of a table that it has now.
func (p *pastTable) columns() (out []schema.Column) {
	for _, c := range pastColumns {
		if c.ID == 5 && p.noText || c.ID == 7 && !p.extra {
			continue
		}
		out = append(out, c)
	}
	return out
}

// An act is one transaction: rows that go, rows that come, and before them a change of the
// definition or TRUNCATE.
type act struct {
	table    int
	def      pastTable // whose columns the rows have
	add      bool      // ADD COLUMN extra
	drop     bool      // DROP COLUMN s
	truncate bool
	old      []pastRow
	rows     []pastRow
	checks   bool
}

func (a act) String() string {
	return fmt.Sprintf("%s: add %v, drop %v, truncate %v, %d rows go, %d come", pastTables[a.table].name, a.add, a.drop, a.truncate, len(a.old), len(a.rows))
}

// do does the transaction, with at most batch rows at once.
func (a act) do(db *engine.DB, tables []datum.OID, batch int) error {
	tx, err := db.Begin(ctx0, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx0); err != nil {
		return err
	}
	table := tables[a.table]
	if a.add || a.drop {
		def := *tx.Catalog().Tables[table]
		def.Columns = slices.Clone(def.Columns)
		if a.add {
			def.Columns = append(def.Columns, pastColumns[6])
		}
		if a.drop {
			def.Columns[4] = schema.Column{ID: 5, Name: "dropped"}
		}
		if err := tx.Apply(ctx0, schema.Change{PutTable: &def}); err != nil {
			return err
		}
	}
	if a.truncate {
		if err := tx.Truncate(ctx0, table); err != nil {
			return err
		}
	}
	mode := chunk.InsertDefault
	if len(a.old) > 0 {
		mode = chunk.InsertReplace
		if err := tx.BeginChange(ctx0, table, locking.UpdateRow); err != nil {
			return err
		}
		for part := range slices.Chunk(a.old, max(batch, 100)) {
			if again, err := tx.Delete(ctx0, table, pastBatch(&a.def, part)); again || err != nil {
				return fmt.Errorf("delete: again %v, %w", again, err)
			}
		}
	}
	for part := range slices.Chunk(a.rows, batch) {
		if _, _, err := tx.Insert(ctx0, table, pastBatch(&a.def, part), mode); err != nil {
			return err
		}
	}
	return tx.Commit(ctx0)
}

func pastBatch(def *pastTable, rows []pastRow) arrow.RecordBatch {
	columns := def.columns()
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = datum.Field(c.Name, c.Type)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for _, r := range rows {
		for i, c := range columns {
			datum.Append(b.Field(i), c.Type, r.value(c.ID))
		}
	}
	return b.NewRecordBatch()
}

func (r *pastRow) value(id schema.ColumnID) datum.Value {
	switch id {
	case 1:
		return r.k
	case 2:
		return datum.Micros(r.ts)
	case 3:
		return r.v
	case 4:
		return r.f
	case 5:
		if r.null {
			return nil
		}
		return r.s
	case 6:
		return r.b
	}
	return r.extra
}

func (r *pastRow) set(id schema.ColumnID, a arrow.Array, i int) {
	switch a := a.(type) {
	case *array.String:
		if id == 1 {
			r.k = strings.Clone(a.Value(i))
		} else if r.null = a.IsNull(i); !r.null {
			r.s = strings.Clone(a.Value(i))
		}
	case *array.Timestamp:
		r.ts = int64(a.Value(i))
	case *array.Int64:
		if id == 3 {
			r.v = a.Value(i)
		} else {
			r.extra = a.Value(i)
		}
	case *array.Float64:
		r.f = a.Value(i)
	case *array.Boolean:
		r.b = a.Value(i)
	}
}

// A pastQuery is a filter, or none.
type pastQuery struct {
	column schema.ColumnID
	op     chunk.PredicateOp
	value  datum.Value
}

func (q pastQuery) passes(r pastRow, table pastTable) bool {
	switch q.column {
	case 1:
		return r.k == q.value.(string)
	case 2:
		return r.ts <= int64(q.value.(datum.Micros))
	case 3:
		return r.v >= q.value.(int64)
	case 4:
		return r.f <= q.value.(float64)
	case 5:
		return table.noText || !r.null && r.s == q.value.(string)
	}
	return true
}

// readPast answers a query on a table.
func readPast(tx *engine.Txn, table datum.OID, def pastTable, q pastQuery) (map[pastRow]int, error) {
	columns := def.columns()
	spec := chunk.ScanSpec{}
	for _, c := range columns {
		spec.Columns = append(spec.Columns, c.ID)
	}
	if q.column > 0 && !(q.column == 5 && def.noText) {
		spec.Filter = []chunk.Predicate{{Column: q.column, Op: q.op, Values: []datum.Value{q.value}}}
	}
	splits, _, err := tx.Scan(ctx0, table, spec)
	if err != nil {
		return nil, err
	}
	out := map[pastRow]int{}
	for _, s := range splits {
		var stats chunk.ScanStats
		r, err := s.Scan(ctx0, chunk.NewRoom(memory.DefaultAllocator), &stats)
		if err != nil {
			return nil, err
		}
		if err := gatherPast(r, columns, out); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func gatherPast(r interface {
	Next(context.Context) (arrow.RecordBatch, error)
}, columns []schema.Column, out map[pastRow]int) error {
	for {
		b, err := r.Next(ctx0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range int(b.NumRows()) {
			var row pastRow
			for at, c := range columns {
				row.set(c.ID, b.Column(at), i)
			}
			out[row]++
		}
		b.Release()
	}
}

// pastActs is how long a history is.
const pastActs = 36

// newAnnals makes one.
func newAnnals(rng *rand.Rand) *annals {
	h := &annals{rng: rng}
	now := make([]pastTable, len(pastTables))
	for i := range now {
		now[i].rows = map[pastRow]int{}
	}
	for range pastActs {
		i := rng.IntN(len(now))
		a := h.act(i, &now[i])
		a.checks = rng.IntN(8) == 0
		h.acts = append(h.acts, a)
		h.after = append(h.after, slices.Clone(now))
		h.queries = append(h.queries, h.queriesOn(now[i].rows))
	}
	return h
}

func (h *annals) rowsAtEnd() (n int) {
	for _, t := range h.after[len(h.after)-1] {
		n += len(t.rows)
	}
	return n
}

// act returns an action on a table and does it to the reference.
func (h *annals) act(i int, t *pastTable) (a act) {
	a.table = i
	t.rows = maps.Clone(t.rows)
	switch n := h.rng.IntN(20); {
	case n == 0:
		a.truncate = true
		t.rows = map[pastRow]int{}
	case n == 1 && !t.extra:
		a.add, t.extra = true, true
		t.each(func(r *pastRow) { r.extra = 7 })
	case n == 2 && !t.noText:
		a.drop, t.noText = true, true
		t.each(func(r *pastRow) { r.s, r.null = "", false })
	case n < 7 && len(t.rows) > 0:
		a.old = h.some(t)
		if n < 5 {
			for _, r := range a.old {
				r.v += 1_000_000
				r.b = !r.b
				a.rows = append(a.rows, r)
			}
		}
		t.take(a.old)
		t.put(a.rows, false)
		a.def = *t
		return a
	}
	a.rows = h.rows(i, t)
	t.put(a.rows, pastTables[i].keyed)
	a.def = *t
	return a
}

// each changes all rows.
func (t *pastTable) each(change func(r *pastRow)) {
	out := map[pastRow]int{}
	for r, n := range t.rows {
		change(&r)
		out[r] += n
	}
	t.rows = out
}

func (t *pastTable) take(rows []pastRow) {
	for _, r := range rows {
		if t.rows[r]--; t.rows[r] == 0 {
			delete(t.rows, r)
		}
	}
}

// put adds rows; in a keyed table they replace those with their keys.
func (t *pastTable) put(rows []pastRow, keyed bool) {
	byKey := map[pastRow]pastRow{}
	key := func(r pastRow) pastRow { return pastRow{k: r.k, ts: r.ts} }
	if keyed {
		for r := range t.rows {
			byKey[key(r)] = r
		}
	}
	for _, r := range rows {
		if old, ok := byKey[key(r)]; ok {
			delete(t.rows, old)
		}
		if keyed {
			byKey[key(r)] = r
		}
		t.rows[r]++
	}
}

// some returns rows of a table, as a predicate would: those whose value has a remainder.
func (h *annals) some(t *pastTable) (out []pastRow) {
	m := 2 + h.rng.Int64N(9)
	for r, n := range t.rows {
		if r.v%m == 0 {
			for range n {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b pastRow) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// rows returns new rows, of shapes that encodings are for.
func (h *annals) rows(i int, t *pastTable) []pastRow {
	rng := h.rng
	n := 1 + rng.IntN(40)
	h.batches++
	if h.batches%3 == 0 { // in time of every shape
		n = 1000 + rng.IntN(600)
	}
	shape, text := h.batches%7, (h.batches+h.batches/3)%7
	// Microseconds that no other batch has: the starts are whole hours and rows are seconds apart, so two batches
	// could meet, and one of these tables refuses a key that it has.
	start := rng.Int64N(100)*hour + int64(h.batches)
	walk := rng.Int64N(1 << 40)
	out := make([]pastRow, n)
	for j := range out {
		h.next++
		walk += rng.Int64N(21) - 10
		r := pastRow{k: fmt.Sprint("k", rng.IntN(12)), ts: start + h.next*1_000_000, v: h.value(shape, walk), b: rng.IntN(9) > 0}
		r.f = h.float(shape, r.v)
		if pastTables[i].dup == schema.DuplicateReplace && rng.IntN(3) == 0 {
			r.ts = rng.Int64N(50) * hour
		}
		if !t.noText {
			r.s, r.null = h.text(text, j), rng.IntN(20) == 0
			if r.null {
				r.s = ""
			}
		}
		if t.extra {
			r.extra = rng.Int64N(5)
		}
		out[j] = r
	}
	return out
}

func (h *annals) value(shape int, walk int64) int64 {
	rng := h.rng
	switch shape {
	case 0:
		return h.next * 3
	case 1:
		return walk
	case 2:
		return 42 + h.next/50
	case 3:
		return rng.Int64N(8) * 1_000_003
	case 4:
		if rng.IntN(30) == 0 {
			return rng.Int64()
		}
		return 5
	case 5:
		return int64(rng.ExpFloat64()*3) * 700
	}
	return rng.Int64() - 1<<62
}

func (h *annals) float(shape int, v int64) float64 {
	switch shape {
	case 0:
		return float64(v%100_000) / 100
	case 1:
		return h.rng.NormFloat64()
	case 2, 3:
		return float64(v % 1000)
	case 4:
		if h.rng.IntN(40) == 0 {
			return h.rng.Float64()
		}
		return 1.5
	case 5:
		return float64(v%1000) / 3 * 10 // corrections in the last places
	}
	return float64(h.rng.IntN(20)) / 8
}

var pastWords = strings.Fields("the bus of route seven leaves late from Barton Springs and Cesar Chavez since a tree lies on the road")

func (h *annals) text(shape, j int) string {
	rng := h.rng
	switch shape {
	case 0:
		return fmt.Sprintf("host-%04d at 2026-03-%02dT10:%02d:%02dZ", rng.IntN(9999), 1+rng.IntN(30), rng.IntN(60), rng.IntN(60))
	case 1:
		return fmt.Sprint(1000 + rng.IntN(90000))
	case 2:
		code := uint64(rng.ExpFloat64() * 150) // more than a byte tells apart, and no template
		return fmt.Sprintf("%016x%016x", code*0x9e3779b97f4a7c15, code*0xc2b2ae3d27d4eb4f)
	case 3:
		return fmt.Sprintf("/a/path/that/is/shared/%08d", j)
	case 4:
		return strings.Repeat("z", rng.IntN(5)) + "é東"
	case 5:
		return fmt.Sprintf("%x", rng.Uint64())
	}
	var words []string
	for range 3 + rng.IntN(10) {
		words = append(words, pastWords[rng.IntN(len(pastWords))])
	}
	return strings.Join(words, " ")
}

// queriesOn returns filters with values that are there.
func (h *annals) queriesOn(rows map[pastRow]int) (out []pastQuery) {
	any := pastRow{k: "k1", s: "none"}
	for r := range rows {
		if fmt.Sprint(r) > fmt.Sprint(any) || any.ts == 0 { // not by the order of a map
			any = r
		}
	}
	return []pastQuery{
		{1, chunk.OpEQ, any.k}, {2, chunk.OpLE, datum.Micros(any.ts)}, {3, chunk.OpGE, any.v}, {4, chunk.OpLE, any.f}, {5, chunk.OpEQ, any.s},
	}
}
