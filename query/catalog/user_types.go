package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// enumIO are the functions that read and write values of enums.
var enumIO = extra{input: 3506, output: 3507, receive: 3532, send: 3533}

// userTypes returns the types that users have defined, by OID.
func (e *Env) userTypes() []*schema.Type {
	return slices.SortedFunc(maps.Values(e.Catalog.Types), func(a, b *schema.Type) int { return cmp.Compare(a.OID, b.OID) })
}

// composites are the composite types among them.
func (e *Env) composites() []*schema.Type {
	return slices.DeleteFunc(e.userTypes(), func(t *schema.Type) bool { return t.OID.Class() != datum.CompositeClass })
}

// typeInfo is datum.Lookup, but that it knows users' types as well.
func typeInfo(t datum.OID) (datum.Info, bool) {
	if info, ok := datum.Lookup(t); ok {
		return info, true
	}
	info := datum.Info{OID: t, Len: -1, Align: 'd', Storage: 'x', Delim: ',', Kind: 'b'}
	switch {
	case t.Class() == datum.NotUserClass:
		return datum.Info{}, false
	case t.IsUserArray():
		info.Category = 'A'
		if t.Class() == datum.EnumClass {
			info.Align = 'i'
		}
	case t.Class() == datum.EnumClass:
		info.Len, info.ByVal, info.Align, info.Storage, info.Category, info.Kind = 4, true, 'i', 'p', 'E', 'e'
	default:
		info.Category, info.Kind = 'C', 'c'
	}
	return info, true
}

func types(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns(typeColumns...)
	for _, t := range env.tables() {
		addRowType(w, t.Name, t.Namespace, RoleOID(env.Catalog, t.Owner), t.OID, t.RowType(), t.ArrayType())
	}
	for _, v := range env.views() {
		addRowType(w, v.Name, v.Namespace, RoleOID(env.Catalog, v.Owner), v.OID, v.RowType(), v.ArrayType())
	}
	for _, t := range env.composites() {
		addRowType(w, t.Name, t.Namespace, RoleOID(env.Catalog, t.Owner), t.OID.Object(), t.OID, t.ArrayOID())
	}
	for _, t := range env.userTypes() {
		if t.OID.Class() == datum.CompositeClass {
			continue
		}
		info, _ := typeInfo(t.OID)
		x := enumIO
		if t.OID.Class() == datum.DomainClass {
			info, x = domainInfo(t)
		}
		addType(w, env, t, info, x)
	}
	return nil
}

// domainInfo is that of the type that a domain is over, whose functions it shares but for input.
func domainInfo(t *schema.Type) (datum.Info, extra) {
	info, _ := typeInfo(t.Base.OID)
	info.Kind = 'd'
	x := typeExtra(t.Base.OID)
	if t.Base.OID.Class() == datum.EnumClass {
		x = enumIO
	}
	x.input, x.receive = domainIn, domainRecv
	return info, x
}

// OIDs of the functions that read values of domains.
const domainIn, domainRecv = datum.OID(2597), datum.OID(2598)

// addType adds a user's type and the type of arrays of it.
func addType(w *writer, env *Env, t *schema.Type, info datum.Info, x extra) {
	owner := RoleOID(env.Catalog, t.Owner)
	base, mod := datum.OID(0), -1
	if t.Base.OID != 0 {
		base, mod = t.Base.Declared(), int(t.Base.Mod)
		if t.Base.Domain != 0 {
			mod = -1
		}
	}
	dims := 0
	if isArray(t.Base) && (t.Base.Domain == 0 || t.Base.Domain.IsUserArray()) {
		dims = 1
	}
	def := nullIfEmpty(env.exprText(t.Default, t.OID))
	w.add(t.OID, t.Name, t.Namespace, owner, int(info.Len), info.ByVal, info.Kind, info.Category, false, true, info.Delim, 0, 0, 0,
		t.ArrayOID(), x.input, x.output, x.receive, x.send, 0, 0, x.analyze, info.Align, info.Storage, mod, x.collation, t.NotNull, base,
		def, def, dims)
	addArrayType(w, t.Name, t.Namespace, owner, t.OID, t.ArrayOID(), info.Align, x.collation)
}

// addRowType adds the row type of a relation and the type of arrays of it.
func addRowType(w *writer, name string, namespace, owner, rel, row, array datum.OID) {
	if row != 0 {
		w.add(row, name, namespace, owner, -1, false, "c", "C", false, true, ",", rel, 0, 0, array, recordIn, recordOut,
			recordRecv, recordSend, 0, 0, 0, "d", "x", -1, 0, false, 0, nil, nil, 0)
	}
	if array != 0 {
		addArrayType(w, name, namespace, owner, row, array, 'd', 0)
	}
}

func addArrayType(w *writer, name string, namespace, owner, elem, array datum.OID, align byte, collation datum.OID) {
	w.add(array, "_"+name, namespace, owner, -1, false, "b", "A", false, true, ",", 0, arraySubscript, elem, 0, arrayIn,
		arrayOut, arrayRecv, arraySend, 0, 0, arrayTypanalyze, align, "x", -1, collation, false, 0, nil, nil, 0)
}

func enumLabels(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "enumtypid", "enumsortorder", "enumlabel")
	for _, t := range env.userTypes() {
		for _, l := range t.Labels {
			w.add(l.OID, t.OID, l.SortOrder, l.Name)
		}
	}
	return nil
}

// typeName returns a type's schema and name in pg_type.
func (e *Env) typeName(t datum.OID) (namespace, name string) {
	if info, ok := datum.Lookup(t); ok {
		return "pg_catalog", info.Name
	}
	ns, name, _ := e.Catalog.FindType(t)
	if t.IsUserArray() {
		name = "_" + name
	}
	return e.namespaceName(ns), name
}
