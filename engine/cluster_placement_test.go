package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestClusterPlacement changes where rows go on one node while others write: one whose
// transaction began before, and one that does not know it yet when it commits.
func TestClusterPlacement(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"events": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, name, keyed, schema.DuplicateReplace)
			rows := []row{{"a", 1, 1}, {"b", 2, 2}, {"c", 3, 3}, {"late", 5 * hour, 4}}
			insert(t, a.db, table, rows[0])
			b.latest(table)
			insert(t, b.db, table, rows[1])
			bound := begin(t, b.db, engine.TxnOptions{}) // writes under the definition that it began with
			if err := bound.LockRows(ctx, table); err != nil {
				t.Fatal(err)
			}
			if err := alter(t, a.db, table, placed(2*time.Hour, 3)); err != nil {
				t.Fatal(err)
			}
			insert(t, a.db, table, rows[2])
			if _, _, err := bound.Insert(ctx, table, batchOf(rows[3]), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
			if err := bound.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			want := counts(rows...)
			for step := range 4 {
				for _, n := range []*node{a, b} {
					sameRows(t, fmt.Sprintf("node %s, step %d", n.name, step), n.latest(table), want)
				}
				switch step {
				case 0: // each deletes what lies in the other's generation
					for i, n := range []*node{a, b} {
						tx := begin(t, n.db, engine.TxnOptions{})
						change(t, tx, table, []row{rows[i+1]}, []row{{rows[i+1].k, rows[i+1].ts, 10 + int64(i)}})
						if err := tx.Commit(ctx); err != nil {
							t.Fatal(err)
						}
						delete(want, rows[i+1])
						want[row{rows[i+1].k, rows[i+1].ts, 10 + int64(i)}]++
					}
				case 1:
					checkpoint(t, b.db)
					checkpoint(t, a.db)
				case 2:
					vacuum(t, a.db, table, true)
					vacuum(t, b.db, table, true)
				}
			}
			parts := map[int]bool{}
			for key := range chunksOf(t, a.db, table) {
				g, _ := schema.SplitPartitionKey(key)
				parts[g] = true
			}
			if len(parts) != 2 {
				t.Errorf("rows are in generations %v", parts)
			}
			a.close()
			b.close()
			c := newNode(t, shared, "c", quiet)
			sameRows(t, "a node that starts later", c.latest(table), want)
			c.close()
		})
	}
}

// TestClusterPlacementLookup has a transaction build on a row that it looked up, which
// another one puts into a generation that it did not look in.
func TestClusterPlacementLookup(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "state", true, schema.DuplicateReplace)
	k := row{"k", 1, 1}
	insert(t, a.db, table, k)
	b.latest(table)
	first := begin(t, b.db, engine.TxnOptions{})
	defer first.Rollback()
	if _, at, err := first.Lookup(ctx, table, keyBatch(k)); err != nil || at[0] < 0 {
		t.Fatal(at, err)
	}
	if err := alter(t, a.db, table, placed(2*time.Hour, 3)); err != nil {
		t.Fatal(err)
	}
	b.latest(table)
	insert(t, b.db, table, row{"k", 1, 100})
	_, _, err := first.Insert(ctx, table, batchOf(row{"k", 1, 2}), chunk.InsertReplace)
	if err == nil {
		err = first.Commit(ctx)
	}
	if codeOf(err) != pgerr.SerializationFailure {
		t.Errorf("a row that was replaced since: %v", err)
	}
	for _, n := range []*node{a, b} {
		sameRows(t, "node "+n.name, n.latest(table), counts(row{"k", 1, 100}))
		n.close()
	}
	shared.Close()
}

// TestClusterPlacementStaged has a transaction write one key to several chunks before, and to
// one after another node has changed where rows go: the last one is the one that is there.
func TestClusterPlacementStaged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "state", true, schema.DuplicateReplace)
	b.latest(table)
	tx := begin(t, b.db, engine.TxnOptions{})
	defer tx.Rollback()
	write := func(v int64) {
		t.Helper()
		_, _, err := tx.Insert(ctx, table, batchOf(row{"k", 1, v}), chunk.InsertReplace)
		if err == nil {
			err = tx.StageNow(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for v := range int64(3) {
		write(v)
	}
	if err := alter(t, a.db, table, placed(2*time.Hour, 3)); err != nil {
		t.Fatal(err)
	}
	b.latest(table)
	if err := tx.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	write(3)
	found, at, err := tx.Lookup(ctx, table, keyBatch(row{"k", 1, 0}))
	if err != nil || at[0] < 0 {
		t.Fatal(at, err)
	}
	if v := found.Column(2).ValueStr(int(at[0])); v != "3" {
		t.Errorf("a look-up finds %s", v)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{a, b} {
		sameRows(t, "node "+n.name, n.latest(table), counts(row{"k", 1, 3}))
	}
	for _, n := range []*node{a, b} {
		n.close()
	}
	shared.Close()
}
