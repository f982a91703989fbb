package commitlog

import (
	"iter"
	"slices"
	"sort"
)

// blockItems is the most items of a block: an edit copies a block, and as many
// slice headers as there are blocks.
const blockItems = 128

// list is an immutable sorted list that shares blocks with the lists it was
// edited from. The zero value is empty. No block is empty.
type list[T any] struct {
	blocks [][]T
	n      int
}

// newList makes a list of sorted items.
func newList[T any](items []T) list[T] {
	l := list[T]{n: len(items)}
	for b := range slices.Chunk(items, blockItems) {
		l.blocks = append(l.blocks, b)
	}
	return l
}

// block returns the number of the block in which an item that compares to the
// wanted one as cmp says is, or belongs.
func (l list[T]) block(cmp func(T) int) int {
	after := sort.Search(len(l.blocks), func(i int) bool { return cmp(l.blocks[i][0]) > 0 })
	return max(after-1, 0)
}

// find returns the item for which cmp returns 0. cmp compares an item with the
// wanted one.
func (l list[T]) find(cmp func(T) int) (item T, ok bool) {
	if l.n == 0 {
		return item, false
	}
	b := l.blocks[l.block(cmp)]
	i := sort.Search(len(b), func(i int) bool { return cmp(b[i]) >= 0 })
	if i == len(b) || cmp(b[i]) != 0 {
		return item, false
	}
	return b[i], true
}

// all yields the items in order.
func (l list[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, b := range l.blocks {
			for _, item := range b {
				if !yield(item) {
					return
				}
			}
		}
	}
}

// from yields the items, in order, from the first one on for which cmp is not
// below 0.
func (l list[T]) from(cmp func(T) int) iter.Seq[T] {
	return func(yield func(T) bool) {
		first := sort.Search(len(l.blocks), func(i int) bool { return cmp(l.blocks[i][0]) >= 0 })
		for bi := max(first-1, 0); bi < len(l.blocks); bi++ {
			b := l.blocks[bi]
			i := 0
			if bi < first { // the wanted one may lie within the block before
				i = sort.Search(len(b), func(i int) bool { return cmp(b[i]) >= 0 })
			}
			for ; i < len(b); i++ {
				if !yield(b[i]) {
					return
				}
			}
		}
	}
}

// editor makes a new list out of one, which stays as it is. It copies each
// block once.
type editor[T any] struct {
	cmp    func(a, b T) int
	blocks [][]T
	owned  []bool // blocks that no list has
	n      int
}

func (l list[T]) edit(cmp func(a, b T) int) *editor[T] {
	return &editor[T]{cmp: cmp, blocks: slices.Clone(l.blocks), owned: make([]bool, len(l.blocks)), n: l.n}
}

// done returns the edited list; the editor is of no use any more.
func (e *editor[T]) done() list[T] { return list[T]{blocks: e.blocks, n: e.n} }

// own makes block bi one that may be changed, with room for one more item.
func (e *editor[T]) own(bi int) []T {
	if !e.owned[bi] {
		b := e.blocks[bi]
		e.blocks[bi] = append(make([]T, 0, len(b)+1), b...)
		e.owned[bi] = true
	}
	return e.blocks[bi]
}

func (e *editor[T]) find(item T) (bi, i int, found bool) {
	if e.n == 0 {
		return 0, 0, false
	}
	bi = list[T]{blocks: e.blocks, n: e.n}.block(func(have T) int { return e.cmp(have, item) })
	i, found = slices.BinarySearchFunc(e.blocks[bi], item, e.cmp)
	return bi, i, found
}

// put adds the item, or replaces the one that is equal to it.
func (e *editor[T]) put(item T) {
	if e.n == 0 {
		e.blocks, e.owned, e.n = [][]T{{item}}, []bool{true}, 1
		return
	}
	bi, i, found := e.find(item)
	b := e.own(bi)
	if found {
		b[i] = item
		return
	}
	e.n++
	b = slices.Insert(b, i, item)
	e.blocks[bi] = b
	if len(b) <= blockItems {
		return
	}
	cut := len(b) / 2
	if bi == len(e.blocks)-1 && i == len(b)-1 {
		cut = blockItems // lists that grow at their end have full blocks
	}
	e.blocks[bi] = slices.Clip(b[:cut])
	e.blocks = slices.Insert(e.blocks, bi+1, slices.Clone(b[cut:]))
	e.owned = slices.Insert(e.owned, bi+1, true)
}

// remove takes out the item that is equal to the given one, if there is one.
func (e *editor[T]) remove(item T) {
	bi, i, found := e.find(item)
	if !found {
		return
	}
	e.n--
	b := slices.Delete(e.own(bi), i, i+1)
	e.blocks[bi] = b
	switch {
	case len(b) == 0:
		e.drop(bi)
	case bi > 0 && len(b)+len(e.blocks[bi-1]) <= blockItems/2:
		e.merge(bi - 1)
	case bi+1 < len(e.blocks) && len(b)+len(e.blocks[bi+1]) <= blockItems/2:
		e.merge(bi)
	}
}

// merge joins block bi and the one after it.
func (e *editor[T]) merge(bi int) {
	e.blocks[bi] = slices.Concat(e.blocks[bi], e.blocks[bi+1])
	e.owned[bi] = true
	e.drop(bi + 1)
}

func (e *editor[T]) drop(bi int) {
	e.blocks = slices.Delete(e.blocks, bi, bi+1)
	e.owned = slices.Delete(e.owned, bi, bi+1)
}
