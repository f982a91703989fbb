package function

import (
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/ast"
)

// isReg says whether values of a type are OIDs that are written as names.
func isReg(t datum.OID) bool {
	switch t {
	case datum.RegProc, datum.RegProcedure, datum.RegOper, datum.RegOperator, datum.RegClass,
		datum.RegType, datum.RegNamespace, datum.RegRole, datum.RegCollation:
		return true
	}
	return false
}

// regOut writes an OID as the name of what it identifies: unqualified if the
// name alone finds it, a number if there is no such object.
func regOut(c *Context, t, oid datum.OID) string {
	if oid == 0 {
		return "-"
	}
	name := ""
	switch t {
	case datum.RegClass:
		if r := relationByOID(c, oid); r != nil {
			name = quotedIn(r.schema, r.name, r.visible(c))
		}
	case datum.RegType:
		name = typeName(c, datum.Of(oid))
	case datum.RegProc:
		if p, ok := procedureByOID(oid); ok {
			name = quotedIn("pg_catalog", p.name, len(proceduresNamed(p.name)) == 1)
		}
	case datum.RegProcedure:
		if p, ok := procedureByOID(oid); ok {
			name = ast.QuoteIdent(p.name) + "(" + typeNames(c, p.args, ",") + ")"
		}
	case datum.RegOper:
		if op := Builtins().OperatorByOID(oid); op != nil {
			if name = op.Name; len(Builtins().Operators(name)) != 1 {
				name = "pg_catalog." + name
			}
		}
	case datum.RegOperator:
		if op := Builtins().OperatorByOID(oid); op != nil {
			name = op.Name + "(" + operandName(c, op.Left) + "," + operandName(c, op.Right) + ")"
		}
	case datum.RegNamespace:
		if n := namespaceName(c, oid); n != "" {
			name = ast.QuoteIdent(n)
		}
	case datum.RegRole:
		if n, ok := roleName(c, oid); ok {
			name = ast.QuoteIdent(n)
		}
	case datum.RegCollation:
		if n := collationNames[oid]; n != "" {
			name = ast.QuoteIdent(n)
		}
	}
	if name == "" {
		return strconv.FormatUint(uint64(oid), 10)
	}
	return name
}

// RelationText is a relation's name as regclass prints it.
func RelationText(c *Context, oid datum.OID) string { return regOut(c, datum.RegClass, oid) }

// A procedure is a function or aggregate by its signature.
type procedure struct {
	oid      datum.OID
	name     string
	args     []datum.OID // as declared: the last of a variadic one is an array
	variadic bool
	ret      datum.OID
	set      bool
	fn       *Function // nil for aggregates
}

func procedureByOID(oid datum.OID) (procedure, bool) {
	if f := Builtins().FunctionByOID(oid); f != nil {
		return procedureOf(f), true
	}
	if a := Builtins().AggregateByOID(oid); a != nil {
		return procedure{oid: a.OID, name: a.Name, args: a.Args, variadic: a.Variadic, ret: a.Ret}, true
	}
	return procedure{}, false
}

func procedureOf(f *Function) procedure {
	p := procedure{oid: f.OID, name: f.Name, args: f.Args, variadic: f.Variadic, ret: f.Ret, set: f.RetSet, fn: f}
	if f.Variadic {
		p.args = append([]datum.OID(nil), f.Args...)
		last := &p.args[len(p.args)-1]
		*last = variadicArray(*last)
	}
	return p
}

// variadicArray is the inverse of variadicElement.
func variadicArray(elem datum.OID) datum.OID {
	switch elem {
	case datum.AnyOID:
		return datum.AnyOID
	case datum.AnyElement:
		return datum.AnyArray
	case datum.AnyCompatible:
		return datum.AnyCompatibleArray
	}
	t, _ := datum.ArrayOf(datum.Of(elem))
	return t.OID
}

// proceduresNamed lists the functions, window functions and aggregates of a name.
func proceduresNamed(name string) []procedure {
	var out []procedure
	r := Builtins()
	for _, f := range slices.Concat(r.Functions(name), r.WindowFunctions(name)) {
		out = append(out, procedureOf(f))
	}
	for _, a := range r.Aggregates(name) {
		p, _ := procedureByOID(a.OID)
		out = append(out, p)
	}
	return out
}

func operandName(c *Context, t datum.OID) string {
	if t == 0 {
		return "NONE"
	}
	return typeName(c, datum.Of(t))
}

func typeNames(c *Context, types []datum.OID, separator string) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = typeName(c, datum.Of(t))
	}
	return strings.Join(names, separator)
}

// typeName is a type's name in SQL, "" if there is no such type. Tables and views
// are types too.
func typeName(c *Context, t datum.Type) string {
	if _, ok := datum.Lookup(t.OID); ok {
		return t.String()
	}
	if c.Catalog == nil || t.OID == 0 {
		return ""
	}
	ns, name, ok := c.Catalog.FindType(t.OID)
	if !ok {
		return ""
	}
	schemaName := namespaceName(c, ns)
	text := quotedIn(schemaName, name, typeVisible(c, schemaName, name))
	if t.OID.IsUserArray() {
		text += "[]"
	}
	return text
}

// typeVisible says whether a type is what its name alone means.
func typeVisible(c *Context, schemaName, name string) bool {
	for _, ns := range searchPath(c) {
		switch {
		case ns == schemaName:
			return true
		case ns == "pg_catalog":
			if _, ok := typeInfo(name); ok {
				return false
			}
		case typeIn(c, ns, name) != 0:
			return false
		}
	}
	return false
}

// collationNames are the collations that exist here.
var collationNames = map[datum.OID]string{100: "default", 950: "C", 951: "POSIX"}
