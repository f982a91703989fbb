package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

// ignoreRetention makes sameDefinition not look at the retention: while a table is
// being copied it has none, so that rows that are too old to insert, and still
// there in the source, can be copied.
const ignoreRetention = true

// portable returns what of a definition is the same in every store.
func portable(t *schema.Table, ignore ...bool) schema.Table {
	p := *t
	p.OID, p.Namespace, p.Owner, p.PrimaryKeyOID, p.IndexOID, p.Storage, p.Version = 0, 0, "", 0, 0, 0, 0
	p.Comment, p.PrimaryKeyName, p.HistoryFrom = "", "", 0
	p.Placements, p.Generation, p.Gone, p.NullsRefused = nil, 0, nil, nil
	p.Columns = slices.Clone(t.Columns)
	for i := range p.Columns {
		p.Columns[i].Comment = ""
	}
	if len(ignore) > 0 {
		p.Retention = 0
	}
	p.Checks = slices.Clone(t.Checks)
	for i := range p.Checks {
		p.Checks[i].OID, p.Checks[i].Comment = 0, ""
	}
	p.Indexes, p.ForeignKeys = nil, nil // which are declared only
	// Lists that are empty and those that are missing are the same.
	for _, ids := range []*[]schema.ColumnID{&p.PrimaryKey, &p.PartitionColumns} {
		if len(*ids) == 0 {
			*ids = nil
		}
	}
	if len(p.PartitionExprs) == 0 {
		p.PartitionExprs = nil
	}
	return p
}

func definitionText(t *schema.Table, ignore ...bool) string {
	text, err := json.Marshal(portable(t, ignore...))
	if err != nil {
		panic(fmt.Sprintf("copy: bug: a definition cannot be written: %v", err))
	}
	return string(text)
}

func sameDefinition(a, b *schema.Table, ignore ...bool) bool {
	return definitionText(a, ignore...) == definitionText(b, ignore...)
}

// difference says in which way two definitions differ.
func difference(a, b *schema.Table) string {
	switch {
	case len(a.Columns) != len(b.Columns):
		return fmt.Sprintf("%s in place of %d", plural(int64(len(b.Columns)), "column"), len(a.Columns))
	case !slices.Equal(a.PrimaryKey, b.PrimaryKey):
		return "its primary key"
	case a.PartitionKind != b.PartitionKind || a.Partitions != b.Partitions || !slices.Equal(a.PartitionColumns, b.PartitionColumns) || !slices.Equal(a.PartitionExprs, b.PartitionExprs):
		return "its partitions"
	case a.TimeColumn != b.TimeColumn || a.Slice != b.Slice:
		return "its time column or slices"
	case a.OnDuplicate != b.OnDuplicate:
		return "on_duplicate"
	}
	for i := range a.Columns {
		x, y := a.Columns[i], b.Columns[i]
		x.Comment, y.Comment = "", ""
		if x.Missing == nil && y.Missing == nil && x != y {
			return fmt.Sprintf("column %s %v in place of %s %v, or its default or NOT NULL", y.Name, y.Type, x.Name, x.Type)
		}
	}
	return "its retention or a column's default"
}

// fingerprint names the content of a table as its chunks make it, and thereby the
// order of its scan; empty while not all rows are in chunks.
func fingerprint(ctx context.Context, tx *engine.Txn, def *schema.Table) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "phyllo copy 1\n%s\n", definitionText(def))
	partitions, err := tx.Partitions(ctx, def.OID)
	if err != nil {
		return "", err
	}
	for _, p := range partitions {
		if p.BufferedRows != 0 {
			return "", nil
		}
		fmt.Fprintf(h, "%x\n", p.ID.Key)
		if p.Entries == nil {
			continue
		}
		for e, err := range p.Entries(ctx) {
			if err != nil {
				return "", err
			}
			h.Write(e.ID[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// create makes the table in the destination, without retention.
func (t *tableCopy) create(ctx context.Context, tx *engine.Txn) error {
	ns, err := namespaceOID(ctx, tx, t.namespace, t.def.Owner)
	if err != nil {
		return err
	}
	if err := ensureOwner(ctx, tx, t.def.Owner); err != nil {
		return err
	}
	const own = 3
	first, err := tx.TakeOIDs(ctx, own+len(t.def.Checks))
	if err != nil {
		return err
	}
	def := *t.def
	def.Indexes, def.ForeignKeys, def.Checks = nil, nil, slices.Clone(def.Checks)
	for i := range def.Checks {
		def.Checks[i].OID = first + own + datum.OID(i)
	}
	def.OID, def.PrimaryKeyOID, def.IndexOID = first, 0, 0
	if def.Keyed() {
		def.PrimaryKeyOID, def.IndexOID = first+1, first+2
	}
	def.Namespace, def.Storage, def.Version, def.Retention = ns, 0, 0, 0
	def.Placements, def.Generation, def.Gone, def.NullsRefused = nil, 0, nil, nil // of rows that are not copied as they lie
	t.target = &def
	return tx.Apply(ctx, schema.Change{PutTable: &def})
}

// sequenceOf returns a sequence that a table takes values from, nil if there is none.
func sequenceOf(c *schema.Catalog, t *schema.Table) *schema.Sequence {
	for _, col := range t.Live() {
		if q := c.SequenceOf(t.OID, col.ID); q != nil {
			return q
		}
		for _, oid := range function.StoredRelations(col.Default) {
			if q := c.Sequences[oid]; q != nil {
				return q
			}
		}
	}
	return nil
}

// namespaceOID finds a schema, or makes it.
func namespaceOID(ctx context.Context, tx *engine.Txn, name, owner string) (datum.OID, error) {
	for oid, n := range tx.Catalog().Namespaces {
		if n.Name == name {
			return oid, nil
		}
	}
	oid, err := tx.TakeOIDs(ctx, 1)
	if err != nil {
		return 0, err
	}
	return oid, tx.Apply(ctx, schema.Change{PutNamespace: &schema.Namespace{OID: oid, Name: name, Owner: owner}})
}

// ensureOwner makes the role that owns a table, as the first CREATE TABLE of a
// user does.
func ensureOwner(ctx context.Context, tx *engine.Txn, name string) error {
	if tx.Catalog().Roles[name] != nil {
		return nil
	}
	oid, err := tx.TakeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	return tx.Apply(ctx, schema.Change{PutRole: &schema.Role{OID: oid, Name: name, Superuser: true}})
}

// setRetention gives the table a retention, in a transaction that has not written
// to it.
func setRetention(ctx context.Context, tx *engine.Txn, namespace, name string, like *schema.Table) error {
	now := findTable(tx.Catalog(), namespace, name)
	if now == nil {
		return fmt.Errorf("the table is gone")
	}
	if now.Retention == like.Retention {
		return nil
	}
	next := *now
	next.Retention = like.Retention
	return tx.Apply(ctx, schema.Change{PutTable: &next})
}
