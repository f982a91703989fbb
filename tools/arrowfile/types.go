package arrowfile

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// typeKey is the key in a field's metadata under which a Writer notes the type of
// PostgreSQL that Arrow has no type for.
const typeKey = "phyllo.type"

// TypeOf returns the type of the column that holds a field's values without loss.
// A field that a Writer wrote has the type it came from.
func TypeOf(f arrow.Field) (datum.Type, error) {
	if name, ok := f.Metadata.GetValue(typeKey); ok {
		if t, ok := noted(name); ok {
			return t, nil
		}
	}
	t, err := typeOf(f.Type)
	if err != nil {
		return t, fmt.Errorf("column %q: %w", f.Name, err)
	}
	return t, nil
}

var notedType = regexp.MustCompile(`^([a-z ]+)(?:\((\d{1,8})(?:,(-?\d{1,5}))?\))?(\[\])?$`)

// note is the text under typeKey of a type, which noted reads.
func note(t datum.Type) string {
	switch base := elemOf(t); base.OID {
	case datum.Numeric, datum.Varchar, datum.BPChar:
		return t.String()
	}
	return datum.Of(t.OID).String()
}

// elemOf returns the type of an array's elements, and other types as they are.
func elemOf(t datum.Type) datum.Type {
	if elem, ok := t.Elem(); ok {
		return elem
	}
	return t
}

// noted are the types that typeKey may name; a file can say anything.
func noted(name string) (datum.Type, bool) {
	m := notedType.FindStringSubmatch(name)
	if m == nil {
		return datum.Type{}, false
	}
	oid, ok := datum.LookupName(m[1])
	if !ok {
		return datum.Type{}, false
	}
	t := datum.Of(oid)
	n, _ := strconv.Atoi(m[2]) // at most eight digits
	scale, _ := strconv.Atoi(m[3])
	switch t.OID {
	case datum.JSON, datum.JSONB, datum.Interval, datum.TimeTZ, datum.Name, datum.Char, datum.OIDType:
		ok = m[2] == ""
	case datum.Varchar, datum.BPChar:
		if ok = m[3] == "" && (n > 0 || t.OID == datum.Varchar && m[2] == ""); n > 0 {
			t.Mod = int32(n) + 4
		}
	case datum.Numeric:
		if ok = n <= 1000 && scale >= -1000 && scale <= 1000; n > 0 {
			t = numeric(int32(n), int32(scale))
		}
	default:
		ok = false
	}
	if ok && m[4] != "" {
		t, ok = datum.ArrayOf(t)
	}
	return t, ok
}

// numeric returns numeric(p,s).
func numeric(precision, scale int32) datum.Type {
	return datum.Type{OID: datum.Numeric, Mod: (precision<<16 | scale&0x7ff) + 4}
}

// scalars are the types of Arrow that need no look at their parameters.
var scalars = map[arrow.Type]datum.OID{
	arrow.NULL: datum.Text, arrow.BOOL: datum.Bool,
	arrow.INT8: datum.Int2, arrow.INT16: datum.Int2, arrow.INT32: datum.Int4, arrow.INT64: datum.Int8,
	arrow.UINT8: datum.Int2, arrow.UINT16: datum.Int4, arrow.UINT32: datum.Int8,
	arrow.FLOAT16: datum.Float4, arrow.FLOAT32: datum.Float4, arrow.FLOAT64: datum.Float8,
	arrow.STRING: datum.Text, arrow.LARGE_STRING: datum.Text, arrow.STRING_VIEW: datum.Text,
	arrow.BINARY: datum.Bytea, arrow.LARGE_BINARY: datum.Bytea, arrow.BINARY_VIEW: datum.Bytea, arrow.FIXED_SIZE_BINARY: datum.Bytea,
	arrow.DATE32: datum.Date, arrow.DATE64: datum.Date, arrow.TIME32: datum.Time, arrow.TIME64: datum.Time,
	arrow.DURATION: datum.Interval, arrow.INTERVAL_MONTHS: datum.Interval, arrow.INTERVAL_DAY_TIME: datum.Interval,
	arrow.INTERVAL_MONTH_DAY_NANO: datum.Interval,
	arrow.STRUCT:                  datum.JSONB, arrow.MAP: datum.JSONB,
}

func typeOf(dt arrow.DataType) (datum.Type, error) {
	if oid, ok := scalars[dt.ID()]; ok {
		return datum.Of(oid), nil
	}
	switch dt := dt.(type) {
	case *arrow.Uint64Type:
		return numeric(20, 0), nil
	case arrow.DecimalType:
		return numeric(dt.GetPrecision(), dt.GetScale()), nil
	case *arrow.TimestampType:
		if dt.TimeZone != "" {
			return datum.Of(datum.TimestampTZ), nil
		}
		return datum.Of(datum.Timestamp), nil
	case *arrow.DictionaryType:
		return typeOf(dt.ValueType)
	case *arrow.RunEndEncodedType:
		return typeOf(dt.Encoded())
	case *extensions.UUIDType:
		return datum.Of(datum.UUID), nil
	case *extensions.JSONType:
		return datum.Of(datum.JSONB), nil
	case arrow.ExtensionType:
		return typeOf(dt.StorageType())
	case arrow.ListLikeType:
		elem, err := typeOf(dt.Elem())
		if err != nil {
			return elem, err
		}
		if array, ok := datum.ArrayOf(elem); ok && elem.OID != datum.JSONB {
			return array, nil
		}
		return datum.Of(datum.JSONB), nil // of lists or structs
	}
	return datum.Type{}, pgerr.Unsupported("type %s of the file has no counterpart in a table", dt)
}

// maxDecimalDigits is the precision of decimal256.
const maxDecimalDigits = 76

// FieldOf returns the field in which a Writer keeps values of a type.
func FieldOf(name string, t datum.Type) (arrow.Field, error) {
	dt, exact, err := arrowOf(t)
	if err != nil {
		return arrow.Field{}, fmt.Errorf("column %q: %w", name, err)
	}
	f := arrow.Field{Name: name, Type: dt, Nullable: true}
	if !exact {
		f.Metadata = arrow.NewMetadata([]string{typeKey}, []string{note(t)})
	}
	return f, nil
}

// arrowOf returns the type that a Writer keeps values of t in; exact says that
// TypeOf needs no more to find t again.
func arrowOf(t datum.Type) (dt arrow.DataType, exact bool, err error) {
	if elem, ok := t.Elem(); ok {
		dt, exact, err = arrowOf(elem)
		if err != nil {
			return nil, false, err
		}
		return arrow.ListOf(dt), exact, nil
	}
	switch t.OID {
	case datum.Bool, datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8, datum.Text, datum.Bytea, datum.Date, datum.Time,
		datum.Timestamp, datum.TimestampTZ:
		return t.Arrow(), true, nil
	case datum.UUID:
		return extensions.NewUUIDType(), true, nil
	case datum.Numeric:
		p, s, ok := t.NumericMod()
		if !ok || p > maxDecimalDigits || s < 0 || s > p {
			return arrow.BinaryTypes.String, false, nil
		}
		if p > 38 {
			return &arrow.Decimal256Type{Precision: int32(p), Scale: int32(s)}, true, nil
		}
		return &arrow.Decimal128Type{Precision: int32(p), Scale: int32(s)}, true, nil
	case datum.Record, datum.RecordArray:
		return nil, false, pgerr.Unsupported("a record cannot be a column of a file").WithHint("Select its fields.")
	}
	if t.IsRow() {
		return nil, false, pgerr.Unsupported("a row of a composite type cannot be a column of a file").WithHint("Select its fields, or cast it to text.")
	}
	return arrow.BinaryTypes.String, false, nil
}
