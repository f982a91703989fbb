package bind

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// regInput reads a literal of a reg type, which names an object; ok is false for
// other types.
func (b *binder) regInput(t datum.OID, s string) (v datum.Value, ok bool, err error) {
	switch t {
	case datum.RegClass, datum.RegType, datum.RegProc, datum.RegProcedure, datum.RegOper, datum.RegOperator,
		datum.RegNamespace, datum.RegRole, datum.RegCollation:
	default:
		return nil, false, nil
	}
	if s == "-" {
		return datum.OID(0), true, nil
	}
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return datum.OID(n), true, nil
	}
	var oid datum.OID
	switch t {
	case datum.RegClass:
		oid, err = b.regClass(s)
	case datum.RegType:
		oid, err = regType(s)
	case datum.RegProc:
		oid, err = b.regProc(s)
	case datum.RegProcedure:
		oid, err = b.regProcedure(s)
	case datum.RegNamespace:
		oid, err = b.regNamespace(s)
	case datum.RegRole:
		oid, err = b.regRole(s)
	case datum.RegCollation:
		oid, err = regCollation(s)
	default:
		oid, err = b.regOper(t, s)
	}
	return oid, true, err
}

// splitQualified splits a possibly qualified name as it stands in a string.
func splitQualified(s string) ([]string, error) {
	var parts []string
	rest := strings.TrimSpace(s)
	for {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			var sb strings.Builder
			for {
				i := strings.IndexByte(rest[end:], '"')
				if i < 0 {
					return nil, pgerr.New(pgerr.InvalidName, "invalid name syntax")
				}
				sb.WriteString(rest[end : end+i])
				end += i + 1
				if end < len(rest) && rest[end] == '"' {
					sb.WriteByte('"')
					end++
					continue
				}
				break
			}
			part, rest = sb.String(), rest[end:]
		} else {
			i := strings.IndexByte(rest, '.')
			if i < 0 {
				i = len(rest)
			}
			part, rest = strings.ToLower(strings.TrimSpace(rest[:i])), rest[i:]
		}
		if part == "" || strings.ContainsAny(part, " ") && !strings.Contains(s, `"`) {
			return nil, pgerr.New(pgerr.InvalidName, "invalid name syntax")
		}
		parts = append(parts, part)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, pgerr.New(pgerr.InvalidName, "invalid name syntax")
		}
		rest = strings.TrimSpace(rest[1:])
	}
}

// qualified splits a name into namespace and name.
func qualified(s string) (ns, name string, err error) {
	parts, err := splitQualified(s)
	if err != nil {
		return "", "", err
	}
	name = parts[len(parts)-1]
	if len(parts) > 1 {
		ns = parts[len(parts)-2]
	}
	return ns, name, nil
}

func (b *binder) regClass(s string) (datum.OID, error) {
	ns, name, err := qualified(s)
	if err != nil {
		return 0, err
	}
	if rel := b.findRelation(ns, name); rel != nil {
		switch {
		case rel.table != nil:
			return rel.table.OID, nil
		case rel.view != nil:
			return rel.view.OID, nil
		}
		return rel.virtual.OID, nil
	}
	for _, t := range b.env.Catalog.Tables {
		if t.Keyed() && t.PrimaryKeyName == name && (ns == "" || b.namespaceName(t.Namespace) == ns) {
			return t.IndexOID, nil
		}
	}
	return 0, pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", s)
}

func regType(s string) (datum.OID, error) {
	name := strings.TrimSpace(s)
	name = strings.TrimPrefix(name, "pg_catalog.")
	if !strings.HasPrefix(name, `"`) {
		name = strings.ToLower(name)
		if i := strings.IndexByte(name, '('); i >= 0 {
			if j := strings.IndexByte(name[i:], ')'); j >= 0 {
				name = strings.TrimSpace(name[:i]) + name[i+j+1:]
			}
		}
	} else if name != `"char"` {
		name = strings.Trim(name, `"`)
	}
	if oid, ok := datum.LookupName(name); ok {
		return oid, nil
	}
	return 0, pgerr.New(pgerr.UndefinedObject, "type %q does not exist", s)
}

func (b *binder) regProc(s string) (datum.OID, error) {
	_, name, err := qualified(s)
	if err != nil {
		return 0, err
	}
	var oids []datum.OID
	for _, f := range b.reg.Functions(name) {
		oids = append(oids, f.OID)
	}
	for _, a := range b.reg.Aggregates(name) {
		oids = append(oids, a.OID)
	}
	for _, f := range b.reg.WindowFunctions(name) {
		oids = append(oids, f.OID)
	}
	switch len(oids) {
	case 0:
		return 0, pgerr.New(pgerr.UndefinedFunction, "function %q does not exist", s)
	case 1:
		return oids[0], nil
	}
	return 0, pgerr.New(pgerr.AmbiguousFunction, "more than one function named %q", s)
}

func (b *binder) regProcedure(s string) (datum.OID, error) {
	open := strings.IndexByte(s, '(')
	missing := pgerr.New(pgerr.UndefinedFunction, "function %q does not exist", s)
	if open < 0 || !strings.HasSuffix(strings.TrimSpace(s), ")") {
		return 0, pgerr.New(pgerr.InvalidText, "expected a left parenthesis")
	}
	_, name, err := qualified(s[:open])
	if err != nil {
		return 0, err
	}
	var args []datum.OID
	list := strings.TrimSuffix(strings.TrimSpace(s[open+1:]), ")")
	if strings.TrimSpace(list) != "" {
		for _, a := range strings.Split(list, ",") {
			t, err := regType(a)
			if err != nil {
				return 0, err
			}
			args = append(args, t)
		}
	}
	for _, f := range b.reg.Functions(name) {
		if sameTypes(f.Args, args) {
			return f.OID, nil
		}
	}
	for _, a := range b.reg.Aggregates(name) {
		if sameTypes(a.Args, args) {
			return a.OID, nil
		}
	}
	return 0, missing
}

func (b *binder) regOper(t datum.OID, s string) (datum.OID, error) {
	name := strings.TrimPrefix(s, "pg_catalog.")
	var args []datum.OID
	if open := strings.IndexByte(name, '('); open >= 0 && t == datum.RegOperator {
		list := strings.TrimSuffix(strings.TrimSpace(name[open+1:]), ")")
		name = name[:open]
		for _, a := range strings.Split(list, ",") {
			if strings.EqualFold(strings.TrimSpace(a), "none") {
				args = append(args, 0)
				continue
			}
			at, err := regType(a)
			if err != nil {
				return 0, err
			}
			args = append(args, at)
		}
	}
	var found []datum.OID
	for _, op := range b.reg.Operators(strings.TrimSpace(name)) {
		if len(args) != 2 || args[0] == op.Left && args[1] == op.Right {
			found = append(found, op.OID)
		}
	}
	switch len(found) {
	case 0:
		return 0, pgerr.New(pgerr.UndefinedFunction, "operator does not exist: %s", s)
	case 1:
		return found[0], nil
	}
	return 0, pgerr.New(pgerr.AmbiguousFunction, "more than one operator named %s", s)
}

func (b *binder) regNamespace(s string) (datum.OID, error) {
	_, name, err := qualified(s)
	if err != nil {
		return 0, err
	}
	if oid := b.namespaceOID(name); oid != 0 {
		return oid, nil
	}
	return 0, pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", name)
}

func (b *binder) regRole(s string) (datum.OID, error) {
	_, name, err := qualified(s)
	if err != nil {
		return 0, err
	}
	if r := b.env.Catalog.Roles[name]; r != nil {
		return r.OID, nil
	}
	return 0, pgerr.New(pgerr.UndefinedObject, "role %q does not exist", name)
}

// OIDs of the collations that PostgreSQL and we both have.
const (
	defaultCollation datum.OID = 100
	cCollation       datum.OID = 950
	posixCollation   datum.OID = 951
)

func regCollation(s string) (datum.OID, error) {
	switch strings.TrimPrefix(s, "pg_catalog.") {
	case "default", `"default"`:
		return defaultCollation, nil
	case `"C"`:
		return cCollation, nil
	case `"POSIX"`:
		return posixCollation, nil
	}
	return 0, pgerr.New(pgerr.UndefinedObject, "collation %q for encoding \"UTF8\" does not exist", s)
}
