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
	if err := t.claim(ctx, catalogueLock); err != nil {
		return err
	}
	s := t.db.current.Load()
	if s.catalog.Seq == t.snap.catalog.Seq {
		return nil
	}
	// Definitions move on also under a fixed snapshot of the rows, as they do in
	// PostgreSQL.
	c, _, err := t.snap.withCatalog(t.db, s.catalog)
	if err != nil {
		return err
	}
	c.relayout(t.db.mem, t.snap)
	t.snap = c
	return t.rebase()
}

func (t *Txn) writable() error {
	if t.done.Load() {
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
// and to others at Commit. Tables that it replaces or drops are locked. The
// caller made the change of what it saw before it had the catalogue for itself:
// what no longer fits is refused.
func (t *Txn) Apply(ctx context.Context, c schema.Change) error {
	if err := t.define(ctx); err != nil {
		return err
	}
	if err := t.checkChange(&c); err != nil {
		return err
	}
	switch {
	case c.PutTable != nil:
		if err := t.checkPut(ctx, &c); err != nil {
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

// checkChange refuses what does not fit the catalogue as it is now.
func (t *Txn) checkChange(c *schema.Change) error {
	switch {
	case c.PutTable != nil:
		_, there := t.catalog.Tables[c.PutTable.OID]
		return t.checkRelation(there, c.PutTable.OID, c.PutTable.Namespace, c.PutTable.Name)
	case c.PutView != nil:
		_, there := t.catalog.Views[c.PutView.OID]
		return t.checkRelation(there, c.PutView.OID, c.PutView.Namespace, c.PutView.Name)
	case c.DropTable != 0 && t.catalog.Tables[c.DropTable] == nil, c.DropView != 0 && t.catalog.Views[c.DropView] == nil:
		return pgerr.New(pgerr.UndefinedTable, "the relation does not exist any more").WithDetail("Another transaction dropped it.")
	case c.PutNamespace != nil:
		for _, n := range t.catalog.Namespaces {
			if n.OID != c.PutNamespace.OID && n.Name == c.PutNamespace.Name {
				return pgerr.New(pgerr.DuplicateSchema, "schema %q already exists", n.Name)
			}
		}
	case c.DropNamespace != 0:
		return t.checkDropNamespace(c.DropNamespace)
	case c.PutRole != nil:
		if old := t.catalog.Roles[c.PutRole.Name]; old != nil && old.OID != c.PutRole.OID {
			return pgerr.New(pgerr.DuplicateObject, "role %q already exists", old.Name)
		}
	}
	return nil
}

// checkRelation refuses a relation that was dropped meanwhile, a second one of
// its name, and one in a schema that is gone.
func (t *Txn) checkRelation(there bool, oid, namespace datum.OID, name string) error {
	// OIDs of new relations were taken by this transaction.
	if !there && oid < t.snap.catalog.NextOID {
		return pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", name).WithDetail("Another transaction dropped it.")
	}
	if t.catalog.Namespaces[namespace] == nil {
		return pgerr.New(pgerr.InvalidSchemaName, "the schema of relation %q does not exist", name).WithDetail("Another transaction dropped it.")
	}
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

func (t *Txn) checkDropNamespace(oid datum.OID) error {
	n := t.catalog.Namespaces[oid]
	if n == nil {
		return pgerr.New(pgerr.InvalidSchemaName, "the schema does not exist any more").WithDetail("Another transaction dropped it.")
	}
	used := false
	for _, o := range t.catalog.Tables {
		used = used || o.Namespace == oid
	}
	for _, o := range t.catalog.Views {
		used = used || o.Namespace == oid
	}
	if used {
		return pgerr.New(pgerr.DependentObjects, "cannot drop schema %s because other objects depend on it", n.Name)
	}
	return nil
}

// checkPut looks at a table's new definition.
func (t *Txn) checkPut(ctx context.Context, c *schema.Change) error {
	def := *c.PutTable
	c.PutTable = &def
	if def.Storage == 0 {
		def.Storage = def.OID
	}
	if old := t.catalog.Tables[def.OID]; old != nil {
		if old.Version != def.Version {
			return pgerr.New(pgerr.SerializationFailure, "the definition of table %q was changed by another transaction", def.Name).
				WithHint("Try again.")
		}
		if old.Storage == def.Storage && !readable(old, &def) {
			return pgerr.Unsupported("changing the key, the partitioning or types of columns of table %q in this way is not supported", def.Name)
		}
		if name := stricter(old, &def); name != "" && t.db.cluster != nil && len(t.db.cluster.members.alive()) > 0 {
			return pgerr.Unsupported("NOT NULL for column %q of a table that other nodes may write to is not supported", name).
				WithHint("Give the column a default when you add it.")
		}
		if err := t.owner.Table(ctx, def.OID, lock.Exclusive); err != nil {
			return err
		}
	}
	in, err := t.db.newTableInfo(&def) // what cannot be opened is not stored
	if err != nil {
		return err
	}
	if err := in.checkKey(); err != nil {
		return err
	}
	return t.relayout(in)
}

// relayout gives what the transaction has added to a table the columns of its new
// definition.
func (t *Txn) relayout(in *tableInfo) error {
	for id, p := range t.work.parts {
		if id.Table != in.def.Storage {
			continue
		}
		next, err := p.conformed(t.db.mem, in)
		if err != nil {
			return err
		}
		t.work.parts[id] = next
		t.grow(next.bytes() - p.bytes())
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
