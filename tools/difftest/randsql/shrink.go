package randsql

import (
	"fmt"
	"slices"
)

// Shrink makes a statement smaller as long as fails says that it still shows the fault, with at
// most so many calls of it. It changes the statement.
func Shrink(n *Node, tries int, fails func(sql string) bool) {
	for again := true; again; {
		again = false
		var all []*Node
		n.walk(func(k *Node) { all = append(all, k) })
		for _, k := range all {
			for _, small := range smaller(k) {
				if tries--; tries < 0 {
					return
				}
				was := *k
				*k = *small
				if fails(n.String()) {
					again = true
					break
				}
				*k = was
			}
		}
	}
}

// smaller are pieces that can stand in the place of one, the smallest first.
func smaller(n *Node) []*Node {
	var out []*Node
	switch {
	case n.optional:
		out = append(out, nothing())
	case n.list && len(n.kids) > 1:
		for i := range n.kids {
			out = append(out, list(slices.Delete(slices.Clone(n.kids), i, i+1)...))
		}
	case n.typ != "" && len(n.kids) > 0:
		out = append(out, node(n.typ, fmt.Sprintf("NULL::%s", n.typ)))
		if plain, ok := plainValues[n.typ]; ok {
			out = append(out, node(n.typ, plain))
		}
		for _, k := range n.kids {
			k.walk(func(below *Node) {
				if below.typ == n.typ {
					copied := *below
					out = append(out, &copied)
				}
			})
		}
	}
	return out
}
