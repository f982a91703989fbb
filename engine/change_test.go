package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// eachTable runs a test on a table without a key, and on keyed ones of each kind.
func eachTable(t *testing.T, f func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool)) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		for _, c := range []struct {
			name  string
			keyed bool
			dup   schema.OnDuplicate
		}{{"events", false, 0}, {"replaced", true, schema.DuplicateReplace}, {"unique", true, schema.DuplicateError}} {
			t.Run(c.name, func(t *testing.T) { f(t, p, db, createTable(t, db, c.name, c.keyed, c.dup), c.keyed) })
		}
		p.close(t)
	})
}

// change deletes rows in a transaction that goes on, and inserts others.
func change(t *testing.T, tx *engine.Txn, table datum.OID, old, updated []row) {
	t.Helper()
	ctx := context.Background()
	if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
		t.Fatal(err)
	}
	if again, err := tx.Delete(ctx, table, batchOf(old...)); again || err != nil {
		t.Fatal(again, err)
	}
	if len(updated) > 0 {
		if _, _, err := tx.Insert(ctx, table, batchOf(updated...), chunk.InsertReplace); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoLostUpdate has transactions add to counters beside each other.
func TestNoLostUpdate(t *testing.T) {
	const workers, rounds = 6, 25
	eachTable(t, func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool) {
		ctx := context.Background()
		want := int64(0)
		for _, fixed := range []bool{false, true} {
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for i := range rounds {
						k := row{fmt.Sprint("counter ", (w+i)%3), 0, 0}
						for {
							tx := begin(t, db, engine.TxnOptions{RepeatableRead: fixed})
							err := update(ctx, tx, table, k)
							if err == nil {
								err = tx.Commit(ctx)
							}
							tx.Rollback()
							if err == nil {
								break
							}
							if codeOf(err) != pgerr.SerializationFailure {
								t.Error(err)
								return
							}
						}
					}
				})
			}
			wg.Wait()
			want += workers * rounds
			for _, step := range []string{"in buffers", "in chunks"} {
				got := int64(0)
				for r, n := range mustRead(t, db, table) {
					got += r.v * int64(n)
				}
				if got != want {
					t.Errorf("%s, REPEATABLE READ %v: %d, want %d", step, fixed, got, want)
				}
				checkpoint(t, db)
			}
		}
	})
}

// TestChangeBesideOthers covers who waits for whom, who has to begin again, and who
// fails.
func TestChangeBesideOthers(t *testing.T) {
	eachTable(t, func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool) {
		ctx := context.Background()
		a, b := row{"a", 1, 1}, row{"b", 2, 2}
		insert(t, db, table, a, b)
		fixed := begin(t, db, engine.TxnOptions{RepeatableRead: true})
		defer fixed.Rollback()
		first := begin(t, db, engine.TxnOptions{})
		change(t, first, table, []row{a}, []row{{"a", 1, 10}})

		// A second one waits for the first, and sees what that did.
		done := make(chan error, 1)
		go func() {
			tx := begin(t, db, engine.TxnOptions{})
			defer tx.Rollback()
			err := tx.BeginChange(ctx, table, locking.UpdateRow)
			for err == nil {
				var rows map[row]int
				if rows, err = read(tx, table, chunk.Predicate{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{"a"}}); err != nil {
					break
				}
				again := false
				for r := range rows {
					if again, err = tx.Delete(ctx, table, batchOf(r)); err == nil && !again {
						_, _, err = tx.Insert(ctx, table, batchOf(row{r.k, r.ts, r.v + 1}), chunk.InsertReplace)
					}
				}
				if err == nil && !again {
					err = tx.Commit(ctx)
					break
				}
				err = tx.BeginChange(ctx, table, locking.UpdateRow)
			}
			done <- err
		}()
		until(t, "the second waits", func() bool { return db.Waiting() > 0 })
		insert(t, db, table, row{"c", 3, 3}) // which waits for nobody
		if err := first.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		sameRows(t, "both", mustRead(t, db, table), counts(row{"a", 1, 11}, b, row{"c", 3, 3}))

		// With a snapshot from before there is nothing to be changed.
		err := fixed.BeginChange(ctx, table, locking.UpdateRow)
		if err == nil {
			_, err = fixed.Delete(ctx, table, batchOf(a))
		}
		if codeOf(err) != pgerr.SerializationFailure {
			t.Errorf("REPEATABLE READ: %v", err)
		}
		fixed.Rollback()

		// What was deleted can be inserted and deleted again, in one transaction too.
		tx := begin(t, db, engine.TxnOptions{})
		change(t, tx, table, []row{b}, nil)
		for i := range int64(3) {
			r := row{"b", 2, 20 + i}
			if _, _, err := tx.Insert(ctx, table, batchOf(r), chunk.InsertError); err != nil {
				t.Fatal(err)
			}
			change(t, tx, table, []row{r}, nil)
		}
		mark := tx.Savepoint()
		change(t, tx, table, []row{{"a", 1, 11}}, nil)
		if err := tx.RollbackTo(ctx, mark); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		want := counts(row{"a", 1, 11}, row{"c", 3, 3})
		sameRows(t, "deleted", mustRead(t, db, table), want)
		checkpoint(t, db)
		sameRows(t, "deleted, in chunks", mustRead(t, db, table), want)
	})
}

// TestChangeStaged deletes and updates more rows than a buffer holds, and rolls some
// of it back.
func TestChangeStaged(t *testing.T) {
	small := engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, small)
		for _, keyed := range []bool{false, true} {
			table := createTable(t, db, fmt.Sprint("big ", keyed), keyed, schema.DuplicateReplace)
			want := map[row]int{}
			var all []row
			for i := range int64(20_000) {
				all = append(all, row{fmt.Sprint("key ", i%100), i * 1000, i})
			}
			insert(t, db, table, all...)
			tx := begin(t, db, engine.TxnOptions{})
			if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(all); at += 1000 {
				var updated []row
				for _, r := range all[at : at+1000] {
					if r.v%2 == 0 {
						r.v += 1_000_000
						updated = append(updated, r)
						want[r]++
					}
				}
				if again, err := tx.Delete(ctx, table, batchOf(all[at:at+1000]...)); again || err != nil {
					t.Fatal(again, err)
				}
				if _, _, err := tx.Insert(ctx, table, batchOf(updated...), chunk.InsertReplace); err != nil {
					t.Fatal(err)
				}
			}
			sameRows(t, "before the commit", mustRead(t, db, table), counts(all...))
			if err := tx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			sameRows(t, "committed", mustRead(t, db, table), want)
			p.crash(t)
			db = p.open(t, small)
			sameRows(t, "after a crash", mustRead(t, db, table), want)
			checkpoint(t, db)
			sameRows(t, "in chunks", mustRead(t, db, table), want)
		}
		p.close(t)
	})
}

// TestVacuumMarks deletes and updates rows that lie in chunks: after VACUUM there is no
// mark, and no row that one took away.
func TestVacuumMarks(t *testing.T) {
	eachTable(t, func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool) {
		rng := newRand(t)
		want := map[row]int{}
		for i := range int64(3000) {
			want[row{fmt.Sprint("k", i%50), i / 50 * 1000, i}] = 1
		}
		insert(t, db, table, slices.Collect(maps.Keys(want))...)
		checkpoint(t, db)
		for range 3 {
			var old, updated []row
			for r := range want {
				switch rng.IntN(4) {
				case 0:
					old = append(old, r)
				case 1:
					old = append(old, r)
					updated = append(updated, row{r.k, r.ts, r.v + 10_000})
				}
			}
			tx := begin(t, db, engine.TxnOptions{})
			change(t, tx, table, old, updated)
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, r := range old {
				delete(want, r)
			}
			for _, r := range updated {
				want[r]++
			}
			checkpoint(t, db)
			sameRows(t, "with marks", mustRead(t, db, table), want)
		}
		vacuum(t, db, table, false)
		sameRows(t, "after VACUUM", mustRead(t, db, table), want)
		rows := 0
		for _, list := range chunksOf(t, db, table) {
			for _, e := range list {
				if rows += e.Rows; e.Marked() {
					t.Errorf("chunk %v of %d rows has marks", e.ID, e.Rows)
				}
			}
		}
		if rows != len(want) {
			t.Errorf("%d rows in chunks, %d are there", rows, len(want))
		}
	})
}

// TestUnrelatedFlush: rows that others have put into a table that replaces them, and that are in
// chunks by then, refuse a transaction only if they are of its keys.
func TestUnrelatedFlush(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "replaced", true, schema.DuplicateReplace)
		a, b := row{"k", 1, 1}, row{"k", 3, 3}
		insert(t, db, table, a, b)
		checkpoint(t, db)
		for _, c := range []struct {
			what string
			row  row
			code string
		}{{"another key between", row{"k", 2, 2}, ""}, {"its key", row{"k", 3, 4}, pgerr.SerializationFailure}} {
			tx := begin(t, db, engine.TxnOptions{})
			change(t, tx, table, []row{a, b}, []row{a, b})
			insert(t, db, table, c.row)
			checkpoint(t, db)
			if err := tx.Commit(context.Background()); codeOf(err) != c.code {
				t.Errorf("%s: %v, want SQLSTATE %q", c.what, err, c.code)
			}
		}
		sameRows(t, "at the end", mustRead(t, db, table), counts(a, row{"k", 2, 2}, row{"k", 3, 4}))
		p.close(t)
	})
}
