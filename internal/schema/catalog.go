package schema

import (
	"fmt"
	"maps"

	"github.com/phyllodb/phyllo/internal/datum"
)

// NewCatalog returns the catalogue of a database in which nothing was made yet:
// PostgreSQL's schemas and ours.
func NewCatalog(database string) *Catalog {
	c := &Catalog{Database: database, DatabaseOID: FirstUserOID - 1, NextOID: FirstUserOID,
		Namespaces: map[datum.OID]*Namespace{}, Tables: map[datum.OID]*Table{}, Views: map[datum.OID]*View{},
		Sequences: map[datum.OID]*Sequence{}, Types: map[datum.OID]*Type{}, Roles: map[string]*Role{}}
	c.projections = &projections{of: c}
	for oid, name := range map[datum.OID]string{
		PGCatalogOID: "pg_catalog", PublicOID: "public", InformationOID: "information_schema", PhylloCatalogOID: "phyllo_catalog",
	} {
		c.Namespaces[oid] = &Namespace{OID: oid, Name: name, Owner: "phyllo"}
	}
	return c
}

// Apply returns the catalogue after changes, which all belong to the record seq
// of the catalogue log; tables that they put get it as their version. c stays
// as it is. An error says that a change cannot follow on c.
func (c *Catalog) Apply(seq uint64, changes ...Change) (*Catalog, error) {
	out := *c
	out.Seq, out.projections = seq, &projections{of: &out}
	out.Databases = maps.Clone(c.Databases)
	out.Namespaces, out.Tables = maps.Clone(c.Namespaces), maps.Clone(c.Tables)
	out.Views, out.Roles = maps.Clone(c.Views), maps.Clone(c.Roles)
	if out.Sequences = maps.Clone(c.Sequences); out.Sequences == nil { // of a checkpoint from before there were any
		out.Sequences = map[datum.OID]*Sequence{}
	}
	if out.Types = maps.Clone(c.Types); out.Types == nil {
		out.Types = map[datum.OID]*Type{}
	}
	for i := range changes {
		if err := out.apply(&changes[i]); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func (c *Catalog) apply(ch *Change) error {
	switch {
	case ch.PutTable != nil:
		t := *ch.PutTable
		t.Version = c.Seq
		if c.Namespaces[t.Namespace] == nil {
			return fmt.Errorf("schema: table %s in unknown schema %d", t.Name, t.Namespace)
		}
		c.Tables[t.OID] = &t
	case ch.DropTable != 0:
		if c.Tables[ch.DropTable] == nil {
			return fmt.Errorf("schema: no table %d to drop", ch.DropTable)
		}
		delete(c.Tables, ch.DropTable)
	case ch.PutView != nil:
		if c.Namespaces[ch.PutView.Namespace] == nil {
			return fmt.Errorf("schema: view %s in unknown schema %d", ch.PutView.Name, ch.PutView.Namespace)
		}
		c.Views[ch.PutView.OID] = ch.PutView
	case ch.DropView != 0:
		if c.Views[ch.DropView] == nil {
			return fmt.Errorf("schema: no view %d to drop", ch.DropView)
		}
		delete(c.Views, ch.DropView)
	case ch.PutSequence != nil:
		s := *ch.PutSequence
		s.Version = c.Seq
		if c.Namespaces[s.Namespace] == nil {
			return fmt.Errorf("schema: sequence %s in unknown schema %d", s.Name, s.Namespace)
		}
		c.Sequences[s.OID] = &s
	case ch.DropSequence != 0:
		if c.Sequences[ch.DropSequence] == nil {
			return fmt.Errorf("schema: no sequence %d to drop", ch.DropSequence)
		}
		delete(c.Sequences, ch.DropSequence)
	case ch.PutType != nil:
		t := *ch.PutType
		t.Version = c.Seq
		if c.Namespaces[t.Namespace] == nil {
			return fmt.Errorf("schema: type %s in unknown schema %d", t.Name, t.Namespace)
		}
		c.Types[t.OID] = &t
	case ch.DropType != 0:
		if c.Types[ch.DropType] == nil {
			return fmt.Errorf("schema: no type %d to drop", ch.DropType)
		}
		delete(c.Types, ch.DropType)
	case ch.PutNamespace != nil:
		if c.DatabaseOf(ch.PutNamespace.Database) == nil {
			return fmt.Errorf("schema: schema %s in unknown database %d", ch.PutNamespace.Name, ch.PutNamespace.Database)
		}
		c.Namespaces[ch.PutNamespace.OID] = ch.PutNamespace
	case ch.DropNamespace != 0:
		if c.Namespaces[ch.DropNamespace] == nil {
			return fmt.Errorf("schema: no schema %d to drop", ch.DropNamespace)
		}
		delete(c.Namespaces, ch.DropNamespace)
	case ch.PutDatabase != nil:
		if c.Databases == nil {
			c.Databases = map[datum.OID]*Database{}
		}
		c.Databases[ch.PutDatabase.OID] = ch.PutDatabase
	case ch.DropDatabase != 0:
		if c.Databases[ch.DropDatabase] == nil {
			return fmt.Errorf("schema: no database %d to drop", ch.DropDatabase)
		}
		delete(c.Databases, ch.DropDatabase)
	case ch.PutRole != nil:
		c.Roles[ch.PutRole.Name] = ch.PutRole
	case ch.DropRole != "":
		if c.Roles[ch.DropRole] == nil {
			return fmt.Errorf("schema: no role %s to drop", ch.DropRole)
		}
		delete(c.Roles, ch.DropRole)
	case ch.TakeOIDs > 0:
		c.NextOID += datum.OID(ch.TakeOIDs)
	default:
		return fmt.Errorf("schema: empty change")
	}
	return nil
}
