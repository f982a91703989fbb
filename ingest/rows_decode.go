package ingest

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// MaxDecodeFactor bounds the memory that decoding takes: so many bytes for each
// byte of an entry, most of them for the arrays of parts of a single row.
const MaxDecodeFactor = 1280

// A rowsHeader says what the columns of a part are.
type rowsHeader struct {
	columns []schema.ColumnID
	types   []datum.Type
	schema  *arrow.Schema
}

// An inColumn is a column that is read from an entry.
type inColumn struct {
	typ    datum.Type
	shape  shape
	width  int // of shapeFixed
	head   byte
	child  *inColumn
	shapes *inColumn // headShaped
}

// rows reads the rows of a part.
func (d *decoder) rows(p *Part, compressed bool) error {
	rows := d.count(math.MaxInt32)
	n := d.count(min(maxColumns, len(d.b)))
	if d.bad {
		return corrupt("bad header of rows")
	}
	columns := make([]inColumn, n)
	if err := d.header(p, columns); err != nil {
		return err
	}
	body := d.cursor
	if compressed {
		raw, err := d.decompress()
		if err != nil {
			return err
		}
		body = &cursor{b: raw}
	}
	arrays := make([]arrow.Array, 0, n)
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	for i := range columns {
		data, err := columns[i].read(d.mem, body, rows)
		if err != nil {
			return wrap(err, "column %d (%v)", p.Columns[i], columns[i].typ)
		}
		arrays = append(arrays, array.MakeFromData(data))
		data.Release()
	}
	if compressed && len(body.b) > 0 {
		return corrupt("%d bytes after the columns", len(body.b))
	}
	p.Rows = array.NewRecordBatch(d.last.schema, arrays, int64(rows))
	return nil
}

// header reads the columns' IDs, types and heads.
func (d *decoder) header(p *Part, columns []inColumn) error {
	ids, types := make([]schema.ColumnID, len(columns)), make([]datum.Type, len(columns))
	for i := range columns {
		ids[i] = schema.ColumnID(d.count(math.MaxUint32))
		oid, mod := d.count(math.MaxUint32), d.varint()
		if d.bad || int64(int32(mod)) != mod {
			return corrupt("bad column %d of %d", i, len(columns))
		}
		types[i] = datum.Type{OID: datum.OID(oid), Mod: int32(mod)}
		if err := columns[i].open(types[i], d.cursor); err != nil {
			return wrap(err, "column %d of %d", i, len(columns))
		}
	}
	if d.last.schema == nil || !slices.Equal(ids, d.last.columns) || !slices.Equal(types, d.last.types) {
		fields := make([]arrow.Field, len(ids))
		for i, id := range ids {
			fields[i] = datum.Field(strconv.FormatUint(uint64(id), 10), types[i])
		}
		d.last = rowsHeader{columns: ids, types: types, schema: arrow.NewSchema(fields, nil)}
	}
	p.Columns, p.Types = d.last.columns, d.last.types
	return nil
}

// open reads the heads of a column and of its elements.
func (c *inColumn) open(t datum.Type, r *cursor) error {
	var ok bool
	if c.shape, c.width, ok = shapeOf(t); !ok {
		return newer("a column of type %v", t)
	}
	c.typ, c.head = t, r.byte()
	switch {
	case r.bad:
		return corrupt("cut off")
	case c.head&^headKnown != 0 || c.head&headWidth == headWidth:
		return newer("a column with unknown flags %#x", c.head)
	case c.head&headAllNull != 0 && c.head != headAllNull,
		c.head&headWidth != 0 && c.shape != shapeBytes && c.shape != shapeList,
		c.head&headShaped != 0 && c.shape != shapeList:
		return corrupt("flags %#x", c.head)
	}
	if c.shape == shapeList && c.head&headAllNull == 0 {
		if c.head&headShaped != 0 {
			c.shapes = &inColumn{}
			if err := c.shapes.open(datum.Of(datum.Bytea), r); err != nil {
				return err
			}
		}
		elem, _ := t.Elem()
		c.child = &inColumn{}
		return c.child.open(elem, r)
	}
	return nil
}

// read reads a column's body of n rows into memory that the caller releases.
func (c *inColumn) read(mem memory.Allocator, r *cursor, n int) (arrow.ArrayData, error) {
	if c.head&headAllNull != 0 {
		if n > maxAllNull {
			return nil, corrupt("%d NULLs without a bitmap", n)
		}
		a := array.MakeArrayOfNull(mem, c.typ.Arrow(), n)
		defer a.Release()
		a.Data().Retain()
		return a.Data(), nil
	}
	if n == 0 {
		return nil, corrupt("a body of no rows")
	}
	p := arrayParts{buffers: make([]*memory.Buffer, 1, 3)}
	defer p.release()
	if c.head&headNulls != 0 {
		p.buffers[0] = readBits(mem, r, n)
		if p.buffers[0] == nil {
			return nil, corrupt("bad bitmap of NULLs")
		}
		if p.nulls = n - bitutil.CountSetBits(p.buffers[0].Bytes(), 0, n); p.nulls == 0 {
			return nil, corrupt("a bitmap without NULLs")
		}
	}
	var err error
	switch c.shape {
	case shapeBits:
		err = p.add(readBits(mem, r, n))
	case shapeFixed:
		err = p.add(readBytes(mem, r, n*c.width))
	default:
		err = c.readVariable(mem, r, n, &p)
	}
	if err != nil {
		return nil, err
	}
	return array.NewData(c.typ.Arrow(), n, p.buffers, p.children, p.nulls, 0), nil
}

// arrayParts are what an array is made of.
type arrayParts struct {
	buffers  []*memory.Buffer // the first is the bitmap of NULLs, or nil
	nulls    int
	children []arrow.ArrayData
}

func (p *arrayParts) release() {
	for _, b := range p.buffers {
		if b != nil {
			b.Release()
		}
	}
	for _, c := range p.children {
		c.Release()
	}
}

// add adds a buffer that was read; nil is one that was not there.
func (p *arrayParts) add(b *memory.Buffer) error {
	if b == nil {
		return corrupt("bad values")
	}
	p.buffers = append(p.buffers, b)
	return nil
}

// readVariable reads lengths, and the bytes or elements that they are of.
func (c *inColumn) readVariable(mem memory.Allocator, r *cursor, n int, p *arrayParts) error {
	offsets := c.readOffsets(mem, r, n, p.buffers[0])
	if offsets == nil {
		return corrupt("bad lengths")
	}
	p.buffers = append(p.buffers, offsets)
	ends := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	if c.shape == shapeList {
		return c.readLists(mem, r, n, p)
	}
	b := readBytes(mem, r, int(ends[n]))
	if err := p.add(b); err != nil {
		return err
	}
	isNull := func(i int) bool { return p.nulls > 0 && !bitutil.BitIsSet(p.buffers[0].Bytes(), i) }
	if err := checkValues(c.typ, ends, b.Bytes(), isNull); err != nil {
		return corrupt("%v", err)
	}
	return nil
}

// readLists reads the dimensions and the elements of lists, whose offsets were read, and makes arrays of them.
func (c *inColumn) readLists(mem memory.Allocator, r *cursor, n int, p *arrayParts) error {
	offsets := p.buffers[1]
	p.buffers = p.buffers[:1]
	defer offsets.Release()
	ends := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	shapes, err := c.readShapes(mem, r, ends)
	if err != nil {
		return wrap(err, "dimensions")
	}
	defer shapes.Release()
	child, err := c.child.read(mem, r, int(ends[n]))
	if err != nil {
		return wrap(err, "elements")
	}
	defer child.Release()
	list := array.NewData(arrow.ListOf(child.DataType()), n, []*memory.Buffer{nil, offsets}, []arrow.ArrayData{child}, 0, 0)
	shapes.Retain()
	p.children = append(p.children, list, shapes)
	return nil
}

// readShapes reads the dimensions of lists, which end at ends.
func (c *inColumn) readShapes(mem memory.Allocator, r *cursor, ends []int32) (arrow.ArrayData, error) {
	n := len(ends) - 1
	if c.shapes == nil {
		offsets := memory.NewResizableBuffer(mem)
		defer offsets.Release()
		offsets.Resize(4 * (n + 1))
		clear(offsets.Bytes())
		none := memory.NewResizableBuffer(mem)
		defer none.Release()
		return array.NewData(arrow.BinaryTypes.Binary, n, []*memory.Buffer{nil, offsets, none}, nil, 0, 0), nil
	}
	d, err := c.shapes.read(mem, r, n)
	if err != nil {
		return nil, err
	}
	a := array.NewBinaryData(d)
	defer a.Release()
	for i := range n {
		if err := datum.CheckShape(a.Value(i), int(ends[i+1]-ends[i])); err != nil {
			d.Release()
			return nil, corrupt("%v", err)
		}
	}
	return d, nil
}

// readBytes copies n bytes; nil if there are less.
func readBytes(mem memory.Allocator, r *cursor, n int) *memory.Buffer {
	src := r.take(n)
	if r.bad {
		return nil
	}
	b := memory.NewResizableBuffer(mem)
	b.Resize(n)
	copy(b.Bytes(), src)
	return b
}

// readBits copies n bits; nil if there are less or bits beyond them are set.
func readBits(mem memory.Allocator, r *cursor, n int) *memory.Buffer {
	b := readBytes(mem, r, bitmapBytes(n))
	if b != nil && n%8 != 0 && b.Bytes()[n/8]>>(n%8) != 0 {
		b.Release()
		return nil
	}
	return b
}

// readOffsets reads n lengths and adds them up; nil if there are less, if they
// reach beyond what is left, or if a NULL has a length. (Each element of a list
// takes at least a bit, but for a few that are all NULL.)
func (c *inColumn) readOffsets(mem memory.Allocator, r *cursor, n int, valid *memory.Buffer) *memory.Buffer {
	width := 1 << (c.head & headWidth >> headWidthShift)
	src := r.take(n * width)
	if r.bad {
		return nil
	}
	limit := int64(len(r.b))
	if c.shape == shapeList {
		limit = 8*limit + maxAllNull
	}
	limit = min(limit, math.MaxInt32)
	buf := memory.NewResizableBuffer(mem)
	buf.Resize(4 * (n + 1))
	if !addUp(arrow.Int32Traits.CastFromBytes(buf.Bytes()), src, width, limit) || !emptyNulls(buf, valid, n) {
		buf.Release()
		return nil
	}
	return buf
}

// addUp sets dst to the sums of the lengths in src; it reports whether the last
// one is within limit.
func addUp(dst []int32, src []byte, width int, limit int64) bool {
	dst[0] = 0
	ends := dst[1:]
	total := int64(0)
	switch width {
	case 1:
		for i, x := range src {
			total += int64(x)
			ends[i] = int32(total)
		}
	case 2:
		for i := range ends {
			total += int64(binary.LittleEndian.Uint16(src[2*i:]))
			ends[i] = int32(total)
		}
	default:
		for i := range ends {
			total += int64(binary.LittleEndian.Uint32(src[4*i:]))
			ends[i] = int32(total)
		}
	}
	return total <= limit
}

func emptyNulls(offsets, valid *memory.Buffer, n int) bool {
	if valid == nil {
		return true
	}
	ends := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	for i := range n {
		if ends[i] != ends[i+1] && !bitutil.BitIsSet(valid.Bytes(), i) {
			return false
		}
	}
	return true
}
