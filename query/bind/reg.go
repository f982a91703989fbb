package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

// regInput reads a literal of a reg type, or of an array of one: names of
// objects. ok is false for other types.
func (b *binder) regInput(t datum.Type, s string) (v datum.Value, ok bool, err error) {
	elem := t.OID
	if e, isArray := t.Elem(); isArray {
		elem = e.OID
	}
	switch elem {
	case datum.RegClass, datum.RegType, datum.RegProc, datum.RegProcedure, datum.RegOper, datum.RegOperator,
		datum.RegNamespace, datum.RegRole, datum.RegCollation:
	default:
		return nil, false, nil
	}
	v, err = function.ParseText(b.functionContext(), t, s)
	return v, true, err
}

// A bindSession is what names are looked up by; no function asks it for more.
type bindSession struct {
	function.Session
	b *binder
}

func (s bindSession) User() string     { return s.b.env.User }
func (s bindSession) Database() string { return s.b.env.Catalog.Database }
func (s bindSession) SearchPath(implicit bool) []string {
	if !implicit {
		return s.b.env.SearchPath
	}
	return s.b.path()
}

// A bindSystem knows the relations of the catalogue by name, and the roles that
// are stored.
type bindSystem struct{ b *binder }

func (s bindSystem) RelationName(oid datum.OID) (namespace, name string, ok bool) {
	return "", "", false
}

func (s bindSystem) RelationOID(namespace, name string) (datum.OID, bool) {
	if s.b.env.Virtual == nil {
		return 0, false
	}
	r := s.b.env.Virtual.Relation(namespace, name)
	if r == nil {
		return 0, false
	}
	return r.OID, true
}

func (s bindSystem) RoleName(c *schema.Catalog, _ string, oid datum.OID) (string, bool) {
	for _, r := range c.Roles {
		if r.OID == oid {
			return r.Name, true
		}
	}
	return "", false
}

func (s bindSystem) RoleOID(c *schema.Catalog, name string) datum.OID {
	if r := c.Roles[name]; r != nil {
		return r.OID
	}
	return 0
}

func (s bindSystem) Description(datum.OID, string, int32) (string, bool) { return "", false }
