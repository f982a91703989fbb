package schema

import "github.com/phyllodb/phyllo/internal/datum"

// A Check is a CHECK constraint: a row that goes in, or becomes another, must not make its
// expression false.
type Check struct {
	OID     datum.OID
	Name    string
	Expr    string     // SQL over the table's columns
	Columns []ColumnID // that it uses
	// NotValid says that rows which are older than the constraint were not looked at.
	NotValid bool   `json:",omitempty"`
	Comment  string `json:",omitempty"`
}

// Check returns the check of a name, or nil.
func (t *Table) Check(name string) *Check {
	for i := range t.Checks {
		if t.Checks[i].Name == name {
			return &t.Checks[i]
		}
	}
	return nil
}

// HasConstraint says whether a constraint of a table has a name.
func (t *Table) HasConstraint(name string) bool {
	x := t.Index(name)
	return t.Keyed() && t.PrimaryKeyName == name || t.Check(name) != nil || t.ForeignKey(name) != nil || x != nil && x.Constraint != 0
}
