package schema

import "github.com/phyllodb/phyllo/internal/datum"

// An Index is what CREATE INDEX or UNIQUE declares. Rows are found by the order of chunks
// and by what is known of them, and the primary key alone is unique: an index is what the
// catalogue shows, and nothing may rely on it.
type Index struct {
	OID     datum.OID
	Name    string
	Method  string
	Unique  bool
	Keys    []IndexKey
	Include []ColumnID `json:",omitempty"`
	Where   string     `json:",omitempty"` // SQL of a partial index
	// NullsNotDistinct is that of a unique one.
	NullsNotDistinct bool `json:",omitempty"`
	// Constraint is the OID of the UNIQUE or PRIMARY KEY constraint whose index it is, of the same
	// name; 0: of none.
	Constraint datum.OID `json:",omitempty"`
	Primary    bool      `json:",omitempty"`
	Comment    string    `json:",omitempty"`
}

// An IndexKey is a column of an index, or an expression.
type IndexKey struct {
	Column     ColumnID `json:",omitempty"`
	Expr       string   `json:",omitempty"` // SQL, if Column is 0
	Desc       bool     `json:",omitempty"`
	NullsFirst bool     `json:",omitempty"`
}

// A ForeignKey is what REFERENCES declares. It is not enforced.
type ForeignKey struct {
	OID                       datum.OID
	Name                      string
	Columns                   []ColumnID
	RefTable                  datum.OID
	RefColumns                []ColumnID
	RefIndex                  datum.OID
	OnUpdate, OnDelete, Match string // pg_constraint's letters
	// OnDeleteColumns are those that ON DELETE SET NULL or SET DEFAULT sets, nil for all.
	OnDeleteColumns      []ColumnID `json:",omitempty"`
	Deferrable, Deferred bool       `json:",omitempty"`
	NotValid             bool       `json:",omitempty"`
	Comment              string     `json:",omitempty"`
}

// AllIndexes returns the indexes of a table, that of its primary key first.
func (t *Table) AllIndexes() []Index {
	if !t.Keyed() {
		return t.Indexes
	}
	key := Index{OID: t.IndexOID, Name: t.PrimaryKeyName, Method: "btree", Unique: true, Constraint: t.PrimaryKeyOID, Primary: true}
	for _, id := range t.PrimaryKey {
		key.Keys = append(key.Keys, IndexKey{Column: id})
	}
	return append([]Index{key}, t.Indexes...)
}

// Index returns the declared index of a name, or nil.
func (t *Table) Index(name string) *Index {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name {
			return &t.Indexes[i]
		}
	}
	return nil
}

// ForeignKey returns the foreign key of a name, or nil.
func (t *Table) ForeignKey(name string) *ForeignKey {
	for i := range t.ForeignKeys {
		if t.ForeignKeys[i].Name == name {
			return &t.ForeignKeys[i]
		}
	}
	return nil
}

// Columns returns the columns of an index's keys, 0 for expressions.
func (x *Index) Columns() []ColumnID {
	out := make([]ColumnID, len(x.Keys))
	for i, k := range x.Keys {
		out[i] = k.Column
	}
	return out
}
