package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// What went wrong once with rows that change under definitions that change.

// alterIn changes a table's definition in a transaction that goes on.
func alterIn(t *testing.T, tx *engine.Txn, table datum.OID, change func(def *schema.Table)) {
	t.Helper()
	def := *tx.Catalog().Tables[table]
	def.Columns = slices.Clone(def.Columns)
	change(&def)
	if err := tx.Apply(context.Background(), schema.Change{PutTable: &def}); err != nil {
		t.Fatal(err)
	}
}

func firstColumns(b arrow.RecordBatch, n int) arrow.RecordBatch {
	return array.NewRecordBatch(arrow.NewSchema(b.Schema().Fields()[:n], nil), b.Columns()[:n], b.NumRows())
}

// nullRow is a row whose last column is NULL.
func nullRow() arrow.RecordBatch {
	b := batchOf(row{"n", 1, 1})
	nb := array.NewInt64Builder(memory.DefaultAllocator)
	nb.AppendNull()
	return array.NewRecordBatch(b.Schema(), []arrow.Array{b.Column(0), b.Column(1), nb.NewArray()}, 1)
}

// with99 is rows with a fourth column, extra, of 99.
func with99(rows ...row) arrow.RecordBatch {
	b := batchOf(rows...)
	nb := array.NewInt64Builder(memory.DefaultAllocator)
	for range rows {
		nb.Append(99)
	}
	f := append(b.Schema().Fields(), datum.Field("extra", datum.Of(datum.Int8)))
	return array.NewRecordBatch(arrow.NewSchema(f, nil), append(b.Columns(), nb.NewArray()), b.NumRows())
}

// TestAlterUnderSavepoint stages rows after ALTER TABLE and goes back to before it.
func TestAlterUnderSavepoint(t *testing.T) {
	ctx := context.Background()
	p := &memPlace{}
	db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
	defer p.close(t)
	table := createTable(t, db, "events", false, 0)
	tx := begin(t, db, engine.TxnOptions{})
	defer tx.Rollback()
	first := row{"a", 1, 42}
	if _, _, err := tx.Insert(ctx, table, batchOf(first), chunk.InsertDefault); err != nil {
		t.Fatal(err)
	}
	mark := tx.Savepoint()
	alterIn(t, tx, table, dropValue)
	var rows []row
	for i := range int64(20000) {
		rows = append(rows, row{"b", i, i})
	}
	b := batchOf(rows...)
	if _, _, err := tx.Insert(ctx, table, firstColumns(b, 2), chunk.InsertDefault); err != nil {
		t.Fatal(err)
	}
	if err := tx.RollbackTo(ctx, mark); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	sameRows(t, "after ROLLBACK TO", mustRead(t, db, table), counts(first))
}

// TestInsertWaitsForNotNull inserts a NULL where it was allowed before the wait.
func TestInsertWaitsForNotNull(t *testing.T) {
	ctx := context.Background()
	p := &memPlace{}
	db := p.open(t, quiet)
	defer p.close(t)
	table := createTable(t, db, "events", false, 0)
	a := begin(t, db, engine.TxnOptions{})
	alterIn(t, a, table, func(def *schema.Table) { def.Columns[2].NotNull = true })
	b := begin(t, db, engine.TxnOptions{})
	defer b.Rollback()
	done := make(chan error, 1)
	go func() {
		err := b.LockRows(ctx, table)
		if err == nil {
			_, _, err = b.Insert(ctx, table, nullRow(), chunk.InsertDefault)
		}
		if err == nil {
			err = b.Commit(ctx)
		}
		done <- err
	}()
	until(t, "the insert waits", func() bool { return db.Waiting() > 0 })
	if err := a.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; codeOf(err) != pgerr.NotNullViolation {
		t.Errorf("a NULL for a column that is NOT NULL: %v", err)
	}
}

// TestInsertWaitsForAlter inserts rows of columns that are others after the wait, which
// LockRows would have told.
func TestInsertWaitsForAlter(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(def *schema.Table)
	}{
		{"add", addExtra("7")},
		{"drop and add", func(def *schema.Table) {
			dropValue(def)
			def.Columns = append(def.Columns, schema.Column{ID: 4, Name: "other", Type: datum.Of(datum.Int8)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			p := &memPlace{}
			db := p.open(t, quiet)
			defer p.close(t)
			table := createTable(t, db, "events", false, 0)
			a := begin(t, db, engine.TxnOptions{})
			alterIn(t, a, table, c.change)
			b := begin(t, db, engine.TxnOptions{})
			defer b.Rollback()
			done := make(chan error, 1)
			go func() {
				_, _, err := b.Insert(ctx, table, batchOf(row{"k", 1, 42}), chunk.InsertDefault)
				if err == nil {
					err = b.Commit(ctx)
				}
				done <- err
			}()
			until(t, "the insert waits", func() bool { return db.Waiting() > 0 })
			if err := a.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			if err := <-done; codeOf(err) != pgerr.SerializationFailure {
				t.Errorf("rows of the old columns: %v", err)
			}
		})
	}
}

// deletedAlready deletes a row in a transaction whose snapshot has it although another one
// has deleted it since: that is refused.
func deletedAlready(t *testing.T, tx *engine.Txn, table datum.OID, x row) {
	t.Helper()
	ctx := context.Background()
	err := tx.BeginChange(ctx, table, locking.UpdateRow)
	if err == nil {
		_, err = tx.Delete(ctx, table, batchOf(x))
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	tx.Rollback()
	if codeOf(err) != pgerr.SerializationFailure {
		t.Errorf("a row is deleted twice: %v", err)
	}
}

// TestClusterFixedClocks has two nodes delete a row whose clocks differ: it is deleted once.
func TestClusterFixedClocks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	ahead := quiet
	ahead.Now = func() time.Time { return time.Now().Add(20 * time.Second) }
	slow := fastCluster()
	slow.Poll = 2 * time.Second
	lazy := quiet
	lazy.Cluster = slow
	a, b := newNode(t, shared, "a", ahead), newNode(t, shared, "b", lazy)
	table := createTable(t, b.db, "events", false, 0)
	x := row{"x", 1, 1}
	insert(t, b.db, table, x)
	a.latest(table)
	tb := begin(t, b.db, engine.TxnOptions{})
	change(t, tb, table, []row{x}, nil)
	insert(t, a.db, table, row{"y", 1, 1})
	ta := begin(t, a.db, engine.TxnOptions{RepeatableRead: true})
	if _, err := read(ta, table); err != nil {
		t.Fatal(err)
	}
	if err := tb.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	deletedAlready(t, ta, table, x)
	insert(t, a.db, table, x)
	sameRows(t, "after x was inserted again", a.latest(table), counts(x, row{"y", 1, 1}))
	a.close()
	b.close()
}

// TestClusterFixedTrimmed has two nodes delete a row, one of them after the record of the other is gone.
func TestClusterFixedTrimmed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	slow := fastCluster()
	slow.Poll = 3 * time.Second
	lazy := quiet
	lazy.Cluster = slow
	a, b := newNode(t, shared, "a", lazy), newNode(t, shared, "b", quiet)
	table := createTable(t, b.db, "events", false, 0)
	x := row{"x", 1, 1}
	insert(t, b.db, table, x)
	checkpoint(t, b.db)
	a.latest(table)
	ta := begin(t, a.db, engine.TxnOptions{RepeatableRead: true})
	if _, err := read(ta, table); err != nil {
		t.Fatal(err)
	}
	tb := begin(t, b.db, engine.TxnOptions{})
	change(t, tb, table, []row{x}, nil)
	if err := tb.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	checkpoint(t, b.db)
	deletedAlready(t, ta, table, x)
	insert(t, a.db, table, x)
	sameRows(t, "after x was inserted again", a.latest(table), counts(x))
	a.close()
	b.close()
}

// TestClusterAlterWithinStatement changes a definition on another node while a statement
// is under way, which goes on, and sees whether its row was changed.
func TestClusterAlterWithinStatement(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", true, schema.DuplicateError)
	x := row{"a", 1, 1}
	insert(t, a.db, table, x)
	b.latest(table)
	for _, c := range []struct {
		name   string
		change func(*schema.Table)
	}{{"retyped", func(def *schema.Table) {
		dropValue(def)
		def.Columns = append(def.Columns, schema.Column{ID: 4, Name: "other", Type: datum.Of(datum.Int8)})
	}}, {"added", func(def *schema.Table) {
		def.Columns = append(def.Columns, schema.Column{ID: 5, Name: "more", Type: datum.Of(datum.Int8)})
	}}} {
		tx := begin(t, b.db, engine.TxnOptions{})
		if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
			t.Fatal(err)
		}
		if c.name == "retyped" {
			other := begin(t, b.db, engine.TxnOptions{})
			change(t, other, table, []row{x}, []row{{"a", 1, 10}})
			if err := other.Commit(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := alter(t, a.db, table, c.change); err != nil {
			t.Fatal(err)
		}
		b.readSpec(table, chunk.ScanSpec{Columns: []schema.ColumnID{1, 2}})
		again, err := tx.Delete(ctx, table, batchOf(x))
		if want := c.name == "retyped"; again != want || err != nil {
			t.Errorf("%s: again %v, %v", c.name, again, err)
		}
		tx.Rollback()
	}
	a.close()
	b.close()
}

// TestCompactBehindAlter merges chunks with a new column on a node that does not know the
// column yet: it reads the catalogue rarely, or was paused for longer than its lease.
func TestCompactBehindAlter(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		t.Run(fmt.Sprint("paused=", paused), func(t *testing.T) {
			t.Parallel()
			shared := memstore.New(nil)
			fast, lazy := quiet, quiet
			fast.CompactionPaused, lazy.CompactionPaused = true, true
			lazy.Cluster = fastCluster()
			lazy.Cluster.Poll = 20 * time.Second
			a, b := newNode(t, shared, "a", fast), newNode(t, shared, "b", lazy)
			table := createTable(t, a.db, "events", false, 0)
			insert(t, a.db, table, row{"x", 1, 1})
			checkpoint(t, a.db)
			b.latest(table)
			resume := func() {}
			if paused {
				resume = b.pause()
			}
			altered := make(chan error, 1)
			go func() { altered <- alter(t, a.db, table, addExtra("7")) }() // returns when b has followed, or is dead
			until(t, "other sessions on a have the column", func() bool {
				tx := begin(t, a.db, engine.TxnOptions{})
				defer tx.Rollback()
				return len(tx.Catalog().Tables[table].Columns) == 4
			})
			tx := begin(t, a.db, engine.TxnOptions{})
			if _, _, err := tx.Insert(context.Background(), table, with99(row{"x", 2, 2}), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			checkpoint(t, a.db)
			if paused {
				if err := <-altered; err != nil {
					t.Fatal(err)
				}
			}
			resume()
			_, _ = b.db.Vacuum(context.Background(), table, false) // it may say that it does not know the column yet
			a.latest(table)
			vacuum(t, a.db, table, false)
			spec := chunk.ScanSpec{Columns: []schema.ColumnID{1, 2, 3}, Filter: []chunk.Predicate{{Column: 4, Op: chunk.OpEQ, Values: []datum.Value{int64(99)}}}}
			sameRows(t, "after VACUUM on b", a.readSpec(table, spec), counts(row{"x", 2, 2}))
			if !paused {
				if err := <-altered; err != nil {
					t.Error(err)
				}
			}
			a.close()
			b.close()
		})
	}
}

// TestVacuumEnds merges chunks that take much memory and little space: they seem to fit
// in one, and do not.
func TestVacuumEnds(t *testing.T) {
	p := &memPlace{}
	opt := quiet
	opt.CompactionBytes = 1 << 20
	opt.CompactionPaused = true
	db := p.open(t, opt)
	table := createTable(t, db, "events", false, 0)
	long := strings.Repeat("x", 2000)
	for range 4 {
		var rows []row
		for range 1000 {
			rows = append(rows, row{long, 1, 1})
		}
		insert(t, db, table, rows...)
		checkpoint(t, db)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.Vacuum(ctx, table, false); err != nil {
		t.Error(err)
	}
	p.close(t)
}

// TestUpdateOfOldRows updates a row that is older than the retention and can be seen.
func TestUpdateOfOldRows(t *testing.T) {
	p := &memPlace{}
	now := time.Unix(0, 0).Add(1000*time.Hour + 30*time.Minute)
	opt := quiet
	opt.Now = func() time.Time { return now }
	db := p.open(t, opt)
	defer p.close(t)
	table := createTable(t, db, "events", true, schema.DuplicateError)
	if err := alter(t, db, table, func(def *schema.Table) { def.Retention = 2 * time.Hour }); err != nil {
		t.Fatal(err)
	}
	old := row{"a", 998*hour + hour*35/60, 1}
	insert(t, db, table, old)
	now = now.Add(10 * time.Minute)
	sameRows(t, "it is there", mustRead(t, db, table), counts(old))
	tx := begin(t, db, engine.TxnOptions{})
	defer tx.Rollback()
	change(t, tx, table, []row{old}, []row{{old.k, old.ts, 2}})
}

// TestChangesAtRandom runs random transactions over a table, with savepoints and enough
// rows to be staged, beside a plain reference.
func TestChangesAtRandom(t *testing.T) {
	small := engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20, CompactionPaused: true}
	for _, c := range []struct {
		keyed bool
		dup   schema.OnDuplicate
	}{{false, 0}, {true, schema.DuplicateReplace}, {true, schema.DuplicateError}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			ctx := context.Background()
			rng := newRand(t)
			p := &memPlace{}
			db := p.open(t, small)
			table := createTable(t, db, "x", c.keyed, c.dup)
			pad := strings.Repeat("p", 150)
			committed := map[row]int{}
			var n int64
			for round := range 30 {
				m := maps.Clone(committed)
				tx := begin(t, db, engine.TxnOptions{RepeatableRead: rng.IntN(2) == 0})
				type mk struct {
					at int
					m  map[row]int
				}
				var marks []mk
				var script []string
				for range rng.IntN(14) {
					op := rng.IntN(9)
					script = append(script, fmt.Sprint(op))
					if err := tx.Snapshot(ctx); err != nil {
						t.Fatal(err)
					}
					switch op {
					case 0, 1: // insert
						var rows []row
						for range 1 + rng.IntN(1200) {
							r := row{fmt.Sprint(pad, n%7), n % 3 * hour, n}
							if c.keyed {
								r.k, r.ts = fmt.Sprint(pad, n%7), n
							}
							n++
							rows = append(rows, r)
							m[r]++
						}
						if _, _, err := tx.Insert(ctx, table, batchOf(rows...), chunk.InsertDefault); err != nil {
							t.Fatal(err)
						}
					case 2, 3, 4: // delete, update
						var old, upd []row
						for r, k := range m {
							if rng.IntN(3) > 0 || len(old) > 1500 {
								continue
							}
							for range k {
								old = append(old, r)
								if op != 2 {
									u := r
									u.v += 1_000_000
									upd = append(upd, u)
								}
							}
						}
						if len(old) == 0 {
							continue
						}
						for _, r := range old {
							if m[r]--; m[r] == 0 {
								delete(m, r)
							}
						}
						for _, r := range upd {
							m[r]++
						}
						change(t, tx, table, old, upd)
					case 8:
						alterIn(t, tx, table, placed(time.Duration(1+rng.IntN(3))*time.Hour, 1+rng.IntN(4)))
					case 5:
						marks = append(marks, mk{tx.Savepoint(), maps.Clone(m)})
					case 6:
						if len(marks) > 0 {
							i := rng.IntN(len(marks))
							if err := tx.RollbackTo(ctx, marks[i].at); err != nil {
								t.Fatal(err)
							}
							m = maps.Clone(marks[i].m)
							marks = marks[:i+1]
						}
					case 7:
						if len(marks) > 0 {
							i := rng.IntN(len(marks))
							tx.Release(marks[i].at)
							marks = marks[:i]
						}
					}
					if rng.IntN(3) == 0 {
						tx.Snapshot(ctx)
						got, err := read(tx, table)
						if err != nil {
							t.Fatal(err)
						}
						sameRows(t, fmt.Sprint("inside ", round, script), got, m)
					}
				}
				if rng.IntN(4) == 0 {
					tx.Rollback()
				} else {
					if err := tx.Commit(ctx); err != nil {
						t.Fatal(err)
					}
					committed = m
				}
				sameRows(t, fmt.Sprint("after ", round, script), mustRead(t, db, table), committed)
				switch rng.IntN(6) {
				case 0:
					checkpoint(t, db)
				case 1:
					p.crash(t)
					db = p.open(t, small)
				case 2:
					vacuum(t, db, table, rng.IntN(2) == 0)
				}
				sameRows(t, fmt.Sprint("after upkeep ", round), mustRead(t, db, table), committed)
				if t.Failed() {
					return
				}
				if len(committed) > 20000 {
					tx := begin(t, db, engine.TxnOptions{})
					var old []row
					for r, k := range committed {
						for range k {
							old = append(old, r)
						}
					}
					change(t, tx, table, old, nil)
					if err := tx.Commit(ctx); err != nil {
						t.Fatal(err)
					}
					committed = map[row]int{}
				}
			}
			p.close(t)
		})
	}
}
