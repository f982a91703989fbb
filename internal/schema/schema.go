// Package schema holds the definitions of a database's objects: what the
// catalogue log stores and the engine, the ingest path and the query engine
// share. Definitions are immutable once published: to change one, clone it.
package schema

import (
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
)

// FirstUserOID is the first OID that the catalogue log gives to a user's object.
const FirstUserOID datum.OID = 16384

// OIDs of the namespaces that every database has, as in PostgreSQL (and one of ours).
const (
	PGCatalogOID     datum.OID = 11
	PublicOID        datum.OID = 2200
	InformationOID   datum.OID = 13000
	PhylloCatalogOID datum.OID = 13001
)

// A ColumnID names a column for ever; it is never reused within its table.
type ColumnID uint32

// Hidden columns, which no definition has.
const (
	// RowVersionColumn is the column of keyed tables that orders versions of a row.
	RowVersionColumn ColumnID = 1<<31 - 1
	// RowDeletedColumn says which rows are marks: they tell that a row like them is gone.
	RowDeletedColumn ColumnID = 1<<31 - 2
)

// Hidden says whether a column is one of those that no definition has.
func (id ColumnID) Hidden() bool { return id == RowVersionColumn || id == RowDeletedColumn }

// A Column is one column of a table.
type Column struct {
	ID      ColumnID
	Name    string
	Type    datum.Type
	NotNull bool
	Default string // SQL expression, empty for none
	// Missing is the value, in the type's text form, that rows written before
	// the column was added read as; nil is NULL.
	Missing *string
	Comment string
}

// PartitionKind says how rows are spread over partitions.
type PartitionKind uint8

const (
	PartitionNone PartitionKind = iota // one partition
	PartitionHash                      // Partitions many, by hash of Columns
	PartitionList                      // one for each value of the Exprs
)

// OnDuplicate says what a second row with the same primary key does.
type OnDuplicate uint8

const (
	DuplicateError   OnDuplicate = iota // 23505
	DuplicateReplace                    // the newest row wins
	DuplicateIgnore                     // the first row stays
)

// A Table is the definition of a table. Columns stand in attnum order (attnum
// is the index plus one); a dropped column keeps its place with Dropped names.
type Table struct {
	OID       datum.OID
	Namespace datum.OID
	Name      string
	Owner     string
	Columns   []Column

	PrimaryKey     []ColumnID // in key order; empty: rows are events, all kept
	PrimaryKeyName string
	PrimaryKeyOID  datum.OID // of the constraint; the index has IndexOID
	IndexOID       datum.OID
	RowTypeOID     datum.OID
	ArrayTypeOID   datum.OID

	// Storage names the rows: TRUNCATE gives the table a new one, as PostgreSQL
	// gives it a new file node.
	Storage datum.OID

	PartitionKind    PartitionKind
	PartitionColumns []ColumnID // columns that the partition key uses
	PartitionExprs   []string   // SQL of LIST expressions
	Partitions       int        // of HASH

	TimeColumn  ColumnID      // 0: none, one slice
	Slice       time.Duration // length of a slice; 0: one slice
	Retention   time.Duration // 0: for ever
	OnDuplicate OnDuplicate

	// Version is the catalogue sequence number of the last change.
	Version uint64
	Comment string
}

// A View is a stored query.
type View struct {
	OID        datum.OID
	Namespace  datum.OID
	Name       string
	Owner      string
	Columns    []Column
	SQL        string
	RowTypeOID datum.OID
	Comment    string
}

// A Namespace is a SQL schema.
type Namespace struct {
	OID   datum.OID
	Name  string
	Owner string
}

// A Role owns objects. Any user name that connects becomes one when it first
// creates an object or is configured.
type Role struct {
	OID       datum.OID
	Name      string
	Superuser bool
}

// A Catalog is the state of one database's objects at one sequence number of
// the catalogue log. It is immutable and safe for concurrent use.
type Catalog struct {
	Database    string
	DatabaseOID datum.OID
	Seq         uint64 // sequence number of the last catalogue record folded in
	NextOID     datum.OID
	Namespaces  map[datum.OID]*Namespace
	Tables      map[datum.OID]*Table
	Views       map[datum.OID]*View
	Roles       map[string]*Role
}

// Column returns the column with the given ID, or nil.
func (t *Table) Column(id ColumnID) *Column {
	for i := range t.Columns {
		if t.Columns[i].ID == id {
			return &t.Columns[i]
		}
	}
	return nil
}

// Live returns the columns that were not dropped, in definition order.
func (t *Table) Live() []Column {
	out := make([]Column, 0, len(t.Columns))
	for _, c := range t.Columns {
		if c.Type.OID != 0 {
			out = append(out, c)
		}
	}
	return out
}

// Keyed says whether rows are unique by a primary key.
func (t *Table) Keyed() bool { return len(t.PrimaryKey) > 0 }

// SortKey returns the columns that order the rows of a chunk: the primary key,
// else the partition columns and then the time column.
func (t *Table) SortKey() []ColumnID {
	if t.Keyed() {
		return t.PrimaryKey
	}
	key := append([]ColumnID(nil), t.PartitionColumns...)
	for _, id := range key {
		if id == t.TimeColumn {
			return key
		}
	}
	if t.TimeColumn != 0 {
		key = append(key, t.TimeColumn)
	}
	return key
}
