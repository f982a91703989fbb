package catalog

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

const utf8Encoding = 6

func databases(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "datname", "datdba", "encoding", "datlocprovider", "datallowconn", "datconnlimit", "dattablespace",
		"datcollate", "datctype")
	for _, d := range env.Catalog.AllDatabases() {
		w.add(d.OID, d.Name, RoleOID(env.Catalog, d.Owner), utf8Encoding, "c", true, -1, defaultTablespc, "C", "C")
	}
	return nil
}

// classOfDatabases is the OID of pg_database.
const classOfDatabases datum.OID = 1262

// sharedDescriptions are the comments on databases.
func sharedDescriptions(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("objoid", "classoid", "description")
	for _, d := range env.Catalog.AllDatabases() {
		if d.Comment != "" {
			w.add(d.OID, classOfDatabases, d.Comment)
		}
	}
	return nil
}

// canLogin says whether sessions may be of a role: all but the built-in group.
func canLogin(r schema.Role) bool { return r.OID != databaseOwner }

func authIDs(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "rolname", "rolsuper", "rolinherit", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolreplication",
		"rolbypassrls", "rolconnlimit")
	for _, r := range env.roles() {
		w.add(r.OID, r.Name, r.Superuser, true, r.Superuser, r.Superuser, canLogin(r), r.Superuser, r.Superuser, -1)
	}
	return nil
}

// hiddenPassword is what the views show in place of a password.
const hiddenPassword = "********"

func roles(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("oid", "rolname", "rolsuper", "rolinherit", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolreplication",
		"rolbypassrls", "rolconnlimit", "rolpassword")
	for _, r := range env.roles() {
		w.add(r.OID, r.Name, r.Superuser, true, r.Superuser, r.Superuser, canLogin(r), r.Superuser, r.Superuser, -1, hiddenPassword)
	}
	return nil
}

func users(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("usename", "usesysid", "usecreatedb", "usesuper", "userepl", "usebypassrls", "passwd")
	for _, r := range env.roles() {
		if canLogin(r) {
			w.add(r.Name, r.OID, r.Superuser, r.Superuser, r.Superuser, r.Superuser, hiddenPassword)
		}
	}
	return nil
}

// shadows is pg_shadow, which here has no password either.
func shadows(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("usename", "usesysid", "usecreatedb", "usesuper", "userepl", "usebypassrls")
	for _, r := range env.roles() {
		if canLogin(r) {
			w.add(r.Name, r.OID, r.Superuser, r.Superuser, r.Superuser, r.Superuser)
		}
	}
	return nil
}

func groups(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("groname", "grosysid", "grolist")
	for _, r := range env.roles() {
		if !canLogin(r) {
			w.add(r.Name, r.OID, []int{})
		}
	}
	return nil
}
