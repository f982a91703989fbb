package catalog

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// descriptionsByObject are the comments on built-in objects.
func (s *Set) descriptionsByObject() map[describedObject]string {
	r := s.mustLookup("pg_catalog.pg_description")
	index := func(name string) int {
		return slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == name })
	}
	object, class, sub, text := index("objoid"), index("classoid"), index("objsubid"), index("description")
	m := map[describedObject]string{}
	for _, row := range r.fixed() {
		m[describedObject{row[object].(datum.OID), row[class].(datum.OID), row[sub].(int32)}] = row[text].(string)
	}
	return m
}

type describedObject struct {
	oid, class datum.OID
	sub        int32
}

// Description returns the comment on a built-in object of a catalogue relation
// such as pg_class, or of any of them if that is empty, or on one of its columns.
func (s *Set) Description(oid datum.OID, catalog string, column int32) (string, bool) {
	all := s.describe()
	if catalog != "" {
		r, ok := s.Lookup("pg_catalog", strings.TrimPrefix(catalog, "pg_catalog."))
		if !ok {
			return "", false
		}
		text, ok := all[describedObject{oid, r.OID, column}]
		return text, ok
	}
	for _, class := range []string{"pg_class", "pg_type", "pg_proc", "pg_operator", "pg_namespace"} {
		if text, ok := s.Description(oid, class, column); ok {
			return text, true
		}
	}
	return "", false
}
