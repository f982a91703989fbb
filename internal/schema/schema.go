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
	// FirstPartColumn and those behind it are, in a chunk, parts that were taken out of
	// its documents: the chunk's entry says which.
	FirstPartColumn ColumnID = 1 << 30
	// FirstPathColumn and those behind it are, in a scan, what its documents have at
	// some path: the scan says which.
	FirstPathColumn ColumnID = 1<<30 + 1<<29
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
	// Identity columns have no Default: Catalog.SequenceOf gives them their values.
	Identity Identity `json:",omitempty"`
	// Generated is the SQL expression, over other columns, that a generated column always has
	// as its value; empty for others.
	Generated string `json:",omitempty"`
	Comment   string
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
	// History is for how long earlier states of the rows can be read; 0: not at all.
	// HistoryFrom is the row version from which on they have been kept since History was
	// last set from 0 (0: it never was), or FromCommit until the commit that sets it.
	History     time.Duration
	HistoryFrom int64

	Checks      []Check      `json:",omitempty"`
	Indexes     []Index      `json:",omitempty"` // declared; that of the primary key is not among them
	ForeignKeys []ForeignKey `json:",omitempty"`

	// Placements are, if Slice or Partitions were changed while the table had rows, all
	// that it has had, by generation, of which Generation is the present one; else empty.
	Placements []Placement `json:",omitempty"`
	Generation int         `json:",omitempty"`
	// Gone is before what time all rows were too old when the retention or the placement
	// was last changed in a table with Placements, or a column became NOT NULL, nil for none.
	// Some of them were dropped by then, so that slices that end before it are not looked at
	// any more.
	Gone *datum.Micros `json:",omitempty"`

	// NullsRefused are columns of which it is being found out, in a cluster, whether they can
	// be NOT NULL: rows that come may not have NULL there, those that are there may. One that
	// is not among Columns is to come, and until then no rows may.
	NullsRefused []ColumnID `json:",omitempty"`

	// Materialized is set for a materialized view: the rows are those of a query.
	Materialized *Materialized `json:",omitempty"`

	// Version is the catalogue sequence number of the last change.
	Version uint64
	Comment string
}

// FromCommit stands for the row version of the commit that a table's HistoryFrom comes with.
const FromCommit = -1

// A View is a stored query.
type View struct {
	OID       datum.OID
	Namespace datum.OID
	Name      string
	Owner     string
	Columns   []Column
	SQL       string
	// Options are those of WITH (...), as "name=value", in the order in which they were set.
	Options []string `json:",omitempty"`
	Comment string
}

// A Namespace is a SQL schema.
type Namespace struct {
	OID   datum.OID
	Name  string
	Owner string
	// Temporary: it has the temporary tables of a session of Node, with which it goes.
	Temporary bool   `json:",omitempty"`
	Node      string `json:",omitempty"`
	// Database it lies in, 0: the first one, or all for a schema of the system.
	Database datum.OID `json:",omitempty"`
}

// A Role owns objects. Any user name that connects becomes one when it first
// creates an object or is configured.
type Role struct {
	OID       datum.OID
	Name      string
	Superuser bool
}

// A Catalog is the state of all objects, or of those that one database shows (Catalog.In), at
// one sequence number of the catalogue log. It is immutable and safe for concurrent use.
type Catalog struct {
	// Database and DatabaseOID are those of the database that is shown, and of the first one
	// in the catalogue of all.
	Database    string
	DatabaseOID datum.OID
	Databases   map[datum.OID]*Database `json:",omitempty"` // but the first one
	Seq         uint64                  // sequence number of the last catalogue record folded in
	NextOID     datum.OID
	Namespaces  map[datum.OID]*Namespace
	Tables      map[datum.OID]*Table
	Views       map[datum.OID]*View
	Sequences   map[datum.OID]*Sequence
	Types       map[datum.OID]*Type
	Roles       map[string]*Role

	whole       *Catalog     // of which this is what one database shows
	projections *projections // of the catalogue of all
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

// FillsItself says whether the column has a value other than NULL in rows that give none.
func (c *Column) FillsItself() bool {
	return c.Default != "" || c.Identity != NoIdentity || c.Generated != ""
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

// ByRow says whether a table asks more of each row that goes in than NOT NULL.
func (t *Table) ByRow() bool {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Identity != NoIdentity || c.Generated != "" {
			return true
		}
	}
	return len(t.Checks) > 0
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
