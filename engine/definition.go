package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// catalogueLock is the name under which transactions that change the catalogue
// exclude each other.
const catalogueLock datum.OID = 0

// Define gets a transaction ready to change the catalogue: one at a time does,
// from its first change to its end, on top of the newest catalogue.
func (t *Txn) Define(ctx context.Context) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, err := t.owner.Lock(ctx, lock.Table(catalogueLock), lock.Define); err != nil {
		return err
	}
	if err := t.claim(ctx, catalogueLock); err != nil {
		return err
	}
	return t.redefine()
}

// redefine gives the snapshot the newest definitions. They move on also under one whose
// rows are fixed, as they do in PostgreSQL.
func (t *Txn) redefine() error {
	s := t.db.current.Load()
	if s.catalog.Seq == t.snap.catalog.Seq {
		return nil
	}
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
	if t.undecided() {
		return errSilent(errUndecided)
	}
	if t.opt.ReadOnly {
		return pgerr.New(pgerr.ReadOnlyTransaction, "cannot write in a read-only transaction")
	}
	return nil
}

// TakeOIDs reserves n OIDs and returns the first.
func (t *Txn) TakeOIDs(ctx context.Context, n int) (datum.OID, error) {
	if err := t.Define(ctx); err != nil {
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
	if err := t.Define(ctx); err != nil {
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
		if _, err := t.owner.Lock(ctx, lock.Table(c.DropTable), lock.Define); err != nil {
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
		for _, k := range c.PutTable.ForeignKeys {
			if k.RefTable != c.PutTable.OID && t.catalog.Tables[k.RefTable] == nil {
				return pgerr.New(pgerr.UndefinedTable, "the table that foreign key %q refers to does not exist any more", k.Name)
			}
		}
		if err := t.checkTypes(c.PutTable.Columns); err != nil {
			return err
		}
		if err := t.checkRows(c.PutTable); err != nil {
			return err
		}
		return t.checkRelation(there, c.PutTable.OID, c.PutTable.Namespace, c.PutTable.Name)
	case c.PutView != nil:
		_, there := t.catalog.Views[c.PutView.OID]
		if err := t.checkTypes(c.PutView.Columns); err != nil {
			return err
		}
		return t.checkRelation(there, c.PutView.OID, c.PutView.Namespace, c.PutView.Name)
	case c.PutSequence != nil:
		old := t.catalog.Sequences[c.PutSequence.OID]
		if old != nil && old.Version != c.PutSequence.Version {
			return pgerr.New(pgerr.SerializationFailure, "the definition of sequence %q was changed by another transaction", old.Name).WithHint("Try again.")
		}
		return t.checkRelation(old != nil, c.PutSequence.OID, c.PutSequence.Namespace, c.PutSequence.Name)
	case c.PutType != nil:
		return t.checkType(c.PutType)
	case c.DropType != 0 && t.catalog.Types[c.DropType] == nil:
		return pgerr.New(pgerr.UndefinedObject, "the type does not exist any more").WithDetail("Another transaction dropped it.")
	case c.DropTable != 0 && t.catalog.Tables[c.DropTable] == nil, c.DropView != 0 && t.catalog.Views[c.DropView] == nil,
		c.DropSequence != 0 && t.catalog.Sequences[c.DropSequence] == nil:
		return pgerr.New(pgerr.UndefinedTable, "the relation does not exist any more").WithDetail("Another transaction dropped it.")
	case c.DropTable != 0:
		for _, o := range t.catalog.Tables {
			for _, k := range o.ForeignKeys {
				if k.RefTable == c.DropTable && o.OID != c.DropTable {
					return pgerr.New(pgerr.DependentObjects, "cannot drop the table: foreign key %q of table %q refers to it", k.Name, o.Name)
				}
			}
		}
	case c.PutNamespace != nil:
		for _, n := range t.catalog.Namespaces {
			if n.OID != c.PutNamespace.OID && n.Name == c.PutNamespace.Name && n.Database == c.PutNamespace.Database {
				return pgerr.New(pgerr.DuplicateSchema, "schema %q already exists", n.Name)
			}
		}
	case c.DropNamespace != 0:
		return t.checkDropNamespace(c.DropNamespace)
	case c.PutDatabase != nil:
		if d := t.catalog.DatabaseNamed(c.PutDatabase.Name); d != nil && d.OID != c.PutDatabase.OID {
			return pgerr.New(pgerr.DuplicateDatabase, "database %q already exists", d.Name)
		}
	case c.DropDatabase != 0:
		return t.checkDropDatabase(c.DropDatabase)
	case c.PutRole != nil:
		if old := t.catalog.Roles[c.PutRole.Name]; old != nil && old.OID != c.PutRole.OID {
			return pgerr.New(pgerr.DuplicateObject, "role %q already exists", old.Name)
		}
	}
	return nil
}

// checkTypes refuses columns of types that are gone.
func (t *Txn) checkTypes(columns []schema.Column) error {
	for i := range columns {
		if c := &columns[i]; !t.hasType(c.Type.Declared()) {
			return pgerr.New(pgerr.UndefinedObject, "the type of column %q does not exist any more", c.Name).WithDetail("Another transaction dropped it.")
		}
	}
	return nil
}

// hasType says whether there is a type, for those that users have defined.
func (t *Txn) hasType(oid datum.OID) bool {
	if oid.Class() == datum.NotUserClass {
		return true
	}
	_, _, ok := t.catalog.FindType(oid)
	return ok
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
	if o := t.catalog.RelationNamed(namespace, name); o != 0 && o != oid {
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", name)
	}
	return nil
}

// checkType refuses a type that another transaction has changed or dropped, and a second one of its name.
func (t *Txn) checkType(def *schema.Type) error {
	old := t.catalog.Types[def.OID]
	switch {
	case old == nil && def.OID.Object() < t.snap.catalog.NextOID:
		return pgerr.New(pgerr.UndefinedObject, "type %q does not exist", def.Name).WithDetail("Another transaction dropped it.")
	case old != nil && old.Version != def.Version:
		return pgerr.New(pgerr.SerializationFailure, "the definition of type %q was changed by another transaction", old.Name).WithHint("Try again.")
	case t.catalog.Namespaces[def.Namespace] == nil:
		return pgerr.New(pgerr.InvalidSchemaName, "the schema of type %q does not exist", def.Name).WithDetail("Another transaction dropped it.")
	case !t.hasType(def.Base.Declared()):
		return pgerr.New(pgerr.UndefinedObject, "the type that domain %q is over does not exist any more", def.Name).WithDetail("Another transaction dropped it.")
	}
	if old != nil && t.db.cluster != nil && len(t.db.cluster.members.alive()) > 0 && old.AsksLessThan(def) {
		return pgerr.Unsupported("adding a constraint to a domain whose values other nodes may write is not supported").
			WithHint("Do it while this is the only node that runs, or make a new domain.")
	}
	if old != nil && !schema.SameAttributes(old.Attributes, def.Attributes) {
		if in, c := t.catalog.StoredRows(def.OID); in != nil {
			return pgerr.Unsupported("cannot alter type %q because column \"%s.%s\" uses it", def.Name, in.Name, c.Name).WithHint(rowsStored)
		}
	}
	if o := t.catalog.TypeNamed(def.Namespace, def.Name); o != 0 && o != def.OID {
		return pgerr.New(pgerr.DuplicateObject, "type %q already exists", def.Name)
	}
	return nil
}

// checkDropDatabase refuses to drop a database in which another transaction has made a schema.
func (t *Txn) checkDropDatabase(oid datum.OID) error {
	d := t.catalog.Databases[oid]
	if d == nil {
		return pgerr.New(pgerr.InvalidCatalogName, "the database does not exist any more").WithDetail("Another session dropped it.")
	}
	for _, n := range t.catalog.Namespaces {
		if n.Database == oid {
			return pgerr.New(pgerr.ObjectInUse, "database %q is being accessed by other users", d.Name).WithDetail("Schema %q was made meanwhile.", n.Name)
		}
	}
	return nil
}

// rowsStored is the hint for changes of the rows of a composite type that chunks and buffers have.
const rowsStored = "Rows that are stored keep their fields. Make another type, and a column of it with the values cast to it."

// checkRows refuses a table that has rows of itself as values, and one whose rows, which other
// tables have as values, would change.
func (t *Txn) checkRows(def *schema.Table) error {
	for _, c := range def.Columns {
		oid := c.Type.OID
		if oid.IsUserArray() {
			elem, _ := c.Type.Elem()
			oid = elem.OID
		}
		if oid.Class() != datum.CompositeClass {
			continue
		}
		if t.catalog.Holds(c.Type, def.RowType()) {
			return pgerr.New(pgerr.InvalidTableDefinition, "composite type %s cannot be made a member of itself", def.Name)
		}
	}
	old := t.catalog.Tables[def.OID]
	if old == nil || old.SameRows(def) {
		return nil
	}
	if in, c := t.catalog.StoredRows(def.RowType()); in != nil {
		return pgerr.Unsupported("cannot alter table %q because column \"%s.%s\" uses its row type", def.Name, in.Name, c.Name).WithHint(rowsStored)
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
	for _, o := range t.catalog.Sequences {
		used = used || o.Namespace == oid
	}
	for _, o := range t.catalog.Types {
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
	def.NullsRefused = nil // the catalogue is ours: who set that has gone, or are we
	if def.Storage == 0 {
		def.Storage = def.OID
	}
	old := t.catalog.Tables[def.OID]
	t.db.keepHistory(&def, old)
	if old != nil {
		if old.Version != def.Version {
			return pgerr.New(pgerr.SerializationFailure, "the definition of table %q was changed by another transaction", def.Name).
				WithHint("Try again.")
		}
		if old.Storage == def.Storage {
			if !readable(old, &def) {
				return pgerr.Unsupported("changing the key, the partitioning or types of columns of table %q in this way is not supported", def.Name)
			}
			if err := t.place(old, &def); err != nil {
				return err
			}
		}
		if err := t.refuseNulls(ctx, old, stricter(old, &def)); err != nil {
			return err
		}
		if name := newRule(old, &def); name != "" && t.db.cluster != nil && len(t.db.cluster.members.alive()) > 0 {
			return pgerr.Unsupported("adding %s to a table that other nodes may write to is not supported", name).
				WithHint("Do it while this is the only node that runs, or make a new table.")
		}
		if _, err := t.owner.Lock(ctx, lock.Table(def.OID), lock.Define); err != nil {
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

// newRule returns what a table's new definition asks of each row and the old one did not: a
// constraint, a generated column, or another primary key, for which the rows are written anew; empty if there is nothing. Nodes that have the old
// definition do not know of it.
func newRule(old, next *schema.Table) string {
	for _, c := range next.Checks {
		i := slices.IndexFunc(old.Checks, func(o schema.Check) bool { return o.OID == c.OID })
		if i < 0 || old.Checks[i].NotValid && !c.NotValid { // rows of others may have been on their way
			return fmt.Sprintf("constraint %q", c.Name)
		}
	}
	for _, c := range next.Columns {
		if was := old.Column(c.ID); c.Generated != "" && (was == nil || was.Generated == "") {
			return fmt.Sprintf("generated column %q", c.Name)
		}
	}
	if !slices.Equal(old.PrimaryKey, next.PrimaryKey) {
		return "or dropping a primary key"
	}
	return ""
}

// relayout gives what the transaction has added to a table the columns of its new
// definition.
func (t *Txn) relayout(in *tableInfo) error {
	for id, p := range t.work.parts {
		if id.Table != in.def.Storage {
			continue
		}
		next, err := p.conformed(t.db.mem, in.of(id.Key))
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
	if err := t.Define(ctx); err != nil {
		return err
	}
	if _, err := t.owner.Lock(ctx, lock.Table(table), lock.Define); err != nil {
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
	next.Storage, next.Placements, next.Generation, next.Gone, next.NullsRefused = storage, nil, 0, nil, nil
	if next.History > 0 {
		next.HistoryFrom = schema.FromCommit
	}
	return t.change(schema.Change{PutTable: &next})
}

// changed says whether the transaction changed the table's definition.
func (t *Txn) changed(table datum.OID) bool {
	return slices.ContainsFunc(t.work.changes, func(c schema.Change) bool { return c.PutTable != nil && c.PutTable.OID == table })
}
