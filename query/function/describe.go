package function

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// describeKernels name and describe the objects of the catalogue.
func describeKernels(k kernels) {
	k.add(boxed(formatType, datum.OIDType, datum.Int4), "format_type")
	k.add(typeOf, "pg_typeof")
	k.add(fn1c(func(c *Context, oid datum.OID) (string, error) {
		if name, ok := roleName(c, oid); ok {
			return name, nil
		}
		return "unknown (OID=" + regOut(c, datum.OIDType, oid) + ")", nil
	}), "pg_get_userbyid")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return description(c, args[0].(datum.OID), args[1].(string), 0), nil
	}, datum.OIDType, datum.Name), "oid1215")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return description(c, args[0].(datum.OID), "pg_class", args[1].(int32)), nil
	}, datum.OIDType, datum.Int4), "oid1216")
	k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
		return description(c, args[0].(datum.OID), "", 0), nil
	}, datum.OIDType), "oid1348")
	// There are no comments on databases, roles and tablespaces.
	k.add(nullable(func(*Context, []datum.Value) (datum.Value, error) { return nil, nil }, datum.OIDType, datum.Name), "oid1993")
	visibilityKernels(k)
	encodingKernels(k)
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		var types []datum.OID
		for _, v := range args[0].(datum.Array).Values {
			types = append(types, v.(datum.OID))
		}
		return typeNames(c, types, ", "), nil
	}, datum.OIDVector), "oidvectortypes")
	k.add(boxedTyped(collationFor), "pg_collation_for")
}

// nullable is strictBoxed for functions that may be NULL nonetheless.
func nullable(f func(c *Context, args []datum.Value) (datum.Value, error), types ...datum.OID) evalFunc {
	return strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		return f(c, args)
	}, types...)
}

// formatType is format_type(oid, modifier); without a modifier some names are others.
func formatType(c *Context, args []datum.Value) (datum.Value, error) {
	oid, ok := args[0].(datum.OID)
	if !ok {
		return nil, nil
	}
	if oid == 0 {
		return "-", nil
	}
	t := datum.Of(oid)
	if mod, given := args[1].(int32); given {
		if t.Mod = mod; mod < 0 {
			switch oid {
			case datum.BPChar:
				return "bpchar", nil
			case datum.Bit:
				return `"bit"`, nil
			}
		}
	}
	if name := typeName(c, t); name != "" {
		return name, nil
	}
	return "???", nil
}

// description finds the comment on an object of a catalogue, or of any if that
// is empty; nil if there is none.
func description(c *Context, oid datum.OID, catalog string, column int32) datum.Value {
	if catalog == "" || catalog == "pg_class" {
		text := ""
		if r := relationByOID(c, oid); r != nil {
			switch cols := r.columns(); {
			case column > 0 && int(column) <= len(cols) && r.index == nil:
				text = cols[column-1].Comment
			case column == 0 && r.sequence != nil:
				text = r.sequence.Comment
			case column == 0 && r.view != nil:
				text = r.view.Comment
			case column == 0 && r.index != nil:
				text = r.index.Comment
			case column == 0 && r.table != nil:
				text = r.table.Comment
			}
		}
		if text != "" {
			return text
		}
	}
	if (catalog == "" || catalog == "pg_type") && c.Catalog != nil {
		if t := c.Catalog.Types[oid]; t != nil && t.Comment != "" && column == 0 {
			return t.Comment
		}
	}
	if (catalog == "" || catalog == "pg_constraint") && c.Catalog != nil {
		for _, t := range c.Catalog.Tables {
			for _, k := range t.Checks {
				if k.OID == oid && k.Comment != "" {
					return k.Comment
				}
			}
			for _, k := range t.ForeignKeys {
				if k.OID == oid && k.Comment != "" {
					return k.Comment
				}
			}
		}
	}
	if c.System != nil {
		if text, ok := c.System.Description(oid, catalog, column); ok {
			return text
		}
	}
	return nil
}

func visibilityKernels(k kernels) {
	visible := func(f func(c *Context, oid datum.OID) (visible, exists bool), names ...string) {
		k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
			v, ok := f(c, args[0].(datum.OID))
			if !ok {
				return nil, nil
			}
			return v, nil
		}, datum.OIDType), names...)
	}
	visible(func(c *Context, oid datum.OID) (bool, bool) {
		r := relationByOID(c, oid)
		return r != nil && r.visible(c), r != nil
	}, "pg_table_is_visible")
	visible(func(c *Context, oid datum.OID) (bool, bool) {
		if _, ok := datum.Lookup(oid); ok {
			return true, true
		}
		name := typeName(c, datum.Of(oid))
		return !strings.Contains(name, "."), name != ""
	}, "pg_type_is_visible")
	visible(func(_ *Context, oid datum.OID) (bool, bool) {
		p, ok := procedureByOID(oid)
		return p.fn == nil || p.fn.Namespace == 0, ok
	}, "pg_function_is_visible")
	visible(func(_ *Context, oid datum.OID) (bool, bool) { return true, Builtins().OperatorByOID(oid) != nil }, "pg_operator_is_visible")
	visible(func(_ *Context, oid datum.OID) (bool, bool) { return true, collationNames[oid] != "" }, "pg_collation_is_visible")
	// Operator classes are PostgreSQL's own; the others do not exist here.
	visible(func(_ *Context, oid datum.OID) (bool, bool) { return true, oid < firstUserOID }, "pg_opclass_is_visible", "pg_opfamily_is_visible")
	visible(func(*Context, datum.OID) (bool, bool) { return false, false }, "pg_conversion_is_visible", "pg_statistics_obj_is_visible",
		"pg_ts_parser_is_visible", "pg_ts_dict_is_visible", "pg_ts_config_is_visible", "pg_ts_template_is_visible")
}

// firstUserOID is where OIDs of users' objects begin.
const firstUserOID = 16384

// encodingNames are PostgreSQL's character sets by their numbers.
var encodingNames = strings.Fields(`SQL_ASCII EUC_JP EUC_CN EUC_KR EUC_TW EUC_JIS_2004 UTF8 MULE_INTERNAL LATIN1 LATIN2 LATIN3 LATIN4
	LATIN5 LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 WIN1256 WIN1258 WIN866 WIN874 KOI8R WIN1251 WIN1252 ISO_8859_5 ISO_8859_6 ISO_8859_7
	ISO_8859_8 WIN1250 WIN1253 WIN1254 WIN1255 WIN1257 KOI8U SJIS BIG5 GBK UHC GB18030 JOHAB SHIFT_JIS_2004`)

const utf8Encoding = 6

func encodingKernels(k kernels) {
	k.add(fn1(func(n int32) (string, error) {
		if n < 0 || int(n) >= len(encodingNames) {
			return "", nil
		}
		return encodingNames[n], nil
	}), "PG_encoding_to_char")
	k.add(fn1(func(name string) (int32, error) {
		for i, e := range encodingNames {
			if encodingKey(e) == encodingKey(name) || e == "UTF8" && encodingKey(name) == "unicode" {
				return int32(i), nil
			}
		}
		return -1, nil
	}), "PG_char_to_encoding")
	k.add(nullable(func(_ *Context, args []datum.Value) (datum.Value, error) {
		switch n := args[0].(int32); {
		case n == utf8Encoding:
			return int32(4), nil
		case n == 0 || n >= 8 && n <= 34: // of one byte
			return int32(1), nil
		}
		return nil, nil
	}, datum.Int4), "pg_encoding_max_length_sql")
}

// encodingKey is what counts of the name of an encoding.
func encodingKey(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, lowerASCII(name))
}

// collationFor is COLLATION FOR: texts have the default one.
func collationFor(_ *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
	switch t := types[0].OID; t {
	case datum.Unknown:
		return nil, nil
	case datum.Text, datum.Varchar, datum.BPChar:
		return ast.QuoteIdent("default"), nil
	case datum.Name:
		return ast.QuoteIdent("C"), nil
	default:
		if e, ok := types[0].Elem(); ok && (e.OID == datum.Text || e.OID == datum.Varchar || e.OID == datum.BPChar) {
			return ast.QuoteIdent("default"), nil
		}
		return nil, pgerr.New(pgerr.DatatypeMismatch, "collations are not supported by type %s", datum.Of(t))
	}
}
