package codec

import (
	"encoding/binary"
	"unsafe"

	"github.com/phyllodb/phyllo/internal/forced"
)

// A floatNode reads one node of floats.
type floatNode[F Float] interface {
	vector(v int, dst []F) error
	filter(v int, f *FloatFilter, out *Bits) (done bool, err error)
	describe() Node
}

// Floats reads encoded floats, bit for bit as they were. It is used by one goroutine.
type Floats[F Float] struct {
	n       int
	room    *Room
	node    floatNode[F]
	buf     []F
	decoded int
}

// OpenFloats returns a reader of n floats encoded by AppendFloats, which keeps
// src. Errors wrap ErrCorrupt.
func OpenFloats[F Float](src []byte, n int) (*Floats[F], error) {
	return openFloats[F](new(Room), src, n, 1)
}

// OpenFloat32s is OpenFloats of a reader that lies in the room.
func (room *Room) OpenFloat32s(src []byte, n int) (*Floats[float32], error) {
	return openFloats[float32](room, src, n, 1)
}

// OpenFloat64s is OpenFloats of a reader that lies in the room.
func (room *Room) OpenFloat64s(src []byte, n int) (*Floats[float64], error) {
	return openFloats[float64](room, src, n, 1)
}

func openFloats[F Float](room *Room, src []byte, n, depth int) (*Floats[F], error) {
	if len(src) == 0 || depth > MaxDepth || n < 0 || n > MaxValues {
		return nil, corrupt("floats: %d values in %d bytes at depth %d", n, len(src), depth)
	}
	r := floatShelvesOf[F](room).floats.put(Floats[F]{n: n, room: room})
	var err error
	switch s := Scheme(src[0]); s {
	case Constant:
		r.node, err = openFloatConstant[F](room, src[1:], n)
	case ALP:
		r.node, err = openALP[F](room, src[1:], n, depth)
	case RLE:
		r.node, err = openFloatRLE[F](room, src[1:], n, depth)
	case Dictionary:
		r.node, err = openFloatDictionary[F](room, src[1:], n, depth)
	case Plain:
		r.node, err = openFloatPlain[F](room, src[1:], n)
	case ALPUlp:
		r.node, err = openALPUlp[F](room, src[1:], n, depth)
	case ALPRD:
		r.node, err = openALPRD[F](room, src[1:], n, depth)
	case Sparse:
		r.node, err = openFloatSparse[F](room, src[1:], n, depth)
	case Zstd:
		r.node, err = openFloatZstd[F](room, src[1:], n)
	default:
		return nil, corrupt("floats: %v", s)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Len returns the number of values.
func (r *Floats[F]) Len() int { return r.n }

// Vector decodes vector v into dst, which has room for it, and returns it cut to the
// vector's length.
func (r *Floats[F]) Vector(v int, dst []F) ([]F, error) {
	dst = dst[:VectorLen(r.n, v)]
	if r.decoded == v+1 {
		copy(dst, r.buf)
		return dst, nil
	}
	return dst, r.node.vector(v, dst)
}

// Shared decodes vector v into a buffer that the next call overwrites; asking
// for the same vector again costs nothing.
func (r *Floats[F]) Shared(v int) ([]F, error) {
	n := VectorLen(r.n, v)
	if r.decoded != v+1 {
		if r.buf == nil {
			r.buf = floatsOf[F](r.room, min(VectorRows, r.n))
		}
		r.decoded = 0
		if err := r.node.vector(v, r.buf[:n]); err != nil {
			return nil, err
		}
		r.decoded = v + 1
	}
	return r.buf[:n], nil
}

func (r *Floats[F]) all() ([]F, error) {
	out := floatsOf[F](r.room, r.n)
	for v := range Vectors(r.n) {
		if _, err := r.Vector(v, out[v*VectorRows:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Filter sets out to the rows of vector v that f keeps.
func (r *Floats[F]) Filter(v int, f *FloatFilter, out *Bits) error {
	if r.decoded != v+1 {
		if done, err := r.node.filter(v, f, out); done || err != nil {
			return err
		}
	}
	x, err := r.Shared(v)
	if err != nil {
		return err
	}
	FilterFloats(x, f, out)
	return nil
}

// Sum adds the rows of vector v that are in sel, which holds none beyond the
// vector. The same rows give the same sum, however they are encoded.
func (r *Floats[F]) Sum(v int, sel *Bits) (float64, error) {
	if r.decoded != v+1 {
		switch n := r.node.(type) {
		case *alp[F]:
			if !n.hasExceptions(v) {
				return n.sum(v, sel)
			}
		case *floatDictionary[F]:
			return n.sum(v, sel)
		}
	}
	x, err := r.Shared(v)
	if err != nil {
		return 0, err
	}
	return SumFloats(x, sel), nil
}

// Describe returns the tree of encodings.
func (r *Floats[F]) Describe() Node { return r.node.describe() }

func width[F Float]() int { return int(unsafe.Sizeof(F(0))) }

// floatOf must not convert between the widths: that would quiet signalling NaNs.
func floatOf[F Float](b uint64) (x F) {
	if width[F]() == 4 {
		*(*uint32)(unsafe.Pointer(&x)) = uint32(b)
	} else {
		*(*uint64)(unsafe.Pointer(&x)) = b
	}
	return x
}

func bitsOf[F Float](x *F) uint64 {
	if width[F]() == 4 {
		return uint64(*(*uint32)(unsafe.Pointer(x)))
	}
	return *(*uint64)(unsafe.Pointer(x))
}

func appendFloat[F Float](dst []byte, x *F) []byte {
	if width[F]() == 4 {
		return binary.LittleEndian.AppendUint32(dst, uint32(bitsOf(x)))
	}
	return binary.LittleEndian.AppendUint64(dst, bitsOf(x))
}

// readFloats fills dst from little-endian bytes of the same length.
func readFloats[F Float](dst []F, src []byte) {
	if width[F]() == 4 {
		for i := range dst {
			dst[i] = floatOf[F](uint64(binary.LittleEndian.Uint32(src[4*i:])))
		}
		return
	}
	for i := range dst {
		dst[i] = floatOf[F](binary.LittleEndian.Uint64(src[8*i:]))
	}
}

// AppendFloats appends a node that holds v.
func AppendFloats[F Float](dst []byte, v []F) []byte { return appendFloats(dst, v, 1) }

func appendFloats[F Float](dst []byte, v []F, depth int) []byte {
	return planFloats(v, depth).append(dst)
}

// planFloats decides how v is written at a depth.
func planFloats[F Float](v []F, depth int) *plan {
	return planFloatsInto(&plan{n: len(v)}, v, depth)
}

// floatsBelow is planFloats of a node below p.
func floatsBelow[F Float](p *plan, v []F, depth int) *plan {
	return planFloatsInto(p.under(len(v)), v, depth)
}

func planFloatsInto[F Float](p *plan, v []F, depth int) *plan {
	if len(v) > MaxValues {
		panic("codec: bug: too many values in a node")
	}
	w := width[F]()
	if len(v) == 0 {
		p.add(candidate{scheme: Constant, append: func(dst []byte) []byte { return append(append(dst, byte(Constant)), make([]byte, w)...) }})
		return p
	}
	runs := 1
	for i := 1; i < len(v); i++ {
		if bitsOf(&v[i]) != bitsOf(&v[i-1]) || i%VectorRows == 0 {
			runs++
		}
	}
	if runs == Vectors(len(v)) && allSame(v) {
		p.add(candidate{scheme: Constant, size: float64(1 + w), nanos: nanosConstant,
			append: func(dst []byte) []byte { return appendFloat(append(dst, byte(Constant)), &v[0]) }})
		return p
	}
	p.add(candidate{scheme: Plain, size: float64(len(v) * w), nanos: nanosPlain,
		append: func(dst []byte) []byte { return appendFloatPlain(dst, v) }})
	if depth < MaxDepth {
		exceptions := planALP(p, v, depth)
		planFloatRLE(p, v, runs, depth)
		planFloatDictionary(p, v, runs, depth)
		if p.quick && !forced.Any() {
			return p.decide()
		}
		planFloatSparse(p, v, depth)
		// What follows is for columns that have not got small, or are exceptions.
		if p.worth(0.35*float64(len(v)*w), 0) || 32*float64(exceptions) > p.least() {
			planALPUlp(p, v, depth)
		}
		if p.worth(0.4*float64(len(v)*w), nanosALPRD) {
			planALPRD(p, v, depth)
		}
	}
	if !p.quick || forced.Any() {
		planFloatZstd(p, v)
	}
	return p.decide()
}

// planALP adds ALP and returns the bytes of its exceptions.
func planALP[F Float](p *plan, v []F, depth int) (exceptions int) {
	choice := chooseALP(v)
	if !choice.ok {
		return 0
	}
	a := splitALP(v, choice.e, choice.f)
	below := p.intsBelow(a.ints, depth+1)
	p.add(candidate{scheme: ALP, size: float64(a.exceptionBytes()), nanos: nanosALP, below: []*plan{below},
		append: func(dst []byte) []byte { return a.append(dst, below) }})
	return a.exceptionBytes()
}

func planFloatRLE[F Float](p *plan, v []F, runs, depth int) {
	if runs >= len(v)/2 || !p.worth(float64(2*Vectors(len(v))), nanosRLE) {
		return
	}
	lengths, perVector := runLengths(len(v), runs, func(i int) bool { return bitsOf(&v[i]) == bitsOf(&v[i-1]) })
	values := make([]F, 0, len(lengths))
	at := 0
	for _, k := range lengths {
		values = append(values, v[at])
		at += int(k)
	}
	below := []*plan{floatsBelow(p, values, depth+1), p.intsBelow(lengths, depth+1)}
	p.add(candidate{scheme: RLE, size: float64(2*len(perVector) + 4), nanos: nanosRLE, below: below,
		append: func(dst []byte) []byte { return below[0].append(appendRuns(dst, perVector, below[1])) }})
}

func planFloatDictionary[F Float](p *plan, v []F, runs, depth int) {
	if runs < 4 || !p.worth(16, nanosDictionary) || !fewDistinct(len(v), func(i int) uint64 { return bitsOf(&v[i]) }) {
		return
	}
	raw := make([]int64, len(v))
	for i := range v {
		raw[i] = int64(bitsOf(&v[i]))
	}
	d := collectInts(raw, intStats{max: 1 << 40, unit: 1, runs: runs})
	if d == nil {
		return
	}
	entries := make([]F, len(d.values))
	for i, b := range d.values {
		entries[i] = floatOf[F](uint64(b))
	}
	below := []*plan{floatsBelow(p, entries, depth+1), p.intsBelow(d.codes(raw), depth+1)}
	p.add(candidate{scheme: Dictionary, size: 8, nanos: nanosDictionary, below: below,
		append: func(dst []byte) []byte { return appendDict(dst, len(entries), below[0], below[1]) }})
}

func planFloatSparse[F Float](p *plan, v []F, depth int) {
	x, ok := dominant(len(v), func(i int) uint64 { return bitsOf(&v[i]) })
	if !ok || !p.worth(16, nanosSparse) {
		return
	}
	counts, gaps := exceptionGaps(len(v), func(i int) bool { return bitsOf(&v[i]) != x })
	values := make([]F, 0, len(gaps))
	for i := range v {
		if bitsOf(&v[i]) != x {
			values = append(values, v[i])
		}
	}
	most := floatOf[F](x)
	below := []*plan{floatsBelow(p, values, depth+1), p.intsBelow(gaps, depth+1)}
	p.add(candidate{scheme: Sparse, size: float64(12 + 2*len(counts)), nanos: nanosSparse, below: below,
		append: func(dst []byte) []byte {
			return below[0].append(appendExceptions(appendFloat(append(dst, byte(Sparse)), &most), counts, below[1]))
		}})
}

func allSame[F Float](v []F) bool {
	for i := 0; i < len(v); i += VectorRows {
		if bitsOf(&v[i]) != bitsOf(&v[0]) {
			return false
		}
	}
	return true
}

// constant

type floatConstant[F Float] struct {
	n     int
	value F
}

func openFloatConstant[F Float](room *Room, src []byte, n int) (*floatConstant[F], error) {
	if len(src) != width[F]() {
		return nil, corrupt("constant: %d bytes", len(src))
	}
	c := floatShelvesOf[F](room).constants.put(floatConstant[F]{n: n})
	var one [1]F
	readFloats(one[:], src)
	c.value = one[0]
	return c, nil
}

func (c *floatConstant[F]) vector(_ int, dst []F) error {
	for i := range dst {
		dst[i] = c.value
	}
	return nil
}

func (c *floatConstant[F]) filter(v int, f *FloatFilter, out *Bits) (bool, error) {
	out.fill(VectorLen(c.n, v), f.keeps(float64(c.value)))
	return true, nil
}

func (c *floatConstant[F]) describe() Node {
	return Node{Scheme: Constant, Detail: detail("%v", c.value), Values: c.n, Size: 1 + width[F]()}
}

// plain

type floatPlain[F Float] struct {
	n   int
	src []byte
}

func appendFloatPlain[F Float](dst []byte, v []F) []byte {
	dst = append(dst, byte(Plain))
	for i := range v {
		dst = appendFloat(dst, &v[i])
	}
	return dst
}

func openFloatPlain[F Float](room *Room, src []byte, n int) (*floatPlain[F], error) {
	if len(src) != n*width[F]() {
		return nil, corrupt("plain: %d floats in %d bytes", n, len(src))
	}
	return floatShelvesOf[F](room).plain.put(floatPlain[F]{n: n, src: src}), nil
}

func (p *floatPlain[F]) vector(v int, dst []F) error {
	readFloats(dst, p.src[v*VectorRows*width[F]():])
	return nil
}

func (p *floatPlain[F]) filter(int, *FloatFilter, *Bits) (bool, error) { return false, nil }

func (p *floatPlain[F]) describe() Node {
	return Node{Scheme: Plain, Values: p.n, Size: 1 + len(p.src)}
}

// runs

type floatRLE[F Float] struct {
	*runs
	values  *Floats[F]
	decoded []F
}

func openFloatRLE[F Float](room *Room, src []byte, n, depth int) (*floatRLE[F], error) {
	r, rest, err := room.openRuns(src, n, depth)
	if err != nil {
		return nil, err
	}
	values, err := openFloats[F](room, rest, r.count(), depth+1)
	if err != nil {
		return nil, err
	}
	return floatShelvesOf[F](room).runs.put(floatRLE[F]{runs: r, values: values}), nil
}

func (r *floatRLE[F]) load() error {
	if r.decoded != nil {
		return nil
	}
	if err := r.runs.load(); err != nil {
		return err
	}
	values, err := r.values.all()
	r.decoded = values
	return err
}

func (r *floatRLE[F]) vector(v int, dst []F) error {
	if err := r.load(); err != nil {
		return err
	}
	expandRuns(r.runs, v, r.decoded, dst)
	return nil
}

func (r *floatRLE[F]) filter(v int, f *FloatFilter, out *Bits) (bool, error) {
	if err := r.load(); err != nil {
		return true, err
	}
	*out = Bits{}
	at := 0
	for i, to := r.of(v); i < to; i++ {
		end := int(r.ends[i])
		if f.keeps(float64(r.decoded[i])) {
			out.setRange(at, end)
		}
		at = end
	}
	return true, nil
}

func (r *floatRLE[F]) describe() Node { return r.runs.describe(r.values.Describe()) }

// dictionary

type floatDictionary[F Float] struct {
	values *Floats[F]
	codes  *Ints
	loaded []F
	size   int

	keep     *TableFilter
	filtered *FloatFilter
}

func openFloatDictionary[F Float](room *Room, src []byte, n, depth int) (*floatDictionary[F], error) {
	entries, values, codes, err := room.openDict(src, n, depth)
	if err != nil {
		return nil, err
	}
	d := floatShelvesOf[F](room).dicts.put(floatDictionary[F]{codes: codes, size: 1 + len(src)})
	d.values, err = openFloats[F](room, values, entries, depth+1)
	return d, err
}

func (d *floatDictionary[F]) load() (err error) {
	if d.loaded == nil {
		d.loaded, err = d.values.all()
	}
	return err
}

func (d *floatDictionary[F]) vector(v int, dst []F) error {
	if err := d.load(); err != nil {
		return err
	}
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	codes, err := d.codes.look(v, buf)
	if err != nil {
		return err
	}
	if !lookup(dst, codes, d.loaded) {
		return corrupt("dictionary: code beyond %d entries in vector %d", len(d.loaded), v)
	}
	return nil
}

func (d *floatDictionary[F]) filter(v int, f *FloatFilter, out *Bits) (bool, error) {
	if d.filtered != f {
		keep, err := filterEntries(d.values.Len(), func(v int, out *Bits) error { return d.values.Filter(v, f, out) })
		if err != nil {
			return true, err
		}
		d.keep, d.filtered = NewTableFilter(keep), f
	}
	return true, d.codes.FilterTable(v, d.keep, out)
}

// sum adds the selected rows without writing down their values.
func (d *floatDictionary[F]) sum(v int, sel *Bits) (float64, error) {
	if err := d.load(); err != nil {
		return 0, err
	}
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	codes, err := d.codes.picked(v, sel, buf)
	if err != nil {
		return 0, err
	}
	sum, ok := sumCodes(codes, d.loaded, sel)
	if !ok {
		return 0, corrupt("dictionary: code beyond %d entries in vector %d", len(d.loaded), v)
	}
	return sum, nil
}

func (d *floatDictionary[F]) describe() Node {
	return describeDict(d.values.Describe(), d.codes.Describe(), d.size)
}
