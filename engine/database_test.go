package engine_test

import (
	"testing"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestClusterDatabaseGone drops a database on one node that a session of another is connected to:
// its next statement hears of it, whether its transaction has begun before or not.
func TestClusterDatabaseGone(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	defer a.close()
	defer b.close()
	apply := func(changes ...schema.Change) {
		t.Helper()
		tx := begin(t, a.db, engine.TxnOptions{})
		defer tx.Rollback()
		for _, c := range changes {
			if err := tx.Apply(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tx := begin(t, a.db, engine.TxnOptions{})
	oid, err := tx.TakeOIDs(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	public := &schema.Namespace{OID: oid + 1, Name: "public", Database: oid}
	apply(schema.Change{PutDatabase: &schema.Database{OID: oid, Name: "x", Public: public.OID}}, schema.Change{PutNamespace: public})
	open := begin(t, b.db, engine.TxnOptions{})
	defer open.Rollback()
	if err := open.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	in, err := b.db.Begin(t.Context(), engine.TxnOptions{Database: oid})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Rollback()
	if err := in.Snapshot(t.Context()); err != nil || in.Catalog().Namespaces[public.OID] == nil {
		t.Fatalf("the database: %v, %v", err, in.Catalog().Namespaces)
	}
	if c := open.Catalog(); c.Namespaces[public.OID] != nil || c.DatabaseNamed("x") == nil {
		t.Errorf("the first database shows %v and knows of %v", c.Namespaces, c.Databases)
	}
	apply(schema.Change{DropNamespace: public.OID}, schema.Change{DropDatabase: oid})
	if err := in.Snapshot(t.Context()); pgerr.Code(err) != pgerr.InvalidCatalogName {
		t.Errorf("a transaction in it goes on: %v", err)
	}
	if _, err := b.db.Begin(t.Context(), engine.TxnOptions{Database: oid}); pgerr.Code(err) != pgerr.InvalidCatalogName {
		t.Errorf("a transaction in it begins: %v", err)
	}
}
