package codec

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A template is what the strings of a column have in common: bytes that are the
// same in all of them, and fields between these that differ, each stored by itself
// as integers or as a node of strings. It stands for numbers, times and UUIDs in text
// (one field), for "host_123" (some bytes and a field), for lines of a log (many
// fields) and for fixed-width bytes that are numbers side by side. Strings that do not
// match are exceptions and lie apart.
type template struct {
	fields []field
	after  []byte
}

// maxFields bounds the fields of a template.
const maxFields = 255

func (t *template) nodes() int {
	n := 0
	for i := range t.fields {
		n += t.fields[i].nodes()
	}
	return n
}

// A matcher takes strings apart while encoding.
type matcher struct {
	*template
	ints  []int64  // of the last match, node by node
	spans [][]byte // of text, by field
}

func (t *template) matcher() *matcher {
	return &matcher{template: t, ints: make([]int64, t.nodes()), spans: make([][]byte, len(t.fields))}
}

func (m *matcher) match(b []byte) bool {
	k := 0
	for i := range m.fields {
		f := &m.fields[i]
		if !bytes.HasPrefix(b, f.before) {
			return false
		}
		b = b[len(f.before):]
		n := 0
		if f.kind == fieldText {
			if n = m.textEnd(i, b); n < 0 {
				return false
			}
			m.spans[i] = b[:n]
		} else {
			var ok bool
			if n, ok = f.parse(b, m.ints[k:]); !ok {
				return false
			}
			k += f.nodes()
		}
		b = b[n:]
	}
	return bytes.Equal(b, m.after)
}

// textEnd returns where text ends that is field i: before what follows it.
func (m *matcher) textEnd(i int, b []byte) int {
	if i == len(m.fields)-1 {
		return len(b) - len(m.after)
	}
	return bytes.Index(b, m.fields[i+1].before)
}

// parts are the strings of a column taken apart.
type parts struct {
	ints [][]int64
	text []Strings // by field; empty for others
	odd  []int32   // rows that do not match
}

// split takes s apart; it gives up when more than limit strings do not match.
func (t *template) split(s *Strings, limit int) *parts {
	n := s.Len()
	p := &parts{ints: make([][]int64, t.nodes()), text: make([]Strings, len(t.fields))}
	for i := range p.ints {
		p.ints[i] = make([]int64, n)
	}
	for i := range t.fields {
		if t.fields[i].kind == fieldText {
			p.text[i].Offsets = make([]int64, 1, n+1)
		}
	}
	m := t.matcher()
	for row := range n {
		if !m.match(s.At(row)) {
			if len(p.odd) == limit {
				return nil
			}
			p.odd = append(p.odd, int32(row))
			p.repeat(t, row)
			continue
		}
		for i, x := range m.ints {
			p.ints[i][row] = x
		}
		for i := range t.fields {
			if t.fields[i].kind == fieldText {
				p.text[i].Append(m.spans[i])
			}
		}
	}
	p.fillFirst()
	return p
}

// repeat gives a row that does not match the fields of the one before, which costs
// least.
func (p *parts) repeat(t *template, row int) {
	if row > 0 {
		for i := range p.ints {
			p.ints[i][row] = p.ints[i][row-1]
		}
	}
	for i := range t.fields {
		if t.fields[i].kind != fieldText {
			continue
		}
		x := &p.text[i]
		if row > 0 && len(x.At(row-1)) <= 32 {
			x.Append(x.At(row - 1))
		} else {
			x.Append(nil)
		}
	}
}

// fillFirst gives rows before the first that matches its integers.
func (p *parts) fillFirst() {
	k := 0
	for k < len(p.odd) && int(p.odd[k]) == k {
		k++
	}
	for _, x := range p.ints {
		for i := 0; i < k && k < len(x); i++ {
			x[i] = x[k]
		}
	}
}

// odds is the set of rows that do not match.
func (p *parts) isOdd() func(row int) bool {
	if len(p.odd) == 0 {
		return func(int) bool { return false }
	}
	odd := make(map[int32]bool, len(p.odd))
	for _, row := range p.odd {
		odd[row] = true
	}
	return func(row int) bool { return odd[int32(row)] }
}

// encode returns the node of s taken apart, and the nanoseconds that the integers below
// take.
func (t *template) encode(s *Strings, p *parts, depth int) (dst []byte, nanos float64) {
	dst = []byte{byte(Template)}
	dst = binary.AppendUvarint(dst, uint64(len(t.fields)))
	for i := range t.fields {
		dst = t.fields[i].appendHeader(dst)
	}
	dst = appendPart(dst, t.after)
	dst = p.appendOdd(dst, s, depth)
	k := 0
	for i := range t.fields {
		if t.fields[i].kind == fieldText {
			dst = appendPart(dst, appendBytes(nil, &p.text[i], depth+1, Thorough))
		}
		for range t.fields[i].nodes() {
			ints := planSpelt(p.ints[k], depth+1)
			dst = appendPart(dst, ints.append(nil))
			nanos += ints.nanos()
			k++
		}
	}
	return dst, nanos
}

func (p *parts) appendOdd(dst []byte, s *Strings, depth int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p.odd)))
	if len(p.odd) == 0 {
		return dst
	}
	counts := make([]uint16, Vectors(s.Len()))
	text := &Strings{}
	for _, row := range p.odd {
		counts[row/VectorRows]++
		text.Append(s.At(int(row)))
	}
	for _, c := range counts {
		dst = binary.LittleEndian.AppendUint16(dst, c)
	}
	for _, row := range p.odd {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(row%VectorRows))
	}
	return appendPart(dst, appendBytes(nil, text, depth+1, Thorough))
}

// A templateText reads a template.
type templateText struct {
	n      int
	size   int
	fields []templateField
	after  []byte
	odd    oddText
	// columns are of the vector that is being decoded.
	columns []fieldColumn
	wanted  *equalFilter // the last that was asked for
}

type templateField struct {
	field
	ints [3]*Ints // of the field's kind: as many as it has nodes
	text *Bytes
	time timeText
}

// oddText holds the strings that do not match.
type oddText struct {
	start []int32 // first of each vector, and their number
	rows  []byte  // u16 each
	text  *Bytes
}

func (room *Room) openTemplate(src []byte, n, depth int) (*templateText, error) {
	c := cursor{b: src}
	t := room.templates.take()
	t.n, t.size = n, 1+len(src)
	count := c.count(maxFields)
	if c.bad || count == 0 || n == 0 {
		return nil, corrupt("template: %d fields of %d strings in %d bytes", count, n, len(src))
	}
	for range count {
		f := c.field()
		if c.bad {
			return nil, corrupt("template: bad field %d of %d", len(t.fields), count)
		}
		t.fields = append(t.fields, templateField{field: f})
	}
	t.after = c.part()
	var err error
	if err := t.odd.open(room, &c, n, depth); err != nil {
		return nil, err
	}
	for i := range t.fields {
		f := &t.fields[i]
		if f.kind == fieldText {
			if f.text, err = room.openBytes(c.part(), n, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		if f.kind == fieldTime {
			f.time = newTimeText(f.layout)
		}
		for k := range f.nodes() {
			if f.ints[k], err = room.openInts(c.part(), n, depth+1); err != nil {
				return nil, err
			}
		}
	}
	if !c.done() {
		return nil, corrupt("template: fields do not use up %d bytes", len(src))
	}
	return t, nil
}

func (o *oddText) open(room *Room, c *cursor, n, depth int) (err error) {
	count := c.count(n)
	if count == 0 {
		return nil
	}
	o.start = append(room.places.take(Vectors(n) + 1)[:0], 0)
	counts := c.take(2 * Vectors(n))
	o.rows = c.take(2 * count)
	text := c.part()
	if c.bad {
		return corrupt("template: exceptions are cut off")
	}
	for v := range Vectors(n) {
		k := int32(binary.LittleEndian.Uint16(counts[2*v:]))
		o.start = append(o.start, o.start[v]+k)
		if o.start[v+1] > int32(count) {
			break
		}
	}
	if int(o.start[len(o.start)-1]) != count {
		return corrupt("template: vectors do not have %d exceptions", count)
	}
	o.text, err = room.openBytes(text, count, depth+1)
	return err
}

// of returns the numbers of the exceptions of vector v.
func (o *oddText) of(v int) (from, to int) {
	if o.text == nil {
		return 0, 0
	}
	return int(o.start[v]), int(o.start[v+1])
}

func (o *oddText) row(i int) int { return int(binary.LittleEndian.Uint16(o.rows[2*i:])) }

func (o *oddText) at(i int) ([]byte, error) {
	s, err := o.text.Vector(i / VectorRows)
	if err != nil {
		return nil, err
	}
	return s.At(i % VectorRows), nil
}

// columns are the decoded fields of a vector.
type fieldColumn struct {
	ints [3][]int64
	text *Strings
}

// decode decodes the fields of vector v.
func (t *templateText) decode(v int) ([]fieldColumn, error) {
	t.columns = slices.Grow(t.columns[:0], len(t.fields))[:len(t.fields)]
	columns := t.columns
	total := 0
	for i := range t.fields {
		f := &t.fields[i]
		for k, x := range f.ints[:f.nodes()] {
			var err error
			if columns[i].ints[k], err = x.Shared(v); err != nil {
				return nil, err
			}
		}
		if f.text != nil {
			s, err := f.text.Vector(v)
			if err != nil {
				return nil, err
			}
			if total += len(s.Data); total > maxRepeat {
				return nil, corrupt("template: %d bytes in vector %d", total, v)
			}
			columns[i].text = s
		}
	}
	return columns, nil
}

func (t *templateText) vector(v int, dst *Strings) error {
	columns, err := t.decode(v)
	if err != nil {
		return err
	}
	n := VectorLen(t.n, v)
	odd, lastOdd := t.odd.of(v)
	data, limit := dst.Data, len(dst.Data)+maxRepeat
	for row := range n {
		if odd < lastOdd && t.odd.row(odd) == row {
			x, err := t.odd.at(odd)
			if err != nil {
				return err
			}
			data = append(data, x...)
			odd++
		} else {
			for i := range t.fields {
				f := &t.fields[i]
				data = append(data, f.before...)
				ok := true
				switch f.kind {
				case fieldText:
					data = append(data, columns[i].text.At(row)...)
				case fieldTime:
					data, ok = f.time.append(data, columns[i].ints[0][row])
				default:
					data, ok = f.append(data, &columns[i].ints, row)
				}
				if !ok {
					return corrupt("template: field %d of row %d of vector %d cannot be %d", i, row, v, columns[i].ints[0][row])
				}
			}
			data = append(data, t.after...)
		}
		if len(data) > limit {
			return corrupt("template: more than %d bytes in vector %d", maxRepeat, v)
		}
		dst.Offsets = append(dst.Offsets, int64(len(data)))
	}
	dst.Data = data
	if odd < lastOdd {
		return corrupt("template: exceptions of vector %d are not in order", v)
	}
	return nil
}

// addLengths adds about what the strings of vector v take. Text of a dictionary takes
// what its entries do, at most maxLength, other text what its lengths say.
func (t *templateText) addLengths(v int, out []int64) error {
	const numberBytes, maxLength = 8, 1 << 40
	fixed := int64(len(t.after))
	add := func(i int, x int64) { out[i] = min(out[i]+max(x, 0), maxLength) }
	for i := range t.fields {
		f := &t.fields[i]
		fixed += int64(len(f.before))
		if f.text == nil {
			fixed += numberBytes
			continue
		}
		entries, codes, err := f.text.Dictionary()
		switch {
		case err != nil:
			return err
		case entries != nil && codes == nil:
			fixed += int64(len(entries.Data))
			continue
		case entries != nil:
			k, err := codes.Codes(v, entries.Len())
			if err != nil {
				return err
			}
			for row, x := range k {
				add(row, int64(len(entries.At(int(x)))))
			}
			continue
		}
		l, err := f.text.Lengths(v)
		if err != nil {
			return err
		}
		for row, x := range l {
			add(row, x)
		}
	}
	for row := range out {
		add(row, fixed)
	}
	if t.odd.text == nil {
		return nil
	}
	for i, to := t.odd.of(v); i < to; i++ {
		x, err := t.odd.at(i)
		if err != nil {
			return err
		}
		if row := t.odd.row(i); row < len(out) {
			out[row] = int64(len(x))
		}
	}
	return nil
}

func (t *templateText) describe() Node {
	out := Node{Scheme: Template, Values: t.n, Size: t.size}
	shape := ""
	for i := range t.fields {
		f := &t.fields[i]
		shape += string(f.before) + "{" + f.name() + "}"
		for _, x := range f.ints[:f.nodes()] {
			c := x.Describe()
			c.Role = f.name()
			out.Child = append(out.Child, c)
		}
		if f.text != nil {
			c := f.text.Describe()
			c.Role = "text"
			out.Child = append(out.Child, c)
		}
	}
	out.Detail = detail("%.200q", shape+string(t.after))
	if t.odd.text != nil {
		c := t.odd.text.Describe()
		c.Role = "exceptions"
		out.Child = append(out.Child, c)
		out.Detail += detail(", %d exceptions", t.odd.text.n)
	}
	return out
}

func (f *field) name() string {
	switch f.kind {
	case fieldInt:
		return "integer"
	case fieldPadded:
		return detail("%d digits", f.width)
	case fieldDecimal:
		if f.least == f.scale {
			return detail("scale %d", f.scale)
		}
		return detail("scale %d to %d", f.least, f.scale)
	case fieldTime:
		return string(f.layout)
	case fieldHex, fieldHexUpper:
		return detail("%d hex digits", f.width)
	case fieldUUID:
		return "UUID"
	case fieldBig, fieldLittle:
		return detail("%d bytes", f.width)
	case fieldRest:
		return "bytes"
	}
	return "text"
}
