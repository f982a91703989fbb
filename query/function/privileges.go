package function

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Who may connect may do everything: privileges are not restricted here. So the
// functions below only check that what they are asked about exists.

// A privilegeKind is a kind of object that has privileges.
type privilegeKind struct {
	name       string // of the functions, has_table_privilege
	privileges string
	// find returns an object by name, with PostgreSQL's error if there is none;
	// exists says whether there is one with an OID.
	find   func(c *Context, name string) (datum.OID, error)
	exists func(c *Context, oid datum.OID) bool
}

const tablePrivileges = "SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,RULE"

func privilegeKinds() []privilegeKind {
	return []privilegeKind{
		{"table", tablePrivileges, findReg(datum.RegClass), func(c *Context, oid datum.OID) bool { return relationByOID(c, oid) != nil }},
		{"any_column", "SELECT,INSERT,UPDATE,REFERENCES", findReg(datum.RegClass), func(c *Context, oid datum.OID) bool { return relationByOID(c, oid) != nil }},
		{"sequence", "USAGE,SELECT,UPDATE", findSequence, func(c *Context, oid datum.OID) bool { return c.Catalog.Sequences[oid] != nil }},
		{"schema", "CREATE,USAGE", findReg(datum.RegNamespace), func(c *Context, oid datum.OID) bool { return namespaceName(c, oid) != "" }},
		{"database", "CREATE,TEMPORARY,TEMP,CONNECT", findDatabase, func(c *Context, oid datum.OID) bool { return oid != 0 && c.Catalog.DatabaseOf(oid) != nil }},
		{"function", "EXECUTE", findReg(datum.RegProcedure), func(_ *Context, oid datum.OID) bool { _, ok := procedureByOID(oid); return ok }},
		{"type", "USAGE", findReg(datum.RegType), func(c *Context, oid datum.OID) bool { return typeName(c, datum.Of(oid)) != "" }},
		{"language", "USAGE", findAmong("language", map[string]datum.OID{"internal": 12, "c": 13, "sql": 14}), oneOf(12, 13, 14)},
		{"tablespace", "CREATE", findAmong("tablespace", map[string]datum.OID{"pg_default": 1663, "pg_global": 1664}), oneOf(1663, 1664)},
		{"server", "USAGE", findAmong("server", nil), oneOf()},
		{"foreign_data_wrapper", "USAGE", findAmong("foreign-data wrapper", nil), oneOf()},
	}
}

func findReg(t datum.OID) func(*Context, string) (datum.OID, error) {
	return func(c *Context, name string) (datum.OID, error) {
		oid, err := regByName(c, t, name)
		if err == nil && oid == 0 {
			err = noSuchName(c, t, name)
		}
		return oid, err
	}
}

func findSequence(c *Context, name string) (datum.OID, error) {
	oid, err := findReg(datum.RegClass)(c, name)
	if err == nil && c.Catalog.Sequences[oid] == nil {
		err = pgerr.New(pgerr.WrongObjectType, "\"%s\" is not a sequence", name)
	}
	return oid, err
}

func findDatabase(c *Context, name string) (datum.OID, error) {
	d := c.Catalog.DatabaseNamed(name)
	if d == nil {
		return 0, pgerr.New(pgerr.InvalidCatalogName, "database \"%s\" does not exist", name)
	}
	return d.OID, nil
}

func findAmong(what string, known map[string]datum.OID) func(*Context, string) (datum.OID, error) {
	return func(_ *Context, name string) (datum.OID, error) {
		if oid, ok := known[name]; ok {
			return oid, nil
		}
		return 0, pgerr.New(pgerr.UndefinedObject, "%s \"%s\" does not exist", what, name)
	}
}

func oneOf(oids ...datum.OID) func(*Context, datum.OID) bool {
	return func(_ *Context, oid datum.OID) bool { return slices.Contains(oids, oid) }
}

func privilegeKernels(k kernels) {
	for _, kind := range privilegeKinds() {
		byName := kind.byName
		byOID := kind.byOID
		prefix := "has_" + kind.name + "_privilege_"
		k.add(privilege(kind.privileges, noUser, byName, datum.Text, datum.Text), prefix+"name")
		k.add(privilege(kind.privileges, noUser, byOID, datum.OIDType, datum.Text), prefix+"id")
		k.add(privilege(kind.privileges, userByName, byName, datum.Name, datum.Text, datum.Text), prefix+"name_name")
		k.add(privilege(kind.privileges, userByName, byOID, datum.Name, datum.OIDType, datum.Text), prefix+"name_id")
		k.add(privilege(kind.privileges, userByOID, byName, datum.OIDType, datum.Text, datum.Text), prefix+"id_name")
		k.add(privilege(kind.privileges, userByOID, byOID, datum.OIDType, datum.OIDType, datum.Text), prefix+"id_id")
	}
	columnPrivileges(k)
	roleMembership(k)
}

// An objectCheck looks at the arguments between the user and the privilege;
// exists is false if the answer is NULL.
type objectCheck func(c *Context, args []datum.Value) (exists bool, err error)

func (p privilegeKind) byName(c *Context, args []datum.Value) (bool, error) {
	_, err := p.find(c, args[0].(string))
	return true, err
}

func (p privilegeKind) byOID(c *Context, args []datum.Value) (bool, error) {
	return p.exists(c, args[0].(datum.OID)), nil
}

// A userCheck looks at the user that a privilege is asked for, and returns the
// arguments after it.
type userCheck func(c *Context, args []datum.Value) ([]datum.Value, error)

func noUser(_ *Context, args []datum.Value) ([]datum.Value, error) { return args, nil }

func userByName(c *Context, args []datum.Value) ([]datum.Value, error) {
	if name := args[0].(string); name != "public" {
		if _, ok := roleOID(c, name); !ok {
			return nil, pgerr.New(pgerr.UndefinedObject, "role \"%s\" does not exist", name)
		}
	}
	return args[1:], nil
}

func userByOID(_ *Context, args []datum.Value) ([]datum.Value, error) { return args[1:], nil }

func privilege(allowed string, user userCheck, object objectCheck, types ...datum.OID) evalFunc {
	return nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		rest, err := user(c, args)
		if err != nil {
			return nil, err
		}
		exists, err := object(c, rest)
		if err != nil {
			return nil, err
		}
		if err := checkPrivileges(rest[len(rest)-1].(string), allowed); err != nil {
			return nil, err
		}
		if !exists {
			return nil, nil
		}
		return true, nil
	}, types...)
}

// checkPrivileges refuses words that are no privileges.
func checkPrivileges(list, allowed string) error {
	for word := range strings.SplitSeq(list, ",") {
		w := strings.ToUpper(strings.TrimSpace(word))
		w = strings.TrimSuffix(strings.TrimSuffix(w, " WITH GRANT OPTION"), " WITH ADMIN OPTION")
		if !slices.Contains(strings.Split(allowed, ","), w) {
			return pgerr.New(pgerr.InvalidParameterValue, "unrecognized privilege type: \"%s\"", strings.TrimSpace(word))
		}
	}
	return nil
}

func columnPrivileges(k kernels) {
	const allowed = "SELECT,INSERT,UPDATE,REFERENCES"
	// column says whether a relation has a column, by name or number.
	column := func(c *Context, r *relation, v datum.Value) (bool, error) {
		cols := r.columns()
		if n, ok := v.(int16); ok {
			return n > 0 && (cols == nil || int(n) <= len(cols)), nil
		}
		for _, col := range cols {
			if col.Name == v.(string) {
				return true, nil
			}
		}
		if cols == nil {
			return true, nil // of a relation of the system's
		}
		return false, pgerr.New(pgerr.UndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", v, r.name)
	}
	byName := func(c *Context, args []datum.Value) (bool, error) {
		oid, err := findReg(datum.RegClass)(c, args[0].(string))
		if err != nil {
			return false, err
		}
		return column(c, relationByOID(c, oid), args[1])
	}
	byOID := func(c *Context, args []datum.Value) (bool, error) {
		r := relationByOID(c, args[0].(datum.OID))
		if r == nil {
			return false, nil
		}
		return column(c, r, args[1])
	}
	const p = "has_column_privilege_"
	for suffix, t := range map[string]datum.OID{"_name": datum.Text, "_attnum": datum.Int2} {
		k.add(privilege(allowed, noUser, byName, datum.Text, t, datum.Text), p+"name"+suffix)
		k.add(privilege(allowed, noUser, byOID, datum.OIDType, t, datum.Text), p+"id"+suffix)
		k.add(privilege(allowed, userByName, byName, datum.Name, datum.Text, t, datum.Text), p+"name_name"+suffix)
		k.add(privilege(allowed, userByName, byOID, datum.Name, datum.OIDType, t, datum.Text), p+"name_id"+suffix)
		k.add(privilege(allowed, userByOID, byName, datum.OIDType, datum.Text, t, datum.Text), p+"id_name"+suffix)
		k.add(privilege(allowed, userByOID, byOID, datum.OIDType, datum.OIDType, t, datum.Text), p+"id_id"+suffix)
	}
	parameter := func(_ *Context, _ []datum.Value) (bool, error) { return true, nil }
	k.add(privilege("SET,ALTER SYSTEM", noUser, parameter, datum.Text), "has_parameter_privilege_name")
	k.add(privilege("SET,ALTER SYSTEM", userByName, parameter, datum.Name, datum.Text, datum.Text), "has_parameter_privilege_name_name")
	k.add(privilege("SET,ALTER SYSTEM", userByOID, parameter, datum.OIDType, datum.Text, datum.Text), "has_parameter_privilege_id_name")
}

// roleMembership is pg_has_role: superusers are members of all roles, others of
// their own alone.
func roleMembership(k kernels) {
	byName := func(c *Context, v datum.Value) (datum.OID, error) {
		oid, ok := roleOID(c, v.(string))
		if !ok {
			return 0, pgerr.New(pgerr.UndefinedObject, "role \"%s\" does not exist", v)
		}
		return oid, nil
	}
	byOID := func(_ *Context, v datum.Value) (datum.OID, error) { return v.(datum.OID), nil }
	self := func(c *Context, _ datum.Value) (datum.OID, error) {
		oid, _ := roleOID(c, sessionUser(c))
		return oid, nil
	}
	type finder = func(*Context, datum.Value) (datum.OID, error)
	add := func(name string, user, role finder, types ...datum.OID) {
		k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
			member, err := user(c, args[0])
			if err != nil {
				return nil, err
			}
			of, err := role(c, args[len(args)-2])
			if err != nil {
				return nil, err
			}
			if err := checkPrivileges(args[len(args)-1].(string), "USAGE,MEMBER"); err != nil {
				return nil, err
			}
			return member == of || isSuperuser(c, member), nil
		}, types...), name)
	}
	add("pg_has_role_name", self, byName, datum.Name, datum.Text)
	add("pg_has_role_id", self, byOID, datum.OIDType, datum.Text)
	add("pg_has_role_name_name", byName, byName, datum.Name, datum.Name, datum.Text)
	add("pg_has_role_name_id", byName, byOID, datum.Name, datum.OIDType, datum.Text)
	add("pg_has_role_id_name", byOID, byName, datum.OIDType, datum.Name, datum.Text)
	add("pg_has_role_id_id", byOID, byOID, datum.OIDType, datum.OIDType, datum.Text)
}

// isSuperuser says whether a role is one: all are that are not stored otherwise.
func isSuperuser(c *Context, oid datum.OID) bool {
	name, ok := roleName(c, oid)
	if !ok {
		return false
	}
	if c.Catalog != nil && c.Catalog.Roles[name] != nil {
		return c.Catalog.Roles[name].Superuser || name == sessionUser(c)
	}
	return !strings.HasPrefix(name, "pg_")
}
