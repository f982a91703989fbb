package catalog

import (
	"context"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var classColumns = []string{"oid", "relname", "relnamespace", "reltype", "relowner", "relam", "relfilenode", "relpages",
	"reltuples", "relhasindex", "relisshared", "relpersistence", "relkind", "relnatts", "relhasrules", "relispopulated",
	"relreplident", "reloptions"}

// systemClasses are the rows of pg_class for the catalogue's own relations.
func systemClasses(s *Set, w *writer) {
	w.columns(classColumns...)
	for _, r := range s.relations {
		am, file := heapAM, r.OID
		if r.Kind == 'v' {
			am, file = 0, 0
		}
		w.add(r.OID, r.Name, r.NamespaceOID, r.RowType, bootstrapRole, am, file, 0, -1, false, r.Shared, "p", string(r.Kind),
			len(r.Columns), r.Kind == 'v', true, "n", nil)
	}
}

func classes(_ context.Context, _ *Set, env *Env, w *writer) error {
	const pageBytes = 8192 // of PostgreSQL: relpages is an estimate for people
	w.columns(classColumns...)
	for _, t := range env.tables() {
		owner := RoleOID(env.Catalog, t.Owner)
		pages := int((env.bytes(t.OID) + pageBytes - 1) / pageBytes)
		rows := env.rows(t.OID)
		w.add(t.OID, t.Name, t.Namespace, t.RowTypeOID, owner, heapAM, t.OID, pages, rows, t.Keyed(), false, "p", "r",
			len(t.Columns), false, true, "d", reloptions(t))
		if t.Keyed() {
			w.add(t.IndexOID, t.PrimaryKeyName, t.Namespace, 0, owner, btreeAM, t.IndexOID, 0, rows, false, false, "p", "i",
				len(t.PrimaryKey), false, true, "n", nil)
		}
	}
	for _, v := range env.views() {
		w.add(v.OID, v.Name, v.Namespace, v.RowTypeOID, RoleOID(env.Catalog, v.Owner), 0, 0, 0, -1, false, false, "p", "v",
			len(v.Columns), true, true, "n", nil)
	}
	return nil
}

var attributeColumns = []string{"attrelid", "attname", "atttypid", "attstattarget", "attlen", "attnum", "attndims",
	"attcacheoff", "atttypmod", "attbyval", "attalign", "attstorage", "attnotnull", "atthasdef", "attisdropped",
	"attislocal", "attcollation"}

// addAttribute adds a row of pg_attribute; a dropped column has no type.
func addAttribute(w *writer, rel datum.OID, num int, name string, t datum.Type, notNull, hasDefault bool) {
	info, ok := datum.Lookup(t.OID)
	if !ok {
		w.add(rel, "........pg.dropped."+strconv.Itoa(num)+"........", 0, 0, 4, num, 0, -1, -1, true, "i", "p", false, false,
			true, true, 0)
		return
	}
	dims := 0
	if isArray(t) {
		dims = 1
	}
	w.add(rel, name, t.OID, -1, int(info.Len), num, dims, -1, int(t.Mod), info.ByVal, info.Align, info.Storage, notNull,
		hasDefault, false, true, typeExtra(t.OID).collation)
}

func systemAttributes(s *Set, w *writer) {
	w.columns(attributeColumns...)
	for _, r := range s.relations {
		for i, c := range r.Columns {
			addAttribute(w, r.OID, i+1, c.Name, c.Type, c.NotNull, false)
		}
	}
}

func attributes(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns(attributeColumns...)
	for _, t := range env.tables() {
		for i, c := range t.Columns {
			addAttribute(w, t.OID, i+1, c.Name, c.Type, c.NotNull, c.Default != "")
		}
		if t.Keyed() {
			cols, _ := keyColumns(t)
			for i, c := range cols {
				addAttribute(w, t.IndexOID, i+1, c.Name, c.Type, false, false)
			}
		}
	}
	for _, v := range env.views() {
		for i, c := range v.Columns {
			addAttribute(w, v.OID, i+1, c.Name, c.Type, false, false)
		}
	}
	return nil
}

func attributeDefaults(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "adrelid", "adnum", "adbin")
	for _, t := range env.tables() {
		for i, c := range t.Columns {
			if c.Default != "" && !dropped(&c) {
				w.add(derivedOID("default", t.OID, i+1), t.OID, i+1, c.Default)
			}
		}
	}
	return nil
}

func indexes(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("indexrelid", "indrelid", "indnatts", "indnkeyatts", "indisunique", "indisprimary", "indimmediate",
		"indisvalid", "indisready", "indislive", "indkey", "indcollation", "indclass", "indoption")
	for _, t := range env.tables() {
		if !t.Keyed() {
			continue
		}
		cols, attnums := keyColumns(t)
		var collations, classes []datum.OID
		for _, c := range cols {
			collations = append(collations, typeExtra(c.Type.OID).collation)
			classes = append(classes, operatorClass(c.Type.OID))
		}
		n := len(cols)
		w.add(t.IndexOID, t.OID, n, n, true, true, true, true, true, true, attnums, collations, classes, make([]int, n))
	}
	return nil
}

func constraints(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "conname", "connamespace", "contype", "convalidated", "conrelid", "conindid", "confupdtype",
		"confdeltype", "confmatchtype", "conislocal", "connoinherit", "conkey")
	for _, t := range env.tables() {
		if t.Keyed() {
			_, attnums := keyColumns(t)
			w.add(t.PrimaryKeyOID, t.PrimaryKeyName, t.Namespace, "p", true, t.OID, t.IndexOID, " ", " ", " ", true, true, attnums)
		}
	}
	return nil
}

// rewrites are the rules that PostgreSQL keeps the queries of views in.
func rewrites(_ context.Context, s *Set, env *Env, w *writer) error {
	w.columns("oid", "rulename", "ev_class", "ev_type", "ev_enabled", "is_instead", "ev_qual", "ev_action")
	for _, v := range env.views() {
		w.add(derivedOID("rule", v.OID, 0), "_RETURN", v.OID, "1", "O", true, "<>", v.SQL)
	}
	return nil
}

// depends tells what goes with a table: its key's constraint and index.
func depends(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("classid", "objid", "objsubid", "refclassid", "refobjid", "refobjsubid", "deptype")
	for _, t := range env.tables() {
		w.add(classOfRelations, t.OID, 0, classOfSchemas, t.Namespace, 0, "n")
		w.add(classOfTypes, t.RowTypeOID, 0, classOfRelations, t.OID, 0, "i")
		if t.Keyed() {
			_, attnums := keyColumns(t)
			for _, n := range attnums {
				w.add(classOfConstr, t.PrimaryKeyOID, 0, classOfRelations, t.OID, n, "a")
			}
			w.add(classOfRelations, t.IndexOID, 0, classOfConstr, t.PrimaryKeyOID, 0, "i")
		}
	}
	for _, v := range env.views() {
		w.add(classOfRelations, v.OID, 0, classOfSchemas, v.Namespace, 0, "n")
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
	}
	for _, v := range env.views() {
		add(v.OID, 0, v.Comment)
		for i, c := range v.Columns {
			add(v.OID, i+1, c.Comment)
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
