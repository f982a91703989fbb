package catalog

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// yesNo is information_schema's boolean.
func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

func catalogName(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("catalog_name")
	w.add(env.database())
	return nil
}

func schemata(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("catalog_name", "schema_name", "schema_owner")
	for _, n := range env.namespaces() {
		owner := n.owner
		switch {
		case n.oid == schema.PublicOID:
			owner = "pg_database_owner"
		case owner == "":
			owner = bootstrapName
		}
		w.add(env.database(), n.name, owner)
	}
	return nil
}

func infoTables(_ context.Context, s *Set, env *Env, w *writer) error {
	w.columns("table_catalog", "table_schema", "table_name", "table_type", "is_insertable_into", "is_typed")
	db := env.database()
	for _, t := range env.baseTables() {
		kind := "BASE TABLE"
		if env.persistence(t.Namespace) == "t" {
			kind = "LOCAL TEMPORARY"
		}
		w.add(db, env.namespaceName(t.Namespace), t.Name, kind, "YES", "NO")
	}
	for _, v := range env.views() {
		w.add(db, env.namespaceName(v.Namespace), v.Name, "VIEW", yesNo(slices.Contains(env.writableColumns(v), true)), "NO")
	}
	for _, r := range s.relations {
		kind := "BASE TABLE"
		if r.Kind == 'v' {
			kind = "VIEW"
		}
		w.add(db, r.Namespace, r.Name, kind, "NO", "NO")
	}
	return nil
}

func infoViews(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("table_catalog", "table_schema", "table_name", "view_definition", "check_option", "is_updatable",
		"is_insertable_into", "is_trigger_updatable", "is_trigger_deletable", "is_trigger_insertable_into")
	for _, v := range env.views() {
		check := "NONE"
		if c := v.CheckOption(); c != schema.NoCheck {
			check = strings.ToUpper(string(c))
		}
		writable := yesNo(slices.Contains(env.writableColumns(v), true))
		w.add(env.database(), env.namespaceName(v.Namespace), v.Name, viewDefinition(v), check, writable, writable, "NO", "NO", "NO")
	}
	return nil
}

func infoColumns(_ context.Context, s *Set, env *Env, w *writer) error {
	w.columns("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default",
		"is_nullable", "data_type", "character_maximum_length", "character_octet_length", "numeric_precision",
		"numeric_precision_radix", "numeric_scale", "datetime_precision", "interval_type", "collation_catalog",
		"collation_schema", "collation_name", "domain_catalog", "domain_schema", "domain_name", "udt_catalog", "udt_schema", "udt_name", "dtd_identifier", "is_self_referencing",
		"is_identity", "identity_generation", "identity_start", "identity_increment", "identity_maximum", "identity_minimum",
		"identity_cycle", "is_generated", "generation_expression", "is_updatable")
	db := env.database()
	add := func(ns, table string, num int, c *schema.Column, q *schema.Sequence, def string, updatable bool) {
		t := c.Type
		d, udtSchema, udtName := env.describe(t)
		var domainCatalog, domainSchema, domain any
		if x := env.Catalog.Types[t.Domain]; x != nil {
			domainCatalog, domainSchema, domain = db, env.namespaceName(x.Namespace), x.Name
		}
		var collCatalog, collSchema, coll any
		if typeExtra(t.OID).collation == collationC { // the default collation is not shown
			collCatalog, collSchema, coll = db, "pg_catalog", "C"
		}
		isGenerated, generated := "NEVER", ""
		if c.Generated != "" {
			isGenerated, generated, def = "ALWAYS", def, ""
		}
		generation, start, step, high, low, cycle := identityFacts(c, q)
		w.add(db, ns, table, c.Name, num, nullIfEmpty(def), yesNo(!c.NotNull), d.name, d.chars, d.octets, d.precision, d.radix,
			d.scale, d.datetime, d.interval, collCatalog, collSchema, coll, domainCatalog, domainSchema, domain, db, udtSchema, udtName, strconv.Itoa(num),
			"NO", yesNo(c.Identity != schema.NoIdentity), generation, start, step, high, low, cycle, isGenerated, nullIfEmpty(generated), yesNo(updatable))
	}
	for _, t := range env.baseTables() {
		for i, c := range t.Columns {
			if !dropped(&c) {
				add(env.namespaceName(t.Namespace), t.Name, i+1, &c, env.Catalog.SequenceOf(t.OID, c.ID), env.exprText(cmp.Or(c.Default, c.Generated), t.OID), true)
			}
		}
	}
	for _, v := range env.views() {
		writable := env.writableColumns(v)
		for i, c := range v.Columns {
			add(env.namespaceName(v.Namespace), v.Name, i+1, &schema.Column{Name: c.Name, Type: c.Type}, nil, env.exprText(c.Default, v.OID), writable != nil && writable[i])
		}
	}
	for _, r := range s.relations {
		for i, c := range r.Columns {
			add(r.Namespace, r.Name, i+1, &schema.Column{Name: c.Name, Type: c.Type, NotNull: c.NotNull}, nil, "", false)
		}
	}
	return nil
}

const collationC datum.OID = 950

// A description is what information_schema says of a type; nil is NULL.
type description struct {
	name                                                       string
	chars, octets, precision, radix, scale, datetime, interval any
}

const bytesPerCharacter = 4 // of UTF-8, as PostgreSQL counts

func describe(t datum.Type) description {
	d := description{name: datum.Of(t.OID).String()}
	if isArray(t) {
		d.name = "ARRAY"
		return d
	}
	if t.OID.Class() != datum.NotUserClass {
		d.name = "USER-DEFINED"
		return d
	}
	const headerBytes = 4 // that modifiers count in
	switch t.OID {
	case datum.Int2:
		d.precision, d.radix, d.scale = 16, 2, 0
	case datum.Int4:
		d.precision, d.radix, d.scale = 32, 2, 0
	case datum.Int8:
		d.precision, d.radix, d.scale = 64, 2, 0
	case datum.Float4:
		d.precision, d.radix = 24, 2
	case datum.Float8:
		d.precision, d.radix = 53, 2
	case datum.Numeric:
		d.radix = 10
		if p, s, ok := t.NumericMod(); ok {
			d.precision, d.scale = p, s
		}
	case datum.Varchar, datum.BPChar:
		d.octets = 1 << 30
		if t.OID == datum.BPChar {
			d.name = "character"
		}
		if t.Mod >= headerBytes {
			n := int(t.Mod - headerBytes)
			d.chars, d.octets = n, n*bytesPerCharacter
		}
	case datum.Text:
		d.octets = 1 << 30
	case datum.Date:
		d.datetime = 0
	case datum.Time, datum.TimeTZ, datum.Timestamp, datum.TimestampTZ:
		d.datetime = 6
		if t.Mod >= 0 {
			d.datetime = int(t.Mod)
		}
	case datum.Interval:
		d.datetime = 6
		const fullPrecision = 0xFFFF
		if p := int(t.Mod) & fullPrecision; t.Mod >= 0 && p != fullPrecision {
			d.datetime = p
		}
	}
	return d
}

// notNullName is PostgreSQL's name for the check that it makes of NOT NULL here.
func notNullName(t *schema.Table, num int) string {
	return strconv.Itoa(int(t.Namespace)) + "_" + strconv.Itoa(int(t.OID)) + "_" + strconv.Itoa(num) + "_not_null"
}

// eachNotNull calls f for the columns of a table that may not be NULL.
func eachNotNull(t *schema.Table, f func(num int, c *schema.Column)) {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.NotNull && !dropped(c) {
			f(i+1, c)
		}
	}
}

func checkConstraints(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("constraint_catalog", "constraint_schema", "constraint_name", "check_clause")
	for _, t := range env.baseTables() {
		for _, c := range t.Checks {
			w.add(env.database(), env.namespaceName(t.Namespace), c.Name, "("+env.exprText(c.Expr, t.OID)+")")
		}
		eachNotNull(t, func(num int, c *schema.Column) {
			w.add(env.database(), env.namespaceName(t.Namespace), notNullName(t, num), c.Name+" IS NOT NULL")
		})
	}
	for _, d := range env.domains() {
		for _, c := range d.Checks {
			w.add(env.database(), env.namespaceName(d.Namespace), c.Name, "("+env.exprText(c.Expr, d.OID)+")")
		}
	}
	return nil
}

func characterSets(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("character_set_name", "character_repertoire", "form_of_use", "default_collate_catalog",
		"default_collate_schema", "default_collate_name")
	w.add("UTF8", "UCS", "UTF8", env.database(), "pg_catalog", "ucs_basic")
	return nil
}

func collations(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("collation_catalog", "collation_schema", "collation_name", "pad_attribute")
	for _, f := range staticLines("pg_collation") {
		w.add(env.database(), "pg_catalog", f[1], "NO PAD")
	}
	return nil
}

func enabledRoles(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("role_name")
	for _, r := range env.roles() {
		if r.Name == env.User || r.OID == databaseOwner {
			w.add(r.Name)
		}
	}
	return nil
}

// tablePrivileges are those of the owners: there are no others.
func tablePrivileges(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("grantor", "grantee", "table_catalog", "table_schema", "table_name", "privilege_type", "is_grantable", "with_hierarchy")
	add := func(owner, ns, name string) {
		for _, p := range []string{"INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"} {
			w.add(owner, owner, env.database(), ns, name, p, "YES", yesNo(p == "SELECT"))
		}
	}
	for _, t := range env.baseTables() {
		add(t.Owner, env.namespaceName(t.Namespace), t.Name)
	}
	for _, v := range env.views() {
		add(v.Owner, env.namespaceName(v.Namespace), v.Name)
	}
	return nil
}

func columnPrivileges(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("grantor", "grantee", "table_catalog", "table_schema", "table_name", "column_name", "privilege_type", "is_grantable")
	for _, t := range env.baseTables() {
		for i := range t.Columns {
			if dropped(&t.Columns[i]) {
				continue
			}
			for _, p := range []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"} {
				w.add(t.Owner, t.Owner, env.database(), env.namespaceName(t.Namespace), t.Name, t.Columns[i].Name, p, "YES")
			}
		}
	}
	return nil
}
