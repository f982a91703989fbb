package chunk

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A blobFilter evaluates a filter on the vectors of a column's blob.
type blobFilter struct {
	*filter
	col *blobColumn
	// encoded says whether encoded data may be looked at; else values are
	// decoded first, with the same outcome.
	encoded bool
	keep    []uint8            // dictionary entries that pass; nil until asked for
	table   *codec.TableFilter // the same
	entries *codec.Strings
	codes   *codec.Ints
	asked   bool
}

// eval sets out to the rows of vector v that pass.
func (f *blobFilter) eval(v int, out *codec.Bits) error {
	n := codec.VectorLen(f.col.rows, v)
	var null codec.Bits
	some, err := f.col.nullBits(v, &null)
	if err != nil {
		return err
	}
	switch f.pred.Op {
	case OpIsNull, OpIsNotNull:
		*out = codec.Bits{}
		if some {
			*out = null
		}
		if f.pred.Op == OpIsNotNull {
			out.Invert(n)
		}
		return nil
	}
	if f.col.nulls == f.col.rows {
		*out = codec.Bits{}
		return nil
	}
	if err := f.values(v, out); err != nil {
		return err
	}
	if some {
		out.AndNot(&null)
	}
	return nil
}

// values evaluates the filter on all slots, NULL ones included.
func (f *blobFilter) values(v int, out *codec.Bits) error {
	c := f.col
	c.touch(v)
	switch {
	case c.form == formInts && f.order == orderInts:
		return f.evalInts(v, &f.ints, out)
	case c.form == formScaled && f.order == orderNumeric:
		return f.evalInts(v, f.atScale(c.scale), out)
	case c.form == formFloat64 && f.order == orderFloats:
		return evalFloats(c.f64, f.encoded, v, &f.floats, out)
	case c.form == formFloat32 && f.order == orderFloats:
		return evalFloats(c.f32, f.encoded, v, &f.floats, out)
	case c.form == formBits && f.order == orderBits:
		return f.evalBits(v, out)
	case c.form == formBytes && (f.order == orderBytes || f.order == orderPadded):
		return f.evalBytes(v, out)
	}
	return f.evalBoxed(v, out)
}

func (f *blobFilter) evalInts(v int, flt *codec.IntFilter, out *codec.Bits) error {
	if f.encoded {
		return f.col.ints.Filter(v, flt, out)
	}
	x, err := f.col.ints.Shared(v)
	if err == nil {
		codec.FilterInts(x, flt, out)
	}
	return err
}

func evalFloats[F codec.Float](r *codec.Floats[F], encoded bool, v int, flt *codec.FloatFilter, out *codec.Bits) error {
	if encoded {
		return r.Filter(v, flt, out)
	}
	x, err := r.Shared(v)
	if err == nil {
		codec.FilterFloats(x, flt, out)
	}
	return err
}

func (f *blobFilter) evalBits(v int, out *codec.Bits) error {
	if err := f.col.bits.Vector(v, out); err != nil {
		return err
	}
	combineBits(&f.ints, codec.VectorLen(f.col.rows, v), out)
	return nil
}

// combineBits turns bits into the set of those that the filter keeps.
func combineBits(f *codec.IntFilter, n int, out *codec.Bits) {
	keeps := func(x int64) bool {
		if f.Set != nil { // {0, 1} is a range, so a set does not arise
			return false
		}
		return (f.Lo <= x && x <= f.Hi) != f.Not
	}
	zero, one := keeps(0), keeps(1)
	switch {
	case zero && one:
		out.Fill(n)
	case zero:
		out.Invert(n)
	case !one:
		*out = codec.Bits{}
	}
}

func (f *blobFilter) evalBytes(v int, out *codec.Bits) error {
	if f.encoded && !f.asked {
		f.asked = true
		var err error
		if f.entries, f.codes, err = f.col.strs.Dictionary(); err != nil {
			return err
		}
		if f.entries != nil {
			f.keep = make([]uint8, f.entries.Len())
			for i := range f.keep {
				f.keep[i] = uint8(bit(f.keepsBytes(f.entries.At(i))))
			}
			f.table = codec.NewTableFilter(f.keep)
		}
	}
	n := codec.VectorLen(f.col.rows, v)
	switch {
	case f.keep != nil && f.codes == nil: // constant
		*out = codec.Bits{}
		if f.keep[0] == 1 {
			out.Fill(n)
		}
		return nil
	case f.keep != nil:
		return f.codes.FilterTable(v, f.table, out)
	case f.encoded && f.order == orderBytes && (f.pred.Op == OpEQ || f.pred.Op == OpNE):
		done, err := f.col.strs.FilterEqual(v, f.bytes[0], out)
		if done && f.pred.Op == OpNE {
			out.Invert(n)
		}
		if done || err != nil {
			return err
		}
	}
	s, err := f.col.strs.Vector(v)
	if err != nil {
		return err
	}
	*out = codec.Bits{}
	for i := range n {
		if f.keepsBytes(s.At(i)) {
			out.Set(i)
		}
	}
	return nil
}

func (f *blobFilter) evalBoxed(v int, out *codec.Bits) error {
	a, err := f.col.array(memory.DefaultAllocator, f.typ, v)
	if err != nil {
		return err
	}
	defer a.Release()
	f.evalArrayBoxed(a, 0, a.Len(), out)
	return nil
}

// evalArray sets out to the rows from..from+n-1 of an array that pass; n is at
// most VectorRows.
func (f *filter) evalArray(a arrow.Array, from, n int, out *codec.Bits) {
	var null codec.Bits
	nullRows(a, from, n, &null)
	switch f.pred.Op {
	case OpIsNull, OpIsNotNull:
		*out = null
		if f.pred.Op == OpIsNotNull {
			out.Invert(n)
		}
		return
	}
	switch f.order {
	case orderInts:
		var x [VectorRows]int64
		copyInts(x[:n], a, from)
		codec.FilterInts(x[:n], &f.ints, out)
	case orderFloats:
		switch a := a.(type) {
		case *array.Float64:
			codec.FilterFloats(a.Float64Values()[from:from+n], &f.floats, out)
		case *array.Float32:
			codec.FilterFloats(a.Float32Values()[from:from+n], &f.floats, out)
		}
	case orderBits:
		b := a.(*array.Boolean)
		*out = codec.Bits{}
		for i := range n {
			if b.Value(from + i) {
				out.Set(i)
			}
		}
		combineBits(&f.ints, n, out)
	case orderBytes, orderPadded:
		*out = codec.Bits{}
		for i := range n {
			if !null.Has(i) && f.keepsBytes(bytesAt(a, from+i)) {
				out.Set(i)
			}
		}
	default:
		f.evalArrayBoxed(a, from, n, out)
	}
	out.AndNot(&null)
}

func (f *filter) evalArrayBoxed(a arrow.Array, from, n int, out *codec.Bits) {
	*out = codec.Bits{}
	for i := range n {
		if a.IsValid(from+i) && f.keepsValue(datum.ValueAt(f.typ, a, from+i)) {
			out.Set(i)
		}
	}
}
