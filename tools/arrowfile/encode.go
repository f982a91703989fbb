package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Options say how values are converted.
type Options struct {
	// RoundTimes rounds times that are finer than microseconds, which are refused
	// otherwise.
	RoundTimes bool
}

// A ValueError says what is wrong with one value.
type ValueError struct {
	Row    int // of the batch, from 0
	Column int
	Value  string // as people read it; empty if it cannot be read
	Cause  error
}

func (e *ValueError) Error() string { return e.Cause.Error() }
func (e *ValueError) Unwrap() error { return e.Cause }

// An Encoder writes batches of a file as rows of COPY's binary format. It is used
// by one goroutine.
type Encoder struct {
	columns []encoderColumn
	options Options
}

type encoderColumn struct {
	field    int // of the file
	from, to datum.Type
	notNull  bool
}

// A Target is a column of a table with the field of the file that fills it.
type Target struct {
	Name    string
	Type    datum.Type
	NotNull bool
	Field   int
}

// NewEncoder returns an encoder of a file's batches; a field whose values a column
// cannot hold is an error.
func NewEncoder(s *arrow.Schema, targets []Target, o Options) (*Encoder, error) {
	e := &Encoder{options: o}
	for _, t := range targets {
		f := s.Field(t.Field)
		from, err := typeOf(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", t.Name, err)
		}
		if isJSON(t.Type) && isList(f.Type) {
			from = datum.Of(datum.JSONB)
		}
		if !castable(from, t.Type) {
			return nil, pgerr.New(pgerr.DatatypeMismatch, "column %q: the file has %s, which a column of type %s cannot hold", t.Name, f.Type, t.Type)
		}
		e.columns = append(e.columns, encoderColumn{t.Field, from, t.Type, t.NotNull})
	}
	return e, nil
}

// A Rows encodes the rows of one batch.
type Rows struct {
	fields []func(dst []byte, i int) ([]byte, error)
	arrays []arrow.Array
	nulls  []bool // are there to be some
}

// Bind returns the encoder of a batch's rows, to be used while the batch lives.
func (e *Encoder) Bind(b arrow.RecordBatch) (r *Rows, err error) {
	r = &Rows{}
	err = guard(func() error {
		for _, c := range e.columns {
			a := b.Column(c.field)
			f := fast(a, c.to)
			if f == nil {
				f = e.slow(a, c)
			}
			r.arrays, r.fields, r.nulls = append(r.arrays, a), append(r.fields, f), append(r.nulls, !c.notNull)
		}
		return nil
	})
	return r, err
}

// Append appends rows from a row on until dst is as long as most, or at the end,
// and returns the row after the last one. An error about a value is a *ValueError.
func (r *Rows) Append(dst []byte, from, rows, most int) (out []byte, next int, err error) {
	row, column := from, 0
	err = guard(func() (err error) {
		for ; row < rows && len(dst) < most; row++ {
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.fields)))
			for column = range r.fields {
				if r.arrays[column].IsNull(row) {
					if !r.nulls[column] {
						return errNull
					}
					dst = append(dst, 0xff, 0xff, 0xff, 0xff)
					continue
				}
				if dst, err = r.fields[column](dst, row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return dst, row, &ValueError{Row: row, Column: column, Value: r.show(row, column), Cause: err}
	}
	return dst, row, nil
}

var errNull = pgerr.New(pgerr.NotNullViolation, "NULL in a column that says NOT NULL")

// maxShown bounds the data shown in an error.
const maxShown = 100

func (r *Rows) show(row, column int) (s string) {
	_ = guard(func() error {
		if r.arrays[column].IsNull(row) {
			return nil
		}
		s = r.arrays[column].ValueStr(row)
		return nil
	})
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return s
}

// fast returns the encoder of the common types, nil for others.
func fast(a arrow.Array, to datum.Type) func(dst []byte, i int) ([]byte, error) {
	switch a := a.(type) {
	case *array.Boolean:
		if to.OID == datum.Bool {
			return func(dst []byte, i int) ([]byte, error) {
				v := byte(0)
				if a.Value(i) {
					v = 1
				}
				return append(dst, 0, 0, 0, 1, v), nil
			}
		}
	case *array.Int16:
		if to.OID == datum.Int2 {
			return func(dst []byte, i int) ([]byte, error) {
				return binary.BigEndian.AppendUint16(append(dst, 0, 0, 0, 2), uint16(a.Value(i))), nil
			}
		}
	case *array.Int32:
		if to.OID == datum.Int4 {
			return func(dst []byte, i int) ([]byte, error) {
				return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 4), uint32(a.Value(i))), nil
			}
		}
	case *array.Int64:
		if to.OID == datum.Int8 {
			return func(dst []byte, i int) ([]byte, error) {
				return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(a.Value(i))), nil
			}
		}
	case *array.Float32:
		if to.OID == datum.Float4 {
			return func(dst []byte, i int) ([]byte, error) {
				return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 4), math.Float32bits(a.Value(i))), nil
			}
		}
	case *array.Float64:
		if to.OID == datum.Float8 {
			return func(dst []byte, i int) ([]byte, error) {
				return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), math.Float64bits(a.Value(i))), nil
			}
		}
	case *array.String:
		if to.OID == datum.Text {
			return func(dst []byte, i int) ([]byte, error) {
				s := a.Value(i)
				if err := datum.CheckText(s); err != nil {
					return dst, err
				}
				return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...), nil
			}
		}
	}
	return nil
}

// slow returns the encoder that goes by way of a Value.
func (e *Encoder) slow(a arrow.Array, c encoderColumn) func(dst []byte, i int) ([]byte, error) {
	asJSON := isJSON(c.to) && isList(a.DataType())
	return func(dst []byte, i int) ([]byte, error) {
		var v datum.Value
		var err error
		if asJSON {
			v, err = jsonAt(a, i)
		} else {
			v, err = valueAt(a, i, e.options)
		}
		if err == nil && v != nil {
			v, err = convert(v, c.from, c.to)
		}
		if err != nil {
			return dst, err
		}
		if v == nil && c.notNull {
			return dst, errNull
		}
		if v == nil {
			return append(dst, 0xff, 0xff, 0xff, 0xff), nil
		}
		at := len(dst)
		dst = datum.AppendBinary(append(dst, 0, 0, 0, 0), c.to, v, nil)
		size := len(dst) - at - 4
		if size > math.MaxInt32 {
			return dst, errors.New("the value is too long")
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(size))
		return dst, nil
	}
}

func isList(dt arrow.DataType) bool {
	_, ok := dt.(arrow.ListLikeType)
	return ok
}

// Families of types between which values are converted.
func isJSON(t datum.Type) bool { return t.OID == datum.JSON || t.OID == datum.JSONB }

func isText(t datum.Type) bool {
	switch t.OID {
	case datum.Text, datum.Varchar, datum.BPChar, datum.Name:
		return true
	}
	return false
}

func isInt(t datum.Type) bool {
	switch t.OID {
	case datum.Int2, datum.Int4, datum.Int8, datum.OIDType:
		return true
	}
	return false
}

func isFloat(t datum.Type) bool { return t.OID == datum.Float4 || t.OID == datum.Float8 }

func isNumber(t datum.Type) bool { return isInt(t) || isFloat(t) || t.OID == datum.Numeric }

func isMoment(t datum.Type) bool { return t.OID == datum.Timestamp || t.OID == datum.TimestampTZ }

// castable says whether convert knows a way.
func castable(from, to datum.Type) bool {
	fromElem, fromArray := from.Elem()
	toElem, toArray := to.Elem()
	switch {
	case fromArray && toArray:
		return castable(fromElem, toElem)
	case from.OID == to.OID, isText(to):
		return true
	case isText(from):
		return to.OID != datum.Bytea
	case from.OID == datum.Bytea:
		return isJSON(to) || to.OID == datum.UUID
	case isJSON(to):
		return isJSON(from) || isNumber(from) || from.OID == datum.Bool
	case isNumber(from) && isNumber(to):
		return true
	case isMoment(to):
		return isMoment(from) || from.OID == datum.Date
	}
	return false
}

// convert converts a value that is not NULL between castable types. What would be
// lost is an error, but that real and double precision round decimal fractions.
func convert(v datum.Value, from, to datum.Type) (datum.Value, error) {
	if array, ok := v.(datum.Array); ok {
		if elem, ok := to.Elem(); ok {
			return convertArray(array, elem)
		}
	}
	if b, ok := v.([]byte); ok {
		switch {
		case to.OID == datum.Bytea:
			return b, nil
		case to.OID == datum.UUID && len(b) == 16:
			return datum.UUIDValue(b), nil
		case to.OID == datum.UUID:
			return nil, pgerr.New(pgerr.InvalidBinary, "a uuid has 16 bytes, not %d", len(b))
		}
		v, from = string(b), datum.Of(datum.Text)
	}
	if d, ok := v.(datum.Decimal); ok && to.OID == datum.Numeric {
		return fit(d, to)
	}
	if from.OID == to.OID && !isText(to) {
		return datum.Coerce(to, v, false)
	}
	if d, ok := v.(datum.Decimal); ok && isInt(to) {
		if whole := d.Round(0); whole.Cmp(&d) == 0 {
			v = whole
		}
	}
	text, ok := v.(string)
	if !ok {
		text = string(datum.AppendText(nil, from, v, nil))
	}
	if to.OID == datum.Numeric {
		d, err := datum.ParseDecimal(text)
		if err != nil {
			return nil, err
		}
		return fit(d, to)
	}
	out, err := datum.Parse(to, text, nil)
	if err == nil && isInt(from) && isFloat(to) {
		err = exact(text, out)
	}
	return out, err
}

// fit applies numeric's modifier, but never rounds.
func fit(d datum.Decimal, to datum.Type) (datum.Value, error) {
	p, s, ok := to.NumericMod()
	if !ok {
		return d, nil
	}
	out, err := d.Fit(p, s)
	if err == nil && out.Cmp(&d) != 0 {
		err = pgerr.New(pgerr.NumericOutOfRange, "%s has more than the %d digits after the point that numeric(%d,%d) keeps", d.String(), s, p, s)
	}
	return out, err
}

// exact refuses an integer that a float rounded.
func exact(text string, v datum.Value) error {
	n, err := datum.ParseDecimal(text)
	if err != nil {
		return err
	}
	f := 0.0
	switch v := v.(type) {
	case float32:
		f = float64(v)
	case float64:
		f = v
	}
	d, err := datum.ParseDecimal(fmt.Sprintf("%.0f", f))
	if err == nil && d.Cmp(&n) != 0 {
		err = pgerr.New(pgerr.NumericOutOfRange, "%s would become %s as a float", text, d.String())
	}
	return err
}

func convertArray(a datum.Array, elem datum.Type) (datum.Value, error) {
	out := datum.Array{Elem: elem, Values: make([]datum.Value, len(a.Values))}
	for i, v := range a.Values {
		if v == nil {
			continue
		}
		c, err := convert(v, a.Elem, elem)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		out.Values[i] = c
	}
	return out, nil
}
