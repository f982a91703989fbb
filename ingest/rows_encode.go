package ingest

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// An outColumn is a column on its way into an entry.
type outColumn struct {
	shape   shape
	rows    int
	head    byte
	array   arrow.Array
	offsets []int32 // rows+1, of data or of the child's rows; shapeBytes, shapeList
	data    []byte  // shapeFixed: the values; shapeBytes: the bytes from offsets[0] on
	child   *outColumn
	shapes  *outColumn // headShaped
}

// appendRows appends the rows of a part.
func appendRows(dst []byte, p *Part) ([]byte, error) {
	rows := p.Rows.NumRows()
	if int(p.Rows.NumCols()) != len(p.Columns) || len(p.Types) != len(p.Columns) {
		return dst, bug("a record with %d columns, %d types and %d column IDs", p.Rows.NumCols(), len(p.Types), len(p.Columns))
	}
	if rows > math.MaxInt32 || len(p.Columns) > maxColumns {
		return dst, pgerr.New(pgerr.ProgramLimitExceeded, "%d rows of %d columns do not fit into one record", rows, len(p.Columns))
	}
	tag := len(dst)
	dst = append(dst, partRows)
	dst = binary.AppendUvarint(dst, uint64(rows))
	dst = binary.AppendUvarint(dst, uint64(len(p.Columns)))
	columns := make([]outColumn, len(p.Columns))
	defer func() {
		for i := range columns {
			columns[i].close()
		}
	}()
	size := 0
	for i := range columns {
		c := &columns[i]
		if err := c.open(p.Types[i], p.Rows.Column(i), int(rows)); err != nil {
			return dst, err
		}
		size += c.size()
		dst = binary.AppendUvarint(dst, uint64(p.Columns[i]))
		dst = binary.AppendUvarint(dst, uint64(p.Types[i].OID))
		dst = binary.AppendVarint(dst, int64(p.Types[i].Mod))
		dst = c.appendHeads(dst)
	}
	at := len(dst)
	dst = slices.Grow(dst, size)
	for i := range columns {
		dst = columns[i].appendBody(dst)
	}
	if packed, ok := compressTail(dst, at); ok {
		dst = packed
		dst[tag] = partZstd
	}
	return dst, nil
}

// open takes the array apart and decides on the head.
func (c *outColumn) open(t datum.Type, a arrow.Array, rows int) error {
	c.array = a
	s, width, ok := shapeOf(t)
	if !ok {
		return pgerr.Unsupported("columns of type %v cannot be stored", t)
	}
	if a.Len() != rows {
		return bug("a column of %d values in a batch of %d rows", a.Len(), rows)
	}
	if _, isList := datum.ElementsOf(a.DataType()); s != shapeList && !arrow.TypeEqual(a.DataType(), t.Arrow()) || s == shapeList && !isList {
		return bug("a column of type %v holds %v", t, a.DataType())
	}
	c.shape, c.rows = s, rows
	nulls := a.NullN()
	switch {
	case rows == 0:
		c.head = headAllNull
	case nulls == rows && rows <= maxAllNull:
		c.head = headAllNull
	case nulls > 0:
		c.head = headNulls
	}
	if c.head&headAllNull != 0 {
		return nil
	}
	switch s {
	case shapeFixed:
		at := a.Data().Offset() * width
		c.data = a.Data().Buffers()[1].Bytes()[at : at+rows*width]
	case shapeBytes:
		return c.openBytes(t)
	case shapeList:
		return c.openList(t)
	}
	return nil
}

// appendHeads appends the heads of a column and of what it is made of.
func (c *outColumn) appendHeads(dst []byte) []byte {
	dst = append(dst, c.head)
	if c.shapes != nil {
		dst = c.shapes.appendHeads(dst)
	}
	if c.child != nil {
		dst = c.child.appendHeads(dst)
	}
	return dst
}

// rawOffsets returns the rows+1 offsets of an array.
func (c *outColumn) rawOffsets(a arrow.Array) []int32 {
	d := a.Data()
	return arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+c.rows+1]
}

func (c *outColumn) openBytes(t datum.Type) error {
	c.offsets = c.rawOffsets(c.array)
	from, to := c.offsets[0], c.offsets[c.rows]
	if b := c.array.Data().Buffers()[2]; b != nil {
		c.data = b.Bytes()[from:to]
	}
	if !c.nullsAreEmpty() {
		offsets, data := make([]int32, 1, c.rows+1), make([]byte, 0, len(c.data))
		for i := range c.rows {
			if c.array.IsValid(i) {
				data = append(data, c.data[c.offsets[i]-from:c.offsets[i+1]-from]...)
			}
			offsets = append(offsets, int32(len(data)))
		}
		c.offsets, c.data = offsets, data
	}
	c.setWidth()
	// A record that could not be read again would stand in the way of all that
	// come after it. JSON is left out: parsing it is dear, and the text is our own.
	if t.OID == datum.JSONB {
		return checkText(c.offsets, c.data)
	}
	return checkValues(t, c.offsets, c.data, c.array.IsNull)
}

func (c *outColumn) openList(t datum.Type) error {
	lists, _ := datum.ListsOf(c.array)
	c.offsets = c.rawOffsets(lists.Elements)
	elem, _ := t.Elem()
	values := lists.Values()
	if c.nullsAreEmpty() {
		values = array.NewSlice(values, int64(c.offsets[0]), int64(c.offsets[c.rows]))
	} else {
		offsets, elements := make([]int32, 1, c.rows+1), make([]int32, 0, values.Len())
		for i := range c.rows {
			if c.array.IsValid(i) {
				for k := c.offsets[i]; k < c.offsets[i+1]; k++ {
					elements = append(elements, k)
				}
			}
			offsets = append(offsets, int32(len(elements)))
		}
		var err error
		if values, err = chunk.Take(nil, elem, values, elements); err != nil {
			return err
		}
		c.offsets = offsets
	}
	c.setWidth()
	c.child = &outColumn{}
	if err := c.child.open(elem, values, values.Len()); err != nil {
		return err
	}
	return c.openShapes(lists)
}

// openShapes adds the dimensions of lists, if any has some of its own.
func (c *outColumn) openShapes(lists datum.Lists) error {
	if !lists.Shaped() {
		return nil
	}
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	defer b.Release()
	for i := range c.rows {
		if lists.IsNull(i) {
			b.Append(nil)
			continue
		}
		b.Append(lists.Shapes.Value(i))
	}
	c.head |= headShaped
	c.shapes = &outColumn{}
	return c.shapes.open(datum.Of(datum.Bytea), b.NewArray(), c.rows)
}

// close releases the elements and dimensions of lists, which are arrays made for the column.
func (c *outColumn) close() {
	for _, part := range []*outColumn{c.child, c.shapes} {
		if part != nil && part.array != nil {
			part.array.Release()
		}
	}
}

// nullsAreEmpty says whether no row that is NULL has bytes or elements, which
// Arrow allows and the format does not.
func (c *outColumn) nullsAreEmpty() bool {
	if c.head&headNulls == 0 {
		return true
	}
	for i := range c.rows {
		if c.offsets[i] != c.offsets[i+1] && c.array.IsNull(i) {
			return false
		}
	}
	return true
}

// setWidth sets the width of the lengths.
func (c *outColumn) setWidth() {
	longest := int32(0)
	last := c.offsets[0]
	for _, o := range c.offsets[1:] {
		longest = max(longest, o-last)
		last = o
	}
	switch {
	case longest > math.MaxUint16:
		c.head |= 2 << headWidthShift
	case longest > math.MaxUint8:
		c.head |= 1 << headWidthShift
	}
}

func (c *outColumn) lengthBytes() int { return 1 << (c.head & headWidth >> headWidthShift) }

// size returns the bytes of the body.
func (c *outColumn) size() int {
	if c.head&headAllNull != 0 {
		return 0
	}
	n := len(c.data)
	if c.head&headNulls != 0 {
		n += bitmapBytes(c.rows)
	}
	switch c.shape {
	case shapeBits:
		n += bitmapBytes(c.rows)
	case shapeBytes:
		n += c.rows * c.lengthBytes()
	case shapeList:
		n += c.rows*c.lengthBytes() + c.child.size()
		if c.shapes != nil {
			n += c.shapes.size()
		}
	}
	return n
}

func bitmapBytes(n int) int { return int(bitutil.BytesForBits(int64(n))) }

func (c *outColumn) appendBody(dst []byte) []byte {
	if c.head&headAllNull != 0 {
		return dst
	}
	d := c.array.Data()
	if c.head&headNulls != 0 {
		dst = appendBits(dst, d.Buffers()[0].Bytes(), d.Offset(), c.rows)
	}
	switch c.shape {
	case shapeBits:
		return appendBits(dst, d.Buffers()[1].Bytes(), d.Offset(), c.rows)
	case shapeBytes, shapeList:
		dst = appendLengths(dst, c.offsets, c.lengthBytes())
	}
	if c.shapes != nil {
		dst = c.shapes.appendBody(dst)
	}
	if c.child != nil {
		return c.child.appendBody(dst)
	}
	return append(dst, c.data...)
}

// appendBits appends n bits from bit from on; those that fill the last byte are 0.
func appendBits(dst, bits []byte, from, n int) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, bitmapBytes(n))...)
	bitutil.CopyBitmap(bits, from, n, dst[at:], 0)
	return dst
}

func appendLengths(dst []byte, offsets []int32, width int) []byte {
	n := len(offsets) - 1
	at := len(dst)
	dst = append(dst, make([]byte, n*width)...)
	p := dst[at:]
	last := offsets[0]
	switch width {
	case 1:
		for i, o := range offsets[1:] {
			p[i] = byte(o - last)
			last = o
		}
	case 2:
		for i, o := range offsets[1:] {
			binary.LittleEndian.PutUint16(p[2*i:], uint16(o-last))
			last = o
		}
	default:
		for i, o := range offsets[1:] {
			binary.LittleEndian.PutUint32(p[4*i:], uint32(o-last))
			last = o
		}
	}
	return dst
}
