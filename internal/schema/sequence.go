package schema

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A Sequence is the definition of a sequence. Which of its values are taken is not part
// of it: that is in a log of the store, beside all transactions.
type Sequence struct {
	OID       datum.OID
	Namespace datum.OID
	Name      string
	Owner     string

	Type      datum.OID // Int2, Int4 or Int8
	Start     int64
	Increment int64 // not 0
	Min, Max  int64
	Cache     int64 // shown, and how many values a node reserves at the least
	Cycle     bool

	// Storage names the log: Key, a slash, and a name of its own, for a sequence that is
	// restarted gets another log. Last and Called are what the log says before it has an
	// entry: the value that was handed out last or, if not Called, is the next.
	Storage string
	Last    int64
	Called  bool

	OwnedBy OwnerColumn
	Version uint64 // as Table.Version
	Comment string `json:",omitempty"`
}

// Key names a sequence for ever. Its OID does not: that of one whose transaction is rolled
// back is given again.
func (s *Sequence) Key() string {
	key, _, _ := strings.Cut(s.Storage, "/")
	return key
}

// An OwnerColumn is the column with which a sequence goes, the zero value for none.
type OwnerColumn struct {
	Table    datum.OID
	Column   ColumnID
	Identity bool // it is the column's own: GENERATED ... AS IDENTITY
}

// Identity says whether, and how, a column takes its values from a sequence of its own.
type Identity uint8

const (
	NoIdentity Identity = iota
	IdentityByDefault
	IdentityAlways
)

// SequenceOf returns the sequence of an identity column, or nil.
func (c *Catalog) SequenceOf(table datum.OID, column ColumnID) *Sequence {
	for _, s := range c.Sequences {
		if s.OwnedBy == (OwnerColumn{table, column, true}) {
			return s
		}
	}
	return nil
}

// RelationNamed returns the OID of the relation (a table, view, sequence, index or composite type) of a
// name in a namespace, 0 if there is none.
func (c *Catalog) RelationNamed(namespace datum.OID, name string) datum.OID {
	for oid, t := range c.Tables {
		if t.Namespace != namespace {
			continue
		}
		if t.Name == name {
			return oid
		}
		if t.Keyed() && t.PrimaryKeyName == name {
			return t.IndexOID
		}
		if x := t.Index(name); x != nil {
			return x.OID
		}
	}
	for oid, v := range c.Views {
		if v.Namespace == namespace && v.Name == name {
			return oid
		}
	}
	for oid, s := range c.Sequences {
		if s.Namespace == namespace && s.Name == name {
			return oid
		}
	}
	for oid, t := range c.Types {
		if t.Namespace == namespace && t.Name == name && oid.Class() == datum.CompositeClass {
			return oid.Object()
		}
	}
	return 0
}
