package codec

import (
	"cmp"
	"slices"
)

// The shape of a wavelet tree: that of the canonical Huffman code of its classes, but for
// leaves that stand side by side at one depth.

const (
	// maxWaveDepth is the longest code.
	maxWaveDepth = 15
	// maxWaveFan is how many bits of codes a leaf takes in at most.
	maxWaveFan = 4
	// maxWaveNodes has a leaf for each class and an inner node less.
	maxWaveNodes = 2*maxClasses - 1
)

// A waveNode is a node of the tree, which lists them in preorder: what is left of an inner
// node follows it.
type waveNode struct {
	right int16 // 0: a leaf
	// A leaf has 1<<fan classes, from the first one on in the order of codes, each of
	// 1<<bits numbers.
	first     int16
	fan, bits uint8
}

// constant says whether all values of a leaf are one number.
func (n *waveNode) constant() bool { return n.right == 0 && n.fan+n.bits == 0 }

// A waveShape is a tree and the order of its classes by their codes.
type waveShape struct {
	nodes []waveNode
	order []uint8
}

// of makes the tree of the canonical code with these lengths: codes rise with
// their length, the bits of a place, and the class. A subtree whose leaves all are as deep
// as each other, at most maxWaveFan below it, and have places of as many bits, is one leaf.
// It returns false if the lengths are none of a code in which every bit has two values. The
// memory of the shape is used.
func (t *waveShape) of(classes []class, lengths []uint8) bool {
	t.nodes, t.order = t.nodes[:0], t.order[:0]
	for s := range classes {
		t.order = append(t.order, uint8(s))
	}
	slices.SortFunc(t.order, func(a, b uint8) int {
		return cmp.Or(cmp.Compare(lengths[a], lengths[b]), cmp.Compare(classes[a].bits, classes[b].bits), cmp.Compare(a, b))
	})
	next := t.grow(classes, lengths, 0, 0)
	return next == len(classes)
}

// grow adds the node at a depth whose least code is that of a class, by its place in the
// order, and those below. It returns the place of the class after them, -1 if there are too
// few classes.
func (t *waveShape) grow(classes []class, lengths []uint8, depth uint8, next int) int {
	if next < 0 || next == len(t.order) || depth > maxWaveDepth || lengths[t.order[next]] < depth {
		return -1
	}
	at := len(t.nodes)
	first := t.order[next]
	fan := lengths[first] - depth
	if last := next + 1<<fan - 1; fan <= maxWaveFan && last < len(t.order) && lengths[t.order[last]] == lengths[first] &&
		classes[t.order[last]].bits == classes[first].bits {
		t.nodes = append(t.nodes, waveNode{first: int16(next), fan: fan, bits: classes[first].bits})
		return last + 1
	}
	if fan == 0 {
		return -1
	}
	t.nodes = append(t.nodes, waveNode{})
	next = t.grow(classes, lengths, depth+1, next)
	t.nodes[at].right = int16(len(t.nodes))
	return t.grow(classes, lengths, depth+1, next)
}

// codeLengths returns the lengths of Huffman codes of symbols that occur so often, all at
// least once, of which there are at least two, none longer than maxWaveDepth.
func codeLengths(counts []uint32) []uint8 {
	type node struct {
		n      uint64
		parent int
	}
	weights := make([]uint64, len(counts))
	for i, n := range counts {
		weights[i] = uint64(n)
	}
	lengths := make([]uint8, len(counts))
	for {
		// Two queues, one of leaves by weight and one of nodes as they are made.
		order := make([]int, len(weights))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[a], weights[b]) })
		nodes := make([]node, 0, 2*len(weights)-1)
		for _, i := range order {
			nodes = append(nodes, node{n: weights[i]})
		}
		leaf, inner := 0, len(order)
		least := func() int {
			if inner >= len(nodes) || leaf < len(order) && nodes[leaf].n <= nodes[inner].n {
				leaf++
				return leaf - 1
			}
			inner++
			return inner - 1
		}
		for len(nodes) < 2*len(weights)-1 {
			a, b := least(), least()
			nodes[a].parent, nodes[b].parent = len(nodes), len(nodes)
			nodes = append(nodes, node{n: nodes[a].n + nodes[b].n})
		}
		depth := make([]int, len(nodes))
		longest := 0
		for i := len(nodes) - 2; i >= 0; i-- {
			depth[i] = depth[nodes[i].parent] + 1
			longest = max(longest, depth[i])
		}
		if longest <= maxWaveDepth {
			for i, s := range order {
				lengths[s] = uint8(depth[i])
			}
			return lengths
		}
		for i := range weights { // rare ones become less so
			weights[i] = weights[i]/4 + 1
		}
	}
}
