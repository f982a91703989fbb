package function

import (
	"context"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

const (
	maxRegexSteps = 100_000_000 // bounds the work of one search in a tree
	maxKnownBytes = 16 << 20    // bounds what is remembered of it; more is forgotten and found anew
)

// A dissector searches a text with a tree. First it finds where a node can end if it begins somewhere, whatever its
// back-references hold; then it divides a match among the nodes, the longest first or the shortest, from the left.
type dissector struct {
	ctx    context.Context
	re     *regex
	text   []rune
	starts []int // byte offset of each character, and of the end
	caps   []int // pairs of characters, -1: none
	known  map[endsKey]endSet
	groups map[int]*regexNode
	held   int // bytes of known
	steps  int
}

type endsKey struct{ node, from int }

// An endSet is a set of places of a text.
type endSet []uint64

func (e endSet) has(i int) bool { return e != nil && e[i>>6]>>(i&63)&1 != 0 }
func (e endSet) set(i int)      { e[i>>6] |= 1 << (i & 63) }

func (e endSet) add(o endSet) (grown bool) {
	for i, w := range o {
		if e[i]|w != e[i] {
			e[i] |= w
			grown = true
		}
	}
	return grown
}

func (e endSet) each(f func(i int) error) error {
	for k, w := range e {
		for ; w != 0; w &= w - 1 {
			if err := f(k<<6 + bits.TrailingZeros64(w)); err != nil {
				return err
			}
		}
	}
	return nil
}

func newDissector(ctx context.Context, re *regex, s string) *dissector {
	d := &dissector{ctx: ctx, re: re, known: map[endsKey]endSet{}, groups: re.captureNodes}
	for i, r := range s {
		d.text, d.starts = append(d.text, r), append(d.starts, i)
	}
	d.starts = append(d.starts, len(s))
	d.caps = make([]int, 2*(re.groups+1))
	return d
}

// spend counts work; it fails if there was too much or the statement is to end.
func (d *dissector) spend(n int) error {
	before := d.steps >> 16
	if d.steps += n; d.steps>>16 == before {
		return nil
	}
	if d.steps > maxRegexSteps {
		return pgerr.New(pgerr.ProgramLimitExceeded, "regular expression takes too many steps").
			WithHint("Back-references and look-around take time that grows with the square of the text or faster.")
	}
	return context.Cause(d.ctx)
}

func (d *dissector) empty() endSet { return make(endSet, len(d.text)>>6+1) }

// ends returns where the node can end if it begins at from; it is not modified.
func (d *dissector) ends(n *regexNode, from int) (endSet, error) {
	switch n.op {
	case opChar:
		if from < len(d.text) && n.set.has(d.text[from]) {
			e := d.empty()
			e.set(from + 1)
			return e, d.spend(1 + len(e))
		}
		return nil, d.spend(1)
	case opCapture:
		return d.ends(n.subs[0], from)
	}
	key := endsKey{n.id, from}
	if e, ok := d.known[key]; ok {
		return e, nil
	}
	if err := d.spend(8 + len(d.text)>>6); err != nil {
		return nil, err
	}
	e, err := d.endsOf(n, from)
	if err != nil {
		return nil, err
	}
	if d.held += 8*len(e) + 64; d.held > maxKnownBytes {
		clear(d.known)
		d.held = 0
	}
	d.known[key] = e
	return e, nil
}

func (d *dissector) endsOf(n *regexNode, from int) (endSet, error) {
	switch n.op {
	case opConcat:
		e := d.empty()
		e.set(from)
		for _, s := range n.subs {
			var err error
			if e, err = d.after(s, e); err != nil {
				return nil, err
			}
		}
		return e, nil
	case opAlt:
		all := d.empty()
		for _, s := range n.subs {
			e, err := d.ends(s, from)
			if err != nil {
				return nil, err
			}
			all.add(e)
		}
		return all, nil
	case opRepeat:
		return d.rounds(n.subs[0], n.low, n.high, from)
	case opBackref:
		return d.rounds(d.groups[n.capture].subs[0], n.low, n.high, from)
	}
	ok, err := d.holds(n, from)
	if err != nil || !ok {
		return nil, err
	}
	e := d.empty()
	e.set(from)
	return e, nil
}

// after returns where the node can end if it begins at one of the places.
func (d *dissector) after(n *regexNode, from endSet) (endSet, error) {
	all := d.empty()
	return all, from.each(func(i int) error {
		e, err := d.ends(n, i)
		all.add(e)
		if err != nil {
			return err
		}
		return d.spend(1 + len(e))
	})
}

// rounds returns where low to high rounds of the node can end.
func (d *dissector) rounds(n *regexNode, low, high, from int) (endSet, error) {
	at := d.empty()
	at.set(from)
	var err error
	for range low {
		if at, err = d.after(n, at); err != nil {
			return nil, err
		}
	}
	all := d.empty()
	all.add(at)
	for k := low; high == unbounded || k < high; k++ {
		if at, err = d.after(n, at); err != nil {
			return nil, err
		}
		if !all.add(at) {
			break
		}
	}
	return all, nil
}

func (d *dissector) word(i int) bool {
	return i >= 0 && i < len(d.text) && wordSet().has(d.text[i])
}

// holds says whether a constraint holds at a place.
func (d *dissector) holds(n *regexNode, at int) (bool, error) {
	switch n.op {
	case opEmpty:
		return true, nil
	case opBegin:
		return at == 0 || n.multiline && d.text[at-1] == '\n', nil
	case opEnd:
		return at == len(d.text) || n.multiline && d.text[at] == '\n', nil
	case opTextBegin:
		return at == 0, nil
	case opTextEnd:
		return at == len(d.text), nil
	case opEdge:
		return (d.word(at-1) != d.word(at)) != n.negate, nil
	case opWordBegin:
		return !d.word(at-1) && d.word(at), nil
	case opWordEnd:
		return d.word(at-1) && !d.word(at), nil
	}
	found, err := d.looks(n, at)
	return found != n.negate, err
}

func (d *dissector) looks(n *regexNode, at int) (bool, error) {
	if !n.behind {
		e, err := d.ends(n.subs[0], at)
		for _, w := range e {
			if w != 0 {
				return true, err
			}
		}
		return false, err
	}
	for from := at; from >= 0; from-- {
		e, err := d.ends(n.subs[0], from)
		if err != nil || e.has(at) {
			return err == nil, err
		}
	}
	return false, nil
}

// find returns the first match that begins at character from or behind it, as pairs of byte offsets, or nil.
func (d *dissector) find(from int) ([]int, error) {
	root := d.re.tree
	for i := from; i <= len(d.text); i++ {
		e, err := d.ends(root, i)
		if err != nil {
			return nil, err
		}
		j, ok, err := d.choose(e, i, len(d.text), root.bits&bitShorter != 0, func(j int) (bool, error) { return d.match(i, j) })
		if err != nil {
			return nil, err
		}
		if ok {
			return d.offsets(i, j), nil
		}
	}
	return nil, nil
}

// match divides a match from i to j among the captures; it returns false if it is none.
func (d *dissector) match(i, j int) (bool, error) {
	for k := range d.caps {
		d.caps[k] = -1
	}
	if d.re.bare() {
		return true, nil
	}
	return d.dissect(d.re.tree, i, j)
}

func (d *dissector) offsets(i, j int) []int {
	d.caps[0], d.caps[1] = i, j
	out := make([]int, len(d.caps))
	for k, c := range d.caps {
		if out[k] = -1; c >= 0 {
			out[k] = d.starts[c]
		}
	}
	return out
}

// choose calls f with the places of e from low to high, the last first unless shorter is set, until f returns true.
func (d *dissector) choose(e endSet, low, high int, shorter bool, f func(at int) (bool, error)) (int, bool, error) {
	for k := range max(0, high-low+1) {
		at := high - k
		if shorter {
			at = low + k
		}
		if !e.has(at) {
			continue
		}
		if err := d.spend(1); err != nil {
			return 0, false, err
		}
		if ok, err := f(at); ok || err != nil {
			return at, ok, err
		}
	}
	return 0, false, nil
}

// dissect divides text that the node can match, so far as ends knows, among its parts. It returns false if back-references
// say otherwise.
func (d *dissector) dissect(n *regexNode, from, to int) (bool, error) {
	if err := d.spend(1); err != nil {
		return false, err
	}
	if n.bits&(bitCapture|bitBackref) == 0 {
		return true, nil
	}
	switch n.op {
	case opCapture:
		ok, err := d.dissect(n.subs[0], from, to)
		if ok {
			d.caps[2*n.capture], d.caps[2*n.capture+1] = from, to
		}
		return ok, err
	case opConcat:
		return d.divide(n.subs, from, to)
	case opAlt:
		for _, s := range n.subs {
			e, err := d.ends(s, from)
			if err != nil {
				return false, err
			}
			if !e.has(to) {
				continue
			}
			if ok, err := d.dissect(s, from, to); ok || err != nil {
				return ok, err
			}
			d.forget(s)
		}
		return false, nil
	case opBackref:
		return d.refers(n, from, to), nil
	case opRepeat:
		return d.iterate(n, from, to)
	}
	return true, nil
}

// forget forgets the captures in a node.
func (d *dissector) forget(n *regexNode) {
	if n.op == opCapture {
		d.caps[2*n.capture], d.caps[2*n.capture+1] = -1, -1
	}
	for _, s := range n.subs {
		d.forget(s)
	}
}

// divide divides text among parts that follow each other.
func (d *dissector) divide(subs []*regexNode, from, to int) (bool, error) {
	if len(subs) == 1 {
		e, err := d.ends(subs[0], from)
		if err != nil || !e.has(to) {
			return false, err
		}
		return d.dissect(subs[0], from, to)
	}
	e, err := d.ends(subs[0], from)
	if err != nil {
		return false, err
	}
	_, ok, err := d.choose(e, from, to, subs[0].bits&bitShorter != 0, func(at int) (bool, error) {
		rest, err := d.after1(subs[1:], at)
		if err != nil || !rest.has(to) {
			return false, err
		}
		if ok, err := d.dissect(subs[0], from, at); !ok || err != nil {
			return false, err
		}
		ok, err := d.divide(subs[1:], at, to)
		if !ok {
			for _, s := range subs {
				d.forget(s)
			}
		}
		return ok, err
	})
	return ok, err
}

// after1 returns where parts can end that follow each other from one place on.
func (d *dissector) after1(subs []*regexNode, at int) (e endSet, err error) {
	if len(subs) == 1 {
		return d.ends(subs[0], at)
	}
	e = d.empty()
	e.set(at)
	for _, s := range subs {
		if e, err = d.after(s, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// refers says whether text is what a capture holds, so many times.
func (d *dissector) refers(n *regexNode, from, to int) bool {
	i, j := d.caps[2*n.capture], d.caps[2*n.capture+1]
	if i < 0 {
		return false
	}
	if n.low == 0 && from == to {
		return true
	}
	size := j - i
	if size == 0 {
		return from == to
	}
	times := (to - from) / size
	if (to-from)%size != 0 || times < n.low || n.high != unbounded && times > n.high {
		return false
	}
	for k := from; k < to; k++ {
		if !sameRune(d.text[k], d.text[i+(k-from)%size], n.fold) {
			return false
		}
	}
	return true
}

func sameRune(a, b rune, fold bool) bool {
	return a == b || fold && unicode.ToLower(a) == unicode.ToLower(b)
}

// iterate divides text into rounds of a node. Only an empty text takes no round, and that only if the node is
// not there once, or prefers to be short; empty rounds are made only to reach the least number.
func (d *dissector) iterate(n *regexNode, from, to int) (bool, error) {
	none := n.low == 0 && from == to
	if none && n.subs[0].bits&bitShorter != 0 {
		return true, nil
	}
	low := max(n.low, 1)
	most := max(to-from, low)
	if n.high != unbounded {
		most = max(min(most, n.high), low)
	}
	ok, err := d.round(n.subs[0], from, to, low, most)
	if ok || err != nil || !none {
		return ok, err
	}
	d.forget(n.subs[0])
	return true, nil
}

// round divides text into low to most rounds of a node.
func (d *dissector) round(n *regexNode, from, to, low, most int) (bool, error) {
	if most == 0 {
		return false, nil
	}
	e, err := d.ends(n, from)
	if err != nil {
		return false, err
	}
	_, ok, err := d.choose(e, from, to, n.bits&bitShorter != 0, func(at int) (bool, error) {
		if at == to && low <= 1 {
			d.forget(n)
			return d.dissect(n, from, at)
		}
		if at == from && low <= to-at || at == to && low > 1 && at > from {
			return false, nil
		}
		d.forget(n)
		if ok, err := d.dissect(n, from, at); !ok || err != nil {
			return false, err
		}
		return d.round(n, at, to, max(low-1, 1), most-1)
	})
	return ok, err
}

// charactersBefore counts the characters before a byte offset.
func charactersBefore(s string, at int) int { return utf8.RuneCountInString(s[:at]) }

// bare says that a tree has neither captures nor back-references, so that its matches need not be divided.
func (re *regex) bare() bool { return re.tree.bits&(bitCapture|bitBackref) == 0 }

// possible says whether there may be a match in a text.
func (re *regex) possible(s string) bool { return re.filter == nil || re.filter.MatchString(s) }

// treeFind finds a match in the tree, whose captures it has.
func (re *regex) treeFind(ctx context.Context, s string, from int) ([]int, error) {
	if !re.possible(s[from:]) {
		return nil, nil
	}
	d := newDissector(ctx, re, s)
	return d.find(charactersBefore(s, from))
}

// treeAll is all for a tree.
func (re *regex) treeAll(ctx context.Context, s string, from, limit int) ([][]int, error) {
	if !re.possible(s[from:]) {
		return nil, nil
	}
	d := newDissector(ctx, re, s)
	var out [][]int
	for at := charactersBefore(s, from); at <= len(d.text) && (limit < 0 || len(out) < limit); {
		m, err := d.find(at)
		if err != nil || m == nil {
			return out, err
		}
		if out = append(out, m); len(out) > maxMatches {
			return nil, errTooManyMatches
		}
		if at = d.caps[1]; d.caps[0] == d.caps[1] {
			at++
		}
	}
	return out, nil
}

// divided returns a match, found without a tree, with its captures as the tree has them.
func (re *regex) divided(ctx context.Context, s string, m []int) ([]int, error) {
	d := newDissector(ctx, re, s)
	i, j := charactersBefore(s, m[0]), charactersBefore(s, m[1])
	ok, err := d.match(i, j)
	if err != nil {
		return nil, err
	}
	if !ok {
		panic("function: bug: a match of " + strings.Clone(re.source) + " that its tree does not have")
	}
	return d.offsets(i, j), nil
}
