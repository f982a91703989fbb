package codec

import (
	"encoding/binary"
)

// Runs of equal values, cut where vectors end so that each vector's runs can be
// found without those before: the node holds the number of runs of each vector
// and, as child nodes, the runs' lengths and values.

// runLengths returns the lengths of the runs that same finds in n values.
func runLengths(n, runs int, same func(i int) bool) (lengths []int64, perVector []int) {
	lengths = make([]int64, 0, runs)
	perVector = make([]int, Vectors(n))
	for i := range n {
		if i%VectorRows == 0 || !same(i) {
			lengths = append(lengths, 1)
			perVector[i/VectorRows]++
		} else {
			lengths[len(lengths)-1]++
		}
	}
	return lengths, perVector
}

// appendRuns appends what all RLE nodes share, up to the values.
func appendRuns(dst []byte, perVector []int, lengths *plan) []byte {
	dst = append(dst, byte(RLE))
	for _, k := range perVector {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(k))
	}
	return appendPart(dst, lengths.append(nil))
}

// Runs are the runs of a node, parsed. Lengths are decoded when first needed.
type runs struct {
	n       int
	room    *Room
	start   []int32 // first run of each vector, and the number of runs
	lengths *Ints
	ends    []int32 // of each run within its vector
	size    int
}

func (room *Room) openRuns(src []byte, n, depth int) (r *runs, values []byte, err error) {
	c := cursor{b: src}
	vectors := Vectors(n)
	counts := c.take(2 * vectors)
	part := c.part()
	if c.bad || n == 0 {
		return nil, nil, corrupt("RLE: %d values in %d bytes", n, len(src))
	}
	r = room.runs.put(runs{n: n, room: room, start: room.places.take(vectors + 1), size: 1 + len(src)})
	r.start[0] = 0
	for v := range vectors {
		k := int(binary.LittleEndian.Uint16(counts[2*v:]))
		if k == 0 || k > VectorLen(n, v) {
			return nil, nil, corrupt("RLE: %d runs in vector %d", k, v)
		}
		r.start[v+1] = r.start[v] + int32(k)
	}
	r.lengths, err = room.openInts(part, int(r.start[vectors]), depth+1)
	return r, c.b, err
}

func (r *runs) count() int { return int(r.start[len(r.start)-1]) }

// load decodes the lengths and checks that they fill the vectors.
func (r *runs) load() error {
	if r.ends != nil {
		return nil
	}
	lengths, err := r.lengths.all()
	if err != nil {
		return err
	}
	ends := r.room.places.take(len(lengths))
	for v := range len(r.start) - 1 {
		left := int64(VectorLen(r.n, v))
		end := int64(0)
		for i := r.start[v]; i < r.start[v+1]; i++ {
			if lengths[i] < 1 || lengths[i] > left {
				return corrupt("RLE: run of %d with %d values left in vector %d", lengths[i], left, v)
			}
			left -= lengths[i]
			end += lengths[i]
			ends[i] = int32(end)
		}
		if left != 0 {
			return corrupt("RLE: %d values missing in vector %d", left, v)
		}
	}
	r.ends = ends
	return nil
}

// of returns the run numbers of vector v.
func (r *runs) of(v int) (from, to int) { return int(r.start[v]), int(r.start[v+1]) }

// expandRuns writes each run's value as often as the run is long.
func expandRuns[T any](r *runs, v int, values, dst []T) {
	at := int32(0)
	for i, to := r.of(v); i < to; i++ {
		x, end := values[i], r.ends[i]
		for ; at < end; at++ {
			dst[at] = x
		}
	}
}

// intRLE reads runs of integers.
type intRLE struct {
	*runs
	values  *Ints
	decoded []int64
}

func (room *Room) openIntRLE(src []byte, n, depth int) (*intRLE, error) {
	r, rest, err := room.openRuns(src, n, depth)
	if err != nil {
		return nil, err
	}
	values, err := room.openInts(rest, r.count(), depth+1)
	if err != nil {
		return nil, err
	}
	return room.intRuns.put(intRLE{runs: r, values: values}), nil
}

func (r *intRLE) load() error {
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

func (r *intRLE) vector(v int, dst []int64) error {
	if err := r.load(); err != nil {
		return err
	}
	expandRuns(r.runs, v, r.decoded, dst)
	return nil
}

// Runs returns the runs of vector v, if these integers are encoded as runs, which
// are at least two rows long on average: their values and where each ends in the
// vector. It returns nil otherwise. Nobody may change them.
func (r *Ints) Runs(v int) (values []int64, ends []int32, err error) {
	switch n := r.node.(type) {
	case *intRLE:
		if err := n.load(); err != nil {
			return nil, nil, err
		}
		from, to := n.of(v)
		return n.decoded[from:to], n.ends[from:to], nil
	case *intConstant:
		return []int64{n.value}, []int32{int32(VectorLen(n.n, v))}, nil
	}
	return nil, nil, nil
}

func (r *intRLE) filter(v int, f *IntFilter, out *Bits) (bool, error) {
	if err := r.load(); err != nil {
		return true, err
	}
	*out = Bits{}
	at := 0
	for i, to := r.of(v); i < to; i++ {
		end := int(r.ends[i])
		if f.keeps(r.decoded[i]) {
			out.setRange(at, end)
		}
		at = end
	}
	return true, nil
}

func (r *intRLE) filterTable(v int, keep []uint8, out *Bits) error {
	if err := r.load(); err != nil {
		return err
	}
	*out = Bits{}
	at := 0
	for i, to := r.of(v); i < to; i++ {
		end := int(r.ends[i])
		c := r.decoded[i]
		if uint64(c) >= uint64(len(keep)) {
			return corrupt("dictionary: code %d of %d entries", c, len(keep))
		}
		if keep[c] != 0 {
			out.setRange(at, end)
		}
		at = end
	}
	return nil
}

func (r *intRLE) describe() Node { return r.runs.describe(r.values.Describe()) }

func (r *runs) describe(values Node) Node {
	lengths := r.lengths.Describe()
	lengths.Role, values.Role = "lengths", "values"
	return Node{Scheme: RLE, Detail: detail("%d runs", r.count()), Values: r.n, Size: r.size, Child: []Node{values, lengths}}
}
