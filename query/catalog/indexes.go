package catalog

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

// accessMethods are PostgreSQL's, by name.
var accessMethods = map[string]datum.OID{"btree": btreeAM, "hash": 405, "gist": 783, "gin": 2742, "spgist": 4000, "brin": 3580}

// eachIndex calls f for the indexes of all tables, those of primary keys included.
func (e *Env) eachIndex(f func(t *schema.Table, x *schema.Index)) {
	for _, t := range e.tables() {
		all := t.AllIndexes()
		for i := range all {
			f(t, &all[i])
		}
	}
}

// indexColumns are the columns of an index; an expression is one of its own, of type text as
// far as the catalogue tells.
func indexColumns(t *schema.Table, x *schema.Index) []schema.Column {
	var out []schema.Column
	for _, k := range x.Keys {
		c := schema.Column{Name: "expr", Type: datum.Of(datum.Text)}
		if k.Column != 0 {
			c = *t.Column(k.Column)
		}
		out = append(out, c)
	}
	for _, id := range x.Include {
		out = append(out, *t.Column(id))
	}
	return out
}

func indexes(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("indexrelid", "indrelid", "indnatts", "indnkeyatts", "indisunique", "indnullsnotdistinct", "indisprimary", "indimmediate",
		"indisvalid", "indisready", "indislive", "indkey", "indcollation", "indclass", "indoption", "indexprs", "indpred")
	env.eachIndex(func(t *schema.Table, x *schema.Index) {
		const desc, nullsFirst = 1, 2
		var attnums, options []int
		var collations, classes []datum.OID
		var exprs any
		for i, c := range indexColumns(t, x) {
			num := 0
			if i >= len(x.Keys) {
				attnums = append(attnums, columnNumber(t, c.ID))
				continue
			}
			k, option := x.Keys[i], 0
			if k.Column != 0 {
				num = columnNumber(t, k.Column)
			} else if exprs == nil {
				exprs = k.Expr
			} else {
				exprs = exprs.(string) + ", " + k.Expr
			}
			if k.Desc {
				option |= desc
			}
			if k.NullsFirst {
				option |= nullsFirst
			}
			attnums, options = append(attnums, num), append(options, option)
			collations, classes = append(collations, typeExtra(c.Type.OID).collation), append(classes, operatorClass(c.Type.OID))
		}
		w.add(x.OID, t.OID, len(attnums), len(x.Keys), x.Unique, x.NullsNotDistinct, x.Primary, true, true, true, true, attnums, collations,
			classes, options, exprs, nullIfEmpty(x.Where))
	})
	return nil
}

func indexDefinitions(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("schemaname", "tablename", "indexname", "indexdef")
	env.eachIndex(func(t *schema.Table, x *schema.Index) {
		ns := env.namespaceName(t.Namespace)
		w.add(ns, t.Name, x.Name, function.IndexDefinition(ns, t, x, env.exprText))
	})
	return nil
}

func indexStats(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("relid", "indexrelid", "schemaname", "relname", "indexrelname", "idx_scan", "idx_tup_read", "idx_tup_fetch")
	env.eachIndex(func(t *schema.Table, x *schema.Index) {
		w.add(t.OID, x.OID, env.namespaceName(t.Namespace), t.Name, x.Name, 0, 0, 0)
	})
	return nil
}

func indexIO(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("relid", "indexrelid", "schemaname", "relname", "indexrelname", "idx_blks_read", "idx_blks_hit")
	env.eachIndex(func(t *schema.Table, x *schema.Index) {
		w.add(t.OID, x.OID, env.namespaceName(t.Namespace), t.Name, x.Name, 0, 0)
	})
	return nil
}

func constraints(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "conname", "connamespace", "contype", "condeferrable", "condeferred", "convalidated", "conrelid", "conindid", "confrelid",
		"confupdtype", "confdeltype", "confmatchtype", "conislocal", "connoinherit", "conkey", "confkey", "conbin", "confdelsetcols", "contypid")
	for _, t := range env.tables() {
		for _, x := range t.AllIndexes() {
			if x.Constraint == 0 {
				continue
			}
			kind := "u"
			if x.Primary {
				kind = "p"
			}
			w.add(x.Constraint, x.Name, t.Namespace, kind, false, false, true, t.OID, x.OID, 0, " ", " ", " ", true, true,
				columnNumbers(t, x.Columns()), nil, nil, nil, 0)
		}
		for _, c := range t.Checks {
			w.add(c.OID, c.Name, t.Namespace, "c", false, false, !c.NotValid, t.OID, 0, 0, " ", " ", " ", true, false,
				columnNumbers(t, c.Columns), nil, c.Expr, nil, 0)
		}
		for _, k := range t.ForeignKeys {
			var set any
			if len(k.OnDeleteColumns) > 0 {
				set = columnNumbers(t, k.OnDeleteColumns)
			}
			w.add(k.OID, k.Name, t.Namespace, "f", k.Deferrable, k.Deferred, !k.NotValid, t.OID, k.RefIndex, k.RefTable, k.OnUpdate, k.OnDelete,
				k.Match, true, true, columnNumbers(t, k.Columns), columnNumbers(env.Catalog.Tables[k.RefTable], k.RefColumns), nil, set, 0)
		}
	}
	for _, d := range env.userTypes() {
		for _, c := range d.Checks {
			w.add(c.OID, c.Name, d.Namespace, "c", false, false, !c.NotValid, 0, 0, 0, " ", " ", " ", true, false, nil, nil, c.Expr, nil, d.OID)
		}
	}
	return nil
}

// constraintDepends are the rows of pg_depend for the indexes and constraints of a table.
func constraintDepends(w *writer, env *Env, t *schema.Table) {
	for _, x := range t.AllIndexes() {
		class, oid := classOfRelations, x.OID
		if x.Constraint != 0 {
			w.add(classOfRelations, x.OID, 0, classOfConstr, x.Constraint, 0, "i")
			class, oid = classOfConstr, x.Constraint
		}
		for _, id := range x.Columns() {
			if id != 0 {
				w.add(class, oid, 0, classOfRelations, t.OID, columnNumber(t, id), "a")
			}
		}
	}
	for _, c := range t.Checks {
		for _, n := range columnNumbers(t, c.Columns) {
			w.add(classOfConstr, c.OID, 0, classOfRelations, t.OID, n, "a")
		}
	}
	for _, k := range t.ForeignKeys {
		for _, n := range columnNumbers(t, k.Columns) {
			w.add(classOfConstr, k.OID, 0, classOfRelations, t.OID, n, "a")
		}
		for _, n := range columnNumbers(env.Catalog.Tables[k.RefTable], k.RefColumns) {
			w.add(classOfConstr, k.OID, 0, classOfRelations, k.RefTable, n, "n")
		}
		w.add(classOfConstr, k.OID, 0, classOfRelations, k.RefIndex, 0, "n")
	}
}

func referentialConstraints(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("constraint_catalog", "constraint_schema", "constraint_name", "unique_constraint_catalog", "unique_constraint_schema",
		"unique_constraint_name", "match_option", "update_rule", "delete_rule")
	rules := map[string]string{"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
	for _, t := range env.tables() {
		for _, k := range t.ForeignKeys {
			ref := env.Catalog.Tables[k.RefTable]
			name := ""
			for _, x := range ref.AllIndexes() {
				if x.OID == k.RefIndex {
					name = x.Name
				}
			}
			match := "NONE"
			if k.Match == "f" {
				match = "FULL"
			}
			w.add(env.database(), env.namespaceName(t.Namespace), k.Name, env.database(), env.namespaceName(ref.Namespace), name, match,
				rules[k.OnUpdate], rules[k.OnDelete])
		}
	}
	return nil
}

func keyColumnUsage(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("constraint_catalog", "constraint_schema", "constraint_name", "table_catalog", "table_schema", "table_name",
		"column_name", "ordinal_position", "position_in_unique_constraint")
	db := env.database()
	for _, t := range env.tables() {
		ns := env.namespaceName(t.Namespace)
		for _, x := range t.AllIndexes() {
			if x.Constraint == 0 {
				continue
			}
			for i, id := range x.Columns() {
				w.add(db, ns, x.Name, db, ns, t.Name, t.Column(id).Name, i+1, nil)
			}
		}
		for _, k := range t.ForeignKeys {
			for i, id := range k.Columns {
				w.add(db, ns, k.Name, db, ns, t.Name, t.Column(id).Name, i+1, i+1)
			}
		}
	}
	return nil
}

func constraintColumnUsage(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_catalog", "table_schema", "table_name", "column_name", "constraint_catalog", "constraint_schema",
		"constraint_name")
	db := env.database()
	for _, t := range env.tables() {
		ns := env.namespaceName(t.Namespace)
		add := func(of *schema.Table, ids []schema.ColumnID, name string) {
			for _, id := range ids {
				w.add(db, env.namespaceName(of.Namespace), of.Name, of.Column(id).Name, db, ns, name)
			}
		}
		for _, x := range t.AllIndexes() {
			if x.Constraint != 0 {
				add(t, x.Columns(), x.Name)
			}
		}
		for _, c := range t.Checks {
			add(t, c.Columns, c.Name)
		}
		for _, k := range t.ForeignKeys {
			add(env.Catalog.Tables[k.RefTable], k.RefColumns, k.Name)
		}
	}
	return nil
}

func constraintTableUsage(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_catalog", "table_schema", "table_name", "constraint_catalog", "constraint_schema", "constraint_name")
	db := env.database()
	for _, t := range env.tables() {
		ns := env.namespaceName(t.Namespace)
		for _, x := range t.AllIndexes() {
			if x.Constraint != 0 {
				w.add(db, ns, t.Name, db, ns, x.Name)
			}
		}
		for _, k := range t.ForeignKeys {
			ref := env.Catalog.Tables[k.RefTable]
			w.add(db, env.namespaceName(ref.Namespace), ref.Name, db, ns, k.Name)
		}
	}
	return nil
}

func tableConstraints(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("constraint_catalog", "constraint_schema", "constraint_name", "table_catalog", "table_schema", "table_name",
		"constraint_type", "is_deferrable", "initially_deferred", "enforced")
	db := env.database()
	for _, t := range env.tables() {
		ns := env.namespaceName(t.Namespace)
		add := func(name, kind string, deferrable, deferred bool) {
			w.add(db, ns, name, db, ns, t.Name, kind, yesNo(deferrable), yesNo(deferred), "YES")
		}
		for _, x := range t.AllIndexes() {
			switch {
			case x.Primary:
				add(x.Name, "PRIMARY KEY", false, false)
			case x.Constraint != 0:
				add(x.Name, "UNIQUE", false, false)
			}
		}
		for _, c := range t.Checks {
			add(c.Name, "CHECK", false, false)
		}
		for _, k := range t.ForeignKeys {
			add(k.Name, "FOREIGN KEY", k.Deferrable, k.Deferred)
		}
		eachNotNull(t, func(num int, _ *schema.Column) { add(notNullName(t, num), "CHECK", false, false) })
	}
	return nil
}

// referring are the tables that have foreign keys, or are referred to by some: those for which
// PostgreSQL has triggers.
func (e *Env) referring() map[datum.OID]bool {
	out := map[datum.OID]bool{}
	for _, t := range e.Catalog.Tables {
		for _, k := range t.ForeignKeys {
			out[t.OID], out[k.RefTable] = true, true
		}
	}
	return out
}
