package codec

import "bytes"

// An equalFilter looks for one string in a template: for the integers that spell it.
type equalFilter struct {
	x       []byte
	usable  bool        // the template tells which integers these are
	matches bool        // there are some
	filters []IntFilter // one for each integer node
}

// fixedWidth returns the bytes that a field takes, -1 if that depends on its value.
func (f *field) fixedWidth() int {
	switch f.kind {
	case fieldPadded, fieldHex, fieldHexUpper, fieldBig, fieldLittle:
		return f.width
	case fieldTime:
		return timeWidth(f.layout)
	case fieldUUID:
		return 36
	}
	return -1
}

// equal makes the filter for x. Only where every field lies in x is known from both
// ends, with one field at most that varies in width, equal text means equal integers.
func (t *templateText) equal(x []byte) *equalFilter {
	e := &equalFilter{x: bytes.Clone(x)}
	varying, rest := 0, len(x)-len(t.after)
	for i := range t.fields {
		f := &t.fields[i]
		w := f.fixedWidth()
		if f.kind == fieldText {
			return e
		}
		if w < 0 {
			w = 0
			varying++
		}
		rest -= len(f.before) + w
	}
	if varying > 1 {
		return e
	}
	e.usable = true
	if rest < 0 || varying == 0 && rest != 0 {
		return e
	}
	var ints [3]int64
	for i := range t.fields {
		f := &t.fields[i]
		w := f.fixedWidth()
		if w < 0 {
			w = rest
		}
		if !bytes.HasPrefix(x, f.before) {
			return e
		}
		x = x[len(f.before):]
		if n, ok := f.parse(x[:w], ints[:]); !ok || n != w {
			return e
		}
		for _, v := range ints[:f.nodes()] {
			e.filters = append(e.filters, IntFilter{Lo: v, Hi: v})
		}
		x = x[w:]
	}
	e.matches = bytes.Equal(x, t.after)
	return e
}

// FilterEqual sets out to the strings of vector v that are x, without spelling them;
// done is false if the encoding cannot do that.
func (r *Bytes) FilterEqual(v int, x []byte, out *Bits) (done bool, err error) {
	t, ok := r.node.(*templateText)
	if !ok {
		return false, nil
	}
	if t.wanted == nil || !bytes.Equal(t.wanted.x, x) {
		t.wanted = t.equal(x)
	}
	if !t.wanted.usable || r.decoded == v+1 {
		return false, nil
	}
	return true, t.filterEqual(v, t.wanted, out)
}

func (t *templateText) filterEqual(v int, e *equalFilter, out *Bits) error {
	*out = Bits{}
	if e.matches {
		if err := t.matching(v, e.filters, out); err != nil {
			return err
		}
	}
	return t.odd.equal(v, VectorLen(t.n, v), e.x, out)
}

// matching sets out to the rows of vector v whose integers pass, one filter each.
func (t *templateText) matching(v int, filters []IntFilter, out *Bits) error {
	out.fill(VectorLen(t.n, v), true)
	k := 0
	for i := range t.fields {
		f := &t.fields[i]
		for _, x := range f.ints[:f.nodes()] {
			var some Bits
			if err := x.Filter(v, &filters[k], &some); err != nil {
				return err
			}
			left := uint64(0)
			for w := range out {
				out[w] &= some[w]
				left |= out[w]
			}
			if k++; left == 0 {
				return nil
			}
		}
	}
	return nil
}

// equal sets the rows of vector v that are exceptions to whether they are x.
func (o *oddText) equal(v, n int, x []byte, out *Bits) error {
	last := -1
	for i, to := o.of(v); i < to; i++ {
		row := o.row(i)
		if row <= last || row >= n {
			return corrupt("template: exceptions of vector %d are not in order", v)
		}
		last = row
		s, err := o.at(i)
		if err != nil {
			return err
		}
		out[row>>6] &^= 1 << (row & 63)
		out[row>>6] |= b2u(bytes.Equal(s, x)) << (row & 63)
	}
	return nil
}
