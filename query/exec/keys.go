package exec

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// keyKind is how the values of a key column become codes: words that are equal
// exactly where datum.Compare says that the values are.
type keyKind uint8

const (
	keyInt    keyKind = iota // integers, dates, times: the value itself
	keyBool                  // 0 and 1
	keyFloat                 // bits, with one zero and one NaN; the first value met is kept
	keyBytes                 // equal where the bytes are: text, bytea, uuid; interned
	keyOpaque                // interned by datum.AppendKey; the first value met is kept
	keyNull                  // only NULLs
)

// nullCode is the code of NULL in columns whose codes are ids, booleans or at
// most 33 bits wide, and of floats: the bits of a NaN that is not ours. Wide
// integers use every bit pattern; their NULLs have code 0 and a bit in the key's last word.
const nullCode = 0xfff8_dead_0000_0001

// missingCode is the code of a value that was only looked up and is not interned.
const missingCode = 0xfff8_dead_0000_0002

const canonicalNaN = 0x7ff8_0000_0000_0001

func kindOf(t datum.Type) keyKind {
	switch t.OID {
	case datum.BPChar, datum.JSONB, datum.JSON:
		return keyOpaque
	}
	switch t.Arrow().ID() {
	case arrow.NULL:
		return keyNull
	case arrow.BOOL:
		return keyBool
	case arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT32, arrow.DATE32, arrow.TIME64, arrow.TIMESTAMP:
		return keyInt
	case arrow.FLOAT32, arrow.FLOAT64:
		return keyFloat
	case arrow.STRING:
		return keyBytes
	}
	if t.OID == datum.Bytea || t.OID == datum.UUID {
		return keyBytes
	}
	return keyOpaque
}

// isWide says that codes of the type use all 64 bits.
func isWide(t datum.Type) bool {
	id := t.Arrow().ID()
	return id == arrow.INT64 || id == arrow.TIMESTAMP || id == arrow.TIME64
}

// keyColumn is the state of one column of a keyTable.
type keyColumn struct {
	mem  memory.Allocator
	t    datum.Type
	kind keyKind
	wide bool // NULL is told by the mask word
	ids  *interner
	// first holds, for keyFloat by group and for keyOpaque by id, the value as it
	// was first met: -0.0, 1.00 and '1 day' are equal to others but not the same.
	first  array.Builder
	firstN int
	raw    []uint64 // keyFloat: bits of the batch's values
	key    []byte   // scratch of AppendKey
}

func newKeyColumn(mem memory.Allocator, t datum.Type) keyColumn {
	c := keyColumn{mem: mem, t: t, kind: kindOf(t), wide: isWide(t)}
	switch c.kind {
	case keyBytes:
		c.ids = newInterner()
	case keyOpaque:
		c.ids = newInterner()
		c.first = array.NewBuilder(mem, t.Arrow())
	}
	return c
}

func (c *keyColumn) release() {
	if c.first != nil {
		c.first.Release()
		c.first = nil
	}
}

// encode writes the codes of the column's n values to codes[at], codes[at+stride]
// and so on. Unknown strings are interned if add is set, else their code is
// missingCode. mask, if not nil, gets bit set where a value is NULL.
func (c *keyColumn) encode(v function.Vec, n int, codes []uint64, at, stride int, bit uint64, add bool) {
	a := v.Array
	if v.Const {
		c.encodeArray(a, 1, codes, at, stride, bit, add)
		code, null := codes[at], uint64(0)
		if c.wide {
			null = codes[stride-1] & bit
		}
		for i := 1; i < n; i++ {
			codes[i*stride+at] = code
			if null != 0 {
				codes[i*stride+stride-1] |= bit
			}
		}
		if c.kind == keyFloat {
			for i := 1; i < n; i++ {
				c.raw = append(c.raw, c.raw[0])
			}
		}
		return
	}
	c.encodeArray(a, n, codes, at, stride, bit, add)
}

func (c *keyColumn) encodeArray(a arrow.Array, n int, codes []uint64, at, stride int, bit uint64, add bool) {
	codes = codes[at:]
	switch a := a.(type) {
	case *array.Null:
		for i := range n {
			codes[i*stride] = nullCode
		}
		if c.kind == keyFloat {
			c.raw = append(c.raw[:0], make([]uint64, n)...)
		}
		if !c.wide {
			return
		}
	case *array.Boolean:
		for i := range n {
			codes[i*stride] = 0
			if a.Value(i) {
				codes[i*stride] = 1
			}
		}
	case *array.Int16:
		encodeInts(a.Int16Values(), codes, stride)
	case *array.Int32:
		encodeInts(a.Int32Values(), codes, stride)
	case *array.Int64:
		encodeInts(a.Int64Values(), codes, stride)
	case *array.Uint32:
		encodeInts(a.Uint32Values(), codes, stride)
	case *array.Date32:
		encodeInts(a.Date32Values(), codes, stride)
	case *array.Time64:
		encodeInts(a.Time64Values(), codes, stride)
	case *array.Timestamp:
		encodeInts(a.TimestampValues(), codes, stride)
	case *array.Float32:
		c.raw = c.raw[:0]
		encodeFloats(c, a.Float32Values(), codes, stride)
	case *array.Float64:
		c.raw = c.raw[:0]
		encodeFloats(c, a.Float64Values(), codes, stride)
	default:
		c.encodeInterned(a, n, codes, stride, add)
		return
	}
	if a.NullN() == 0 {
		return
	}
	for i := range n {
		if a.IsValid(i) && a.DataType().ID() != arrow.NULL {
			continue
		}
		if c.wide {
			codes[i*stride] = 0
			codes[i*stride-at+stride-1] |= bit
		} else {
			codes[i*stride] = nullCode
		}
	}
}

func encodeInts[T ~int16 | ~int32 | ~int64 | ~uint32](vs []T, codes []uint64, stride int) {
	if stride == 1 {
		codes = codes[:len(vs)]
		for i, v := range vs {
			codes[i] = uint64(int64(v))
		}
		return
	}
	for i, v := range vs {
		codes[i*stride] = uint64(int64(v))
	}
}

func encodeFloats[T float32 | float64](c *keyColumn, vs []T, codes []uint64, stride int) {
	for i, v := range vs {
		f := float64(v)
		b := math.Float64bits(f)
		c.raw = append(c.raw, b)
		switch {
		case f == 0:
			b = 0
		case f != f:
			b = canonicalNaN
		}
		codes[i*stride] = b
	}
}

func (c *keyColumn) encodeInterned(a arrow.Array, n int, codes []uint64, stride int, add bool) {
	text, isText := a.(*array.String)
	bin, isBin := a.(*array.Binary)
	fix, isFixed := a.(*array.FixedSizeBinary)
	plain := c.kind == keyBytes
	for i := range n {
		if a.IsNull(i) {
			codes[i*stride] = nullCode
			continue
		}
		var id int32
		switch {
		case plain && isText:
			id = c.ids.id(stringBytes(text.Value(i)), add)
		case plain && isBin:
			id = c.ids.id(bin.Value(i), add)
		case plain && isFixed:
			id = c.ids.id(fix.Value(i), add)
		default:
			c.key = datum.AppendKey(c.key[:0], c.t, a, i, datum.KeyOrder{})
			id = c.ids.id(c.key, add)
			if add && int(id) == c.firstN {
				c.first = appendValue(c.mem, c.first, c.t, datum.ValueAt(c.t, a, i))
				c.firstN++
			}
		}
		if id < 0 {
			codes[i*stride] = missingCode
		} else {
			codes[i*stride] = uint64(id)
		}
	}
}

// A keyTable numbers the distinct keys of a list of columns from 0, in the order
// in which they are first met. NULL equals NULL. It is used by one goroutine.
type keyTable struct {
	mem    memory.Allocator
	cols   []keyColumn
	stride int // words of a key: one per column, and the mask of NULLs if any is wide
	masked bool
	n      int
	keys   []uint64 // stride words per group
	floats [][]uint64
	slots  []uint64 // hash's upper half << 32 | group+1; 0 is free
	// direct maps the code of the only column to group+1 when codes are ids.
	direct    []int32
	directNul int32
	codes     []uint64
	hashes    []uint64
}

// newKeyTable returns an empty table of keys of the given types, at most 64.
func newKeyTable(mem memory.Allocator, types []datum.Type) *keyTable {
	t := &keyTable{mem: mem, stride: len(types), floats: make([][]uint64, len(types))}
	for _, ty := range types {
		c := newKeyColumn(mem, ty)
		t.masked = t.masked || c.wide
		t.cols = append(t.cols, c)
	}
	if t.masked {
		t.stride += (len(types) + 63) / 64
	}
	if !t.isDirect() {
		t.slots = make([]uint64, 64)
	}
	return t
}

func (t *keyTable) isDirect() bool {
	return len(t.cols) == 1 && (t.cols[0].kind == keyBytes || t.cols[0].kind == keyOpaque)
}

func (t *keyTable) release() {
	for i := range t.cols {
		t.cols[i].release()
	}
}

func (t *keyTable) len() int { return t.n }

func (t *keyTable) sizeBytes() int64 {
	n := int64(8*(cap(t.keys)+cap(t.slots)+cap(t.codes)+cap(t.hashes)) + 4*cap(t.direct))
	for i := range t.cols {
		c := &t.cols[i]
		if c.ids != nil {
			n += c.ids.sizeBytes()
		}
		if c.first != nil {
			n += int64(c.firstN) * 24
			if c.ids != nil {
				n += int64(len(c.ids.arena))
			}
		}
		n += int64(8 * (cap(t.floats[i]) + cap(c.raw)))
	}
	return n
}

// encode fills t.codes with the keys of n rows.
func (t *keyTable) encode(vs []function.Vec, n int, add bool) {
	if need := n * t.stride; cap(t.codes) < need {
		t.codes = make([]uint64, need)
	} else {
		t.codes = t.codes[:need]
	}
	words := len(t.cols)
	if t.masked {
		for i := words; i < len(t.codes); i += t.stride {
			clear(t.codes[i : i+t.stride-words])
		}
	}
	for j := range t.cols {
		t.encodeColumn(&t.cols[j], j, vs[j], n, add)
	}
}

func (t *keyTable) encodeColumn(c *keyColumn, j int, v function.Vec, n int, add bool) {
	if len(t.cols) <= 64 {
		c.encode(v, n, t.codes, j, t.stride, 1<<j, add)
		return
	}
	// More than 64 columns: encode with a stride of its own, then spread.
	tmp := make([]uint64, 2*n)
	c.encode(v, n, tmp, 0, 2, 1, add)
	for i := range n {
		t.codes[i*t.stride+j] = tmp[2*i]
		if c.wide && tmp[2*i+1] != 0 {
			t.codes[i*t.stride+len(t.cols)+j/64] |= 1 << (j % 64)
		}
	}
}

// groups writes the group of each of n rows to out, adding groups that are new.
func (t *keyTable) groups(vs []function.Vec, n int, out []int32) {
	if len(t.cols) == 0 {
		t.n = max(t.n, 1)
		clear(out[:n])
		return
	}
	t.encode(vs, n, true)
	t.find(n, out, true)
}

// lookup writes the group of each of n rows to out, -1 for unknown keys.
func (t *keyTable) lookup(vs []function.Vec, n int, out []int32) {
	if len(t.cols) == 0 {
		g := int32(0)
		if t.n == 0 {
			g = -1
		}
		for i := range n {
			out[i] = g
		}
		return
	}
	t.encode(vs, n, false)
	t.find(n, out, false)
}

func (t *keyTable) find(n int, out []int32, add bool) {
	switch {
	case t.isDirect():
		t.findDirect(n, out, add)
	case t.stride == 1:
		t.findWord(n, out, add)
	default:
		t.findWords(n, out, add)
	}
}

func (t *keyTable) findDirect(n int, out []int32, add bool) {
	c := &t.cols[0]
	if add && len(t.direct) < c.ids.len() {
		t.direct = append(t.direct, make([]int32, c.ids.len()-len(t.direct))...)
	}
	for i, code := range t.codes[:n] {
		var at *int32
		switch code {
		case nullCode:
			at = &t.directNul
		case missingCode:
			out[i] = -1
			continue
		default:
			if int(code) >= len(t.direct) {
				out[i] = -1 // interned by another lookup, never grouped
				continue
			}
			at = &t.direct[code]
		}
		if *at == 0 && add {
			*at = t.add(i)
		}
		out[i] = *at - 1
	}
}

// add appends the key of batch row i as a group and returns its number plus one.
func (t *keyTable) add(i int) int32 {
	if t.n == math.MaxInt32-1 {
		panic(tooLarge(t.n))
	}
	t.keys = append(t.keys, t.codes[i*t.stride:(i+1)*t.stride]...)
	for j := range t.cols {
		if c := &t.cols[j]; c.kind == keyFloat {
			t.floats[j] = append(t.floats[j], c.raw[i])
		}
	}
	t.n++
	return int32(t.n)
}

func (t *keyTable) findWord(n int, out []int32, add bool) {
	last, lastGroup := uint64(0), int32(-1)
	mask := uint64(len(t.slots) - 1)
	for i, code := range t.codes[:n] {
		if lastGroup >= 0 && code == last {
			out[i] = lastGroup
			continue
		}
		h := mix(wordSeed, code)
		at := h & mask
		g := int32(-1)
		for {
			s := t.slots[at]
			if s == 0 {
				if add {
					t.slots[at] = h>>32<<32 | uint64(t.add(i))
					g = int32(t.n - 1)
					if 2*t.n > len(t.slots) {
						t.grow()
						mask = uint64(len(t.slots) - 1)
					}
				}
				break
			}
			if s>>32 == h>>32 {
				if c := int32(uint32(s)) - 1; t.keys[c] == code {
					g = c
					break
				}
			}
			at = (at + 1) & mask
		}
		out[i], last, lastGroup = g, code, g
	}
}

func (t *keyTable) findWords(n int, out []int32, add bool) {
	w := t.stride
	if cap(t.hashes) < n {
		t.hashes = make([]uint64, n)
	}
	hashes := t.hashes[:n]
	for i := range hashes {
		hashes[i] = hashWords(t.codes[i*w : i*w+w])
	}
	mask := uint64(len(t.slots) - 1)
	for i, h := range hashes {
		key := t.codes[i*w : i*w+w]
		if i > 0 && h == hashes[i-1] && equalWords(key, t.codes[i*w-w:i*w]) {
			out[i] = out[i-1]
			continue
		}
		at := h & mask
		g := int32(-1)
		for {
			s := t.slots[at]
			if s == 0 {
				if add {
					t.slots[at] = h>>32<<32 | uint64(t.add(i))
					g = int32(t.n - 1)
					if 2*t.n > len(t.slots) {
						t.grow()
						mask = uint64(len(t.slots) - 1)
					}
				}
				break
			}
			if s>>32 == h>>32 {
				if c := int(uint32(s)) - 1; equalWords(t.keys[c*w:c*w+w], key) {
					g = int32(c)
					break
				}
			}
			at = (at + 1) & mask
		}
		out[i] = g
	}
}

func hashWords(key []uint64) uint64 {
	h := wordSeed
	for _, w := range key {
		h = mix(h, w)
	}
	return h
}

func equalWords(a, b []uint64) bool {
	for i, w := range a {
		if b[i] != w {
			return false
		}
	}
	return true
}

func (t *keyTable) grow() {
	slots := make([]uint64, 4*len(t.slots))
	mask := uint64(len(slots) - 1)
	w := t.stride
	for g := range t.n {
		var h uint64
		if w == 1 {
			h = mix(wordSeed, t.keys[g])
		} else {
			h = hashWords(t.keys[g*w : g*w+w])
		}
		at := h & mask
		for slots[at] != 0 {
			at = (at + 1) & mask
		}
		slots[at] = h>>32<<32 | uint64(g+1)
	}
	t.slots = slots
}

// merge adds the keys of another table of the same types and returns for each
// of its groups the group here.
func (t *keyTable) merge(o *keyTable) []int32 {
	out := make([]int32, o.n)
	if len(t.cols) == 0 {
		t.n = max(t.n, o.n)
		return out
	}
	t.codes = append(t.codes[:0], o.keys...)
	for j := range t.cols {
		c, oc := &t.cols[j], &o.cols[j]
		if c.kind == keyFloat {
			c.raw = append(c.raw[:0], o.floats[j]...)
		}
		if c.ids == nil {
			continue
		}
		var firsts arrow.Array
		if oc.first != nil {
			firsts = oc.first.NewArray()
			oc.firstN = 0 // o is spent
		}
		ids := make([]int32, oc.ids.len())
		for i := range ids {
			id := c.ids.id(oc.ids.value(int32(i)), true)
			if firsts != nil && int(id) == c.firstN {
				c.first = appendValue(c.mem, c.first, c.t, datum.ValueAt(c.t, firsts, i))
				c.firstN++
			}
			ids[i] = id
		}
		if firsts != nil {
			firsts.Release()
		}
		for g := range o.n {
			if p := &t.codes[g*t.stride+j]; *p != nullCode {
				*p = uint64(ids[*p])
			}
		}
	}
	t.find(o.n, out, true)
	return out
}

// null says whether column j of group g is NULL.
func (t *keyTable) null(g, j int) bool {
	if t.cols[j].wide {
		return t.keys[g*t.stride+len(t.cols)+j/64]>>(j%64)&1 != 0
	}
	return t.keys[g*t.stride+j] == nullCode
}

// A keyReader makes arrays of the keys of a table that no longer grows.
type keyReader struct {
	t      *keyTable
	firsts []arrow.Array // by column, of keyOpaque
}

func (t *keyTable) reader() *keyReader {
	r := &keyReader{t: t, firsts: make([]arrow.Array, len(t.cols))}
	for j := range t.cols {
		if c := &t.cols[j]; c.first != nil {
			r.firsts[j] = c.first.NewArray()
			c.firstN = 0
		}
	}
	return r
}

func (r *keyReader) release() {
	for i, a := range r.firsts {
		if a != nil {
			a.Release()
			r.firsts[i] = nil
		}
	}
}

// array returns column j of groups from to to (exclusive).
func (r *keyReader) array(j, from, to int) arrow.Array {
	t := r.t
	c := &t.cols[j]
	n := to - from
	if c.kind == keyOpaque {
		idx := make([]int32, n)
		for i := range idx {
			idx[i] = -1
			if !t.null(from+i, j) {
				idx[i] = int32(t.keys[(from+i)*t.stride+j])
			}
		}
		return gather(t.mem, r.firsts[j], idx)
	}
	b := array.NewBuilder(t.mem, c.t.Arrow())
	defer b.Release()
	b.Reserve(n)
	for g := from; g < to; g++ {
		if c.kind == keyNull || t.null(g, j) {
			b.AppendNull()
			continue
		}
		t.appendValue(b, j, g)
	}
	return b.NewArray()
}

func (t *keyTable) appendValue(b array.Builder, j, g int) {
	code := t.keys[g*t.stride+j]
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(code != 0)
	case *array.Int16Builder:
		b.Append(int16(code))
	case *array.Int32Builder:
		b.Append(int32(code))
	case *array.Int64Builder:
		b.Append(int64(code))
	case *array.Uint32Builder:
		b.Append(uint32(code))
	case *array.Date32Builder:
		b.Append(arrow.Date32(int32(code)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(code))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(code))
	case *array.Float32Builder:
		b.Append(float32(math.Float64frombits(t.floats[j][g])))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(t.floats[j][g]))
	case *array.StringBuilder:
		b.BinaryBuilder.Append(t.cols[j].ids.value(int32(code)))
	case *array.BinaryBuilder:
		b.Append(t.cols[j].ids.value(int32(code)))
	case *array.FixedSizeBinaryBuilder:
		b.Append(t.cols[j].ids.value(int32(code)))
	default:
		panic("exec: bug: no key of type " + t.cols[j].t.String())
	}
}
