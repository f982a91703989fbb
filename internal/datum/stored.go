package datum

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Stored values start with the tag of their Go type.
const (
	tagNull = iota
	tagFalse
	tagTrue
	tagInt16
	tagInt32
	tagInt64
	tagOID
	tagFloat32
	tagFloat64
	tagDecimal
	tagString
	tagBytes
	tagDays
	tagMicros
	tagTimeTZ
	tagInterval
	tagUUID
	tagArray
	tagRow
	tagShapedArray
	tagLabel
)

// maxNesting bounds arrays in records in arrays.
const maxNesting = 32

// AppendValue appends a self-describing binary encoding of a value for logs and
// manifests; DecodeValue reads it. Floats keep their bits, numerics their scale.
func AppendValue(dst []byte, t Type, v Value) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, tagNull)
	case bool:
		if v {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case int16:
		return binary.AppendVarint(append(dst, tagInt16), int64(v))
	case int32:
		return binary.AppendVarint(append(dst, tagInt32), int64(v))
	case int64:
		return binary.AppendVarint(append(dst, tagInt64), v)
	case Label:
		return binary.AppendVarint(append(dst, tagLabel), int64(v))
	case OID:
		return binary.AppendUvarint(append(dst, tagOID), uint64(v))
	case float32:
		return binary.LittleEndian.AppendUint32(append(dst, tagFloat32), math.Float32bits(v))
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, tagFloat64), math.Float64bits(v))
	case Decimal:
		var buf [40]byte
		return appendStored(append(dst, tagDecimal), AppendNumeric(buf[:0], v))
	case string:
		dst = binary.AppendUvarint(append(dst, tagString), uint64(len(v)))
		return append(dst, v...)
	case []byte:
		return appendStored(append(dst, tagBytes), v)
	case Days:
		return binary.AppendVarint(append(dst, tagDays), int64(v))
	case Micros:
		return binary.AppendVarint(append(dst, tagMicros), int64(v))
	case TimeTZValue:
		return binary.AppendVarint(binary.AppendVarint(append(dst, tagTimeTZ), v.Micros), int64(v.Zone))
	case IntervalValue:
		dst = binary.AppendVarint(append(dst, tagInterval), int64(v.Months))
		return binary.AppendVarint(binary.AppendVarint(dst, int64(v.Days)), v.Micros)
	case UUIDValue:
		return append(append(dst, tagUUID), v[:]...)
	case Array:
		if v.Dims == nil {
			dst = append(dst, tagArray)
		} else {
			dst = appendStored(append(dst, tagShapedArray), appendShape(nil, v.Dims))
		}
		dst = binary.AppendUvarint(dst, uint64(len(v.Values)))
		for _, e := range v.Values {
			dst = AppendValue(dst, v.Elem, e)
		}
		return dst
	case Row:
		dst = binary.AppendUvarint(append(dst, tagRow), uint64(len(v.Values)))
		for i, e := range v.Values {
			dst = binary.AppendUvarint(dst, uint64(v.Types[i].OID))
			dst = binary.AppendVarint(dst, int64(v.Types[i].Mod))
			dst = AppendValue(dst, v.Types[i], e)
		}
		return dst
	}
	panic(fmt.Sprintf("datum: bug: %T is not a value of %v", v, t))
}

func appendStored(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// DecodeValue reads a value of type t that AppendValue wrote and returns the
// rest of src. It trusts nothing: errors wrap ErrCorrupt.
func DecodeValue(t Type, src []byte) (Value, []byte, error) {
	d := storedReader{src: src}
	v := d.value(t, 0)
	if d.failed != "" {
		return nil, nil, fmt.Errorf("%w: stored %v: %s", ErrCorrupt, t, d.failed)
	}
	return v, d.src, nil
}

// A storedReader reads stored values; after a failure it reads zeros.
type storedReader struct {
	src    []byte
	failed string
}

func (d *storedReader) fail(why string) {
	if d.failed == "" {
		d.failed = why
	}
	d.src = nil
}

func (d *storedReader) varint(lo, hi int64) int64 {
	v, n := binary.Varint(d.src)
	if n <= 0 || v < lo || v > hi {
		d.fail("bad integer")
		return 0
	}
	d.src = d.src[n:]
	return v
}

// count reads a number that is not above limit.
func (d *storedReader) count(limit uint64) int {
	v, n := binary.Uvarint(d.src)
	if n <= 0 || v > limit {
		d.fail("bad count")
		return 0
	}
	d.src = d.src[n:]
	return int(v)
}

func (d *storedReader) bytes(n int) []byte {
	if n > len(d.src) {
		d.fail("cut short")
		return nil
	}
	b := d.src[:n]
	d.src = d.src[n:]
	return b
}

func (d *storedReader) value(t Type, depth int) Value {
	head := d.bytes(1)
	if head == nil || depth > maxNesting {
		d.fail("nested too deep")
		return nil
	}
	tag := head[0]
	if tag == tagNull {
		return nil
	}
	if !tagFits(tag, t.kind()) {
		d.fail(fmt.Sprintf("unexpected tag %d", tag))
		return nil
	}
	switch tag {
	case tagFalse, tagTrue:
		return tag == tagTrue
	case tagInt16:
		return int16(d.varint(math.MinInt16, math.MaxInt16))
	case tagInt32:
		return int32(d.varint(math.MinInt32, math.MaxInt32))
	case tagInt64:
		return d.varint(math.MinInt64, math.MaxInt64)
	case tagLabel:
		return Label(d.varint(math.MinInt64, math.MaxInt64))
	case tagOID:
		return OID(d.count(math.MaxUint32))
	case tagFloat32:
		if b := d.bytes(4); b != nil {
			return math.Float32frombits(binary.LittleEndian.Uint32(b))
		}
	case tagFloat64:
		if b := d.bytes(8); b != nil {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	case tagDecimal:
		v, err := DecodeNumeric(d.bytes(d.count(maxCoeffBytes + 3)))
		if err != nil {
			d.fail(err.Error())
		}
		return v
	case tagString:
		return d.text(t)
	case tagBytes:
		return append([]byte{}, d.bytes(d.count(uint64(len(d.src))))...)
	case tagDays:
		return Days(d.varint(math.MinInt32, math.MaxInt32))
	case tagMicros:
		return Micros(d.varint(math.MinInt64, math.MaxInt64))
	case tagTimeTZ:
		micros := d.varint(0, microsPerDay)
		return TimeTZValue{Micros: micros, Zone: int32(d.varint(-maxZoneSeconds, maxZoneSeconds))}
	case tagInterval:
		months := d.varint(math.MinInt32, math.MaxInt32)
		days := d.varint(math.MinInt32, math.MaxInt32)
		return IntervalValue{Months: int32(months), Days: int32(days), Micros: d.varint(math.MinInt64, math.MaxInt64)}
	case tagUUID:
		if b := d.bytes(16); b != nil {
			return UUIDValue(b)
		}
	case tagArray:
		return d.array(t, nil, depth)
	case tagShapedArray:
		return d.array(t, d.bytes(d.count(uint64(len(d.src)))), depth)
	case tagRow:
		return d.row(depth)
	}
	return nil
}

func (d *storedReader) text(t Type) Value {
	s := string(d.bytes(d.count(uint64(len(d.src)))))
	if err := CheckText(s); err != nil {
		d.fail(err.Error())
	}
	if t.kind() == kJSONB && d.failed == "" {
		if canonical, err := CanonicalJSON(s); err != nil || canonical != s {
			d.fail("jsonb that is not canonical")
		}
	}
	return s
}

func (d *storedReader) array(t Type, shape []byte, depth int) Value {
	elem, _ := t.Elem()
	n := d.count(uint64(len(d.src))) // an element takes a byte at least
	if err := CheckShape(shape, n); err != nil {
		d.fail(err.Error())
		return nil
	}
	v := Array{Elem: elem, Values: make([]Value, 0, n), Dims: mustReadShape(shape)}
	for range n {
		v.Values = append(v.Values, d.value(elem, depth+1))
		if d.failed != "" {
			return nil
		}
	}
	return v
}

func (d *storedReader) row(depth int) Value {
	n := d.count(uint64(len(d.src)))
	var v Row
	for range n {
		t := d.fieldType()
		v.Types = append(v.Types, t)
		v.Values = append(v.Values, d.value(t, depth+1))
		if d.failed != "" {
			return nil
		}
	}
	return v
}

// fieldType reads what type the next field of a row is of.
func (d *storedReader) fieldType() Type {
	oid := d.count(math.MaxUint32)
	return Type{OID: OID(oid), Mod: int32(d.varint(math.MinInt32, math.MaxInt32))}
}

// tagFits says whether values with a tag belong to types of a kind.
func tagFits(tag byte, k kind) bool {
	switch k {
	case kBool:
		return tag == tagFalse || tag == tagTrue
	case kInt16:
		return tag == tagInt16
	case kInt32:
		return tag == tagInt32
	case kInt64:
		return tag == tagInt64
	case kLabel:
		return tag == tagLabel
	case kUint32:
		return tag == tagOID
	case kFloat32:
		return tag == tagFloat32
	case kFloat64:
		return tag == tagFloat64
	case kNumeric:
		return tag == tagDecimal
	case kString, kPadded, kJSONB:
		return tag == tagString
	case kBytes:
		return tag == tagBytes
	case kDate:
		return tag == tagDays
	case kTime, kTimestamp, kTimestampTZ:
		return tag == tagMicros
	case kTimeTZ:
		return tag == tagTimeTZ
	case kInterval:
		return tag == tagInterval
	case kUUID:
		return tag == tagUUID
	case kArray:
		return tag == tagArray || tag == tagShapedArray
	case kRecord, kRow:
		return tag == tagRow
	}
	return false
}
