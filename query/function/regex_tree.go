package function

import (
	"regexp/syntax"
	"sort"
	"sync"
	"unicode"
)

// This file holds regular expressions as trees, for what package regexp cannot do: look-around, back-references,
// the edges of words, and dividing a match among captures as PostgreSQL does.

// A regexOp is what a node of a tree does.
type regexOp uint8

const (
	opEmpty     regexOp = iota
	opChar              // one character of set
	opConcat            // subs one after the other
	opAlt               // one of subs
	opRepeat            // sub, low to high times
	opCapture           // sub, remembered as a capture
	opBackref           // what a capture holds, low to high times
	opLook              // sub matches from here on or, behind, up to here; or does not
	opBegin             // ^
	opEnd               // $
	opTextBegin         // \A
	opTextEnd           // \Z
	opEdge              // \y; \Y if negated
	opWordBegin         // \m
	opWordEnd           // \M
)

// unbounded is the upper bound of x*.
const unbounded = -1

// preference says which lengths are tried first; regexBits has what else is known of a node.
type regexBits uint8

const (
	bitLonger regexBits = 1 << iota
	bitShorter
	bitMixed // of parts that prefer longer and others that prefer shorter matches
	bitCapture
	bitBackref

	bitsPrefer = bitLonger | bitShorter
	bitsMessy  = bitMixed | bitCapture | bitBackref
)

// up is what a node passes on to the one that it is part of: not its preference itself.
func (b regexBits) up() regexBits {
	if b&bitsPrefer == bitsPrefer {
		b |= bitMixed
	}
	return b &^ bitsPrefer
}

// combine returns the bits of a node with two parts, of which the first that has a preference has a say.
func combine(a, b regexBits) regexBits {
	prefer := a & bitsPrefer
	if prefer == 0 {
		prefer = b & bitsPrefer
	}
	return (a | b).up() | prefer
}

func (g greed) bits() regexBits {
	switch g {
	case greedy:
		return bitLonger
	case lazy:
		return bitShorter
	}
	return 0
}

// A regexNode is a node of a tree. It is not modified once it is made.
type regexNode struct {
	op             regexOp
	id             int // within the tree, for what is remembered of it
	bits           regexBits
	subs           []*regexNode
	low, high      int
	capture        int
	set            *runeSet
	behind, negate bool
	multiline      bool
	fold           bool // of opBackref
}

// A runeSet is the characters that an opChar matches.
type runeSet struct {
	ranges runeList
}

func (s *runeSet) has(r rune) bool {
	i := sort.Search(len(s.ranges)/2, func(i int) bool { return s.ranges[2*i+1] >= r })
	return 2*i < len(s.ranges) && s.ranges[2*i] <= r
}

// setOf returns the characters that a part of an expression of package regexp matches one of.
func setOf(text string, f regexFlags) *runeSet {
	flags := syntax.Perl
	if f.newlineDot {
		flags |= syntax.DotNL
	}
	re, err := syntax.Parse(text, flags)
	if err != nil {
		panic("function: bug: " + err.Error())
	}
	switch re.Op {
	case syntax.OpCharClass:
		return &runeSet{re.Rune}
	case syntax.OpLiteral:
		l := runeList{re.Rune[0], re.Rune[0]}
		if re.Flags&syntax.FoldCase != 0 { // how the package has two characters of which each is the other's case
			other := unicode.SimpleFold(re.Rune[0])
			l = l.plus(runeList{other, other})
		}
		return &runeSet{l}
	case syntax.OpAnyChar:
		return &runeSet{[]rune{0, unicode.MaxRune}}
	case syntax.OpAnyCharNotNL:
		return &runeSet{[]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}}
	}
	return &runeSet{}
}

// wordSet is the characters of words.
var wordSet = sync.OnceValue(func() *runeSet { return &runeSet{classes()["word"].list} })

// A regexPiece is an atom with its quantifier, on the way into a tree.
type regexPiece struct {
	node      *regexNode
	low, high int
	prefer    greed
	grouped   bool // in parentheses, capturing or a back-reference: never part of a run
}

// branchNode makes the node of a branch. Runs of plain pieces are one part of a match, whose length is chosen as a whole.
func branchNode(pieces []regexPiece) *regexNode {
	run, runBits := []*regexNode(nil), regexBits(0)
	for i, p := range pieces {
		if p.low == 0 && p.high == 0 {
			continue
		}
		bits := runBits | p.prefer.bits() | p.node.bits
		if !p.grouped && bits.up()&bitsMessy == 0 {
			run, runBits = append(run, repeated(p.node, p.low, p.high, 0)), bits
			continue
		}
		t := pieceNode(p)
		if rest := pieces[i+1:]; len(rest) > 0 {
			r := branchNode(rest)
			t = &regexNode{op: opConcat, subs: []*regexNode{t, r}, bits: combine(combine(p.prefer.bits(), t.bits), r.bits)}
		}
		if len(run) == 0 {
			return t
		}
		head := concatNode(run, runBits)
		return &regexNode{op: opConcat, subs: []*regexNode{head, t}, bits: combine(head.bits, t.bits)}
	}
	return concatNode(run, runBits)
}

func concatNode(subs []*regexNode, bits regexBits) *regexNode {
	if len(subs) == 0 {
		return &regexNode{op: opEmpty, bits: bits}
	}
	return &regexNode{op: opConcat, subs: subs, bits: bits}
}

func repeated(n *regexNode, low, high int, bits regexBits) *regexNode {
	if low == 1 && high == 1 {
		return n
	}
	return &regexNode{op: opRepeat, subs: []*regexNode{n}, low: low, high: high, bits: bits}
}

// pieceNode makes the node of a piece that stands alone. Of a repeated capture only the last round counts, so that
// all before it are one part.
func pieceNode(p regexPiece) *regexNode {
	n := p.node
	bits := combine(p.prefer.bits(), n.bits)
	inner := n.bits & (bitsPrefer | bitMixed)
	switch {
	case n.op == opBackref:
		ref := *n
		ref.low, ref.high, ref.bits = p.low, p.high, bits
		return &ref
	case p.low == 1 && p.high == 1 && (p.prefer == noGreed || inner == 0 || p.prefer.bits() == inner):
		return n
	case n.bits&(bitCapture|bitBackref) != 0 && n.bits&bitBackref == 0 && p.low > 0:
		high := p.high
		if high != unbounded {
			high--
		}
		head := repeated(n, p.low-1, high, bits&bitsPrefer)
		if head == n {
			head = concatNode([]*regexNode{n}, bits&bitsPrefer)
		}
		plain := *head
		plain.bits = bits & bitsPrefer
		return &regexNode{op: opConcat, subs: []*regexNode{&plain, n}, bits: bits}
	}
	return &regexNode{op: opRepeat, subs: []*regexNode{n}, low: p.low, high: p.high, bits: bits}
}

// altNode makes the node of alternatives.
func altNode(branches []*regexNode) *regexNode {
	if len(branches) == 1 {
		return branches[0]
	}
	n := &regexNode{op: opAlt, subs: branches, bits: bitLonger}
	for _, b := range branches {
		n.bits |= b.bits.up()
	}
	return n
}

// plain says that package regexp divides a match as the tree does: there are neither alternatives nor parts that give
// way to each other otherwise than from the left to the right.
func (n *regexNode) plain() bool {
	if n.bits&(bitShorter|bitMixed|bitBackref) != 0 {
		return false
	}
	switch n.op {
	case opAlt, opLook:
		return false
	case opRepeat:
		return n.subs[0].op == opChar
	case opCapture:
		return n.subs[0].plain()
	case opConcat:
		varying := 0
		for _, s := range n.subs {
			if !s.plain() {
				return false
			}
			if s.op == opRepeat && s.low != s.high {
				varying++
			}
		}
		return varying <= 1
	}
	return true
}

// shortest says that package regexp, if it prefers to end each repetition early, finds a shortest match: alternatives
// tell themselves apart by their first character, and only single characters repeat.
func (n *regexNode) shortest() bool {
	if n.op == opRepeat && n.low != n.high && n.subs[0].op != opChar || n.op == opAlt && !n.distinct() {
		return false
	}
	for _, s := range n.subs {
		if !s.shortest() {
			return false
		}
	}
	return true
}

// distinct says that no two alternatives may begin with the same character, and none may be empty.
func (n *regexNode) distinct() bool {
	var seen runeList
	for _, s := range n.subs {
		first, empty := s.first()
		if empty || len(seen.complement().plus(first.complement()).complement()) > 0 {
			return false
		}
		seen = seen.plus(first)
	}
	return true
}

// first returns the characters that a match can begin with, and whether it may be empty.
func (n *regexNode) first() (chars runeList, empty bool) {
	switch n.op {
	case opChar:
		return n.set.ranges, false
	case opCapture:
		return n.subs[0].first()
	case opRepeat:
		chars, empty = n.subs[0].first()
		return chars, empty || n.low == 0
	case opAlt:
		for _, s := range n.subs {
			c, e := s.first()
			chars, empty = chars.plus(c), empty || e
		}
		return chars, empty
	case opConcat:
		for _, s := range n.subs {
			c, e := s.first()
			if chars = chars.plus(c); !e {
				return chars, false
			}
		}
	}
	return chars, true
}

// number gives the nodes of a tree their places and returns how many there are.
func (n *regexNode) number(next int) int {
	n.id = next
	next++
	for _, s := range n.subs {
		next = s.number(next)
	}
	return next
}
