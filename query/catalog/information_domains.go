package catalog

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// What information_schema says of domains.

// domains are those among the users' types, by OID.
func (e *Env) domains() (out []*schema.Type) {
	for _, t := range e.userTypes() {
		if t.OID.Class() == datum.DomainClass {
			out = append(out, t)
		}
	}
	return out
}

// describe says what values of a type are, and where the type is and what it is called: of a
// domain the one right below it, which may be a domain itself.
func (e *Env) describe(t datum.Type) (d description, namespace, name string) {
	if def := e.Catalog.Types[t.Domain]; def != nil {
		t = def.Base
		if def = e.Catalog.Types[t.Domain]; def != nil {
			namespace, name = e.typeName(t.Domain)
			return description{name: "USER-DEFINED"}, namespace, name
		}
	}
	namespace, name = e.typeName(t.Declared())
	return describe(t), namespace, name
}

func infoDomains(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("domain_catalog", "domain_schema", "domain_name", "data_type", "character_maximum_length", "character_octet_length",
		"numeric_precision", "numeric_precision_radix", "numeric_scale", "datetime_precision", "interval_type", "domain_default",
		"udt_catalog", "udt_schema", "udt_name", "dtd_identifier")
	for _, t := range env.domains() {
		d, namespace, name := env.describe(t.Domain())
		if d.name == "ARRAY" { // PostgreSQL has its elements here
			d.name = datum.Of(t.Base.OID).String()
		}
		w.add(env.database(), env.namespaceName(t.Namespace), t.Name, d.name, d.chars, d.octets, d.precision, d.radix, d.scale,
			d.datetime, d.interval, nullIfEmpty(env.exprText(t.Default, t.OID)), env.database(), namespace, name, "1")
	}
	return nil
}

func domainConstraints(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("constraint_catalog", "constraint_schema", "constraint_name", "domain_catalog", "domain_schema", "domain_name",
		"is_deferrable", "initially_deferred")
	for _, t := range env.domains() {
		for _, c := range t.Checks {
			w.add(env.database(), env.namespaceName(t.Namespace), c.Name, env.database(), env.namespaceName(t.Namespace), t.Name, "NO", "NO")
		}
	}
	return nil
}

func domainUDTUsage(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("udt_catalog", "udt_schema", "udt_name", "domain_catalog", "domain_schema", "domain_name")
	for _, t := range env.domains() {
		_, namespace, name := env.describe(t.Domain())
		w.add(env.database(), namespace, name, env.database(), env.namespaceName(t.Namespace), t.Name)
	}
	return nil
}

// eachUserColumn calls f for the columns of users' tables and views.
func (e *Env) eachUserColumn(f func(namespace, relation, column string, t datum.Type)) {
	for _, t := range e.baseTables() {
		for i := range t.Columns {
			if c := &t.Columns[i]; !dropped(c) {
				f(e.namespaceName(t.Namespace), t.Name, c.Name, c.Type)
			}
		}
	}
	for _, v := range e.views() {
		for _, c := range v.Columns {
			f(e.namespaceName(v.Namespace), v.Name, c.Name, c.Type)
		}
	}
}

func columnDomainUsage(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("domain_catalog", "domain_schema", "domain_name", "table_catalog", "table_schema", "table_name", "column_name")
	db := env.database()
	env.eachUserColumn(func(namespace, relation, column string, t datum.Type) {
		if d := env.Catalog.Types[t.Domain]; d != nil {
			w.add(db, env.namespaceName(d.Namespace), d.Name, db, namespace, relation, column)
		}
	})
	return nil
}

func columnUDTUsage(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("udt_catalog", "udt_schema", "udt_name", "table_catalog", "table_schema", "table_name", "column_name")
	db := env.database()
	env.eachUserColumn(func(namespace, relation, column string, t datum.Type) {
		_, typeNamespace, name := env.describe(t)
		w.add(db, typeNamespace, name, db, namespace, relation, column)
	})
	return nil
}
