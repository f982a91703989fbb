package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestRecoveryStopsHalfway replays more than the buffers hold and dies at each of
// its flushes: the next recovery finds all of it, once.
func TestRecoveryStopsHalfway(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) { recoverHalfway(t, p, keyed) })
		})
	}
}

func recoverHalfway(t *testing.T, p place, keyed bool) {
	db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 64 << 20})
	table := createTable(t, db, "events", keyed, schema.DuplicateReplace)
	want := map[row]int{}
	key := strings.Repeat("k", 250) // of one partition, so that a flush empties the buffers
	for i := range int64(40) {
		rows := make([]row, 100)
		for j := range rows {
			rows[j] = row{key, i*100 + int64(j), i}
			want[rows[j]]++
		}
		insert(t, db, table, rows...)
	}
	small := engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}
	failures := 0
	for n := 0; ; n++ {
		p.crash(t)
		left := n
		p.hook().set(func(c call) error {
			if c.op == "put" {
				if left--; left < 0 {
					return errHook
				}
			}
			return nil
		})
		var err error
		if db, err = p.try(small); err == nil {
			break
		}
		if !errors.Is(err, errHook) {
			t.Fatal(err)
		}
		failures++
	}
	p.hook().set(nil)
	if failures < 2 {
		t.Errorf("%d failures: all of it fitted into memory", failures)
	}
	sameRows(t, "replayed in the end", mustRead(t, db, table), want)
	p.close(t)
	db = p.open(t, small)
	sameRows(t, "and again", mustRead(t, db, table), want)
	p.close(t)
}

// failCatalogue fails appends to the catalogue log.
func failCatalogue(c call) error {
	if c.op == "append" && c.log.Kind == store.CatalogueLog {
		return errHook
	}
	return nil
}

// tryCreate makes a table with a row in one transaction.
func tryCreate(db *engine.DB, name string, r row) (datum.OID, error) {
	ctx := context.Background()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	oid, err := tx.TakeOIDs(ctx, 5)
	if err == nil {
		err = tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, name, false, 0)})
	}
	if err == nil {
		_, _, err = tx.Insert(ctx, oid, batchOf(r), chunk.InsertDefault)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	return oid, err
}

// TestUndecidedDefinition crashes between the record of a transaction's rows and
// the catalogue's entry: nothing of it is there, and the catalogue takes changes.
func TestUndecidedDefinition(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		events := createTable(t, db, "events", false, 0)
		insert(t, db, events, row{"a", 1, 1})
		p.hook().set(failCatalogue)
		lost, err := tryCreate(db, "lost", row{"x", 1, 1})
		if !errors.Is(err, errHook) {
			t.Fatalf("commit without a catalogue: %v", err)
		}
		insert(t, db, events, row{"b", 1, 2}) // commits of rows go on
		want := counts(row{"a", 1, 1}, row{"b", 1, 2})
		p.hook().set(nil)
		for _, what := range []string{"in the same process", "after a crash", "after another crash"} {
			sameRows(t, what, mustRead(t, db, events), want)
			name := strings.ReplaceAll(what, " ", "_")
			r := row{name, 1, 1}
			made, err := tryCreate(db, name, r)
			if err != nil {
				t.Fatalf("%s: another table: %v", what, err)
			}
			sameRows(t, what+", its rows", mustRead(t, db, made), counts(r))
			if what == "in the same process" {
				p.hook().set(failCatalogue)
				if lost, err = tryCreate(db, "lost", row{"x", 1, 1}); !errors.Is(err, errHook) {
					t.Fatalf("commit without a catalogue: %v", err)
				}
			}
			p.crash(t)
			p.hook().set(nil)
			db = p.open(t, quiet)
			tx := begin(t, db, engine.TxnOptions{})
			for oid, def := range tx.Catalog().Tables {
				if def.Name == "lost" {
					t.Errorf("%s: table %d is there (it was %d)", what, oid, lost)
				}
			}
			tx.Rollback()
		}
		p.close(t)
	})
}

// TestUndecidedDefinitionIsNotTrimmed has the catalogue's entry come to light
// only after a restart: its rows must still be there.
func TestUndecidedDefinitionIsNotTrimmed(t *testing.T) {
	for _, clean := range []bool{false, true} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			p := &memPlace{}
			db := p.open(t, quiet)
			events := createTable(t, db, "events", false, 0)
			failed := false
			p.hook().set(func(c call) error {
				if c.log.Kind != store.CatalogueLog {
					return nil
				}
				if c.op == "head" && failed {
					return errHook // nor can the outcome be seen
				}
				if c.op == "append" {
					failed = true
				}
				return nil
			})
			p.hook().setAfter(failCatalogue)
			oid, err := tryCreate(db, "filled", row{"x", 1, 1})
			if pgerr.Code(err) != pgerr.OutcomeUnknown {
				t.Fatalf("commit of unknown outcome: %v", err)
			}
			// Later ones know that they did not commit.
			tx := begin(t, db, engine.TxnOptions{})
			if _, _, err := tx.Insert(context.Background(), events, batchOf(row{"y", 1, 1}), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(context.Background()); pgerr.Code(err) != pgerr.CannotConnectNow {
				t.Fatalf("commit after one of unknown outcome: %v", err)
			}
			sameRows(t, "reads go on", mustRead(t, db, events), counts())
			if err := db.Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
			p.hook().set(nil)
			p.hook().setAfter(nil)
			if clean {
				p.close(t)
			} else {
				p.crash(t)
			}
			db = p.open(t, quiet)
			sameRows(t, "after a restart", mustRead(t, db, oid), counts(row{"x", 1, 1}))
			p.close(t)
		})
	}
}

// TestNeededCatalogueEntries leaves rows of a conditional record unflushed over
// so many changes of the catalogue that it is folded, and over crashes in which
// other conditional records stay undecided.
func TestNeededCatalogueEntries(t *testing.T) {
	for range 4 { // source logs are replayed in the order of their names, which are random
		p := &memPlace{}
		db := p.open(t, quiet)
		r := row{"x", 1, 1}
		oid, err := tryCreate(db, "filled", r)
		if err != nil {
			t.Fatal(err)
		}
		p.crash(t)
		db = p.open(t, quiet)
		for range 254 {
			tx := begin(t, db, engine.TxnOptions{})
			_, err := tx.TakeOIDs(context.Background(), 1)
			if err == nil {
				err = tx.Commit(context.Background())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		p.hook().set(failCatalogue)
		if _, err := tryCreate(db, "lost", r); !errors.Is(err, errHook) {
			t.Fatal(err)
		}
		for range 3 {
			p.crash(t)
			p.hook().set(nil)
			db = p.open(t, quiet)
			sameRows(t, "rows that the catalogue decides", mustRead(t, db, oid), counts(r))
			tx := begin(t, db, engine.TxnOptions{})
			if _, err := tx.TakeOIDs(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		p.close(t)
	}
}

// TestForgottenSourceComesBack has drops of source logs that are not durable: what
// comes back does not count twice.
func TestForgottenSourceComesBack(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "events", false, 0)
		want := map[row]int{}
		p.hook().set(func(c call) error {
			if c.op == "drop" && c.log.Kind == store.SourceLog {
				return errLost
			}
			return nil
		})
		for i := range int64(3) {
			r := row{"a", 1, i}
			insert(t, db, table, r)
			want[r]++
			p.crash(t)
			db = p.open(t, quiet)
			sameRows(t, "replayed", mustRead(t, db, table), want)
			for range 2 { // the second one forgets the source whose log is gone, it seems
				checkpoint(t, db)
				sameRows(t, "flushed", mustRead(t, db, table), want)
			}
		}
		p.close(t)
	})
}
