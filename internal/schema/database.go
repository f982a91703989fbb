package schema

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A Database is a namespace of schemas beside that with which the store was made: sessions
// are connected to one, and see no relations, types and sequences but its own. Roles are
// those of all.
type Database struct {
	OID   datum.OID
	Name  string
	Owner string
	// Public is the schema that it was made with.
	Public  datum.OID
	Comment string `json:",omitempty"`
}

// projections keeps what In has made of a catalogue: of no copy of it, which may be changed.
type projections struct {
	of   *Catalog
	mu   sync.Mutex
	made map[datum.OID]*Catalog
}

// Whole returns the catalogue of all databases of which c is the part that one shows.
func (c *Catalog) Whole() *Catalog {
	if c.whole != nil {
		return c.whole
	}
	return c
}

// First returns the database that the store was made with, which is in no change.
func (c *Catalog) First() *Database {
	w := c.Whole()
	return &Database{OID: w.DatabaseOID, Name: w.Database, Public: PublicOID}
}

// AllDatabases returns the databases by OID, the first one first.
func (c *Catalog) AllDatabases() []*Database {
	others := slices.SortedFunc(maps.Values(c.Databases), func(a, b *Database) int { return cmp.Compare(a.OID, b.OID) })
	return append([]*Database{c.First()}, others...)
}

// DatabaseNamed returns the database of a name, nil if there is none.
func (c *Catalog) DatabaseNamed(name string) *Database {
	for _, d := range c.AllDatabases() {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// DatabaseOf returns the database of an OID, 0 for the first one; nil if there is none.
func (c *Catalog) DatabaseOf(oid datum.OID) *Database {
	if first := c.First(); oid == 0 || oid == first.OID {
		return first
	}
	return c.Databases[oid]
}

// DatabaseWith returns the OID of the database in which a relation lies, of the first one if
// there is no such relation.
func (c *Catalog) DatabaseWith(relation datum.OID) datum.OID {
	w := c.Whole()
	var namespace datum.OID
	switch {
	case w.Tables[relation] != nil:
		namespace = w.Tables[relation].Namespace
	case w.Views[relation] != nil:
		namespace = w.Views[relation].Namespace
	case w.Sequences[relation] != nil:
		namespace = w.Sequences[relation].Namespace
	}
	if n := w.Namespaces[namespace]; n != nil && n.Database != 0 {
		return n.Database
	}
	return w.DatabaseOID
}

// In returns what a database shows of the catalogue: its schemas and those of the system,
// what lies in them, all roles and databases. The first database has the OID 0, too; of one that
// does not exist there is nothing but the system. It is shared, and safe for concurrent use.
func (c *Catalog) In(database datum.OID) *Catalog {
	w := c.Whole()
	if database == 0 {
		database = w.DatabaseOID
	}
	if c.DatabaseOID == database && (c.whole != nil || len(w.Databases) == 0) {
		return c
	}
	if w.projections == nil || w.projections.of != w {
		return w.project(database)
	}
	w.projections.mu.Lock()
	defer w.projections.mu.Unlock()
	if w.projections.made[database] == nil {
		if w.projections.made == nil {
			w.projections.made = map[datum.OID]*Catalog{}
		}
		w.projections.made[database] = w.project(database)
	}
	return w.projections.made[database]
}

func (c *Catalog) project(database datum.OID) *Catalog {
	out := *c
	out.whole, out.projections, out.DatabaseOID, out.Database = c, nil, database, ""
	if d := c.DatabaseOf(database); d != nil {
		out.Database = d.Name
	}
	own := database
	if own == c.DatabaseOID {
		own = 0
	}
	shown := func(oid datum.OID) bool {
		n := c.Namespaces[oid]
		return n != nil && (n.Database == own || n.system())
	}
	out.Namespaces = shownIn(c.Namespaces, func(n *Namespace) bool { return shown(n.OID) })
	out.Tables = shownIn(c.Tables, func(t *Table) bool { return shown(t.Namespace) })
	out.Views = shownIn(c.Views, func(v *View) bool { return shown(v.Namespace) })
	out.Sequences = shownIn(c.Sequences, func(s *Sequence) bool { return shown(s.Namespace) })
	out.Types = shownIn(c.Types, func(t *Type) bool { return shown(t.Namespace) })
	return &out
}

// system says whether the schema is PostgreSQL's or ours, of which all databases have the same.
func (n *Namespace) system() bool { return n.OID < FirstUserOID && n.OID != PublicOID }

func shownIn[T any](all map[datum.OID]*T, shown func(*T) bool) map[datum.OID]*T {
	out := map[datum.OID]*T{}
	for oid, x := range all {
		if shown(x) {
			out[oid] = x
		}
	}
	return out
}
