package bind

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/function"
)

// Type resolves a type as written, with its modifiers.
func Type(env *Env, t *ast.TypeName) (datum.Type, error) { return newBinder(env).plainType(t) }

// plainType is typeName where values are made that no domain would be asked about.
func (b *binder) plainType(t *ast.TypeName) (datum.Type, error) {
	typ, err := b.typeName(t)
	if err == nil && typ.Domain != 0 {
		err = pgerr.Unsupported("domain %s is not supported here", b.typeText(typ.Domain)).WithHint("Use the type that the domain is over.").At(t.Position())
	}
	return typ, err
}

// typeName resolves a type as written.
func (b *binder) typeName(t *ast.TypeName) (datum.Type, error) {
	none := datum.Type{}
	switch {
	case t.PctType:
		return none, pgerr.Unsupported("%%TYPE is not supported").At(t.Position())
	case t.SetOf:
		return none, pgerr.New(pgerr.InvalidTableDefinition, "SETOF is not allowed here").At(t.Position())
	}
	oid, err := b.typeOID(t)
	if err != nil {
		return none, err
	}
	typ := datum.Of(oid)
	if d := b.env.Catalog.Types[oid]; d != nil && oid.Class() == datum.DomainClass {
		typ = d.Domain()
	}
	if len(t.Mods) > 0 {
		if typ.Mod, err = typeMod(oid, t); err != nil {
			return none, err
		}
	} else if oid == datum.BPChar && len(t.Names) == 2 && t.Names[0] == "pg_catalog" && t.Names[1] == "bpchar" {
		// char without a length is char(1): the parser has written that already
		// where the grammar says so; a bare bpchar has no length.
		typ.Mod = -1
	}
	for i := range t.Dims {
		if _, isArray := typ.Elem(); isArray && i > 0 || isArray && typ.Domain == 0 {
			break // int[][] is int[]
		}
		if _, isArray := typ.Elem(); isArray {
			return none, pgerr.Unsupported("arrays of domain %s, which is over arrays, are not supported", b.typeText(oid)).At(t.Position())
		}
		arr, ok := datum.ArrayOf(typ)
		if !ok {
			return none, pgerr.New(pgerr.UndefinedObject, "could not find array type for data type %s", typ).At(t.Position())
		}
		typ = arr
	}
	return typ, nil
}

func (b *binder) typeOID(t *ast.TypeName) (datum.OID, error) {
	name := t.Names[len(t.Names)-1]
	var ns string
	if len(t.Names) > 1 {
		ns = t.Names[len(t.Names)-2]
	}
	if oid := b.userType(t); oid != 0 {
		return oid, b.usable(oid, t.Position())
	}
	if ns == "" || ns == "pg_catalog" {
		// The SQL spellings are not names of types: only typnames count here.
		if oid, ok := datum.LookupName(name); ok && !sqlSpelling(oid, name) {
			return oid, nil
		}
	}
	if ns != "" && !b.namespaceExists(ns) {
		return 0, pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", ns).At(t.Position())
	}
	return 0, pgerr.New(pgerr.UndefinedObject, "type %q does not exist", typeDisplay(t)).At(t.Position())
}

// userType finds the user's type that a name means, 0 if it means none.
func (b *binder) userType(t *ast.TypeName) datum.OID {
	ns, name := "", t.Names[len(t.Names)-1]
	if len(t.Names) > 1 {
		ns = t.Names[len(t.Names)-2]
	}
	if oid, ok := datum.LookupName(name); ok && (ns == "" || ns == "pg_catalog") && !sqlSpelling(oid, name) {
		return 0
	}
	return function.UserTypeByName(b.functionContext(), ns, name)
}

// sqlSpelling says whether a name that LookupName knows is not the typname of the type.
func sqlSpelling(oid datum.OID, name string) bool {
	info, known := datum.Lookup(oid)
	return !known || info.Name != name
}

// userTypeSchema is the schema of the user's type that a name means, empty if it means none.
func (b *binder) userTypeSchema(t *ast.TypeName) string {
	ns, _, ok := b.env.Catalog.FindType(b.userType(t))
	if !ok {
		return ""
	}
	return b.namespaceName(ns)
}

// UserTypes are the users' types that a statement or an expression names.
func UserTypes(env *Env, tree any) (out []datum.OID) {
	b := newBinder(env)
	ast.Walk(tree, func(node any) {
		if t, ok := node.(*ast.TypeName); ok {
			if oid := b.userType(t); oid != 0 {
				out = append(out, oid)
			}
		}
	})
	return out
}

// UserTypesIn are those that the SQL of an expression names.
func UserTypesIn(env *Env, sql string) []datum.OID {
	if sql == "" {
		return nil
	}
	e, err := newBinder(env).parseExpr(sql)
	if err != nil {
		return nil
	}
	return UserTypes(env, e)
}

// NamedType finds the type that ALTER or DROP names.
func NamedType(env *Env, name ast.Name) (datum.OID, error) {
	b := newBinder(env)
	t := &ast.TypeName{Names: []string{name.Name}}
	if name.Schema != "" {
		t.Names = []string{name.Schema, name.Name}
	}
	if oid := function.UserTypeByName(b.functionContext(), name.Schema, name.Name); oid != 0 {
		return oid, nil
	}
	return b.typeOID(t)
}

// typeText is a type's name for messages, with the schema if its own name does not find it.
func (b *binder) typeText(oid datum.OID) string {
	return function.TypeText(b.functionContext(), datum.Of(oid))
}

func typeDisplay(t *ast.TypeName) string {
	s := strings.Join(t.Names, ".")
	for range t.Dims {
		s += "[]"
	}
	return s
}

// typeMod computes atttypmod as the types' typmodin functions do.
func typeMod(oid datum.OID, t *ast.TypeName) (int32, error) {
	mods := make([]int64, len(t.Mods))
	for i, m := range t.Mods {
		n, err := modNumber(m)
		if err != nil {
			return 0, pgerr.New(pgerr.SyntaxError, "type modifiers must be simple constants or identifiers").At(t.Position())
		}
		mods[i] = n
	}
	bad := func(format string, args ...any) (int32, error) {
		return 0, pgerr.New(pgerr.InvalidParameterValue, format, args...).At(t.Position())
	}
	switch oid {
	case datum.Varchar, datum.BPChar, datum.Bit, datum.VarBit:
		name := datum.Of(oid).String()
		if oid == datum.Varchar {
			name = "varchar"
		} else if oid == datum.BPChar {
			name = "char"
		}
		const maxLength = 10485760
		switch {
		case len(mods) != 1:
			return bad("invalid type modifier")
		case mods[0] < 1:
			return bad("length for type %s must be at least 1", name)
		case mods[0] > maxLength:
			return bad("length for type %s cannot exceed %d", name, maxLength)
		}
		if oid == datum.Bit || oid == datum.VarBit {
			return int32(mods[0]), nil
		}
		return int32(mods[0]) + 4, nil
	case datum.Numeric:
		return numericMod(mods, bad)
	case datum.Time, datum.TimeTZ, datum.Timestamp, datum.TimestampTZ:
		switch {
		case len(mods) != 1:
			return bad("invalid type modifier")
		case mods[0] < 0:
			return bad("%s(%d)%s precision must not be negative", timeWord(oid), mods[0], zoneWords(oid))
		}
		return int32(min(mods[0], 6)), nil
	case datum.Interval:
		return intervalMod(mods, bad)
	}
	return 0, pgerr.New(pgerr.SyntaxError, "type modifier is not allowed for type %q", t.Names[len(t.Names)-1]).At(t.Position())
}

func timeWord(oid datum.OID) string {
	if oid == datum.Time || oid == datum.TimeTZ {
		return "TIME"
	}
	return "TIMESTAMP"
}

func zoneWords(oid datum.OID) string {
	if oid == datum.TimeTZ || oid == datum.TimestampTZ {
		return " WITH TIME ZONE"
	}
	return ""
}

func numericMod(mods []int64, bad func(string, ...any) (int32, error)) (int32, error) {
	scale := int64(0)
	switch {
	case len(mods) > 2:
		return bad("invalid NUMERIC type modifier")
	case mods[0] < 1 || mods[0] > 1000:
		return bad("NUMERIC precision %d must be between 1 and 1000", mods[0])
	case len(mods) == 2:
		scale = mods[1]
		if scale < -1000 || scale > 1000 {
			return bad("NUMERIC scale %d must be between -1000 and 1000", scale)
		}
	}
	return int32(mods[0]<<16|scale&0x7ff) + 4, nil
}

func intervalMod(mods []int64, bad func(string, ...any) (int32, error)) (int32, error) {
	precision := int64(0xFFFF)
	if len(mods) == 2 {
		if mods[1] < 0 {
			return bad("INTERVAL(%d) precision must not be negative", mods[1])
		}
		precision = min(mods[1], 6)
	}
	if precision == 0xFFFF && mods[0] == ast.IntervalFullRange {
		return -1, nil
	}
	return int32(precision&0xFFFF | mods[0]&0x7FFF<<16), nil
}

func modNumber(e ast.Expr) (int64, error) {
	neg := false
	if u, ok := e.(*ast.Unary); ok && u.Op.Name == "-" {
		neg, e = true, u.Arg
	}
	l, ok := e.(*ast.Literal)
	if !ok || l.Kind != ast.Number && l.Kind != ast.String {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(l.Text, 10, 32)
	if neg {
		n = -n
	}
	return n, err
}
