package codec

// Marks: bits that say which of a column's values are one value, and take no more than
// that. A null mask is such a node if the slots of NULLs hold a value that no other row has:
// where NULLs come as they please, the values' encoding tells them for less than bits
// of their own.

// marked are values that a mark is looked for among.
type marked interface {
	// marks sets out to the rows of vector v that have the value.
	marks(v int, out *Bits) error
}

// AppendIntMarks appends a node of the bits of the integers that are x.
func AppendIntMarks(dst []byte, x int64) []byte { return appendZigzag(append(dst, byte(Marks)), x) }

// AppendFloatMarks appends a node of the bits of the floats that are x, which is
// neither a NaN nor 0: of these there are several.
func AppendFloatMarks[F Float](dst []byte, x F) []byte {
	return appendFloat(append(dst, byte(Marks)), &x)
}

// HasMarks says whether a node of bits is of marks: then OpenIntMarks or its like opens
// it, and not OpenBits.
func HasMarks(src []byte) bool { return len(src) > 0 && Scheme(src[0]) == Marks }

// OpenIntMarks returns a reader of the node, whose bits are those of the integers,
// which are read by the same goroutine. Errors wrap ErrCorrupt.
func (room *Room) OpenIntMarks(src []byte, of *Ints) (*Bitmap, error) {
	c := cursor{b: src}
	c.byte()
	x := c.varint()
	if !HasMarks(src) || !c.done() {
		return nil, corrupt("marks: %d bytes", len(src))
	}
	return room.openMarks(src, of.n, &intMarks{of: of, is: IntFilter{Lo: x, Hi: x}}), nil
}

// OpenFloat32Marks is OpenIntMarks of floats.
func (room *Room) OpenFloat32Marks(src []byte, of *Floats[float32]) (*Bitmap, error) {
	return openFloatMarks(room, src, of)
}

// OpenFloat64Marks is OpenIntMarks of floats.
func (room *Room) OpenFloat64Marks(src []byte, of *Floats[float64]) (*Bitmap, error) {
	return openFloatMarks(room, src, of)
}

func openFloatMarks[F Float](room *Room, src []byte, of *Floats[F]) (*Bitmap, error) {
	if !HasMarks(src) || len(src) != 1+width[F]() {
		return nil, corrupt("marks: %d bytes", len(src))
	}
	var one [1]F
	readFloats(one[:], src[1:])
	x := float64(one[0])
	if x != x || x == 0 {
		return nil, corrupt("marks: %v", x)
	}
	return room.openMarks(src, of.n, &floatMarks[F]{of: of, is: FloatFilter{Lo: x, Hi: x}}), nil
}

func (room *Room) openMarks(src []byte, n int, of marked) *Bitmap {
	return room.bitmaps.put(Bitmap{n: n, scheme: Marks, size: len(src), of: of})
}

type intMarks struct {
	of *Ints
	is IntFilter
}

func (m *intMarks) marks(v int, out *Bits) error { return m.of.Filter(v, &m.is, out) }

type floatMarks[F Float] struct {
	of *Floats[F]
	is FloatFilter
}

func (m *floatMarks[F]) marks(v int, out *Bits) error { return m.of.Filter(v, &m.is, out) }
