package datum

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// AppendBinary appends the send function's bytes of a non-NULL value.
func AppendBinary(dst []byte, t Type, v Value, env *Env) []byte {
	switch v := v.(type) {
	case bool:
		return appendBoolKey(dst, v)
	case int16:
		return binary.BigEndian.AppendUint16(dst, uint16(v))
	case int32:
		return binary.BigEndian.AppendUint32(dst, uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(dst, uint64(v))
	case Label:
		return appendLabel(dst, t, v, env.orDefault())
	case OID:
		return binary.BigEndian.AppendUint32(dst, uint32(v))
	case float32:
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(v))
	case float64:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
	case Decimal:
		return appendNumericBinary(dst, &v)
	case string:
		return appendStringBinary(dst, t, v)
	case []byte:
		return append(dst, v...)
	case Days:
		return appendDateBinary(dst, v)
	case Micros:
		if t.kind() == kTime {
			return binary.BigEndian.AppendUint64(dst, uint64(v))
		}
		return appendTimestampBinary(dst, v)
	case TimeTZValue:
		return appendTimeTZBinary(dst, v)
	case IntervalValue:
		return appendIntervalBinary(dst, v)
	case UUIDValue:
		return append(dst, v[:]...)
	case Array:
		hasNull := false
		for _, e := range v.Values {
			hasNull = hasNull || e == nil
		}
		dst = appendArrayHeader(dst, t, v.Elem, v.Shape(), hasNull)
		for _, e := range v.Values {
			dst = appendField(dst, v.Elem, e, env)
		}
		return dst
	case Row:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Values)))
		for i, e := range v.Values {
			dst = binary.BigEndian.AppendUint32(dst, uint32(v.Types[i].OID))
			dst = appendField(dst, v.Types[i], e, env)
		}
		return dst
	}
	return dst
}

// appendField appends a value with its length before it, -1 for NULL.
func appendField(dst []byte, t Type, v Value, env *Env) []byte {
	if v == nil {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	}
	base := len(dst)
	dst = AppendBinary(append(dst, 0, 0, 0, 0), t, v, env)
	binary.BigEndian.PutUint32(dst[base:], uint32(len(dst)-base-4))
	return dst
}

// AppendBinaryAt does the same for element i of an array, which is not NULL,
// without boxing it.
func AppendBinaryAt(dst []byte, t Type, a arrow.Array, i int, env *Env) []byte {
	switch t.kind() {
	case kBool:
		return appendBoolKey(dst, a.(*array.Boolean).Value(i))
	case kInt16:
		return binary.BigEndian.AppendUint16(dst, uint16(a.(*array.Int16).Value(i)))
	case kInt32:
		return binary.BigEndian.AppendUint32(dst, uint32(a.(*array.Int32).Value(i)))
	case kInt64:
		return binary.BigEndian.AppendUint64(dst, uint64(a.(*array.Int64).Value(i)))
	case kLabel:
		return appendLabel(dst, t, Label(a.(*array.Int64).Value(i)), env.orDefault())
	case kUint32:
		return binary.BigEndian.AppendUint32(dst, a.(*array.Uint32).Value(i))
	case kFloat32:
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(a.(*array.Float32).Value(i)))
	case kFloat64:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(a.(*array.Float64).Value(i)))
	case kNumeric:
		d := mustDecodeNumeric(a.(*array.Binary).Value(i))
		return appendNumericBinary(dst, &d)
	case kBytes:
		return append(dst, a.(*array.Binary).Value(i)...)
	case kDate:
		return appendDateBinary(dst, Days(a.(*array.Date32).Value(i)))
	case kTime:
		return binary.BigEndian.AppendUint64(dst, uint64(a.(*array.Time64).Value(i)))
	case kTimestamp, kTimestampTZ:
		return appendTimestampBinary(dst, Micros(a.(*array.Timestamp).Value(i)))
	case kTimeTZ:
		return appendTimeTZBinary(dst, DecodeTimeTZ(a.(*array.FixedSizeBinary).Value(i)))
	case kInterval:
		return appendIntervalBinary(dst, DecodeInterval(a.(*array.FixedSizeBinary).Value(i)))
	case kUUID:
		return append(dst, a.(*array.FixedSizeBinary).Value(i)...)
	case kArray:
		return appendListBinary(dst, t, mustLists(a), i, env)
	case kRecord:
		return AppendBinary(dst, t, rowAt(a.(*array.Struct), i), env)
	case kRow:
		return AppendBinary(dst, t, ValueAt(t, a, i), env)
	case kVoid:
		return dst
	}
	return appendStringBinary(dst, t, a.(*array.String).Value(i))
}

func appendStringBinary(dst []byte, t Type, s string) []byte {
	switch t.OID {
	case JSONB, JSONPath:
		return append(append(dst, 1), s...) // version of the format
	case Bit, VarBit:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
		for i := 0; i < len(s); i += 8 {
			var c byte
			for j := i; j < min(i+8, len(s)); j++ {
				c |= (s[j] - '0') << (7 - (j - i))
			}
			dst = append(dst, c)
		}
		return dst
	case TID:
		block, offset, _ := strings.Cut(strings.Trim(s, "()"), ",")
		b, _ := strconv.ParseUint(block, 10, 32)
		o, _ := strconv.ParseUint(offset, 10, 16)
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(dst, uint32(b)), uint16(o))
	case Char:
		if s == "" {
			return append(dst, 0)
		}
	}
	return append(dst, s...)
}

// appendDateBinary counts from 2000-01-01; infinities keep their bits.
func appendDateBinary(dst []byte, d Days) []byte {
	if d.Finite() {
		d -= postgresEpochDays
	}
	return binary.BigEndian.AppendUint32(dst, uint32(d))
}

func appendTimestampBinary(dst []byte, m Micros) []byte {
	if m.Finite() {
		m -= PostgresEpochMicros
	}
	return binary.BigEndian.AppendUint64(dst, uint64(m))
}

func appendTimeTZBinary(dst []byte, v TimeTZValue) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, uint64(v.Micros)), uint32(v.Zone))
}

func appendIntervalBinary(dst []byte, v IntervalValue) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.Micros))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, uint32(v.Days)), uint32(v.Months))
}

func appendArrayHeader(dst []byte, t, elem Type, dims []Dim, hasNull bool) []byte {
	flags := uint32(0)
	if hasNull {
		flags = 1
	}
	if len(dims) == 0 && (t.OID == Int2Vector || t.OID == OIDVector) {
		dims = []Dim{{}}
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(dims)))
	dst = binary.BigEndian.AppendUint32(dst, flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(elem.Declared()))
	for _, d := range dims {
		dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, uint32(d.Len)), uint32(d.Lower))
	}
	return dst
}

func appendListBinary(dst []byte, t Type, l Lists, i int, env *Env) []byte {
	elem, _ := t.Elem()
	from, to := l.Range(i)
	vals := l.Values()
	hasNull := false
	for j := from; j < to && !hasNull; j++ {
		hasNull = vals.IsNull(j)
	}
	dst = appendArrayHeader(dst, t, elem, shapeOf(l.Dims(i), to-from), hasNull)
	for j := from; j < to; j++ {
		if vals.IsNull(j) {
			dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
			continue
		}
		base := len(dst)
		dst = AppendBinaryAt(append(dst, 0, 0, 0, 0), elem, vals, j, env)
		binary.BigEndian.PutUint32(dst[base:], uint32(len(dst)-base-4))
	}
	return dst
}

// ParseBinary is the type's receive function; the modifier is applied. Errors
// are *pgerr.Error.
func ParseBinary(t Type, b []byte, env *Env) (Value, error) {
	v, err := parseBinary(t, b, env.orDefault(), 0)
	if err != nil || t.Mod < 0 || t.kind() == kArray {
		return v, err
	}
	return Coerce(t, v, false)
}

func shortMessage() error {
	return pgerr.New(pgerr.ProtocolViolation, "insufficient data left in message")
}

func badBinary(format string, args ...any) error {
	return pgerr.New(pgerr.InvalidBinary, format, args...)
}

// fixedSize is the length of the types that have one.
func (k kind) fixedSize() int {
	switch k {
	case kBool:
		return 1
	case kInt16:
		return 2
	case kInt32, kUint32, kFloat32, kDate:
		return 4
	case kInt64, kFloat64, kTime, kTimestamp, kTimestampTZ:
		return 8
	case kTimeTZ:
		return 12
	case kInterval, kUUID:
		return 16
	}
	return -1
}

func parseBinary(t Type, b []byte, env *Env, depth int) (Value, error) {
	k := t.kind()
	if n := k.fixedSize(); n >= 0 && len(b) != n {
		if len(b) < n {
			return nil, shortMessage()
		}
		if _, err := parseBinary(t, b[:n], env, depth); err != nil { // PostgreSQL looks at the value first
			return nil, err
		}
		return nil, badBinary("incorrect binary data format")
	}
	switch k {
	case kBool:
		return b[0] != 0, nil
	case kInt16:
		return int16(binary.BigEndian.Uint16(b)), nil
	case kInt32:
		return int32(binary.BigEndian.Uint32(b)), nil
	case kInt64:
		return int64(binary.BigEndian.Uint64(b)), nil
	case kLabel:
		if err := CheckText(string(b)); err != nil {
			return nil, err
		}
		return box(parseLabel(t, string(b), env))
	case kUint32:
		return OID(binary.BigEndian.Uint32(b)), nil
	case kFloat32:
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	case kFloat64:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case kNumeric:
		return box(parseNumericBinary(b))
	case kBytes:
		return append([]byte{}, b...), nil
	case kDate:
		return box(receiveDate(int32(binary.BigEndian.Uint32(b))))
	case kTime:
		v := Micros(binary.BigEndian.Uint64(b))
		if v < 0 || v > microsPerDay {
			return nil, pgerr.New(pgerr.DatetimeOverflow, "time out of range")
		}
		return v, nil
	case kTimestamp, kTimestampTZ:
		return box(receiveTimestamp(int64(binary.BigEndian.Uint64(b))))
	case kTimeTZ:
		v := TimeTZValue{Micros: int64(binary.BigEndian.Uint64(b)), Zone: int32(binary.BigEndian.Uint32(b[8:]))}
		if v.Micros < 0 || v.Micros > microsPerDay {
			return nil, pgerr.New(pgerr.DatetimeOverflow, "time out of range")
		}
		if v.Zone < -maxZoneSeconds || v.Zone > maxZoneSeconds {
			return nil, pgerr.New(pgerr.InvalidTimeZone, "time zone displacement out of range")
		}
		return v, nil
	case kInterval:
		return IntervalValue{Micros: int64(binary.BigEndian.Uint64(b)), Days: int32(binary.BigEndian.Uint32(b[8:])),
			Months: int32(binary.BigEndian.Uint32(b[12:]))}, nil
	case kUUID:
		return UUIDValue(b), nil
	case kArray:
		return parseArrayBinary(t, b, env, depth)
	case kRecord:
		return nil, pgerr.Unsupported("input of anonymous composite types is not implemented")
	case kRow:
		return parseRowBinary(t, b, env, depth)
	case kVoid:
		return nil, nil
	}
	return box(receiveString(t, b))
}

func receiveDate(v int32) (Days, error) {
	d := Days(v)
	if !d.Finite() {
		return d, nil
	}
	if days := int64(v) + postgresEpochDays; days >= int64(MinDays) && days <= int64(MaxDays) {
		return Days(days), nil
	}
	return 0, pgerr.New(pgerr.DatetimeOverflow, "date out of range")
}

func receiveTimestamp(v int64) (Micros, error) {
	m := Micros(v)
	if !m.Finite() {
		return m, nil
	}
	if v > int64(MaxMicros)-PostgresEpochMicros || m+PostgresEpochMicros < MinMicros {
		return 0, timestampOutOfRange()
	}
	return m + PostgresEpochMicros, nil
}

func receiveString(t Type, b []byte) (string, error) {
	switch t.OID {
	case JSONB, JSONPath:
		if len(b) == 0 {
			return "", shortMessage()
		}
		if b[0] != 1 {
			return "", pgerr.New(pgerr.InternalError, "unsupported %s version number %d", t, b[0])
		}
		if err := CheckText(string(b[1:])); err != nil {
			return "", err
		}
		if t.OID == JSONPath {
			return CanonicalJSONPath(string(b[1:]))
		}
		return CanonicalJSON(string(b[1:]))
	case Bit, VarBit:
		return receiveBits(b)
	case TID:
		if len(b) != 6 {
			return "", shortMessage()
		}
		return parseTID("(" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10) + "," +
			strconv.FormatUint(uint64(binary.BigEndian.Uint16(b[4:])), 10) + ")")
	case Char:
		if len(b) != 1 {
			return "", badBinary("incorrect binary data format")
		}
		if b[0] == 0 {
			return "", nil
		}
	}
	s := string(b)
	if err := CheckText(s); err != nil {
		return "", err
	}
	return parseString(t, s)
}

func receiveBits(b []byte) (string, error) {
	if len(b) < 4 {
		return "", shortMessage()
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(len(b)) != (uint64(n)+7)/8 {
		return "", badBinary("invalid length in external bit string")
	}
	out := make([]byte, n)
	for i := range out {
		out[i] = '0' + b[i/8]>>(7-i%8)&1
	}
	return string(out), nil
}

func parseArrayBinary(t Type, b []byte, env *Env, depth int) (Value, error) {
	elem, _ := t.Elem()
	if len(b) < 12 {
		return nil, shortMessage()
	}
	dims, flags, oid := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), OID(binary.BigEndian.Uint32(b[8:]))
	switch {
	case int32(dims) < 0:
		return nil, badBinary("invalid number of dimensions: %d", int32(dims))
	case dims > MaxDimensions:
		return nil, TooManyDimensions(int(dims))
	case flags > 1:
		return nil, badBinary("invalid array flags")
	case oid != elem.OID && oid != elem.Domain:
		return nil, pgerr.New(pgerr.DatatypeMismatch, "binary data has array element type %d (%s) instead of expected %d (%s)",
			oid, Of(oid), elem.OID, Of(elem.OID))
	case depth > maxNesting:
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "arrays are nested too deep")
	}
	b = b[12:]
	if uint64(len(b)) < 8*uint64(dims) {
		return nil, shortMessage()
	}
	shape := make([]Dim, dims)
	for i := range shape {
		shape[i] = Dim{int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:]))}
		b = b[8:]
	}
	n, err := CheckDims(shape)
	if err != nil {
		return nil, err
	}
	if n > len(b)/4 {
		return nil, shortMessage()
	}
	values := make([]Value, 0, n)
	for range n {
		field, rest, null, err := cutField(b)
		if err != nil {
			if len(b) >= 4 { // a length that is wrong, in PostgreSQL's eyes
				err = badBinary("insufficient data left in message")
			}
			return nil, err
		}
		b = rest
		var e Value
		if !null {
			if e, err = parseBinary(elem, field, env, depth+1); err == nil {
				e, err = Coerce(elem, e, false)
			}
			if err != nil {
				return nil, err
			}
		}
		values = append(values, e)
	}
	if len(b) != 0 {
		return nil, badBinary("incorrect binary data format")
	}
	if t.OID == Int2Vector || t.OID == OIDVector {
		if len(shape) != 1 || shape[0].Lower != 0 || slices.Contains(values, nil) {
			return nil, badBinary("invalid %s data", t)
		}
	}
	return NewArrayOf(elem, values, shape), nil
}

// cutField takes a value with its length before it off the front of b.
func cutField(b []byte) (field, rest []byte, null bool, err error) {
	if len(b) < 4 {
		return nil, nil, false, shortMessage()
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n == -1 {
		return nil, b, true, nil
	}
	if n < 0 || int(n) > len(b) {
		return nil, nil, false, shortMessage()
	}
	return b[:n], b[n:], false, nil
}
