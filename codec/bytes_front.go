package codec

// Sorted strings begin as the one before them does: each is the number of bytes that
// it shares with it, and the rest. Every vector begins anew.

// sharedPrefixes returns how many bytes strings share with the one before, and their
// sum; nil if they are not sorted.
func sharedPrefixes(s *Strings) (shared []int64, total int) {
	shared = make([]int64, s.Len())
	for i := 1; i < s.Len(); i++ {
		a, b := s.At(i-1), s.At(i)
		n := 0
		for n < len(a) && n < len(b) && a[n] == b[n] {
			n++
		}
		if n < len(a) && (n == len(b) || a[n] > b[n]) {
			return nil, 0
		}
		if i%VectorRows != 0 {
			shared[i] = int64(n)
			total += n
		}
	}
	return shared, total
}

// encodeFront returns the node, and the nanoseconds that the nodes below take.
func encodeFront(s *Strings, shared []int64, depth int) (node []byte, nanos float64) {
	rest := &Strings{Offsets: make([]int64, 1, s.Len()+1)}
	for i, n := range shared {
		rest.Append(s.At(i)[n:])
	}
	prefixes, suffixes := planSpelt(shared, depth+1), cheapest(leafChoices(rest, depth+1, Thorough))
	node = appendPart([]byte{byte(Front)}, prefixes.append(nil))
	return suffixes.append(node), prefixes.nanos() + suffixes.nanos
}

// frontText reads sorted strings.
type frontText struct {
	shared *Ints
	rest   *Bytes
	size   int
}

func (room *Room) openFront(src []byte, n, depth int) (*frontText, error) {
	c := cursor{b: src}
	part := c.part()
	if c.bad || n == 0 {
		return nil, corrupt("front: %d strings in %d bytes", n, len(src))
	}
	f := room.fronts.put(frontText{size: 1 + len(src)})
	var err error
	if f.shared, err = room.openInts(part, n, depth+1); err != nil {
		return nil, err
	}
	f.rest, err = room.openBytes(c.b, n, depth+1)
	return f, err
}

func (f *frontText) vector(v int, dst *Strings) error {
	shared, err := f.shared.Shared(v)
	if err != nil {
		return err
	}
	rest, err := f.rest.Vector(v)
	if err != nil {
		return err
	}
	data, last := dst.Data, len(dst.Data)
	limit := last + maxRepeat
	for i, n := range shared {
		if uint64(n) > uint64(len(data)-last) || i == 0 && n != 0 {
			return corrupt("front: string %d of vector %d shares %d bytes of %d", i, v, n, len(data)-last)
		}
		at := len(data)
		data = append(data, data[last:last+int(n)]...)
		data = append(data, rest.At(i)...)
		if len(data) > limit {
			return corrupt("front: more than %d bytes in vector %d", maxRepeat, v)
		}
		dst.Offsets = append(dst.Offsets, int64(len(data)))
		last = at
	}
	dst.Data = data
	return nil
}

// addLengths adds the lengths of vector v.
func (f *frontText) addLengths(v int, out []int64) error {
	shared, err := f.shared.Shared(v)
	if err != nil {
		return err
	}
	rest, err := f.rest.Lengths(v)
	if err != nil {
		return err
	}
	for i, n := range shared {
		out[i] += n
		if rest != nil {
			out[i] += rest[i]
		}
	}
	return nil
}

func (f *frontText) describe() Node {
	shared, rest := f.shared.Describe(), f.rest.Describe()
	shared.Role, rest.Role = "shared", "rest"
	return Node{Scheme: Front, Values: f.rest.n, Size: f.size, Child: []Node{rest, shared}}
}
