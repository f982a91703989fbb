package chunk

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Keys are merged as sequences of 64-bit words whose order, word by word, is
// that of the sort key: a number is one word, a UUID two, a string one for each
// seven bytes. Within a run each row has an offset-value code (Conner, IBM
// Technical Disclosure Bulletin 1977; Do and Graefe, "Robust and Efficient
// Sorting with Offset-Value Coding", TODS 2023): where its key first differs from
// that of the row before, and by which word. Of two rows coded against the same
// base the codes alone say which comes first, unless they are equal; and code
// zero marks a row of the same key.

// A code places a row after a base row. The order of codes is that of the rows.
type code struct {
	level uint64 // levelOf the first word that differs; 0: none does
	word  uint64 // that word
}

// codeEnd comes after all rows.
var codeEnd = code{1<<64 - 1, 1<<64 - 1}

// levelOf falls with the place of a word: word seg of part. A difference further
// in front is a greater one. The greatest level is far below that of codeEnd.
func levelOf(part int, seg uint32) uint64 { return 1<<63 - (uint64(part)<<32 | uint64(seg)) }

func placeOf(level uint64) (part int, seg uint32) {
	p := 1<<63 - level
	return int(p >> 32), uint32(p)
}

func (a code) less(b code) bool {
	_, c := bits.Sub64(a.word, b.word, 0)
	_, c = bits.Sub64(a.level, b.level, c)
	return c != 0
}

// Strings are cut into pieces of segBytes bytes: a word holds a piece, and in its
// low byte the piece's length, or segMore if the string goes on.
const (
	segBytes = 7
	segMore  = 8
)

// segWord returns the first word of a string.
func segWord(s string) uint64 {
	n := len(s)
	switch {
	case n > segBytes:
		_ = s[7]
		x := uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
			uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
		return x&^0xff | segMore
	case n >= 4: // two halves that overlap
		hi := uint64(s[3]) | uint64(s[2])<<8 | uint64(s[1])<<16 | uint64(s[0])<<24
		t := s[n-4:]
		lo := uint64(t[3]) | uint64(t[2])<<8 | uint64(t[1])<<16 | uint64(t[0])<<24
		return hi<<32 | lo<<(64-8*n) | uint64(n)
	}
	x := uint64(n)
	for i := range n {
		x |= uint64(s[i]) << (56 - 8*i)
	}
	return x
}

// differ finds the first words in which two strings differ.
func differ(a, b string) (seg uint32, x, y uint64, ok bool) {
	if a == b {
		return 0, 0, 0, false
	}
	for ; ; seg++ {
		x, y = segWord(a), segWord(b)
		if x != y {
			return seg, x, y, true
		}
		a, b = a[segBytes:], b[segBytes:] // both go on, since they differ
	}
}

// keyKind says how a column of the sort key is turned into words.
type keyKind uint8

const (
	keyInts    keyKind = iota
	keyFloats          // as floatWord orders them
	keyBits            // boolean
	keyPair            // 16 bytes: two words
	keyText            // text, bytea: the bytes; char(n): without trailing blanks
	keyEncoded         // all other types: datum.AppendKey
)

// A keyColumn is a column of the sort key.
type keyColumn struct {
	column int // in the layout
	typ    datum.Type
	order  order
	kind   keyKind
	part   int // number of its first part
}

// keyColumns returns the columns of the sort key and the number of their parts.
func keyColumns(l *Layout) ([]keyColumn, int, error) {
	if len(l.SortKey) == 0 {
		return nil, 0, pgerr.New(pgerr.InternalError, "chunk: merge of rows without a key")
	}
	out := make([]keyColumn, len(l.SortKey))
	parts := 0
	for i, id := range l.SortKey {
		k := l.Index(id)
		if k < 0 {
			return nil, 0, pgerr.New(pgerr.InternalError, "chunk: key column %d is not in the layout", id)
		}
		c := keyColumn{column: k, typ: l.Columns[k].Type, part: parts}
		c.order = orderOf(c.typ)
		parts++
		switch {
		case c.order == orderInts:
			c.kind = keyInts
		case c.order == orderFloats:
			c.kind = keyFloats
		case c.order == orderBits:
			c.kind = keyBits
		case c.typ.OID == datum.UUID:
			c.kind = keyPair
			parts++
		case c.order == orderBytes || c.order == orderPadded:
			c.kind = keyText
		default:
			c.kind = keyEncoded
		}
		out[i] = c
	}
	return out, parts, nil
}

// A keyPart holds a part of the keys of a window's rows: numbers, or strings.
type keyPart struct {
	isText bool
	words  []uint64 // falling order: complemented
	text   []string // by row, or the entries that codes tell
	codes  []int32  // nil: text is by row
	buf    []byte   // behind text
}

func (p *keyPart) at(i int) string {
	if p.codes != nil {
		i = int(p.codes[i])
	}
	return p.text[i]
}

// A keyWindow holds the keys of up to VectorRows rows of a run, in the order in
// which they are read. Its memory is used again for the next window.
type keyWindow struct {
	columns []keyColumn
	parts   []keyPart
	rows    []int32 // numbers of the rows in the run
	codes   []code  // each against the row before
	last    []uint64
	some    bool   // last is the key of the last row of the window before
	flip    uint64 // ^0 in falling order, else 0
	order   int32  // -1 in falling order, else 1
}

func newKeyWindow(columns []keyColumn, parts int, descending bool) *keyWindow {
	w := &keyWindow{columns: columns, parts: make([]keyPart, parts), order: 1}
	if descending {
		w.flip, w.order = ^uint64(0), -1
	}
	for _, c := range columns {
		w.parts[c.part].isText = c.kind == keyText || c.kind == keyEncoded
	}
	return w
}

// number returns the words of a part for as many rows as the window has.
func (w *keyWindow) number(part int) []uint64 {
	p := &w.parts[part]
	p.words = sized(p.words, len(w.rows))
	return p.words
}

// strings returns the strings of a part for as many rows as the window has.
func (w *keyWindow) strings(part int) []string {
	p := &w.parts[part]
	p.codes = nil
	p.text = sized(p.text, len(w.rows))
	return p.text
}

// sized returns s with n elements of no particular value.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// setInts fills in a part by the integers of rows from base on.
func (w *keyWindow) setInts(part int, x []int64, base int32) {
	flip := w.flip ^ 1<<63
	words := w.number(part)
	for i, r := range w.rows {
		words[i] = uint64(x[r-base]) ^ flip
	}
}

func setFloats[F float32 | float64](w *keyWindow, part int, x []F, base int32) {
	words := w.number(part)
	for i, r := range w.rows {
		words[i] = floatWord(float64(x[r-base])) ^ w.flip
	}
}

// setPairs fills in two parts by strings of 16 bytes.
func (w *keyWindow) setPairs(part int, at func(row int32) []byte) error {
	a, b := w.number(part), w.number(part+1)
	for i, r := range w.rows {
		s := at(r)
		if len(s) != 16 {
			return corrupt("uuid of %d bytes", len(s))
		}
		a[i] = binary.BigEndian.Uint64(s) ^ w.flip
		b[i] = binary.BigEndian.Uint64(s[8:]) ^ w.flip
	}
	return nil
}

// setEncoded fills in a part by the keys of an array's rows, which start at base.
func (w *keyWindow) setEncoded(c *keyColumn, a arrow.Array, base int32) {
	text := w.strings(c.part)
	p := &w.parts[c.part]
	buf := p.buf[:0]
	var ends [VectorRows]int
	for i, r := range w.rows {
		buf = datum.AppendKey(buf, c.typ, a, int(r-base), datum.KeyOrder{})
		ends[i] = len(buf)
	}
	p.buf = buf
	from := 0
	for i := range text {
		text[i] = stringOf(buf[from:ends[i]])
		from = ends[i]
	}
}

// encode sets the codes once all parts are there. It reports false if the rows
// are not in order.
func (w *keyWindow) encode() bool {
	w.codes = sized(w.codes, len(w.rows))
	if len(w.rows) == 0 {
		return true
	}
	clear(w.codes)
	ok := w.encodeFirst()
	for p := range w.parts {
		if w.parts[p].isText {
			ok = w.encodeText(p) && ok
		} else {
			ok = w.encodeNumbers(p) && ok
		}
	}
	return ok
}

// encodeFirst codes row 0 against the last row of the window before.
func (w *keyWindow) encodeFirst() bool {
	if !w.some {
		w.codes[0] = code{levelOf(0, 0), w.word(0, 0)}
		return true
	}
	k := 0
	for p := range w.parts {
		if !w.parts[p].isText {
			if x := w.parts[p].words[0]; x != w.last[k] {
				w.codes[0] = code{levelOf(p, 0), x}
				return x > w.last[k]
			}
			k++
			continue
		}
		s := w.parts[p].at(0)
		for seg := uint32(0); ; seg++ {
			x := segWord(s)
			if y := x ^ w.flip; y != w.last[k] {
				w.codes[0] = code{levelOf(p, seg), y}
				return y > w.last[k]
			}
			k++
			if x&0xff != segMore {
				break
			}
			s = s[segBytes:]
		}
	}
	return true
}

// word returns the first word of a part of a row.
func (w *keyWindow) word(part, i int) uint64 {
	p := &w.parts[part]
	if p.isText {
		return segWord(p.at(i)) ^ w.flip
	}
	return p.words[i]
}

func (w *keyWindow) encodeNumbers(part int) bool {
	words := w.parts[part].words[:len(w.codes)]
	level := levelOf(part, 0)
	ok := true
	last := words[0]
	for i, x := range words {
		if x != last && w.codes[i].level == 0 {
			w.codes[i] = code{level, x}
			ok = ok && x > last
		}
		last = x
	}
	return ok
}

func (w *keyWindow) encodeText(part int) bool {
	p := &w.parts[part]
	ok := true
	for i := 1; i < len(w.codes); i++ {
		if w.codes[i].level != 0 || p.codes != nil && p.codes[i] == p.codes[i-1] {
			continue
		}
		if seg, x, y, differs := differ(p.at(i-1), p.at(i)); differs {
			w.codes[i] = code{levelOf(part, seg), y ^ w.flip}
			ok = ok && x^w.flip < y^w.flip
		}
	}
	return ok
}

// keep remembers the key of the last row, for the window to come.
func (w *keyWindow) keep() {
	i := len(w.rows) - 1
	if i < 0 {
		return
	}
	w.some = true
	w.last = w.last[:0]
	for p := range w.parts {
		if !w.parts[p].isText {
			w.last = append(w.last, w.parts[p].words[i])
			continue
		}
		s := w.parts[p].at(i)
		for {
			x := segWord(s)
			w.last = append(w.last, x^w.flip)
			if x&0xff != segMore {
				break
			}
			s = s[segBytes:]
		}
	}
}

// compareKeys compares row i of a with row j of b, both coded c against one base. It
// returns the later one's code against the earlier; cmp is that of the rows.
func compareKeys(a *keyWindow, i int, b *keyWindow, j int, c code) (cmp int, loser code) {
	part, seg := placeOf(c.level)
	if a.parts[part].isText && (c.word^a.flip)&0xff == segMore {
		from := segBytes * int(seg+1)
		if at, x, y, ok := differ(a.parts[part].at(i)[from:], b.parts[part].at(j)[from:]); ok {
			return order2(levelOf(part, seg+1+at), x^a.flip, y^a.flip)
		}
	}
	for p := part + 1; p < len(a.parts); p++ {
		if a.parts[p].isText {
			if at, x, y, ok := differ(a.parts[p].at(i), b.parts[p].at(j)); ok {
				return order2(levelOf(p, at), x^a.flip, y^a.flip)
			}
		} else if x, y := a.parts[p].words[i], b.parts[p].words[j]; x != y {
			return order2(levelOf(p, 0), x, y)
		}
	}
	return 0, code{}
}

func order2(level, x, y uint64) (int, code) {
	if x < y {
		return -1, code{level, y}
	}
	return 1, code{level, x}
}
