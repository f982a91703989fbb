package jsonpart

import (
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
)

// MaxDepth is the most keys of a path, MaxPathBytes the most bytes of them together.
const (
	MaxDepth     = 8
	MaxPathBytes = 256
)

// A Tree is a set of paths, none of which leads through another. It is not modified.
type Tree struct {
	top   branch
	paths int
}

// A branch is where paths lead through, or end.
type branch struct {
	name, quoted string
	path         int      // its number; -1: it leads on
	branches     []branch // in the order of keys
}

// NewTree makes a tree of paths, whose numbers are their places. An error says what
// is wrong with them.
func NewTree(paths [][]string) (*Tree, error) {
	t := &Tree{top: branch{path: -1}, paths: len(paths)}
	for i, p := range paths {
		size := 0
		for _, k := range p {
			size += len(k)
		}
		if len(p) == 0 || len(p) > MaxDepth || size > MaxPathBytes {
			return nil, fmt.Errorf("path %d of %d keys, %d bytes", i, len(p), size)
		}
		if !t.top.add(p, i) {
			return nil, fmt.Errorf("path %q leads through another", p)
		}
	}
	return t, nil
}

func (b *branch) add(path []string, number int) bool {
	if len(path) == 0 || b.path >= 0 {
		return false
	}
	at, found := slices.BinarySearchFunc(b.branches, path[0], func(b branch, k string) int { return datum.CompareJSONKeys(b.name, k) })
	if found && len(path) == 1 {
		return false
	}
	if !found {
		b.branches = slices.Insert(b.branches, at, branch{name: path[0], quoted: Quote(path[0]), path: -1})
	}
	if len(path) == 1 {
		b.branches[at].path = number
		return true
	}
	return b.branches[at].add(path[1:], number)
}

// Split appends doc without the values at the paths to dst, and hands the text of each
// of these to put. Where it is null it stays in the document as well. ok is false if
// the text is not canonical; then dst and what was put are of no use.
func (t *Tree) Split(dst []byte, doc string, put func(path int, value string)) (out []byte, ok bool) {
	if doc == "" || doc[0] != '{' {
		return append(dst, doc...), doc != ""
	}
	dst, end := t.top.split(dst, doc, 0, put)
	return dst, end == len(doc)
}

// split does it for the object that begins at i; it returns where that ends, -1 if
// the text is not canonical.
func (b *branch) split(dst []byte, doc string, i int, put func(path int, value string)) ([]byte, int) {
	dst = append(dst, '{')
	w := open(doc, i)
	first := true
	for {
		m, more := w.next()
		if !more {
			break
		}
		value := doc[m.from:m.to]
		c := b.find(m.key)
		if c != nil && c.path >= 0 {
			put(c.path, value)
			if value != "null" {
				continue
			}
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(append(dst, m.key...), ": "...)
		if c == nil || c.path >= 0 || value[0] != '{' {
			dst = append(dst, value...)
			continue
		}
		end := 0
		if dst, end = c.split(dst, doc, m.from, put); end != m.to {
			return dst, -1
		}
	}
	if w.bad {
		return dst, -1
	}
	return append(dst, '}'), w.at
}

func (b *branch) find(quoted string) *branch {
	for i := range b.branches {
		if b.branches[i].quoted == quoted {
			return &b.branches[i]
		}
	}
	return nil
}
