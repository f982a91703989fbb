package catalog

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Column is a column of a catalogue relation.
type Column struct {
	Name    string
	Type    datum.Type
	NotNull bool
}

// A Relation is a catalogue table or view. It is immutable.
type Relation struct {
	Namespace    string
	NamespaceOID datum.OID
	Name         string
	OID          datum.OID
	RowType      datum.OID
	ArrayType    datum.OID
	Kind         byte // 'r' table, 'v' view
	Shared       bool // one for all databases
	Columns      []Column

	fixed func() []Row // rows that never change, nil if none
	fill  filler       // the others, nil if none
}

// A Row has a value for each column of a relation. Rows are shared: they must
// not be modified.
type Row []datum.Value

// A Set is all catalogue relations. It is immutable and safe for concurrent use.
type Set struct {
	registry  *function.Registry
	relations []*Relation
	byName    map[relationName]*Relation
	byOID     map[datum.OID]*Relation
	describe  func() map[describedObject]string
}

type relationName struct{ namespace, name string }

// New returns the catalogue over the given functions; nil means the built-in ones.
func New(registry *function.Registry) *Set {
	if registry == nil {
		registry = function.Builtins()
	}
	s := &Set{registry: registry, byName: map[relationName]*Relation{}, byOID: map[datum.OID]*Relation{}}
	for line := range strings.Lines(relationLines) {
		s.add(parseRelation(strings.TrimSuffix(line, "\n")))
	}
	for _, r := range ownRelations() {
		s.add(r)
	}
	for name, fixed := range fixedRows {
		r := s.mustLookup(name)
		r.fixed = sync.OnceValue(func() []Row {
			w := &writer{rel: r}
			fixed(s, w)
			return w.rows
		})
	}
	for name, fill := range fillers {
		s.mustLookup(name).fill = fill
	}
	s.describe = sync.OnceValue(s.descriptionsByObject)
	return s
}

func (s *Set) add(r *Relation) {
	s.relations = append(s.relations, r)
	s.byName[relationName{r.Namespace, r.Name}] = r
	if s.byOID[r.OID] != nil {
		panic("catalog: bug: two relations with OID " + strconv.Itoa(int(r.OID)))
	}
	s.byOID[r.OID] = r
}

func (s *Set) mustLookup(qualified string) *Relation {
	namespace, name, _ := strings.Cut(qualified, ".")
	r, ok := s.Lookup(namespace, name)
	if !ok {
		panic("catalog: bug: no relation " + qualified)
	}
	return r
}

// Relations returns all relations.
func (s *Set) Relations() []*Relation { return s.relations }

// Lookup finds a relation by its namespace and name.
func (s *Set) Lookup(namespace, name string) (*Relation, bool) {
	r, ok := s.byName[relationName{namespace, name}]
	return r, ok
}

// LookupOID finds a relation by its OID.
func (s *Set) LookupOID(oid datum.OID) (*Relation, bool) {
	r, ok := s.byOID[oid]
	return r, ok
}

// RelationName, RelationOID, RoleName and RoleOID are what functions such as
// pg_table_is_visible and pg_get_userbyid ask: Set is a function.System.
func (s *Set) RelationName(oid datum.OID) (namespace, name string, ok bool) {
	r, ok := s.byOID[oid]
	if !ok {
		return "", "", false
	}
	return r.Namespace, r.Name, true
}

// RelationOID is the inverse of RelationName.
func (s *Set) RelationOID(namespace, name string) (datum.OID, bool) {
	r, ok := s.Lookup(namespace, name)
	if !ok {
		return 0, false
	}
	return r.OID, true
}

// RoleName is the function of that name.
func (s *Set) RoleName(c *schema.Catalog, user string, oid datum.OID) (string, bool) {
	return RoleName(c, user, oid)
}

// RoleOID is the function of that name.
func (s *Set) RoleOID(c *schema.Catalog, name string) datum.OID { return RoleOID(c, name) }

var _ function.System = (*Set)(nil)

// Fields returns the relation's columns as a plan has them.
func (r *Relation) Fields() []plan.Field {
	fields := make([]plan.Field, len(r.Columns))
	for i, c := range r.Columns {
		fields[i] = plan.Field{Name: c.Name, Type: c.Type, Table: r.OID, Column: int16(i + 1)}
	}
	return fields
}

// relationLines is PostgreSQL 15's list: namespace, name, OID, row type, array
// type, kind, shared, and columns as name:type:modifier with ! for NOT NULL.
// Domains of information_schema are their base types.
//
//go:embed static/relations.txt
var relationLines string

func parseRelation(line string) *Relation {
	f := strings.Split(line, " ")
	if len(f) != 8 {
		panic("catalog: bug: relation line " + line)
	}
	r := &Relation{Namespace: f[0], Name: f[1], OID: parseOID(f[2]), RowType: parseOID(f[3]), ArrayType: parseOID(f[4]),
		Kind: f[5][0], Shared: f[6] == "1", NamespaceOID: schema.PGCatalogOID}
	if r.Namespace == "information_schema" {
		r.NamespaceOID = schema.InformationOID
	}
	for col := range strings.SplitSeq(f[7], ",") {
		col, notNull := strings.CutSuffix(col, "!")
		parts := strings.Split(col, ":")
		mod, err := strconv.ParseInt(parts[2], 10, 32)
		if err != nil {
			panic(fmt.Sprintf("catalog: bug: column %s: %v", col, err))
		}
		t := datum.Type{OID: parseOID(parts[1]), Mod: int32(mod)}
		if _, ok := datum.Lookup(t.OID); !ok || t.OID == datum.AnyArray {
			t = datum.Of(datum.Text) // inet, pg_lsn and others that we have no type for
		}
		r.Columns = append(r.Columns, Column{Name: parts[0], Type: t, NotNull: notNull})
	}
	return r
}

func parseOID(s string) datum.OID {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic("catalog: bug: OID " + s)
	}
	return datum.OID(n)
}
