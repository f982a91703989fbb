package chunk

import (
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A coder gathers one column of rows of chunks that have a dictionary as Coded. It
// is used for one batch after the other, by one goroutine.
type coder struct {
	mem    memory.Allocator
	typ    datum.Type
	places map[*blobColumn]*places
	spare  []*places
	values [][]byte // in the order in which they are met; nil is NULL
	null   int32    // place of NULL among the values, plus one; 0: not met
	rows   int      // of the batch
	at     int      // next row
	runs   []codeRun
	codes  []byte     // int32 by row; nil as long as all rows so far are runs
	nulls  codec.Bits // scratch
	output output     // of the values
}

// places says where the entries of one chunk's dictionary are among the values.
type places struct {
	entries *codec.Strings
	codes   *codec.Ints // nil: a constant
	place   []int32     // by entry, plus one; 0: not met
	met     []int32
}

// codable says whether a column of a chunk has a dictionary.
func (c *blobColumn) codable() (bool, error) {
	if c.form != formBytes {
		return false, nil
	}
	if c.nulls == c.rows {
		return true, nil
	}
	entries, _, err := c.strs.Dictionary()
	return entries != nil, err
}

func newCoder(mem memory.Allocator, t datum.Type) *coder {
	return &coder{mem: mem, typ: t, places: map[*blobColumn]*places{}}
}

// start begins a batch of so many rows.
func (o *coder) start(rows int) { o.rows, o.at, o.runs = rows, 0, o.runs[:0] }

// forget lets go of all chunks, and keeps its memory.
func (o *coder) forget() {
	for c, p := range o.places {
		p.entries, p.codes = nil, nil
		o.spare = append(o.spare, p)
		delete(o.places, c)
	}
}

// placesFor returns the places of entries of which none is met yet.
func (o *coder) placesFor(entries *codec.Strings, codes *codec.Ints) *places {
	var p *places
	if n := len(o.spare); n > 0 {
		p, o.spare = o.spare[n-1], o.spare[:n-1]
	} else {
		p = &places{}
	}
	n := entries.Len()
	p.entries, p.codes = entries, codes
	p.place, p.met = slices.Grow(p.place[:0], n)[:n], slices.Grow(p.met[:0], n)
	clear(p.place)
	return p
}

// reset ends a batch, whatever became of it.
func (o *coder) reset() {
	for _, p := range o.places {
		for _, x := range p.met {
			p.place[x] = 0
		}
		p.met = p.met[:0]
	}
	clear(o.values)
	o.values, o.null = o.values[:0], 0
	if o.codes != nil {
		o.mem.Free(o.codes)
		o.codes = nil
	}
}

// next returns the codes of the next n rows, to be filled in.
func (o *coder) next(n int) []int32 {
	if o.codes == nil {
		o.codes = spreadRuns(o.mem, o.runs, o.rows)
	}
	from := o.at
	o.at += n
	return arrow.GetData[int32](o.codes)[from:o.at]
}

// run gives the next n rows one code.
func (o *coder) run(code int32, n int) {
	if o.codes != nil {
		for i, dst := 0, o.next(n); i < n; i++ {
			dst[i] = code
		}
		return
	}
	o.at += n
	if last := len(o.runs) - 1; last >= 0 && o.runs[last].code == code {
		o.runs[last].end = int32(o.at)
		return
	}
	o.runs = append(o.runs, codeRun{code, int32(o.at)})
}

func (o *coder) nullCode() int32 {
	if o.null == 0 {
		o.values = append(o.values, nil)
		o.null = int32(len(o.values))
	}
	return o.null - 1
}

// placesOf returns the places of a column's entries; nil if all its rows are NULL.
func (o *coder) placesOf(c *blobColumn) (*places, error) {
	if c.nulls == c.rows {
		return nil, nil
	}
	if p := o.places[c]; p != nil {
		return p, nil
	}
	entries, codes, err := c.strs.Dictionary()
	if err != nil {
		return nil, err
	}
	p := o.placesFor(entries, codes)
	o.places[c] = p
	o.values = slices.Grow(o.values, min(entries.Len(), o.rows))
	return p, nil
}

// code returns the code of an entry.
func (o *coder) code(p *places, entry int64) int32 {
	at := p.place[entry]
	if at == 0 {
		value := p.entries.At(int(entry))
		if value == nil {
			value = []byte{}
		}
		o.values = append(o.values, value)
		at = int32(len(o.values))
		p.place[entry] = at
		p.met = append(p.met, int32(entry))
	}
	return at - 1
}

// vector returns what vector v of a column is made of beside its codes: the places
// of its entries (nil: all rows are NULL) and which rows are NULL (nil: none).
func (o *coder) vector(c *blobColumn, v int) (p *places, null *codec.Bits, err error) {
	c.touch(v)
	if p, err = o.placesOf(c); err != nil {
		return nil, nil, err
	}
	if some, err := c.nullBits(v, &o.nulls); err != nil || !some {
		return p, nil, err
	}
	return p, &o.nulls, nil
}

// codesOf returns the codes of vector v; nil: all have the only entry, or none has.
func (p *places) codesOf(v int) ([]int64, error) {
	if p == nil || p.codes == nil {
		return nil, nil
	}
	return p.codes.Codes(v, p.entries.Len())
}

func rowCount(c *blobColumn, v int, rows []int32) int {
	if rows == nil {
		return codec.VectorLen(c.rows, v)
	}
	return len(rows)
}

// put adds rows of vector v of a column; nil is all of them.
func (o *coder) put(c *blobColumn, v int, rows []int32) error {
	p, null, err := o.vector(c, v)
	if err != nil {
		return err
	}
	n := rowCount(c, v, rows)
	switch {
	case p == nil:
		o.run(o.nullCode(), n)
		return nil
	case null == nil && p.codes == nil:
		o.run(o.code(p, 0), n)
		return nil
	case rows == nil && (null == nil || changes(null) <= maxChanges):
		if done, err := o.putRuns(p, v, n, null); done || err != nil {
			return err
		}
	}
	k, err := p.codesOf(v)
	if err != nil {
		return err
	}
	dst := o.next(n)
	if null == nil && rows == nil {
		o.putAll(p, k, dst)
		return nil
	}
	last, code := int64(-1), int32(0)
	for i := range dst {
		r := rowAt(rows, i)
		if null != nil && null.Has(r) {
			dst[i] = o.nullCode()
			continue
		}
		x := int64(0)
		if k != nil {
			x = k[r]
		}
		if x != last {
			last, code = x, o.code(p, x)
		}
		dst[i] = code
	}
	return nil
}

// maxChanges is how often rows of a vector may be NULL after one that is not, or the
// other way round, for their codes to be better off as runs.
const maxChanges = VectorRows / 16

// changes counts at which rows of a vector it changes whether they are in the set.
func changes(b *codec.Bits) (n int) {
	last := uint64(0)
	for _, w := range b {
		n += bits.OnesCount64(w ^ (w<<1 | last))
		last = w >> 63
	}
	return n
}

// putRuns is put of a whole vector of n rows, if its codes are runs.
func (o *coder) putRuns(p *places, v, n int, null *codec.Bits) (done bool, err error) {
	codes, ends := []int64{0}, []int32{int32(n)} // of a constant
	if p.codes != nil {
		if codes, ends, err = p.codes.Runs(v); codes == nil {
			return false, err
		}
	}
	o.runs = slices.Grow(o.runs, len(codes))
	at := 0
	for i, x := range codes {
		if uint64(x) >= uint64(p.entries.Len()) {
			return true, corrupt("dictionary: code %d of %d entries in vector %d", x, p.entries.Len(), v)
		}
		end := int(ends[i])
		if null == nil {
			o.run(o.code(p, x), end-at)
			at = end
			continue
		}
		for at < end {
			if to := min(nextOne(null, at), end); to > at {
				o.run(o.code(p, x), to-at)
				at = to
			}
			if to := min(nextZero(null, at), end); to > at {
				o.run(o.nullCode(), to-at)
				at = to
			}
		}
	}
	return true, nil
}

// putAll is put of a whole vector without NULLs.
func (o *coder) putAll(p *places, k []int64, dst []int32) {
	last, code := int64(-1), int32(0)
	dst = dst[:len(k)]
	for i, x := range k {
		if x != last {
			last, code = x, o.code(p, x)
		}
		dst[i] = code
	}
}

// finish makes the column, which the caller releases.
func (o *coder) finish() (*Coded, error) {
	out := o.output.start(o.mem, o.typ)
	defer out.release()
	n := len(o.values)
	out.reserve(n)
	if o.null > 0 {
		var bits codec.Bits
		for from := 0; from < n; from += VectorRows {
			k := min(VectorRows, n-from)
			bits = codec.Bits{}
			if at := int(o.null) - 1 - from; at >= 0 && at < k {
				bits.Set(at)
			}
			out.putValid(k, nil, &bits, true)
			out.rows += k
		}
	}
	out.rows = n
	if err := out.putStrings(n, func(i int) []byte { return o.values[i] }); err != nil {
		return nil, err
	}
	c := &Coded{Values: out.finish(), typ: o.typ, mem: o.mem, rows: o.rows, codes: o.codes}
	o.codes = nil
	if c.codes == nil {
		c.runs = copyRuns(o.mem, o.runs)
	}
	return c, nil
}

// coders are those of a reader, by column.
type coders map[schema.ColumnID]*coder

// A batchMaker collects the columns of a batch.
type batchMaker struct {
	schema *arrow.Schema
	rows   int
	arrays []arrow.Array
	coded  []*Coded
	some   bool // of coded are set
}

func newBatchMaker(s *arrow.Schema, rows int) *batchMaker {
	n := s.NumFields()
	return &batchMaker{schema: s, rows: rows, arrays: make([]arrow.Array, 0, n), coded: make([]*Coded, 0, n)}
}

// add takes over an array.
func (m *batchMaker) add(a arrow.Array) {
	m.arrays, m.coded = append(m.arrays, a), append(m.coded, nil)
}

// addCoded adds what a coder has gathered, spelt out if it has too many values.
func (m *batchMaker) addCoded(o *coder) error {
	c, err := o.finish()
	if err != nil {
		return err
	}
	if !c.pays() {
		defer c.Release()
		a, err := c.array()
		if err == nil {
			m.add(a)
		}
		return err
	}
	if !c.fits() {
		c.Release()
		return tooLarge()
	}
	m.arrays, m.coded = append(m.arrays, nil), append(m.coded, c)
	m.some = true
	return nil
}

// batch makes the batch of the columns.
func (m *batchMaker) batch() arrow.RecordBatch {
	if !m.some {
		return array.NewRecordBatch(m.schema, m.arrays, int64(m.rows))
	}
	b := newCodedBatch(m.schema, m.arrays, m.coded, int64(m.rows))
	m.arrays, m.coded = nil, nil
	return b
}

func (m *batchMaker) release() {
	for i := range m.arrays {
		if m.arrays[i] != nil {
			m.arrays[i].Release()
		}
		if m.coded[i] != nil {
			m.coded[i].Release()
		}
	}
}
