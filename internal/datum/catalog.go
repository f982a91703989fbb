package datum

import (
	"sort"
	"strconv"
	"strings"
)

// Info describes a built-in type as a row of pg_type does.
type Info struct {
	OID, Array, Elem             OID
	Name                         string // typname
	Len                          int16
	ByVal                        bool
	Category                     byte
	Preferred                    bool
	Kind                         byte // b base, p pseudo, c composite
	Align, Storage               byte
	Delim                        byte
	Input, Output, Receive, Send string
}

// Types returns all built-in types by OID. The caller must not change it.
func Types() []Info { return pgTypes }

// Lookup returns the built-in type with the given OID.
func Lookup(oid OID) (Info, bool) {
	i := sort.Search(len(pgTypes), func(i int) bool { return pgTypes[i].OID >= oid })
	if i < len(pgTypes) && pgTypes[i].OID == oid {
		return pgTypes[i], true
	}
	return Info{}, false
}

var typesByName = func() map[string]OID {
	m := make(map[string]OID, len(pgTypes)+len(sqlNames))
	for i := range pgTypes {
		m[pgTypes[i].Name] = pgTypes[i].OID
	}
	return m
}()

// sqlNames are the names that SQL's grammar gives to types. They are matched
// after typnames, so that "char" (quoted, typname char) is reached by LookupName("char")
// only if the grammar has not taken the word before.
var sqlNames = map[string]OID{
	"boolean": Bool, "smallint": Int2, "integer": Int4, "int": Int4, "bigint": Int8,
	"real": Float4, "double precision": Float8, "float": Float8, "decimal": Numeric, "dec": Numeric,
	"character": BPChar, "character varying": Varchar, "char varying": Varchar, "nchar": BPChar,
	"national character": BPChar, "national char": BPChar, `"char"`: Char,
	"bit varying":                 VarBit,
	"time without time zone":      Time,
	"time with time zone":         TimeTZ,
	"timestamp without time zone": Timestamp,
	"timestamp with time zone":    TimestampTZ,
}

// LookupName finds a type by its pg_type name or by an SQL name in lower case
// ("integer", "timestamp with time zone", "_int4", "integer[]").
func LookupName(name string) (OID, bool) {
	if oid, ok := typesByName[name]; ok {
		return oid, true
	}
	if oid, ok := sqlNames[name]; ok {
		return oid, true
	}
	if elem, ok := strings.CutSuffix(name, "[]"); ok {
		if oid, ok := LookupName(strings.TrimSpace(elem)); ok {
			t, ok := ArrayOf(Of(oid))
			return t.OID, ok
		}
	}
	return 0, false
}

// Elem returns the element type of an array type; ok is false for others. The
// elements of an array have the array's modifier, as in PostgreSQL.
func (t Type) Elem() (Type, bool) {
	if t.kind() != kArray {
		return Type{}, false
	}
	if t.Domain.IsUserArray() {
		elem, _ := Type{OID: t.OID, Mod: t.Mod}.Elem()
		elem.Domain = t.Domain &^ arrayBit
		return elem, true
	}
	if t.OID.IsUserArray() {
		return Type{OID: t.OID &^ arrayBit, Mod: t.Mod}, true
	}
	info, _ := Lookup(t.OID)
	return Type{OID: info.Elem, Mod: t.Mod}, true
}

// ArrayOf returns the array type of t's values.
func ArrayOf(t Type) (Type, bool) {
	if t.Domain != 0 {
		array, ok := ArrayOf(Type{OID: t.OID, Mod: t.Mod})
		array.Domain = t.Domain | arrayBit
		return array, ok && !t.Domain.IsUserArray()
	}
	if t.OID.Class() != NotUserClass {
		return Type{OID: t.OID | arrayBit, Mod: t.Mod}, !t.OID.IsUserArray()
	}
	info, ok := Lookup(t.OID)
	if !ok || info.Array == 0 {
		return Type{}, false
	}
	return Type{OID: info.Array, Mod: t.Mod}, true
}

// String is PostgreSQL's format_type: "character varying(10)", "integer[]".
func (t Type) String() string {
	if elem, ok := t.Elem(); ok && t.OID != Int2Vector && t.OID != OIDVector {
		return elem.String() + "[]"
	}
	switch t.OID {
	case Bool:
		return "boolean"
	case Int2:
		return "smallint"
	case Int4:
		return "integer"
	case Int8:
		return "bigint"
	case Float4:
		return "real"
	case Float8:
		return "double precision"
	case Char:
		return `"char"`
	case AnyOID:
		return `"any"`
	case BPChar:
		return t.charName("character")
	case Varchar:
		return t.charName("character varying")
	case Bit:
		return t.bitName("bit")
	case VarBit:
		return t.bitName("bit varying")
	case Numeric:
		if p, s, ok := t.NumericMod(); ok {
			return "numeric(" + strconv.Itoa(p) + "," + strconv.Itoa(s) + ")"
		}
		return "numeric"
	case Time:
		return "time" + t.precisionName() + " without time zone"
	case TimeTZ:
		return "time" + t.precisionName() + " with time zone"
	case Timestamp:
		return "timestamp" + t.precisionName() + " without time zone"
	case TimestampTZ:
		return "timestamp" + t.precisionName() + " with time zone"
	case Interval:
		return "interval" + intervalModName(t.Mod)
	}
	if info, ok := Lookup(t.OID); ok {
		return info.Name
	}
	return "???"
}

func (t Type) charName(name string) string {
	if n, ok := t.CharMod(); ok {
		return name + "(" + strconv.Itoa(n) + ")"
	}
	return name
}

func (t Type) bitName(name string) string {
	if t.Mod > 0 {
		return name + "(" + strconv.Itoa(int(t.Mod)) + ")"
	}
	return name
}

func (t Type) precisionName() string {
	if t.Mod >= 0 {
		return "(" + strconv.Itoa(int(t.Mod)) + ")"
	}
	return ""
}

// CharMod returns n of char(n) and varchar(n).
func (t Type) CharMod() (n int, ok bool) {
	if t.Mod < 4 {
		return 0, false
	}
	return int(t.Mod) - 4, true
}

// NumericMod returns precision and scale of numeric(p,s). The scale is signed.
func (t Type) NumericMod() (precision, scale int, ok bool) {
	if t.Mod < 4 {
		return 0, 0, false
	}
	m := t.Mod - 4
	return int(m>>16) & 0xffff, int((m&0x7ff)^1024) - 1024, true
}
