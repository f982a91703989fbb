package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// UserTypeByName finds a user's type, or that of a relation's rows, in a schema, or in the
// search path if that is empty; 0 if there is none.
func UserTypeByName(c *Context, schemaName, name string) datum.OID {
	path := []string{schemaName}
	if schemaName == "" {
		path = searchPath(c)
	}
	for _, ns := range path {
		if oid := typeIn(c, ns, name); oid != 0 {
			return oid
		}
	}
	return 0
}

func typeIn(c *Context, schemaName, name string) datum.OID {
	ns := namespaceOID(c, schemaName)
	if ns == 0 || c.Catalog == nil {
		return 0
	}
	return c.Catalog.TypeNamed(ns, name)
}

// TypeText is a type's name as PostgreSQL's format_type writes it: with its schema if it is
// not found without.
func TypeText(c *Context, t datum.Type) string {
	if name := typeName(c, t); name != "" {
		return name
	}
	return "???"
}

// userTypes are the types of the context's catalogue, for a session.
type userTypes struct {
	*schema.Catalog
	context *Context
	unsafe  func(label datum.OID) bool
}

// NewTypes returns the types of the context's catalogue. unsafe says which labels of enums
// cannot be used yet, because the transaction that adds them may be rolled back.
func NewTypes(c *Context, unsafe func(label datum.OID) bool) datum.UserTypes {
	return userTypes{c.Catalog, c, unsafe}
}

// TypeName is as PostgreSQL's format_type writes it.
func (u userTypes) TypeName(t datum.OID) string { return TypeText(u.context, datum.Of(t)) }

func (u userTypes) Label(enum datum.OID, name string) (datum.Label, error) {
	t := u.Types[enum]
	if t == nil {
		return u.Catalog.Label(enum, name)
	}
	l := t.Label(name)
	if l == nil {
		return 0, pgerr.New(pgerr.InvalidText, "invalid input value for enum %s: \"%s\"", TypeText(u.context, datum.Of(enum)), name)
	}
	return l.Place, u.check(t, l)
}

// check refuses a label that cannot be used yet.
func (u userTypes) check(t *schema.Type, l *schema.Label) error {
	if !u.unsafe(l.OID) {
		return nil
	}
	return pgerr.New(pgerr.UnsafeNewEnumValue, "unsafe use of new value \"%s\" of enum type %s", l.Name, TypeText(u.context, datum.Of(t.OID))).
		WithHint("New enum values must be committed before they can be used.")
}

// Usable refuses a label that cannot be used yet.
func (u userTypes) Usable(enum datum.OID, v datum.Label) error {
	if t := u.Types[enum]; t != nil {
		if l := t.LabelAt(v); l != nil {
			return u.check(t, l)
		}
	}
	return nil
}
