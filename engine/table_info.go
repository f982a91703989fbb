package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A tableInfo is a table's definition with what follows from it, for the rows of one of
// its generations (placement.go). It is immutable.
type tableInfo struct {
	def    *schema.Table
	layout *chunk.Layout     // with slices of the generation
	live   []schema.ColumnID // in definition order, without the hidden ones
	types  []datum.Type      // of the live columns
	schema *arrow.Schema     // of the live columns
	key    []int             // places of the primary key's columns
	hash   []int             // places of the columns of HASH
	router Router            // of LIST
	timeAt int               // place of the time column, -1: none
	// retention is after what time slices are dropped; 0: never.
	retention time.Duration
	// history is for how long earlier states can be read; 0: not at all.
	history time.Duration

	generation  int
	buckets     int           // of HASH
	generations []*tableInfo  // the table for each of its generations; nil if it has one
	frame       time.Duration // into which the slices of all generations fit without a rest
}

func (db *DB) newTableInfo(def *schema.Table) (*tableInfo, error) {
	l, err := chunk.NewLayout(def)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", def.Name, err)
	}
	in := &tableInfo{def: def, layout: l, timeAt: -1, retention: def.Retention, history: def.History, buckets: def.Partitions, frame: def.Slice}
	if db.opt.KeepOutdated {
		in.retention = 0
	}
	if def.TimeColumn != 0 {
		in.timeAt = l.Index(def.TimeColumn)
	}
	for _, c := range l.Columns {
		if !c.ID.Hidden() {
			in.live, in.types = append(in.live, c.ID), append(in.types, c.Type)
		}
	}
	if in.schema, err = l.Schema(in.live); err != nil {
		return nil, err
	}
	for _, id := range def.PrimaryKey {
		in.key = append(in.key, l.Index(id))
	}
	switch def.PartitionKind {
	case schema.PartitionHash:
		for _, id := range def.PartitionColumns {
			in.hash = append(in.hash, l.Index(id))
		}
	case schema.PartitionList:
		if db.opt.Router == nil {
			return nil, pgerr.Unsupported("table %s: PARTITION BY LIST is not supported here", def.Name)
		}
		if in.router, err = db.opt.Router(def); err != nil {
			return nil, err
		}
	}
	if len(def.Placements) == 0 {
		return in, nil
	}
	return in.placed(def.Placements, def.Generation), nil
}

func (in *tableInfo) keyed() bool { return len(in.key) > 0 }

// versioned says whether rows have versions.
func (in *tableInfo) versioned() bool { return in.keyed() || in.history > 0 }

// versions says whether a run in memory may have several versions of a key.
func (in *tableInfo) versions() bool { return in.def.HistoryFrom != 0 }

// name is the table's as errors show it.
func (in *tableInfo) name() string { return in.def.Name }

// checkKey refuses definitions under which rows of one key could lie in several
// places: versions of a row are looked for in one slice of one partition.
func (in *tableInfo) checkKey() error {
	for _, id := range slices.Concat(in.def.PrimaryKey, in.def.PartitionColumns) {
		if c := in.def.Column(id); c != nil && holdsRows(c.Type) {
			return pgerr.Unsupported("column %q of a composite type cannot be part of the key or the partitioning of table %q", c.Name, in.name()).
				WithHint("Make columns of the fields that rows are told apart by.")
		}
	}
	if !in.keyed() {
		return nil
	}
	inKey := func(id schema.ColumnID) bool { return slices.Contains(in.def.PrimaryKey, id) }
	bad := func(what string) error {
		return pgerr.New(pgerr.InvalidTableDefinition, "the primary key of table %q must include %s", in.name(), what)
	}
	if in.layout.Slice > 0 && in.timeAt >= 0 && !inKey(in.def.TimeColumn) {
		return bad("the time column of its slices")
	}
	for _, id := range in.def.PartitionColumns {
		if !inKey(id) {
			return bad("all columns that its partitioning uses")
		}
	}
	if in.router == nil || in.plainExprs() {
		return nil
	}
	for _, id := range in.def.PartitionColumns {
		if c := in.def.Column(id); looseEquality(c.Type) {
			return pgerr.Unsupported("an expression over column %q of the primary key cannot partition table %q", c.Name, in.name()).
				WithDetail("Values of type %v that are equal may differ in it.", c.Type)
		}
	}
	return nil
}

// holdsRows says whether values are rows of a composite type or arrays of them, whose keys cannot be read back.
func holdsRows(t datum.Type) bool {
	if elem, ok := t.Elem(); ok {
		t = elem
	}
	return t.IsRow()
}

// plainExprs says whether the LIST expressions have one value for all column
// values that are equal.
func (in *tableInfo) plainExprs() bool {
	for i := range in.def.PartitionExprs {
		if _, ok := in.router.Rising(i); !ok {
			return false
		}
	}
	return true
}

// looseEquality says whether equal values of a type need not be the same, as 1.0
// and 1.00 are not: functions may tell them apart.
func looseEquality(t datum.Type) bool {
	if elem, ok := t.Elem(); ok {
		return looseEquality(elem)
	}
	switch t.OID {
	case datum.Numeric, datum.Float4, datum.Float8, datum.BPChar, datum.Interval, datum.JSONB, datum.Record:
		return true
	}
	return t.IsRow()
}

// sameRows says whether rows of one definition are rows of another, wherever they are put.
func sameRows(a, b *schema.Table) bool {
	return slices.EqualFunc(a.Columns, b.Columns, func(x, y schema.Column) bool { return x.ID == y.ID && x.Type == y.Type }) &&
		slices.Equal(a.PrimaryKey, b.PrimaryKey) && a.PartitionKind == b.PartitionKind &&
		slices.Equal(a.PartitionColumns, b.PartitionColumns) && slices.Equal(a.PartitionExprs, b.PartitionExprs) &&
		a.TimeColumn == b.TimeColumn
}

// checkBatch checks a batch that a caller wants to insert: its shape (a caller's
// bug) and NOT NULL (the user's).
func (in *tableInfo) checkBatch(batch arrow.RecordBatch, types datum.UserTypes) error {
	if int(batch.NumCols()) != len(in.live) {
		return pgerr.New(pgerr.InternalError, "engine: batch of %d columns for table %s with %d", batch.NumCols(), in.name(), len(in.live))
	}
	for i := range in.live {
		col := in.def.Column(in.live[i])
		a := batch.Column(i)
		if !arrow.TypeEqual(a.DataType(), in.schema.Field(i).Type) {
			return pgerr.New(pgerr.InternalError, "engine: column %s of table %s is of type %v, not %v", col.Name, in.name(), in.schema.Field(i).Type, a.DataType())
		}
		if slices.Contains(in.layout.SortKey, col.ID) {
			if err := datum.CheckKey(a); err != nil {
				return err
			}
		}
		if (!col.NotNull && !slices.Contains(in.def.PrimaryKey, col.ID)) || a.NullN() == 0 {
			continue
		}
		for row := range a.Len() {
			if a.IsNull(row) {
				return in.notNull(batch, row, col.Name, types)
			}
		}
	}
	return checkNulls(in.def, &ingest.Part{Columns: in.live, Rows: batch})
}

func (in *tableInfo) notNull(batch arrow.RecordBatch, row int, column string, types datum.UserTypes) error {
	e := pgerr.New(pgerr.NotNullViolation, "null value in column %q of relation %q violates not-null constraint", column, in.name()).
		WithDetail("Failing row contains (%s).", in.rowText(batch, row, types))
	e.Table, e.Column, e.Row = in.name(), column, row+1
	return e
}

// rowText shows a row as PostgreSQL does in details.
func (in *tableInfo) rowText(batch arrow.RecordBatch, row int, types datum.UserTypes) string {
	var out []byte
	for i, c := range in.layout.Columns[:len(in.live)] {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = datum.AppendShown(out, c.Type, batch.Column(i), row, types)
	}
	return string(out)
}

// duplicateKey is PostgreSQL's 23505 for a key given by its columns.
func (in *tableInfo) duplicateKey(cols []arrow.Array, row int, code, detail string, types datum.UserTypes) error {
	names, values := "", []byte(nil)
	for i, at := range in.key {
		if i > 0 {
			names += ", "
			values = append(values, ", "...)
		}
		names += in.layout.Columns[at].Name
		values = datum.AppendShown(values, in.layout.Columns[at].Type, cols[i], row, types)
	}
	e := pgerr.New(code, "duplicate key value violates unique constraint %q", in.def.PrimaryKeyName).
		WithDetail(detail, names, string(values))
	e.Table, e.Constraint, e.Row = in.name(), in.def.PrimaryKeyName, row+1
	return e
}
