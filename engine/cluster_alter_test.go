package engine_test

import (
	"context"
	"slices"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
)

// alter changes a table's definition in a transaction of its own.
func alter(t *testing.T, db *engine.DB, table datum.OID, change func(def *schema.Table)) error {
	t.Helper()
	ctx := context.Background()
	tx := begin(t, db, engine.TxnOptions{})
	defer tx.Rollback()
	def := *tx.Catalog().Tables[table]
	def.Columns = slices.Clone(def.Columns)
	change(&def)
	if err := tx.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func addExtra(value string) func(*schema.Table) {
	return func(def *schema.Table) {
		def.Columns = append(def.Columns, schema.Column{ID: 4, Name: "extra", Type: datum.Of(datum.Int8), Missing: &value})
	}
}

func dropValue(def *schema.Table) {
	def.Columns[2] = schema.Column{ID: 3, Name: "dropped"}
}

// TestClusterAlter changes columns on one node while both have rows in buffers, and
// the other a transaction that began before.
func TestClusterAlter(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"events": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, name, keyed, schema.DuplicateReplace)
			rows := []row{{"a", 1, 1}, {"b", 2, 2}, {"c", 3, 3}, {"late", 5 * hour, 4}}
			insert(t, a.db, table, rows[0])
			b.latest(table)
			insert(t, b.db, table, rows[1])
			open := begin(t, b.db, engine.TxnOptions{})
			if _, _, err := open.Insert(context.Background(), table, batchOf(rows[3]), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
			if err := alter(t, a.db, table, addExtra("7")); err != nil {
				t.Fatal(err)
			}
			if err := open.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			checkpoint(t, b.db)
			seven := chunk.ScanSpec{Columns: []schema.ColumnID{1, 2, 3}, Filter: []chunk.Predicate{{Column: 4, Op: chunk.OpEQ, Values: []datum.Value{int64(7)}}}}
			want := counts(rows[0], rows[1], rows[3])
			for _, n := range []*node{a, b} {
				sameRows(t, "latest on "+n.name, n.latest(table), want)
				sameRows(t, "with the new column on "+n.name, n.readSpec(table, seven), want)
			}
			if err := alter(t, b.db, table, dropValue); err != nil {
				t.Fatal(err)
			}
			short := map[row]int{}
			for r, n := range want {
				r.v = 0
				short[r] += n
			}
			seven.Columns = []schema.ColumnID{1, 2}
			for range 2 {
				for _, n := range []*node{a, b} {
					sameRows(t, "without a column on "+n.name, n.readSpec(table, seven), short)
				}
				checkpoint(t, a.db)
			}
			positive := schema.Check{OID: 99, Name: "positive", Expr: "v > 0", Columns: []schema.ColumnID{3}, NotValid: true}
			if err := alter(t, a.db, table, func(def *schema.Table) { def.Checks = []schema.Check{positive} }); codeOf(err) != pgerr.FeatureNotSupported {
				t.Errorf("CHECK while others write: %v", err)
			}
			b.close()
			for range 2 { // NOT VALID, then valid
				until(t, "a CHECK is added on the only node", func() bool {
					return alter(t, a.db, table, func(def *schema.Table) { def.Checks = []schema.Check{positive} }) == nil
				})
				positive.NotValid = false
			}
			a.close()
		})
	}
}

// readSpec reads columns of a table as of now.
func (n *node) readSpec(table datum.OID, spec chunk.ScanSpec) map[row]int {
	n.t.Helper()
	ctx := reading.With(context.Background(), reading.Options{Latest: true})
	tx, err := n.db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		n.t.Fatalf("node %s: begin: %v", n.name, err)
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		n.t.Fatalf("node %s: snapshot: %v", n.name, err)
	}
	got, err := readSpec(tx, table, spec)
	if err != nil {
		n.t.Fatalf("node %s: %v", n.name, err)
	}
	return got
}
