package engine_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// quiet keeps the background from flushing, so that tests decide when.
var quiet = engine.Options{SealAge: time.Hour}

func TestRowsSurvive(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "events", false, 0)
		a, b := row{"a", 1, 1}, row{"b", 5 * hour, 2}
		insert(t, db, table, a, b, a)
		want := counts(a, b, a)
		sameRows(t, "in buffers", mustRead(t, db, table), want)
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "replayed", mustRead(t, db, table), want)
		if err := db.Checkpoint(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "in chunks", mustRead(t, db, table), want)
		insert(t, db, table, b)
		want[b]++
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "in chunks and replayed", mustRead(t, db, table), want)
		p.close(t)
		db = p.open(t, quiet)
		sameRows(t, "after a clean stop", mustRead(t, db, table), want)
		p.close(t)
	})
}

func TestNewestWins(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "state", true, schema.DuplicateReplace)
		v := func(n int64) row { return row{"a", 7, n} }
		insert(t, db, table, v(1), v(2))
		sameRows(t, "the last in a statement", mustRead(t, db, table), counts(v(2)))
		checkpoint(t, db)
		insert(t, db, table, v(3))
		sameRows(t, "buffer over chunk", mustRead(t, db, table), counts(v(3)))
		filter := chunk.Predicate{Column: 3, Op: chunk.OpLE, Values: []datum.Value{int64(2)}}
		sameRows(t, "an old version that passes", mustRead(t, db, table, filter), counts())
		checkpoint(t, db)
		sameRows(t, "chunk over chunk", mustRead(t, db, table), counts(v(3)))
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "after a crash", mustRead(t, db, table), counts(v(3)))
		insert(t, db, table, v(1))
		sameRows(t, "versions rise over restarts", mustRead(t, db, table), counts(v(1)))
		p.close(t)
	})
}

func checkpoint(t testing.TB, db *engine.DB) {
	t.Helper()
	if err := db.Checkpoint(context.Background()); err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
}

func TestUnique(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		table := createTable(t, db, "dim", true, schema.DuplicateError)
		insert(t, db, table, row{"a", 1, 1}, row{"b", 2, 2})
		for _, where := range []string{"buffer", "chunk"} {
			tx := begin(t, db, engine.TxnOptions{})
			_, _, err := tx.Insert(ctx, table, batchOf(row{"c", 1, 1}, row{"b", 2, 9}), chunk.InsertDefault)
			if pgerr.Code(err) != pgerr.UniqueViolation {
				t.Fatalf("%s: %v, want 23505", where, err)
			}
			tx.Rollback()
			tx = begin(t, db, engine.TxnOptions{})
			n, kept, err := tx.Insert(ctx, table, batchOf(row{"c", 1, 1}, row{"b", 2, 9}, row{"c", 1, 2}), chunk.InsertIgnore)
			if err != nil || n != 1 || !slices.Equal(kept, []int32{0}) {
				t.Fatalf("%s: ignore: %d rows, %v, %v", where, n, kept, err)
			}
			_, _, err = tx.Insert(ctx, table, batchOf(row{"c", 1, 3}), chunk.InsertDefault)
			if pgerr.Code(err) != pgerr.UniqueViolation {
				t.Fatalf("%s: own row: %v, want 23505", where, err)
			}
			tx.Rollback()
			sameRows(t, where, mustRead(t, db, table), counts(row{"a", 1, 1}, row{"b", 2, 2}))
			checkpoint(t, db)
		}
		p.close(t)
	})
}

func TestLookup(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		table := createTable(t, db, "state", true, schema.DuplicateReplace)
		insert(t, db, table, row{"a", 1, 1}, row{"b", 2 * hour, 2})
		checkpoint(t, db)
		insert(t, db, table, row{"a", 1, 3})
		tx := begin(t, db, engine.TxnOptions{})
		keys := batchOf(row{"b", 2 * hour, 0}, row{"x", 0, 0}, row{"a", 1, 0})
		rows, at, err := tx.Lookup(ctx, table, keys.NewSlice(0, 3)) // of all columns: refused
		if err == nil {
			t.Fatalf("look-up by three columns: %v, %v", rows, at)
		}
		rows, at, err = tx.Lookup(ctx, table, keyBatch(row{"b", 2 * hour, 0}, row{"x", 0, 0}, row{"a", 1, 0}))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range at {
			if i < 0 {
				got = append(got, "none")
				continue
			}
			got = append(got, rows.Column(2).ValueStr(int(i)))
		}
		if !slices.Equal(got, []string{"2", "none", "3"}) {
			t.Fatalf("looked up %v", got)
		}
		// Somebody replaces a row that was looked up: the commit must see it.
		insert(t, db, table, row{"a", 1, 4})
		if _, _, err := tx.Insert(ctx, table, batchOf(row{"a", 1, 100}), chunk.InsertReplace); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); pgerr.Code(err) != pgerr.SerializationFailure {
			t.Fatalf("commit over a replaced row: %v, want 40001", err)
		}
		sameRows(t, "after the failure", mustRead(t, db, table), counts(row{"a", 1, 4}, row{"b", 2 * hour, 2}))
		p.close(t)
	})
}

func TestSavepoints(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		table := createTable(t, db, "events", false, 0)
		tx := begin(t, db, engine.TxnOptions{})
		put := func(r row) {
			t.Helper()
			if _, _, err := tx.Insert(ctx, table, batchOf(r), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
		}
		put(row{"a", 1, 1})
		one := tx.Savepoint()
		put(row{"a", 1, 2})
		tx.Savepoint()
		put(row{"a", 1, 3})
		if err := tx.RollbackTo(ctx, one); err != nil {
			t.Fatal(err)
		}
		put(row{"a", 1, 4})
		tx.Snapshot(ctx)
		got, err := read(tx, table)
		if err != nil {
			t.Fatal(err)
		}
		want := counts(row{"a", 1, 1}, row{"a", 1, 4})
		sameRows(t, "inside", got, want)
		sameRows(t, "others", mustRead(t, db, table), counts())
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "after commit", mustRead(t, db, table), want)
		p.close(t)
	})
}

// TestDefinitions makes, fills, truncates and drops tables in transactions that
// commit, roll back and crash.
func TestDefinitions(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		tx := begin(t, db, engine.TxnOptions{})
		oid, err := tx.TakeOIDs(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, "events", false, 0)}); err != nil {
			t.Fatal(err)
		}
		r := row{"a", 1, 1}
		if _, _, err := tx.Insert(ctx, oid, batchOf(r), chunk.InsertDefault); err != nil {
			t.Fatal(err)
		}
		tx.Snapshot(ctx)
		if got, err := read(tx, oid); err != nil || got[r] != 1 {
			t.Fatalf("own table: %v, %v", got, err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "made and filled", mustRead(t, db, oid), counts(r))
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "after a crash", mustRead(t, db, oid), counts(r))

		old := begin(t, db, engine.TxnOptions{RepeatableRead: true})
		for _, commit := range []bool{false, true} {
			tx = begin(t, db, engine.TxnOptions{})
			if err := tx.Truncate(ctx, oid); err != nil {
				t.Fatal(err)
			}
			if _, _, err := tx.Insert(ctx, oid, batchOf(row{"b", 2, 2}), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
			if !commit {
				tx.Rollback()
				sameRows(t, "rolled back", mustRead(t, db, oid), counts(r))
				continue
			}
			if err := tx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
		}
		want := counts(row{"b", 2, 2})
		sameRows(t, "truncated", mustRead(t, db, oid), want)
		got, err := read(old, oid)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "as an older snapshot sees it", got, counts(r))
		old.Rollback()
		checkpoint(t, db)
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "truncated, after a crash", mustRead(t, db, oid), want)

		tx = begin(t, db, engine.TxnOptions{})
		if err := tx.Apply(ctx, schema.Change{DropTable: oid}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		tx = begin(t, db, engine.TxnOptions{})
		if _, err := read(tx, oid); pgerr.Code(err) != pgerr.UndefinedTable {
			t.Fatalf("dropped table: %v", err)
		}
		tx.Rollback()
		p.close(t)
	})
}

// TestSnapshots holds snapshots over commits, flushes and checkpoints.
func TestSnapshots(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "events", false, 0)
		insert(t, db, table, row{"a", 1, 1})
		rr := begin(t, db, engine.TxnOptions{RepeatableRead: true})
		rc := begin(t, db, engine.TxnOptions{})
		insert(t, db, table, row{"b", 1, 2})
		checkpoint(t, db)
		insert(t, db, table, row{"c", 1, 3})
		one, all := counts(row{"a", 1, 1}), counts(row{"a", 1, 1}, row{"b", 1, 2}, row{"c", 1, 3})
		for name, c := range map[string]struct {
			tx   *engine.Txn
			want map[row]int
		}{"repeatable read": {rr, one}, "read committed": {rc, one}} {
			got, err := read(c.tx, table)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, name, got, c.want)
			c.tx.Snapshot(context.Background())
		}
		got, _ := read(rr, table)
		sameRows(t, "repeatable read, next statement", got, one)
		got, _ = read(rc, table)
		sameRows(t, "read committed, next statement", got, all)
		rr.Rollback()
		rc.Rollback()
		p.close(t)
	})
}

// TestStaging commits and rolls back transactions that are far larger than the
// memory for buffers.
func TestStaging(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		small := engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}
		db := p.open(t, small)
		for _, keyed := range []bool{false, true} {
			table := createTable(t, db, fmt.Sprint("big_", keyed), keyed, schema.DuplicateReplace)
			want := map[row]int{}
			batches := int64(40)
			if testing.Short() {
				batches = 15
			}
			fill := func(tx *engine.Txn, base int64, want map[row]int) {
				for i := range batches {
					rows := make([]row, 2000)
					for j := range rows {
						rows[j] = row{fmt.Sprint("key ", j%100), (i*2000 + int64(j)) % 50_000 * 1000, base + i*2000 + int64(j)}
					}
					if _, _, err := tx.Insert(ctx, table, batchOf(rows...), chunk.InsertDefault); err != nil {
						t.Fatal(err)
					}
					for _, r := range rows {
						want[r]++
					}
				}
			}
			tx := begin(t, db, engine.TxnOptions{})
			fill(tx, 0, map[row]int{})
			tx.Rollback()
			sameRows(t, "rolled back", mustRead(t, db, table), map[row]int{})
			tx = begin(t, db, engine.TxnOptions{})
			fill(tx, 1_000_000, want)
			sameRows(t, "not committed", mustRead(t, db, table), map[row]int{})
			tx.Snapshot(ctx)
			if keyed {
				want = newest(want)
			}
			got, err := read(tx, table)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, "own", got, want)
			if err := tx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			sameRows(t, "committed", mustRead(t, db, table), want)
			p.crash(t)
			db = p.open(t, small)
			sameRows(t, "after a crash", mustRead(t, db, table), want)
			checkpoint(t, db)
			sameRows(t, "after a checkpoint", mustRead(t, db, table), want)
		}
		p.close(t)
	})
}

// newest keeps of each key the row with the greatest value, which in these tests
// is the last one.
func newest(rows map[row]int) map[row]int {
	best := map[row]row{}
	for r := range rows {
		k := row{r.k, r.ts, 0}
		if old, ok := best[k]; !ok || r.v > old.v {
			best[k] = r
		}
	}
	return counts(slices.Collect(maps.Values(best))...)
}

// TestHistory runs random histories of transactions, flushes and crashes over
// two tables against a plain reference.
func TestHistory(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		rng := newRand(t)
		h := &history{t: t, p: p, rng: rng, opt: engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}}
		h.db = p.open(t, h.opt)
		h.tables = []datum.OID{createTable(t, h.db, "events", false, 0), createTable(t, h.db, "state", true, schema.DuplicateReplace)}
		h.rows = []map[row]int{{}, {}}
		steps := 200
		if testing.Short() {
			steps = 50
		}
		for range steps {
			h.step()
		}
		p.close(t)
	})
}

type history struct {
	t      *testing.T
	p      place
	rng    *rand.Rand
	opt    engine.Options
	db     *engine.DB
	tables []datum.OID
	rows   []map[row]int
	next   int64
}

func (h *history) step() {
	switch n := h.rng.IntN(26); {
	case n >= 24:
		tx := begin(h.t, h.db, engine.TxnOptions{})
		h.place(tx)
		if err := tx.Commit(context.Background()); err != nil {
			h.t.Fatal(err)
		}
	case n >= 22:
		vacuum(h.t, h.db, h.tables[h.rng.IntN(2)], n == 23)
	case n >= 20:
		if err := h.db.CompactNow(context.Background()); err != nil {
			h.t.Fatalf("compaction: %v", err)
		}
	case n < 12:
		h.transaction()
	case n < 16:
		checkpoint(h.t, h.db)
	case n < 18:
		h.p.crash(h.t)
		h.db = h.p.open(h.t, h.opt)
	default:
		h.truncate()
	}
	for i, table := range h.tables {
		sameRows(h.t, "table "+h.names(i), mustRead(h.t, h.db, table), h.rows[i])
		h.filtered(i, table)
	}
}

func (h *history) names(i int) string { return []string{"events", "state"}[i] }

func (h *history) random() row {
	h.next++
	return row{fmt.Sprint("k", h.rng.IntN(12)), h.rng.Int64N(40) * hour / 8, h.next}
}

// transaction writes to both tables, with savepoints, and ends either way.
func (h *history) transaction() {
	ctx := context.Background()
	tx := begin(h.t, h.db, engine.TxnOptions{})
	now := []map[row]int{maps.Clone(h.rows[0]), maps.Clone(h.rows[1])}
	type mark struct {
		n    int
		rows []map[row]int
	}
	var marks []mark
	for range 1 + h.rng.IntN(6) {
		switch h.rng.IntN(7) {
		case 6:
			h.place(tx)
		case 0:
			marks = append(marks, mark{tx.Savepoint(), []map[row]int{maps.Clone(now[0]), maps.Clone(now[1])}})
		case 1:
			if len(marks) > 0 {
				k := h.rng.IntN(len(marks))
				if err := tx.RollbackTo(ctx, marks[k].n); err != nil {
					h.t.Fatal(err)
				}
				now = []map[row]int{maps.Clone(marks[k].rows[0]), maps.Clone(marks[k].rows[1])}
				marks = marks[:k+1]
			}
		case 2:
			i := h.rng.IntN(2)
			now[i] = h.change(tx, i, now[i])
		default:
			i := h.rng.IntN(2)
			rows := make([]row, 1+h.rng.IntN(30))
			for j := range rows {
				if rows[j] = h.random(); j > 0 && h.rng.IntN(8) == 0 {
					rows[j] = rows[j-1]
				}
			}
			if _, _, err := tx.Insert(ctx, h.tables[i], batchOf(rows...), chunk.InsertDefault); err != nil {
				h.t.Fatal(err)
			}
			for _, r := range rows {
				now[i][r]++
			}
		}
		now[1] = newest(now[1])
		tx.Snapshot(ctx)
		for i := range h.tables {
			got, err := read(tx, h.tables[i])
			if err != nil {
				h.t.Fatal(err)
			}
			sameRows(h.t, "own writes in "+h.names(i), got, now[i])
		}
	}
	if h.rng.IntN(4) == 0 {
		tx.Rollback()
		return
	}
	if err := tx.Commit(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.rows = now
}

// place changes the slices and the number of partitions of a table.
func (h *history) place(tx *engine.Txn) {
	table := h.tables[h.rng.IntN(2)]
	alterIn(h.t, tx, table, func(def *schema.Table) {
		def.Slice = []time.Duration{time.Hour / 2, time.Hour, 2 * time.Hour, 3 * time.Hour}[h.rng.IntN(4)]
		def.Partitions = []int{1, 2, 3, 4, 6}[h.rng.IntN(5)]
	})
}

// change deletes some of the rows that there are now, and puts others in the place
// of some of these.
func (h *history) change(tx *engine.Txn, i int, now map[row]int) map[row]int {
	ctx := context.Background()
	if err := tx.BeginChange(ctx, h.tables[i], locking.UpdateRow); err != nil {
		h.t.Fatal(err)
	}
	now = maps.Clone(now)
	var old, updated []row
	share := 1 + h.rng.IntN(20)
	for _, r := range slices.SortedFunc(maps.Keys(now), func(a, b row) int { return cmp.Compare(a.v, b.v) }) {
		if h.rng.IntN(share) > 0 {
			continue
		}
		for range 1 + h.rng.IntN(now[r]) {
			old = append(old, r)
			if now[r]--; h.rng.IntN(2) == 0 {
				h.next++
				updated = append(updated, row{r.k, r.ts, h.next})
			}
		}
		if now[r] == 0 {
			delete(now, r)
		}
	}
	for len(old) > 0 {
		n := 1 + h.rng.IntN(len(old))
		if again, err := tx.Delete(ctx, h.tables[i], batchOf(old[:n]...)); again || err != nil {
			h.t.Fatal(again, err)
		}
		old = old[n:]
	}
	if len(updated) > 0 {
		if _, _, err := tx.Insert(ctx, h.tables[i], batchOf(updated...), chunk.InsertReplace); err != nil {
			h.t.Fatal(err)
		}
	}
	for _, r := range updated {
		now[r]++
	}
	return now
}

func (h *history) truncate() {
	ctx := context.Background()
	i := h.rng.IntN(2)
	tx := begin(h.t, h.db, engine.TxnOptions{})
	if err := tx.Truncate(ctx, h.tables[i]); err != nil {
		h.t.Fatal(err)
	}
	r := h.random()
	if _, _, err := tx.Insert(ctx, h.tables[i], batchOf(r), chunk.InsertDefault); err != nil {
		h.t.Fatal(err)
	}
	if h.rng.IntN(2) == 0 {
		tx.Rollback()
		return
	}
	if err := tx.Commit(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.rows[i] = counts(r)
}

// filtered reads with a random filter, with each stage of pruning on and off.
func (h *history) filtered(i int, table datum.OID) {
	var filter []chunk.Predicate
	var pass []func(row) bool
	if h.rng.IntN(2) == 0 {
		k := fmt.Sprint("k", h.rng.IntN(12))
		filter = append(filter, chunk.Predicate{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{k}})
		pass = append(pass, func(r row) bool { return r.k == k })
	}
	if h.rng.IntN(2) == 0 {
		ts := h.rng.Int64N(40) * hour / 8
		filter = append(filter, chunk.Predicate{Column: 2, Op: chunk.OpGE, Values: []datum.Value{datum.Micros(ts)}})
		pass = append(pass, func(r row) bool { return r.ts >= ts })
	}
	if h.rng.IntN(2) == 0 {
		v := h.rng.Int64N(h.next + 1)
		filter = append(filter, chunk.Predicate{Column: 3, Op: chunk.OpLT, Values: []datum.Value{v}})
		pass = append(pass, func(r row) bool { return r.v < v })
	}
	want := map[row]int{}
	for r, n := range h.rows[i] {
		if !slices.ContainsFunc(pass, func(f func(row) bool) bool { return !f(r) }) {
			want[r] = n
		}
	}
	off := []chunk.PruningOff{{}, {Partitions: true}, {Slices: true}, {Chunks: true}, {Manifest: true}, {Blooms: true}, {Vectors: true}, {Encoded: true}, {Late: true},
		{Partitions: true, Slices: true, Chunks: true, Manifest: true, Vectors: true, Encoded: true, Late: true}}
	tx := begin(h.t, h.db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	h.rng.Shuffle(len(off)-1, func(i, j int) { off[i+1], off[j+1] = off[j+1], off[i+1] })
	for _, o := range off[:3] {
		got, err := readPruned(tx, table, o, filter...)
		if err != nil {
			h.t.Fatal(err)
		}
		sameRows(h.t, fmt.Sprintf("%s where %v without %+v", h.names(i), filter, o), got, want)
	}
	h.projected(tx, i, table, filter, want)
}

// projected reads some of the columns of the rows that pass a filter, and adds them
// up.
func (h *history) projected(tx *engine.Txn, i int, table datum.OID, filter []chunk.Predicate, rows map[row]int) {
	spec := chunk.ScanSpec{Filter: filter, Descending: h.rng.IntN(2) == 0}
	want := map[row]int{}
	sum, count := int64(0), int64(0)
	mask := h.rng.IntN(8)
	for r, n := range rows {
		var p row
		if mask&1 != 0 {
			p.k = r.k
		}
		if mask&2 != 0 {
			p.ts = r.ts
		}
		if mask&4 != 0 {
			p.v = r.v
		}
		want[p] += n
		sum += r.v * int64(n)
		count += int64(n)
	}
	for id := range schema.ColumnID(3) {
		if mask&(1<<id) != 0 {
			spec.Columns = append(spec.Columns, id+1)
		}
	}
	got, err := readSpec(tx, table, spec)
	if err != nil {
		h.t.Fatal(err)
	}
	sameRows(h.t, fmt.Sprintf("columns %v of %s where %v", spec.Columns, h.names(i), filter), got, want)
	gotSum, gotCount := h.sum(tx, table, filter)
	if gotSum != sum || gotCount != count {
		h.t.Fatalf("sum and count of %s where %v: %d and %d, want %d and %d", h.names(i), filter, gotSum, gotCount, sum, count)
	}
}

// sum adds up column v, on encoded data where splits offer that.
func (h *history) sum(tx *engine.Txn, table datum.OID, filter []chunk.Predicate) (sum, count int64) {
	ctx := context.Background()
	spec := chunk.ScanSpec{Columns: []schema.ColumnID{3}, Filter: filter}
	splits, _, err := tx.Scan(ctx, table, spec)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range splits {
		var stats chunk.ScanStats
		parts, ok, err := s.Aggregate(ctx, chunk.NewRoom(memory.DefaultAllocator), []chunk.Aggregate{{Func: chunk.AggSum, Column: 3}, {Func: chunk.AggCountStar}}, &stats)
		if err != nil {
			h.t.Fatal(err)
		}
		if ok {
			sum += int64(parts[0].Lo)
			count += parts[1].Count
			continue
		}
		rows := map[row]int{}
		if err := readSplit(ctx, s, spec.Columns, rows); err != nil {
			h.t.Fatal(err)
		}
		for r, n := range rows {
			sum += r.v * int64(n)
			count += int64(n)
		}
	}
	return sum, count
}
