package chunk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A blobColumn reads the column in a blob, vector by vector. It is used by one
// goroutine.
type blobColumn struct {
	typ         datum.Type // as written
	form        form
	order       order
	rows, nulls int
	null        *codec.Bitmap // nil if no row or every row is NULL
	index       []bounds      // of vectors; nil if there is none, or not loaded
	rawIndex    []byte        // what index is decoded from
	size        int

	ints  *codec.Ints // the lengths of lists
	f32   *codec.Floats[float32]
	f64   *codec.Floats[float64]
	bits  *codec.Bitmap
	strs  stringReader
	scale int32

	path *pathReader // of a column of a path: it knows the NULLs, of which nulls counts 1 for any

	child  *blobColumn
	shapes *codec.Bytes // of lists, some of which have dimensions of their own; else nil
	starts []int64      // of lists: first element of each vector, and their number

	sizes   []int64 // scratch of lengths
	sizesOf int     // the vector that sizes are of, plus one

	longestPlus int64 // of the dictionary's entries, plus one; 0: not looked at

	// decoded counts bytes of payload by vectors decoded, each once in a row.
	decoded     int64
	lastDecoded int
}

// openBlob checks the blob's header and checksum and opens the parts of the
// column, which must be of a type that can be read as want. The column keeps src.
func openBlob(src []byte, want datum.Type) (*blobColumn, error) {
	return newChunkRoom().openBlob(src, want)
}

func (room *chunkRoom) openBlob(src []byte, want datum.Type) (*blobColumn, error) {
	if err := checkHeader(src); err != nil {
		return nil, err
	}
	if !ChecksumHolds(src) {
		return nil, corrupt("checksum of %d bytes is wrong", len(src))
	}
	c, err := room.openChecked(src, want)
	if err != nil {
		return nil, err
	}
	return c, c.loadIndex()
}

func checkHeader(src []byte) error {
	if len(src) < blobHeaderSize+blobCRCSize || string(src[:2]) != blobMagic {
		return corrupt("no column blob: %d bytes", len(src))
	}
	switch v := src[2]; {
	case v == 0 || v > BlobVersion && !ChecksumHolds(src):
		return corrupt("blob version %d is not known", v)
	case v > BlobVersion:
		return NewerFormat("a column blob has format version %d; this program reads versions up to %d", v, BlobVersion)
	}
	return nil
}

// ChecksumHolds says whether a blob ends in the checksum of its bytes, for who
// keeps blobs in memory and reads them more than once.
func ChecksumHolds(blob []byte) bool {
	body := len(blob) - blobCRCSize
	return body >= 0 && binary.LittleEndian.Uint32(blob[body:]) == crc32.Checksum(blob[:body], castagnoli)
}

// openChecked is openBlob of a blob whose checksum holds. The index is not
// loaded: only who filters looks at it.
func (room *chunkRoom) openChecked(src []byte, want datum.Type) (*blobColumn, error) {
	if err := checkHeader(src); err != nil {
		return nil, err
	}
	typ := datum.Type{OID: datum.OID(binary.LittleEndian.Uint32(src[4:])), Mod: int32(binary.LittleEndian.Uint32(src[8:]))}
	if !readable(typ, want) {
		return nil, corrupt("blob holds %v, not %v", typ, want)
	}
	rows, nulls := binary.LittleEndian.Uint32(src[12:]), binary.LittleEndian.Uint32(src[16:])
	if rows == 0 || rows > MaxRows || nulls > rows {
		return nil, corrupt("blob of %d rows, %d of them NULL", rows, nulls)
	}
	f, body, err := unpacked(src)
	if err != nil {
		return nil, err
	}
	r := reader{b: body}
	index := r.part()
	if r.bad {
		return nil, corrupt("vector index is cut off")
	}
	c, err := room.openValues(typ, f, int(rows), int(nulls), r.b)
	if err != nil {
		return nil, err
	}
	c.rawIndex, c.size = index, len(src)
	return c, nil
}

// loadIndex decodes the vector index, once.
func (c *blobColumn) loadIndex() error {
	if c.index != nil {
		return nil
	}
	var ok bool
	if c.index, ok = decodeIndex(c.rawIndex, c.order, c.form, codec.Vectors(c.rows)); !ok {
		return corrupt("bad vector index of %d bytes", len(c.rawIndex))
	}
	return nil
}

// openValues opens a null mask and values.
func (room *chunkRoom) openValues(t datum.Type, f form, rows, nulls int, src []byte) (*blobColumn, error) {
	c := room.column(blobColumn{typ: t, form: f, order: orderOf(t), rows: rows, nulls: nulls, size: len(src)})
	natural, ok := formOf(t)
	if !ok || f != natural && !(t.OID == datum.Numeric && (f == formScaled || f == formWide)) && !(natural == formList && f == formShaped) {
		return nil, corrupt("%v as %v", t, f)
	}
	r := reader{b: src}
	mask := r.part()
	if r.bad || (len(mask) > 0) != (nulls > 0 && nulls < rows) {
		return nil, corrupt("null mask of %d bytes for %d NULLs in %d rows", len(mask), nulls, rows)
	}
	var err error
	marks := codec.HasMarks(mask)
	if len(mask) > 0 && !marks {
		if c.null, err = room.codec.OpenBits(mask, rows); err != nil {
			return nil, err
		}
		if err := c.checkNulls(); err != nil {
			return nil, err
		}
	}
	if nulls == rows {
		if len(r.b) > 0 {
			return nil, corrupt("%d bytes after a column of NULLs", len(r.b))
		}
		return c, nil
	}
	switch f {
	case formInts:
		c.ints, err = room.codec.OpenInts(r.b, rows)
	case formScaled:
		scale := r.varint()
		if r.bad || scale < 0 || scale > maxNumericScale {
			return nil, corrupt("numeric of scale %d", scale)
		}
		c.scale = int32(scale)
		c.ints, err = room.codec.OpenInts(r.b, rows)
	case formFloat32:
		c.f32, err = room.codec.OpenFloat32s(r.b, rows)
	case formFloat64:
		c.f64, err = room.codec.OpenFloat64s(r.b, rows)
	case formBits:
		c.bits, err = room.codec.OpenBits(r.b, rows)
	case formBytes:
		c.strs, err = room.codec.OpenBytes(r.b, rows)
	case formWide:
		c.form = formBytes
		c.strs, err = room.openWide(r.b, rows)
	case formShaped:
		c.form = formList
		if c.shapes, err = room.codec.OpenBytes(r.part(), rows); err == nil {
			err = room.openList(c, &r)
		}
	case formList:
		err = room.openList(c, &r)
	}
	if err == nil && marks {
		err = room.openMarks(c, mask)
	}
	return c, err
}

// openMarks opens a null mask that the values tell. How many NULLs there are is not looked
// at, for all values would have to be decoded.
func (room *chunkRoom) openMarks(c *blobColumn, mask []byte) (err error) {
	switch {
	case c.form == formList:
		return corrupt("lists as their own null mask")
	case c.ints != nil:
		c.null, err = room.codec.OpenIntMarks(mask, c.ints)
	case c.f32 != nil:
		c.null, err = room.codec.OpenFloat32Marks(mask, c.f32)
	case c.f64 != nil:
		c.null, err = room.codec.OpenFloat64Marks(mask, c.f64)
	default:
		return corrupt("%v as their own null mask", c.typ)
	}
	return err
}

// checkNulls compares the mask with the number of NULLs in the header.
func (c *blobColumn) checkNulls() error {
	n := 0
	var b codec.Bits
	for v := range codec.Vectors(c.rows) {
		if err := c.null.Vector(v, &b); err != nil {
			return err
		}
		n += b.Count()
	}
	if n != c.nulls {
		return corrupt("null mask marks %d rows, not %d", n, c.nulls)
	}
	return nil
}

// maxNumericScale is that of PostgreSQL.
const maxNumericScale = 1<<14 - 1

func (room *chunkRoom) openList(c *blobColumn, r *reader) (err error) {
	lengths := r.part()
	rows := r.count(maxElements)
	nulls := r.count(rows)
	f := form(r.byte())
	elem, ok := c.typ.Elem()
	if r.bad || !ok || f == formList || f == formShaped {
		return corrupt("bad list header")
	}
	if c.ints, err = room.codec.OpenInts(lengths, c.rows); err != nil {
		return err
	}
	c.child, err = room.openValues(elem, f, rows, nulls, r.b)
	return err
}

// loadStarts adds up the lengths of lists.
func (c *blobColumn) loadStarts() error {
	if c.starts != nil {
		return nil
	}
	starts := []int64{0}
	at := int64(0)
	for v := range codec.Vectors(c.rows) {
		l, err := c.ints.Shared(v)
		if err != nil {
			return err
		}
		for _, x := range l {
			if x < 0 || x > int64(c.child.rows)-at {
				return corrupt("list of %d elements with %d left", x, int64(c.child.rows)-at)
			}
			at += x
		}
		starts = append(starts, at)
	}
	if at != int64(c.child.rows) {
		return corrupt("lists hold %d of %d elements", at, c.child.rows)
	}
	c.starts = starts
	return nil
}

// touch counts the decoding of vector v.
func (c *blobColumn) touch(v int) {
	if c.lastDecoded != v+1 {
		c.lastDecoded = v + 1
		c.decoded += int64(c.size) * int64(codec.VectorLen(c.rows, v)) / int64(c.rows)
	}
}

// nullBits sets out to the rows of vector v that are NULL; some is false if
// there are none, and then out is not set.
func (c *blobColumn) nullBits(v int, out *codec.Bits) (some bool, err error) {
	switch {
	case c.nulls == 0:
		return false, nil
	case c.path != nil && c.nulls < c.rows:
		return c.path.nullBits(v, out)
	case c.null == nil:
		out.Fill(codec.VectorLen(c.rows, v))
		return true, nil
	}
	return true, c.null.Vector(v, out)
}

// codec describes the encoding in a few words for the manifest.
func (c *blobColumn) codec() string {
	switch n, ok := c.describe(); {
	case !ok:
		return "all NULL"
	case c.form == formList:
		return "lists(" + c.child.codec() + ")"
	default:
		return n.String()
	}
}

// version returns the version of the format that has all encodings of the column.
func (c *blobColumn) version() byte {
	v := 1
	if c.null != nil {
		v = c.null.Describe().FormatVersion()
	}
	if n, ok := c.describe(); ok {
		v = max(v, n.FormatVersion())
	}
	if c.child != nil {
		v = max(v, int(c.child.version()))
	}
	if c.shapes != nil {
		v = max(v, shapedVersion, c.shapes.Describe().FormatVersion())
	}
	return byte(v)
}

// describe returns the tree of encodings of the values.
func (c *blobColumn) describe() (codec.Node, bool) {
	switch {
	case c.ints != nil:
		return c.ints.Describe(), true
	case c.f32 != nil:
		return c.f32.Describe(), true
	case c.f64 != nil:
		return c.f64.Describe(), true
	case c.bits != nil:
		return c.bits.Describe(), true
	case c.strs != nil:
		return c.strs.Describe(), true
	}
	return codec.Node{}, false
}

// missingColumn makes a column of a value that chunks do not hold.
func (room *chunkRoom) missingColumn(c *Column, rows int) (*blobColumn, error) {
	f, ok := formOf(c.Type)
	if !ok {
		return nil, corrupt("no column of type %v", c.Type)
	}
	if c.Missing == nil {
		return room.openValues(c.Type, f, rows, rows, []byte{0})
	}
	n := 1
	if f == formList {
		n = rows
	}
	a := datum.NewArray(memory.DefaultAllocator, c.Type, c.Missing, n)
	defer a.Release()
	v, err := extract(c.Type, a)
	if err != nil {
		return nil, err
	}
	// A node of one value is a constant, which any number of rows can share.
	return room.openValues(c.Type, v.form, rows, 0, v.appendTo(nil, codec.Thorough))
}

// array decodes vector v into an array of the wanted type, for what has no
// path of its own.
func (c *blobColumn) array(mem memory.Allocator, want datum.Type, v int) (arrow.Array, error) {
	o := newOutput(mem, want)
	defer o.release()
	if err := o.put(c, v, nil); err != nil {
		return nil, err
	}
	return o.finish(), nil
}

// trimmed is a string as char(n) compares it.
func trimmed(o order, b []byte) []byte {
	if o == orderPadded {
		return bytes.TrimRight(b, " ")
	}
	return b
}
