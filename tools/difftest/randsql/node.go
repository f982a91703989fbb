// Package randsql makes random statements that PostgreSQL and Phyllo should answer alike, over
// tables of its own, from a seed: the same seed makes the same statements. What the statements are
// made of are trees, so that one that shows a fault can be made smaller as long as it does.
package randsql

import (
	"math/rand/v2"
	"strings"
)

// A Node is a piece of a statement: text with other pieces in it.
type Node struct {
	typ      string   // of an expression: its type
	text     []string // before, between and after kids
	kids     []*Node
	optional bool // the statement is one without it, too
	list     bool // any kid but the last one left can go
}

// hole stands for a piece in the format of another.
const hole = "§"

func node(typ, format string, kids ...*Node) *Node {
	return &Node{typ: typ, text: strings.Split(format, hole), kids: kids}
}

func maybe(format string, kids ...*Node) *Node {
	n := node("", format, kids...)
	n.optional = true
	return n
}

func nothing() *Node { return &Node{text: []string{""}} }

func list(kids ...*Node) *Node {
	n := &Node{kids: kids, list: true, text: []string{""}}
	for i := range kids {
		if i > 0 {
			n.text = append(n.text, ", ")
		}
	}
	n.text = append(n.text, "")
	return n
}

// String is the text of the statement.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	for i, k := range n.kids {
		b.WriteString(n.text[i])
		k.write(b)
	}
	b.WriteString(n.text[len(n.text)-1])
}

// walk calls f for a node and all below it, from the top.
func (n *Node) walk(f func(*Node)) {
	f(n)
	for _, k := range n.kids {
		k.walk(f)
	}
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// chance is true in one of n cases.
func chance(rng *rand.Rand, n int) bool { return rng.IntN(n) == 0 }
