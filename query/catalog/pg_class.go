package catalog

import (
	"cmp"
	"context"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

var classColumns = []string{"oid", "relname", "relnamespace", "reltype", "relowner", "relam", "relfilenode", "relpages",
	"reltuples", "relhasindex", "relisshared", "relpersistence", "relkind", "relnatts", "relhasrules", "relispopulated",
	"relreplident", "reloptions", "relchecks", "relhastriggers"}

// systemClasses are the rows of pg_class for the catalogue's own relations.
func systemClasses(s *Set, w *writer) {
	w.columns(classColumns...)
	for _, r := range s.relations {
		am, file := heapAM, r.OID
		if r.Kind == 'v' {
			am, file = 0, 0
		}
		w.add(r.OID, r.Name, r.NamespaceOID, r.RowType, bootstrapRole, am, file, 0, -1, false, r.Shared, "p", string(r.Kind),
			len(r.Columns), r.Kind == 'v', true, "n", nil, 0, false)
	}
}

func classes(_ context.Context, _ *Set, env *Env, w *writer) error {
	const pageBytes = 8192 // of PostgreSQL: relpages is an estimate for people
	w.columns(classColumns...)
	referring := env.referring()
	for _, t := range env.tables() {
		owner := RoleOID(env.Catalog, t.Owner)
		pages := int((env.bytes(t.OID) + pageBytes - 1) / pageBytes)
		rows := env.rows(t.OID)
		kind, populated, rules := "r", true, false
		if m := t.Materialized; m != nil {
			kind, populated, rules = "m", m.Populated, true
		}
		w.add(t.OID, t.Name, t.Namespace, t.RowType(), owner, heapAM, t.OID, pages, rows, len(t.AllIndexes()) > 0, false, env.persistence(t.Namespace), kind,
			len(t.Columns), rules, populated, "d", reloptions(t), len(t.Checks), referring[t.OID])
		for _, x := range t.AllIndexes() {
			w.add(x.OID, x.Name, t.Namespace, 0, owner, accessMethods[x.Method], x.OID, 0, rows, false, false, env.persistence(t.Namespace), "i",
				len(x.Keys)+len(x.Include), false, true, "n", nil, 0, false)
		}
	}
	for _, v := range env.views() {
		w.add(v.OID, v.Name, v.Namespace, v.RowType(), RoleOID(env.Catalog, v.Owner), 0, 0, 0, -1, false, false, env.persistence(v.Namespace), "v",
			len(v.Columns), true, true, "n", v.Options, 0, false)
	}
	for _, t := range env.composites() {
		w.add(t.OID.Object(), t.Name, t.Namespace, t.OID, RoleOID(env.Catalog, t.Owner), 0, 0, 0, 0, false, false, env.persistence(t.Namespace), "c",
			len(t.Attributes), false, true, "n", nil, 0, false)
	}
	for _, q := range env.sequences() {
		w.add(q.OID, q.Name, q.Namespace, 0, RoleOID(env.Catalog, q.Owner), 0, q.OID, 1, 1, false, false, env.persistence(q.Namespace), "S",
			len(sequenceColumns), false, true, "n", nil, 0, false)
	}
	return nil
}

// persistence is relpersistence of the relations of a namespace.
func (e *Env) persistence(namespace datum.OID) string {
	if ns := e.Catalog.Namespaces[namespace]; ns != nil && ns.Temporary {
		return "t"
	}
	return "p"
}

var attributeColumns = []string{"attrelid", "attname", "atttypid", "attstattarget", "attlen", "attnum", "attndims",
	"attcacheoff", "atttypmod", "attbyval", "attalign", "attstorage", "attnotnull", "atthasdef", "attisdropped",
	"attislocal", "attcollation", "attidentity", "attgenerated"}

// addAttribute adds a row of pg_attribute.
func addAttribute(w *writer, rel datum.OID, num int, name string, t datum.Type, notNull bool) {
	addColumn(w, rel, num, &schema.Column{Name: name, Type: t, NotNull: notNull})
}

// addColumn adds a row of pg_attribute; a dropped column has no type.
func addColumn(w *writer, rel datum.OID, num int, c *schema.Column) {
	t := c.Type
	mod := int(t.Mod)
	if t.Domain != 0 {
		mod = -1
	}
	info, ok := typeInfo(t.OID)
	if !ok {
		w.add(rel, "........pg.dropped."+strconv.Itoa(num)+"........", 0, 0, 4, num, 0, -1, -1, true, "i", "p", false, false,
			true, true, 0, "", "")
		return
	}
	dims := 0
	if isArray(t) {
		dims = 1
	}
	w.add(rel, c.Name, t.Declared(), -1, int(info.Len), num, dims, -1, mod, info.ByVal, info.Align, info.Storage, c.NotNull,
		c.Default != "" || c.Generated != "", false, true, typeExtra(t.OID).collation, identityOf(c), generatedOf(c))
}

func systemAttributes(s *Set, w *writer) {
	w.columns(attributeColumns...)
	for _, r := range s.relations {
		for i, c := range r.Columns {
			addAttribute(w, r.OID, i+1, c.Name, c.Type, c.NotNull)
		}
	}
}

func attributes(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns(attributeColumns...)
	for _, t := range env.tables() {
		for i := range t.Columns {
			addColumn(w, t.OID, i+1, &t.Columns[i])
		}
		for _, x := range t.AllIndexes() {
			for i, c := range indexColumns(t, &x) {
				addAttribute(w, x.OID, i+1, c.Name, c.Type, false)
			}
		}
	}
	for _, v := range env.views() {
		for i, c := range v.Columns {
			addColumn(w, v.OID, i+1, &c)
		}
	}
	for _, t := range env.composites() {
		for i, a := range t.Attributes {
			addAttribute(w, t.OID.Object(), i+1, a.Name, a.Type, false)
		}
	}
	for _, q := range env.sequences() {
		for i, c := range sequenceColumns {
			addAttribute(w, q.OID, i+1, c.Name, c.Type, c.NotNull)
		}
	}
	return nil
}

func attributeDefaults(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "adrelid", "adnum", "adbin")
	for _, t := range env.tables() {
		for i, c := range t.Columns {
			if sql := cmp.Or(c.Default, c.Generated); sql != "" && !dropped(&c) {
				w.add(derivedOID("default", t.OID, i+1), t.OID, i+1, sql)
			}
		}
	}
	for _, v := range env.views() {
		for i, c := range v.Columns {
			if c.Default != "" {
				w.add(derivedOID("default", v.OID, i+1), v.OID, i+1, c.Default)
			}
		}
	}
	return nil
}

// rewrites are the rules that PostgreSQL keeps the queries of views in.
func rewrites(_ context.Context, s *Set, env *Env, w *writer) error {
	w.columns("oid", "rulename", "ev_class", "ev_type", "ev_enabled", "is_instead", "ev_qual", "ev_action")
	views := env.views()
	for _, t := range env.tables() {
		if v := t.AsView(); v != nil {
			views = append(views, v)
		}
	}
	for _, v := range views {
		w.add(derivedOID("rule", v.OID, 0), "_RETURN", v.OID, "1", "O", true, "<>", v.SQL)
	}
	return nil
}

// depends tells what goes with a table: its key's constraint and index.
func depends(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("classid", "objid", "objsubid", "refclassid", "refobjid", "refobjsubid", "deptype")
	for _, t := range env.tables() {
		w.add(classOfRelations, t.OID, 0, classOfSchemas, t.Namespace, 0, "n")
		w.add(classOfTypes, t.RowType(), 0, classOfRelations, t.OID, 0, "i")
		for i, c := range t.Columns {
			if d := c.Type.Declared(); d.Class() != datum.NotUserClass {
				w.add(classOfRelations, t.OID, i+1, classOfTypes, d, 0, "n")
			}
		}
		constraintDepends(w, env, t)
	}
	for _, v := range env.views() {
		w.add(classOfRelations, v.OID, 0, classOfSchemas, v.Namespace, 0, "n")
	}
	for _, t := range env.composites() {
		w.add(classOfRelations, t.OID.Object(), 0, classOfTypes, t.OID, 0, "i")
		for i, a := range t.Attributes {
			if d := a.Type.Declared(); d.Class() != datum.NotUserClass {
				w.add(classOfRelations, t.OID.Object(), i+1, classOfTypes, d, 0, "n")
			}
		}
	}
	for _, t := range env.userTypes() {
		w.add(classOfTypes, t.OID, 0, classOfSchemas, t.Namespace, 0, "n")
		w.add(classOfTypes, t.ArrayOID(), 0, classOfTypes, t.OID, 0, "i")
		if d := t.Base.Declared(); d.Class() != datum.NotUserClass {
			w.add(classOfTypes, t.OID, 0, classOfTypes, d, 0, "n")
		}
		for _, c := range t.Checks {
			w.add(classOfConstr, c.OID, 0, classOfTypes, t.OID, 0, "a")
		}
	}
	for _, q := range env.sequences() {
		w.add(classOfRelations, q.OID, 0, classOfSchemas, q.Namespace, 0, "n")
		if t := env.Catalog.Tables[q.OwnedBy.Table]; t != nil {
			kind := "a"
			if q.OwnedBy.Identity {
				kind = "i"
			}
			w.add(classOfRelations, q.OID, 0, classOfRelations, t.OID, columnNumber(t, q.OwnedBy.Column), kind)
		}
	}
	for _, t := range env.tables() {
		for i, c := range t.Columns {
			if c.Default == "" && c.Generated == "" || dropped(&c) {
				continue
			}
			def := derivedOID("default", t.OID, i+1)
			if c.Generated != "" {
				w.add(classOfRelations, t.OID, i+1, classOfDefaults, def, 0, "i")
				continue
			}
			w.add(classOfDefaults, def, 0, classOfRelations, t.OID, i+1, "a")
			for _, oid := range function.StoredRelations(c.Default) {
				w.add(classOfDefaults, def, 0, classOfRelations, oid, 0, "n")
			}
		}
	}
	return nil
}

// systemDescriptions are PostgreSQL's comments on the objects that exist here.
func systemDescriptions(s *Set, w *writer) {
	w.columns("objoid", "classoid", "objsubid", "description")
	for _, f := range staticLines("pg_description") {
		oid, class := parseOID(f[0]), parseOID(f[1])
		if !s.builtIn(class, oid) {
			continue
		}
		w.add(oid, class, int(parseOID(f[2])), staticValue(f[3], w.rel.Columns[w.column("description")]))
	}
}

// builtIn says whether an object of PostgreSQL's is one of ours.
func (s *Set) builtIn(class, oid datum.OID) bool {
	switch class {
	case 1255: // pg_proc
		return s.registry.FunctionByOID(oid) != nil || s.registry.AggregateByOID(oid) != nil || isIOFunction(oid)
	case 2617: // pg_operator
		return s.registry.OperatorByOID(oid) != nil
	case classOfTypes:
		_, ok := datum.Lookup(oid)
		return ok
	case classOfSchemas:
		return oid == schema.PGCatalogOID || oid == schema.PublicOID
	}
	return true
}

func descriptions(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("objoid", "classoid", "objsubid", "description")
	add := func(oid datum.OID, num int, text string) {
		if text != "" {
			w.add(oid, classOfRelations, num, text)
		}
	}
	for _, t := range env.tables() {
		add(t.OID, 0, t.Comment)
		for i, c := range t.Columns {
			if !dropped(&c) {
				add(t.OID, i+1, c.Comment)
			}
		}
		for _, x := range t.Indexes {
			add(x.OID, 0, x.Comment)
		}
		for _, c := range t.Checks {
			if c.Comment != "" {
				w.add(c.OID, classOfConstr, 0, c.Comment)
			}
		}
		for _, k := range t.ForeignKeys {
			if k.Comment != "" {
				w.add(k.OID, classOfConstr, 0, k.Comment)
			}
		}
	}
	for _, v := range env.views() {
		add(v.OID, 0, v.Comment)
		for i, c := range v.Columns {
			add(v.OID, i+1, c.Comment)
		}
	}
	for _, q := range env.sequences() {
		add(q.OID, 0, q.Comment)
	}
	for _, t := range env.userTypes() {
		if t.Comment != "" {
			w.add(t.OID, classOfTypes, 0, t.Comment)
		}
	}
	return nil
}

func namespaces(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "nspname", "nspowner")
	for _, n := range env.namespaces() {
		owner := RoleOID(env.Catalog, n.owner)
		if n.oid == schema.PublicOID {
			owner = databaseOwner
		}
		w.add(n.oid, n.name, owner)
	}
	return nil
}
