package codec

// Differences between neighbours as a node of their own, where they have more
// structure than a delta frame makes use of: runs (what is regular for long), one
// that dominates, few values, a slope that changes slowly. Each vector starts from
// a value that is kept beside them.

// differences returns the first value of each vector and what the others differ by
// from the one before. The slot of the first repeats the one that follows.
func differences(v []int64) (firsts, d []int64) {
	d = make([]int64, len(v))
	firsts = make([]int64, 0, Vectors(len(v)))
	for at := 0; at < len(v); at += VectorRows {
		part := v[at:min(at+VectorRows, len(v))]
		firsts = append(firsts, part[0])
		deltas(d[at:at+len(part)], part)
	}
	return firsts, d
}

func appendDifferences(dst []byte, firsts, d *plan) []byte {
	dst = append(dst, byte(Differences))
	dst = appendPart(dst, firsts.append(nil))
	return d.append(dst)
}

// differenceNode reads differences.
type differenceNode struct {
	firsts *Ints
	loaded []int64
	below  *Ints
	size   int
}

func (room *Room) openDifferences(src []byte, n, depth int) (*differenceNode, error) {
	c := cursor{b: src}
	part := c.part()
	if c.bad || n == 0 {
		return nil, corrupt("differences: %d values in %d bytes", n, len(src))
	}
	d := room.differences.put(differenceNode{size: 1 + len(src)})
	var err error
	if d.firsts, err = room.openInts(part, Vectors(n), depth+1); err != nil {
		return nil, err
	}
	d.below, err = room.openInts(c.b, n, depth+1)
	return d, err
}

func (d *differenceNode) vector(v int, dst []int64) (err error) {
	if d.loaded == nil {
		if d.loaded, err = d.firsts.all(); err != nil {
			return err
		}
	}
	if _, err := d.below.Vector(v, dst[:len(dst):len(dst)]); err != nil {
		return err
	}
	dst[0] = d.loaded[v]
	prefixSums(dst)
	return nil
}

func (d *differenceNode) filter(int, *IntFilter, *Bits) (bool, error) { return false, nil }

func (d *differenceNode) describe() Node {
	firsts, below := d.firsts.Describe(), d.below.Describe()
	firsts.Role, below.Role = "first values", "differences"
	return Node{Scheme: Differences, Values: d.below.n, Size: d.size, Child: []Node{below, firsts}}
}
