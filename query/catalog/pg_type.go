package catalog

import (
	"sync"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var typeColumns = []string{"oid", "typname", "typnamespace", "typowner", "typlen", "typbyval", "typtype", "typcategory",
	"typispreferred", "typisdefined", "typdelim", "typrelid", "typsubscript", "typelem", "typarray", "typinput", "typoutput",
	"typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typalign", "typstorage", "typtypmod", "typcollation", "typnotnull", "typbasetype", "typdefault", "typdefaultbin", "typndims"}

// OIDs of the functions of record types and arrays.
const (
	recordIn, recordOut, recordRecv, recordSend = datum.OID(2290), datum.OID(2291), datum.OID(2402), datum.OID(2403)
	arrayIn, arrayOut, arrayRecv, arraySend     = datum.OID(750), datum.OID(751), datum.OID(2400), datum.OID(2401)
	arrayTypanalyze, arraySubscript             = datum.OID(3816), datum.OID(6179)
)

// extra is what pg_type has of a type beyond datum.Info.
type extra struct {
	input, output, receive, send, modIn, modOut, analyze, subscript datum.OID
	collation                                                       datum.OID
}

var typeExtras = sync.OnceValue(func() map[datum.OID]extra {
	m := map[datum.OID]extra{}
	for _, f := range staticLines("pg_type_io") {
		o := make([]datum.OID, len(f))
		for i := range f {
			if i != 1 { // the name
				o[i] = parseOID(f[i])
			}
		}
		m[o[0]] = extra{o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10]}
	}
	return m
})

func typeExtra(oid datum.OID) extra { return typeExtras()[oid] }

// systemTypes are the built-in types and the row types of the catalogue's relations.
func systemTypes(s *Set, w *writer) {
	w.columns(typeColumns...)
	for _, t := range datum.Types() {
		x := typeExtra(t.OID)
		w.add(t.OID, t.Name, schema.PGCatalogOID, bootstrapRole, int(t.Len), t.ByVal, t.Kind, t.Category, t.Preferred, true,
			t.Delim, 0, x.subscript, t.Elem, t.Array, x.input, x.output, x.receive, x.send, x.modIn, x.modOut, x.analyze,
			t.Align, t.Storage, -1, x.collation, false, 0, nil, nil, 0)
	}
	for _, r := range s.relations {
		addRowType(w, r.Name, r.NamespaceOID, bootstrapRole, r.OID, r.RowType, r.ArrayType)
	}
}

// operatorClass returns the default btree operator class of a type, 0 if none.
func operatorClass(t datum.OID) datum.OID {
	switch {
	case t.IsUserArray():
		t = datum.AnyArray
	case t.Class() == datum.EnumClass:
		t = datum.AnyEnum
	}
	return operatorClasses()[t]
}

var operatorClasses = sync.OnceValue(func() map[datum.OID]datum.OID {
	m := map[datum.OID]datum.OID{}
	for _, f := range staticLines("pg_opclass") { // oid, method, name, namespace, owner, family, type, default, key type
		if parseOID(f[1]) == btreeAM && f[7] == "t" {
			m[parseOID(f[6])] = parseOID(f[0])
		}
	}
	m[datum.Varchar] = m[datum.Text] // varchar and the enumerated below use another type's
	for _, t := range datum.Types() {
		if _, own := m[t.OID]; !own && t.Category == 'A' && isArray(datum.Of(t.OID)) {
			m[t.OID] = m[datum.AnyArray]
		}
	}
	return m
})
