package function

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/parse"
)

// regKernels are the functions that find objects by name and return NULL for
// those that do not exist, and the cast of text to regclass.
func regKernels(k kernels) {
	for name, t := range map[string]datum.OID{
		"to_regclass": datum.RegClass, "to_regtype": datum.RegType, "to_regproc": datum.RegProc, "to_regprocedure": datum.RegProcedure,
		"to_regoper": datum.RegOper, "to_regoperator": datum.RegOperator, "to_regnamespace": datum.RegNamespace,
		"to_regrole": datum.RegRole, "to_regcollation": datum.RegCollation,
	} {
		k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			oid, err := regByName(c, t, args[0].(string))
			switch {
			case err != nil && pgerr.Code(err) != pgerr.AmbiguousFunction:
				return nil, err
			case err != nil || oid == 0:
				return nil, nil
			}
			return oid, nil
		}, datum.Text), name)
	}
	k.add(fn1c(func(c *Context, s string) (datum.OID, error) {
		v, err := regIn(c, datum.RegClass, s)
		if err != nil {
			return 0, err
		}
		return v.(datum.OID), nil
	}), "text_regclass")
}

// regIn reads a name, a number or - for 0.
func regIn(c *Context, t datum.OID, s string) (datum.Value, error) {
	if s == "-" {
		return datum.OID(0), nil
	}
	if s != "" && strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return nil, pgerr.New(pgerr.NumericOutOfRange, "value \"%s\" is out of range for type %s", s, "oid")
		}
		return datum.OID(n), nil
	}
	oid, err := regByName(c, t, s)
	if err == nil && oid == 0 {
		err = noSuchName(c, t, s)
	}
	if err != nil {
		return nil, err
	}
	return oid, nil
}

// regByName finds an object; 0 if there is none of that name.
func regByName(c *Context, t datum.OID, s string) (datum.OID, error) {
	switch t {
	case datum.RegType:
		if strings.TrimSpace(s) == "" {
			return 0, pgerr.New(pgerr.SyntaxError, "invalid type name \"%s\"", s)
		}
		return typeByName(c, s)
	case datum.RegProcedure:
		return procedureByText(c, s)
	case datum.RegOper:
		ops, err := operatorsNamed(c, s)
		return onlyOperator(ops, s, err)
	case datum.RegOperator:
		return operatorByText(c, s)
	}
	ns, name, err := splitName(c, s)
	if err != nil {
		return 0, err
	}
	if ns != "" && (t == datum.RegNamespace || t == datum.RegRole) {
		return 0, pgerr.New(pgerr.InvalidName, "invalid name syntax")
	}
	switch t {
	case datum.RegClass:
		if r := relationByName(c, ns, name); r != nil {
			return r.oid, nil
		}
	case datum.RegProc:
		return onlyProcedure(ns, name, s)
	case datum.RegNamespace:
		return namespaceOID(c, name), nil
	case datum.RegRole:
		if oid, ok := roleOID(c, name); ok {
			return oid, nil
		}
	case datum.RegCollation:
		for oid, n := range collationNames {
			if n == name && (ns == "" || ns == "pg_catalog") {
				return oid, nil
			}
		}
	}
	return 0, nil
}

// noSuchName is the error for a name that stands for nothing.
func noSuchName(c *Context, t datum.OID, s string) error {
	shown := s
	name, _, _ := strings.Cut(s, "(")
	if i := strings.LastIndexByte(name, '.'); i >= 0 && t == datum.RegOper {
		name = name[:i] + ".x" // for an operator is no identifier
	}
	if parts, err := qualifiedName(name); err == nil {
		if name == s {
			shown = strings.Join(parts, ".")
		}
		if len(parts) > 1 && t != datum.RegOperator && namespaceOID(c, parts[len(parts)-2]) == 0 {
			return pgerr.New(pgerr.InvalidSchemaName, "schema \"%s\" does not exist", parts[len(parts)-2])
		}
	}
	switch t {
	case datum.RegClass:
		return pgerr.New(pgerr.UndefinedTable, "relation \"%s\" does not exist", shown)
	case datum.RegType:
		return pgerr.New(pgerr.UndefinedObject, "type \"%s\" does not exist", s)
	case datum.RegProc, datum.RegProcedure:
		return pgerr.New(pgerr.UndefinedFunction, "function \"%s\" does not exist", s)
	case datum.RegNamespace:
		return pgerr.New(pgerr.InvalidSchemaName, "schema \"%s\" does not exist", shown)
	case datum.RegRole:
		return pgerr.New(pgerr.UndefinedObject, "role \"%s\" does not exist", shown)
	case datum.RegCollation:
		return pgerr.New(pgerr.UndefinedObject, "collation \"%s\" for encoding \"UTF8\" does not exist", shown)
	}
	return pgerr.New(pgerr.UndefinedFunction, "operator does not exist: %s", s)
}

func inPGCatalog(ns string) bool { return ns == "" || ns == "pg_catalog" }

func onlyProcedure(ns, name, s string) (datum.OID, error) {
	if !inPGCatalog(ns) {
		return 0, nil
	}
	switch found := proceduresNamed(name); len(found) {
	case 0:
		return 0, nil
	case 1:
		return found[0].oid, nil
	}
	return 0, pgerr.New(pgerr.AmbiguousFunction, "more than one function named \"%s\"", s)
}

// typeByName finds a type as SQL writes it; its modifier does not matter.
func typeByName(c *Context, s string) (datum.OID, error) {
	t, err := parse.ParseType(s)
	if err != nil {
		return 0, err
	}
	name, ns := t.Names[len(t.Names)-1], ""
	if len(t.Names) > 1 {
		ns = t.Names[len(t.Names)-2]
	}
	var oid, array datum.OID
	if info, ok := typeInfo(name); ok && inPGCatalog(ns) {
		oid, array = info.OID, info.Array
		if _, isArray := datum.Of(oid).Elem(); isArray {
			array = oid
		}
	} else if oid = UserTypeByName(c, ns, name); oid != 0 {
		arr, _ := datum.ArrayOf(datum.Of(oid))
		array = arr.OID
	}
	if len(t.Dims) > 0 {
		return array, nil
	}
	return oid, nil
}

// typeInfo finds a type by its name in pg_type, which is not always that of SQL.
func typeInfo(name string) (datum.Info, bool) {
	oid, ok := datum.LookupName(name)
	if !ok {
		return datum.Info{}, false
	}
	info, ok := datum.Lookup(oid)
	return info, ok && info.Name == name
}

// argumentTypes reads a list of types in parentheses; NONE is 0.
func argumentTypes(c *Context, list string) ([]datum.OID, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var types []datum.OID
	for _, a := range strings.Split(list, ",") {
		if strings.EqualFold(strings.TrimSpace(a), "none") {
			types = append(types, 0)
			continue
		}
		oid, err := typeByName(c, a)
		if err != nil {
			return nil, err
		}
		if oid == 0 {
			return nil, pgerr.New(pgerr.UndefinedObject, "type \"%s\" does not exist", strings.TrimSpace(a))
		}
		types = append(types, oid)
	}
	return types, nil
}

// nameAndArguments splits name(type, type).
func nameAndArguments(c *Context, s string) (name string, args []datum.OID, err error) {
	name, list, ok := strings.Cut(s, "(")
	if !ok {
		return "", nil, pgerr.New(pgerr.InvalidText, "expected a left parenthesis")
	}
	list = strings.TrimRight(list, " \t\n")
	if list, ok = strings.CutSuffix(list, ")"); !ok {
		return "", nil, pgerr.New(pgerr.InvalidText, "expected a right parenthesis")
	}
	args, err = argumentTypes(c, list)
	return name, args, err
}

func procedureByText(c *Context, s string) (datum.OID, error) {
	text, args, err := nameAndArguments(c, s)
	if err != nil {
		return 0, err
	}
	ns, name, err := splitName(c, text)
	if err != nil || !inPGCatalog(ns) {
		return 0, err
	}
	for _, p := range proceduresNamed(name) {
		if equalOIDs(p.args, args) {
			return p.oid, nil
		}
	}
	return 0, nil
}

func equalOIDs(a, b []datum.OID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// operatorsNamed finds operators by a name that may be qualified.
func operatorsNamed(c *Context, s string) ([]*Operator, error) {
	name := strings.TrimSpace(s)
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		parts, err := qualifiedName(name[:i])
		if err != nil {
			return nil, err
		}
		if parts[len(parts)-1] != "pg_catalog" {
			return nil, nil
		}
		name = strings.TrimSpace(name[i+1:])
	}
	return Builtins().Operators(name), nil
}

func onlyOperator(ops []*Operator, s string, err error) (datum.OID, error) {
	switch {
	case err != nil || len(ops) == 0:
		return 0, err
	case len(ops) == 1:
		return ops[0].OID, nil
	}
	return 0, pgerr.New(pgerr.AmbiguousFunction, "more than one operator named %s", s)
}

func operatorByText(c *Context, s string) (datum.OID, error) {
	name, args, err := nameAndArguments(c, s)
	switch {
	case err != nil:
		return 0, err
	case len(args) == 1:
		return 0, pgerr.New(pgerr.UndefinedParameter, "missing argument").WithHint("Use NONE to denote the missing argument of a unary operator.")
	case len(args) != 2:
		return 0, pgerr.New(pgerr.TooManyArguments, "too many arguments").WithHint("Provide two argument types for operator.")
	}
	ops, err := operatorsNamed(c, name)
	if err != nil {
		return 0, err
	}
	for _, op := range ops {
		if op.Left == args[0] && op.Right == args[1] {
			return op.OID, nil
		}
	}
	return 0, nil
}
