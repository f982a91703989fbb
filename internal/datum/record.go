package datum

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// Records are the one type whose values say themselves what they are made of:
// the fields of the struct have their PostgreSQL types as metadata.
const (
	oidKey = "oid"
	modKey = "mod"
)

// fieldName is the name of field i, from 0, of a record without names.
func fieldName(i int) string { return "f" + strconv.Itoa(i+1) }

// RecordArrow returns the Arrow type of records with fields of the given types
// and names, which may be left out.
func RecordArrow(types []Type, names ...string) arrow.DataType {
	fields := make([]arrow.Field, len(types))
	for i, t := range types {
		name := fieldName(i)
		if len(names) > 0 {
			name = names[i]
		}
		fields[i] = Field(name, t)
		fields[i].Metadata = arrow.NewMetadata([]string{oidKey, modKey},
			[]string{strconv.FormatUint(uint64(t.OID), 10), strconv.FormatInt(int64(t.Mod), 10)})
	}
	return arrow.StructOf(fields...)
}

// ArrowOf is t.Arrow(), but that the records in a value say what they are made of.
func ArrowOf(t Type, v Value) arrow.DataType {
	switch v := v.(type) {
	case Row:
		if t.kind() == kRow {
			break
		}
		fields := RecordArrow(v.Types, v.Names...).(*arrow.StructType).Fields()
		for i := range fields {
			fields[i].Type = ArrowOf(v.Types[i], v.Values[i])
		}
		return arrow.StructOf(fields...)
	case Array:
		for _, e := range v.Values {
			if row, ok := e.(Row); ok {
				return ArraysOf(ArrowOf(v.Elem, row))
			}
		}
	}
	return t.Arrow()
}

// RecordTypes returns the types of a record's fields: what RecordArrow was
// told, or else what the Arrow types stand for by themselves.
func RecordTypes(dt *arrow.StructType) []Type {
	types := make([]Type, dt.NumFields())
	for i, f := range dt.Fields() {
		oid, ok := f.Metadata.GetValue(oidKey)
		if !ok {
			types[i] = fromArrow(f.Type)
			continue
		}
		mod, _ := f.Metadata.GetValue(modKey)
		o, _ := strconv.ParseUint(oid, 10, 32)
		m, _ := strconv.ParseInt(mod, 10, 32)
		types[i] = Type{OID: OID(o), Mod: int32(m)}
	}
	return types
}

// recordNames returns the names of a record's fields, nil if it has none.
func recordNames(dt *arrow.StructType) []string {
	names, named := make([]string, dt.NumFields()), false
	for i, f := range dt.Fields() {
		names[i] = f.Name
		named = named || f.Name != fieldName(i)
	}
	if !named {
		return nil
	}
	return names
}

// fromArrow returns the PostgreSQL type that an Arrow type stands for by itself.
func fromArrow(dt arrow.DataType) Type {
	switch dt.ID() {
	case arrow.BOOL:
		return Of(Bool)
	case arrow.INT16:
		return Of(Int2)
	case arrow.INT32:
		return Of(Int4)
	case arrow.INT64:
		return Of(Int8)
	case arrow.UINT32:
		return Of(OIDType)
	case arrow.FLOAT32:
		return Of(Float4)
	case arrow.FLOAT64:
		return Of(Float8)
	case arrow.DATE32:
		return Of(Date)
	case arrow.TIME64:
		return Of(Time)
	case arrow.TIMESTAMP:
		if dt.(*arrow.TimestampType).TimeZone != "" {
			return Of(TimestampTZ)
		}
		return Of(Timestamp)
	case arrow.BINARY:
		return Of(Bytea)
	case arrow.FIXED_SIZE_BINARY:
		if dt.(*arrow.FixedSizeBinaryType).ByteWidth == 12 {
			return Of(TimeTZ)
		}
		return Of(UUID)
	case arrow.STRUCT:
		if elem, ok := ElementsOf(dt); ok {
			if t, ok := ArrayOf(fromArrow(elem)); ok {
				return t
			}
		}
		return Of(Record)
	}
	return Of(Text)
}
