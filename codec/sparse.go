package codec

import "encoding/binary"

// Sparse columns: one value fills most rows, and the others are exceptions, whose
// rows are kept as the gaps between them and whose values are a node of their own.

// minDominance is the share of the rows from which on a value dominates.
const minDominance = 0.5

// dominant returns the key that most rows have, if there is one; not all have it.
func dominant[K comparable](n int, key func(i int) K) (x K, ok bool) {
	if n < 64 {
		return x, false
	}
	// The majority of a sample, after Boyer and Moore.
	votes := 0
	step := max(n/1024, 1)
	for i := 0; i < n; i += step {
		switch k := key(i); {
		case votes == 0:
			x, votes = k, 1
		case k == x:
			votes++
		default:
			votes--
		}
	}
	count := 0
	for i := 0; i < n; i += step {
		if key(i) == x {
			count++
		}
	}
	if float64(count) < minDominance*0.95*float64((n+step-1)/step) {
		return x, false
	}
	count = 0
	for i := range n {
		if key(i) == x {
			count++
		}
	}
	return x, float64(count) >= minDominance*float64(n) && count < n
}

// exceptionGaps returns the number of exceptions in each vector, and how many other
// rows of the vector lie before each.
func exceptionGaps(n int, exception func(i int) bool) (counts []uint16, gaps []int64) {
	counts = make([]uint16, Vectors(n))
	gap := int64(0)
	for i := range n {
		if i%VectorRows == 0 {
			gap = 0
		}
		if exception(i) {
			counts[i/VectorRows]++
			gaps = append(gaps, gap)
			gap = 0
		} else {
			gap++
		}
	}
	return counts, gaps
}

// appendExceptions appends where the exceptions are.
func appendExceptions(dst []byte, counts []uint16, gaps *plan) []byte {
	for _, k := range counts {
		dst = binary.LittleEndian.AppendUint16(dst, k)
	}
	return appendPart(dst, gaps.append(nil))
}

// exceptions are the rows of exceptions, parsed. Gaps are decoded when first needed.
type exceptions struct {
	n     int
	room  *Room
	start []int32 // first exception of each vector, and their number
	gaps  *Ints
	rows  []int32 // of each exception within its vector
	size  int
}

func (c *cursor) exceptions(room *Room, n, depth, size int) (*exceptions, error) {
	vectors := Vectors(n)
	counts := c.take(2 * vectors)
	part := c.part()
	if c.bad || n == 0 {
		return nil, corrupt("sparse: %d values in %d bytes", n, size)
	}
	e := room.exceptions.put(exceptions{n: n, room: room, start: room.places.take(vectors + 1), size: 1 + size})
	e.start[0] = 0
	for v := range vectors {
		k := int(binary.LittleEndian.Uint16(counts[2*v:]))
		if k > VectorLen(n, v) {
			return nil, corrupt("sparse: %d exceptions in vector %d", k, v)
		}
		e.start[v+1] = e.start[v] + int32(k)
	}
	var err error
	e.gaps, err = room.openInts(part, e.count(), depth+1)
	return e, err
}

func (e *exceptions) count() int { return int(e.start[len(e.start)-1]) }

// load decodes the gaps and checks that they stay within the vectors.
func (e *exceptions) load() error {
	if e.rows != nil {
		return nil
	}
	gaps, err := e.gaps.all()
	if err != nil {
		return err
	}
	rows := e.room.places.take(len(gaps))
	for v := range len(e.start) - 1 {
		next, n := int64(0), int64(VectorLen(e.n, v))
		for i := e.start[v]; i < e.start[v+1]; i++ {
			if gaps[i] < 0 || gaps[i] >= n-next {
				return corrupt("sparse: gap of %d after row %d of vector %d", gaps[i], next, v)
			}
			next += gaps[i]
			rows[i] = int32(next)
			next++
		}
	}
	e.rows = rows
	return nil
}

// of returns the numbers of the exceptions of vector v.
func (e *exceptions) of(v int) (from, to int) { return int(e.start[v]), int(e.start[v+1]) }

// fillSparse sets dst to x but for the exceptions.
func fillSparse[T any](e *exceptions, v int, x T, values, dst []T) {
	for i := range dst {
		dst[i] = x
	}
	from, to := e.of(v)
	rows := e.rows[from:to]
	for i, x := range values[from:to] {
		dst[rows[i]] = x
	}
}

// filterSparse sets out to the rows that keeps holds for.
func filterSparse[T any](e *exceptions, v int, x T, values []T, keeps func(T) bool, out *Bits) {
	out.fill(VectorLen(e.n, v), keeps(x))
	for i, to := e.of(v); i < to; i++ {
		p := e.rows[i]
		out[p>>6] = out[p>>6]&^(1<<(p&63)) | b2u(keeps(values[i]))<<(p&63)
	}
}

func (e *exceptions) describe(values Node) Node {
	gaps := e.gaps.Describe()
	gaps.Role, values.Role = "gaps", "values"
	return Node{Scheme: Sparse, Detail: detail("%d exceptions", e.count()), Values: e.n, Size: e.size, Child: []Node{values, gaps}}
}

// intSparse reads sparse integers.
type intSparse struct {
	*exceptions
	x       int64
	values  *Ints
	decoded []int64
}

func (room *Room) openIntSparse(src []byte, n, depth int) (*intSparse, error) {
	c := cursor{b: src}
	x := c.varint()
	e, err := c.exceptions(room, n, depth, len(src))
	if err != nil {
		return nil, err
	}
	values, err := room.openInts(c.b, e.count(), depth+1)
	return room.intSparse.put(intSparse{exceptions: e, x: x, values: values}), err
}

func (s *intSparse) load() (err error) {
	if s.decoded != nil {
		return nil
	}
	if err := s.exceptions.load(); err != nil {
		return err
	}
	s.decoded, err = s.values.all()
	return err
}

func (s *intSparse) vector(v int, dst []int64) error {
	if err := s.load(); err != nil {
		return err
	}
	fillSparse(s.exceptions, v, s.x, s.decoded, dst)
	return nil
}

func (s *intSparse) filter(v int, f *IntFilter, out *Bits) (bool, error) {
	if err := s.load(); err != nil {
		return true, err
	}
	filterSparse(s.exceptions, v, s.x, s.decoded, f.keeps, out)
	return true, nil
}

func (s *intSparse) describe() Node { return s.exceptions.describe(s.values.Describe()) }

// floatSparse reads sparse floats.
type floatSparse[F Float] struct {
	*exceptions
	x       F
	values  *Floats[F]
	decoded []F
}

func openFloatSparse[F Float](room *Room, src []byte, n, depth int) (*floatSparse[F], error) {
	c := cursor{b: src}
	var x [1]F
	if raw := c.take(width[F]()); raw != nil {
		readFloats(x[:], raw)
	}
	e, err := c.exceptions(room, n, depth, len(src))
	if err != nil {
		return nil, err
	}
	values, err := openFloats[F](room, c.b, e.count(), depth+1)
	return floatShelvesOf[F](room).sparse.put(floatSparse[F]{exceptions: e, x: x[0], values: values}), err
}

func (s *floatSparse[F]) load() (err error) {
	if s.decoded != nil {
		return nil
	}
	if err := s.exceptions.load(); err != nil {
		return err
	}
	s.decoded, err = s.values.all()
	return err
}

func (s *floatSparse[F]) vector(v int, dst []F) error {
	if err := s.load(); err != nil {
		return err
	}
	fillSparse(s.exceptions, v, s.x, s.decoded, dst)
	return nil
}

func (s *floatSparse[F]) filter(v int, f *FloatFilter, out *Bits) (bool, error) {
	if err := s.load(); err != nil {
		return true, err
	}
	filterSparse(s.exceptions, v, s.x, s.decoded, func(x F) bool { return f.keeps(float64(x)) }, out)
	return true, nil
}

func (s *floatSparse[F]) describe() Node { return s.exceptions.describe(s.values.Describe()) }
