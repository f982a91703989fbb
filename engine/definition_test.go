package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// define runs changes in a transaction of their own.
func define(db *engine.DB, changes ...schema.Change) error {
	ctx := context.Background()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, c := range changes {
		if err := tx.Apply(ctx, c); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// TestConcurrentCreate makes tables of one name from several goroutines: one of
// them does, the others hear of it.
func TestConcurrentCreate(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		for n := range 10 {
			name := fmt.Sprint("t", n)
			errs := make([]error, 4)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { _, errs[i] = tryCreate(db, name, row{"a", 1, int64(i)}) })
			}
			wg.Wait()
			made := 0
			for _, err := range errs {
				if err == nil {
					made++
				} else if pgerr.Code(err) != pgerr.DuplicateTable {
					t.Errorf("create table: %v, want 42P07", err)
				}
			}
			if made != 1 {
				t.Errorf("%d tables of name %s were made", made, name)
			}
		}
		p.close(t)
	})
}

// TestStaleDefinitions makes changes of what other transactions have changed or
// dropped since it was read.
func TestStaleDefinitions(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		stale := func(oid datum.OID, comment string) schema.Change {
			tx := begin(t, db, engine.TxnOptions{})
			defer tx.Rollback()
			def := *tx.Catalog().Tables[oid]
			def.Comment = comment
			return schema.Change{PutTable: &def}
		}
		refused := func(what, code string, err error) {
			t.Helper()
			if codeOf(err) != code {
				t.Errorf("%s: %v, want %s", what, err, code)
			}
		}
		table := createTable(t, db, "events", false, 0)
		insert(t, db, table, row{"a", 1, 1})
		one, two := stale(table, "one"), stale(table, "two")
		refused("first change", "", define(db, one))
		refused("second change of the same", pgerr.SerializationFailure, define(db, two))
		refused("again", "", define(db, stale(table, "two")))

		three := stale(table, "three")
		drop(t, db, table)
		refused("change of a dropped table", pgerr.UndefinedTable, define(db, three))
		refused("drop of a dropped table", pgerr.UndefinedTable, define(db, schema.Change{DropTable: table}))

		tx := begin(t, db, engine.TxnOptions{})
		first, err := tx.TakeOIDs(ctx, 3)
		if err == nil {
			err = tx.Apply(ctx, schema.Change{PutNamespace: &schema.Namespace{OID: first, Name: "s", Owner: "phyllo"}})
		}
		if err == nil {
			err = tx.Apply(ctx, schema.Change{PutRole: &schema.Role{OID: first + 1, Name: "r"}})
		}
		if err == nil {
			err = tx.Commit(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		refused("second schema", pgerr.DuplicateSchema, define(db, schema.Change{TakeOIDs: 1},
			schema.Change{PutNamespace: &schema.Namespace{OID: first + 3, Name: "s", Owner: "phyllo"}}))
		refused("second role", pgerr.DuplicateObject, define(db, schema.Change{PutRole: &schema.Role{OID: first + 3, Name: "r"}}))
		inside := eventsTable(first+3, "inside", false, 0)
		inside.Namespace = first
		refused("table in a schema", "", define(db, schema.Change{TakeOIDs: 5}, schema.Change{PutTable: inside}))
		refused("drop of a schema with a table", pgerr.DependentObjects, define(db, schema.Change{DropNamespace: first}))
		drop(t, db, inside.OID)
		refused("drop of a schema", "", define(db, schema.Change{DropNamespace: first}))
		refused("second drop", pgerr.InvalidSchemaName, define(db, schema.Change{DropNamespace: first}))
		late := eventsTable(first+20, "late", false, 0)
		late.Namespace = first
		refused("table in a dropped schema", pgerr.InvalidSchemaName, define(db, schema.Change{PutTable: late}))
		p.close(t)
		db = p.open(t, quiet)
		p.close(t)
	})
}

// TestKeyAndPlace refuses tables whose rows of one key could lie in several
// places.
func TestKeyAndPlace(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, quiet)
	for name, spoil := range map[string]func(*schema.Table){
		"slices by a column outside of the key":     func(d *schema.Table) { d.PrimaryKey = d.PrimaryKey[:1] },
		"partitions by a column outside of the key": func(d *schema.Table) { d.PartitionColumns = []schema.ColumnID{3} },
	} {
		tx := begin(t, db, engine.TxnOptions{})
		oid, err := tx.TakeOIDs(context.Background(), 5)
		if err != nil {
			t.Fatal(err)
		}
		def := eventsTable(oid, "t", true, schema.DuplicateError)
		spoil(def)
		if err := tx.Apply(context.Background(), schema.Change{PutTable: def}); pgerr.Code(err) != pgerr.InvalidTableDefinition {
			t.Errorf("%s: %v, want 42P16", name, err)
		}
		tx.Rollback()
	}
	p.close(t)
}

// TestTruncateAgainstInserts truncates while others insert batches: each of these
// stays whole or goes whole.
func TestTruncateAgainstInserts(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, engine.Options{SealAge: 5 * time.Millisecond, BufferBytes: 1 << 20, CompactionInterval: time.Millisecond})
		table := createTable(t, db, "events", false, 0)
		const writers, size = 3, 30
		batches := int64(80)
		if testing.Short() {
			batches = 25
		}
		whole := func(got map[row]int) error {
			n := map[int64]int{}
			for r, k := range got {
				n[r.v] += k
			}
			for v, k := range n {
				if k != size {
					return fmt.Errorf("%d rows of batch %d, want none or %d", k, v, size)
				}
			}
			return nil
		}
		var wg sync.WaitGroup
		for w := range int64(writers) {
			wg.Go(func() {
				for i := range batches {
					rows := make([]row, size)
					for j := range rows {
						rows[j] = row{fmt.Sprint(j), int64(j) * hour, w*1000 + i}
					}
					tx, err := db.Begin(ctx, engine.TxnOptions{})
					if err != nil {
						t.Error(err)
						return
					}
					// Two statements: the truncation may come before the first, after the
					// commit, but not between them.
					for _, half := range [][]row{rows[:size/2], rows[size/2:]} {
						if _, _, err := tx.Insert(ctx, table, batchOf(half...), chunk.InsertDefault); err != nil {
							t.Error(err)
						}
					}
					if err := tx.Commit(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done := make(chan struct{})
		var others sync.WaitGroup
		truncations := 0
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				tx, err := db.Begin(ctx, engine.TxnOptions{})
				if err == nil {
					err = tx.Truncate(ctx, table)
				}
				if err == nil {
					err = tx.Commit(ctx)
				}
				if err == nil {
					err = whole(mustRead(t, db, table))
				}
				if err != nil {
					t.Error(err)
					return
				}
				truncations++
			}
		})
		wg.Wait()
		close(done)
		others.Wait()
		want := mustRead(t, db, table)
		if err := whole(want); err != nil {
			t.Error(err)
		}
		t.Logf("%d truncations", truncations)
		settled(t, db)
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "after a crash", mustRead(t, db, table), want)
		settled(t, db)
		p.close(t)
	})
}

// TestDropDuringFlush drops and truncates tables while they are being flushed and
// folded.
func TestDropDuringFlush(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		dropped, kept := createTable(t, db, "dropped", false, 0), createTable(t, db, "kept", false, 0)
		rows := make([]row, 40) // in all partitions
		for i := range rows {
			rows[i] = row{fmt.Sprint(i), 1, int64(i)}
		}
		for range 3 { // so that the logs are worth folding
			insert(t, db, dropped, rows...)
			insert(t, db, kept, rows...)
			checkpoint(t, db)
			insert(t, db, dropped, rows...)
			insert(t, db, kept, rows...)
		}
		arrived, opened := make(chan struct{}), make(chan struct{})
		var once sync.Once
		p.hook().set(func(c call) error {
			if c.op == "put" && c.part.Table == kept {
				once.Do(func() { close(arrived) })
				<-opened
			}
			return nil
		})
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = db.Checkpoint(ctx) })
		<-arrived
		freed := make(chan struct{}, 64)
		p.hook().set(func(c call) error {
			if c.op == "drop" && c.log.Kind == store.CommitLog {
				freed <- struct{}{}
			}
			return nil
		})
		drop(t, db, dropped)
		db.Reclaim()
		for range 4 { // partitions, which the checkpoint may have yet to come to
			<-freed
		}
		tx := begin(t, db, engine.TxnOptions{})
		if err := tx.Truncate(ctx, kept); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		close(opened)
		wg.Wait()
		if err != nil {
			t.Errorf("checkpoint: %v", err)
		}
		db.Reclaim()
		for range 4 {
			<-freed
		}
		sameRows(t, "truncated", mustRead(t, db, kept), counts())
		if n := blobs(t, storeOf(p), dropped) + blobs(t, storeOf(p), kept); n > 0 {
			t.Errorf("%d chunks are left", n)
		}
		p.hook().set(nil)
		settled(t, db)
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "truncated, after a crash", mustRead(t, db, kept), counts())
		p.close(t)
	})
}
