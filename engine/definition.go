package engine

import (
	"context"
	"slices"

	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// catalogueLock is the name under which transactions that change the catalogue
// exclude each other.
const catalogueLock datum.OID = 0

// define gets a transaction ready to change the catalogue: one at a time does,
// from its first change to its end, on top of the newest catalogue.
func (t *Txn) define(ctx context.Context) error {
	if err := t.writable(); err != nil {
		return err
	}
	if err := t.owner.Table(ctx, catalogueLock, lock.Exclusive); err != nil {
		return err
	}
	s := t.db.current.Load()
	if s.catalog.Seq == t.snap.catalog.Seq {
		return nil
	}
	// Definitions move on also under a fixed snapshot of the rows, as they do in
	// PostgreSQL.
	c := *t.snap
	c.catalog, c.tables = s.catalog, s.tables
	t.snap = &c
	return t.rebase()
}

func (t *Txn) writable() error {
	if t.done {
		return errTxnDone
	}
	if t.opt.ReadOnly {
		return pgerr.New(pgerr.ReadOnlyTransaction, "cannot write in a read-only transaction")
	}
	return nil
}

// TakeOIDs reserves n OIDs and returns the first.
func (t *Txn) TakeOIDs(ctx context.Context, n int) (datum.OID, error) {
	if err := t.define(ctx); err != nil {
		return 0, err
	}
	first := t.catalog.NextOID
	return first, t.change(schema.Change{TakeOIDs: n})
}

// Apply makes a change of the catalogue, visible to this transaction at once
// and to others at Commit. Tables that it replaces or drops are locked.
func (t *Txn) Apply(ctx context.Context, c schema.Change) error {
	if err := t.define(ctx); err != nil {
		return err
	}
	switch {
	case c.PutTable != nil:
		if err := t.checkPut(ctx, &c); err != nil {
			return err
		}
	case c.PutView != nil:
		if err := t.checkName(c.PutView.OID, c.PutView.Namespace, c.PutView.Name); err != nil {
			return err
		}
	case c.DropTable != 0:
		if err := t.owner.Table(ctx, c.DropTable, lock.Exclusive); err != nil {
			return err
		}
	}
	return t.change(c)
}

func (t *Txn) change(c schema.Change) error {
	next, err := t.catalog.Apply(t.snap.catalog.Seq+1, c)
	if err != nil {
		return pgerr.New(pgerr.UndefinedObject, "%v", err)
	}
	t.catalog = next
	t.work.changes = append(t.work.changes, c)
	return nil
}

// checkPut looks at a table's new definition.
func (t *Txn) checkPut(ctx context.Context, c *schema.Change) error {
	def := *c.PutTable
	c.PutTable = &def
	if err := t.checkName(def.OID, def.Namespace, def.Name); err != nil {
		return err
	}
	if def.Storage == 0 {
		def.Storage = def.OID
	}
	if old := t.catalog.Tables[def.OID]; old != nil {
		if old.Storage == def.Storage && !sameRows(old, &def) {
			return pgerr.Unsupported("changing the columns or the partitioning of table %q is not supported", def.Name)
		}
		if err := t.owner.Table(ctx, def.OID, lock.Exclusive); err != nil {
			return err
		}
	}
	_, err := t.db.newTableInfo(&def) // what cannot be opened is not stored
	return err
}

// checkName refuses a second relation of one name: the caller looked before it
// had the catalogue for itself.
func (t *Txn) checkName(oid, namespace datum.OID, name string) error {
	for _, o := range t.catalog.Tables {
		if o.OID != oid && o.Namespace == namespace && o.Name == name {
			return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", name)
		}
	}
	for _, o := range t.catalog.Views {
		if o.OID != oid && o.Namespace == namespace && o.Name == name {
			return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", name)
		}
	}
	return nil
}

// Truncate empties a table: it gets a new storage, as in PostgreSQL a new file.
func (t *Txn) Truncate(ctx context.Context, table datum.OID) error {
	if err := t.define(ctx); err != nil {
		return err
	}
	if err := t.owner.Table(ctx, table, lock.Exclusive); err != nil {
		return err
	}
	def := t.catalog.Tables[table]
	if def == nil {
		return pgerr.New(pgerr.UndefinedTable, "relation with OID %d does not exist", table)
	}
	storage, err := t.TakeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	next := *def
	next.Storage = storage
	return t.change(schema.Change{PutTable: &next})
}

// changed says whether the transaction changed the table's definition.
func (t *Txn) changed(table datum.OID) bool {
	return slices.ContainsFunc(t.work.changes, func(c schema.Change) bool { return c.PutTable != nil && c.PutTable.OID == table })
}
