package function

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/rangetable"
)

// Classes of characters are those of PostgreSQL in a database of UTF-8 whose character type is
// C.UTF-8: only ASCII digits are digits, other ones are letters.

// A runeList is characters as pairs of the first and the last of a range, rising.
type runeList []rune

// A charClass is a class, and how package regexp writes it inside of brackets.
type charClass struct {
	list runeList
	text string
}

// classes are the classes by name, and what is not in them by names with ^.
var classes = sync.OnceValue(func() map[string]*charClass {
	out := map[string]*charClass{}
	for name, l := range classLists() {
		not := l.complement()
		out[name], out["^"+name] = &charClass{l, l.text()}, &charClass{not, not.text()}
	}
	return out
})

func classLists() map[string]runeList {
	digit := runeList{'0', '9'}
	letters := listOf(always, unicode.L, unicode.Nl, unicode.Nd, unicode.Other_Alphabetic).minus(digit)
	alnum := letters.plus(digit)
	noBreak := runeList{0xa0, 0xa0, 0x2007, 0x2007, 0x202f, 0x202f}
	space := listOf(always, unicode.Z).minus(noBreak).plus(runeList{'\t', '\r'})
	shown := listOf(always, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs, unicode.Cf, unicode.Co)
	graph := shown.minus(space)
	changes := func(to func(rune) rune) func(rune) bool { return func(r rune) bool { return to(r) != r } }
	return map[string]runeList{
		"alpha": letters, "digit": digit, "alnum": alnum, "word": alnum.plus(runeList{'_', '_'}),
		"upper": listOf(always, unicode.Lu).plus(listOf(changes(unicode.ToLower), unicode.Lt, unicode.Other_Uppercase)),
		"lower": listOf(always, unicode.Ll, unicode.Other_Lowercase).plus(listOf(changes(unicode.ToUpper), unicode.Lt)),
		"space": space, "blank": {'\t', '\t', ' ', ' '}, "punct": graph.minus(alnum), "cntrl": listOf(always, unicode.Cc),
		"graph": graph, "print": shown, "xdigit": {'0', '9', 'A', 'F', 'a', 'f'},
	}
}

func always(rune) bool { return true }

// listOf returns the characters of tables that pass.
func listOf(pass func(rune) bool, tables ...*unicode.RangeTable) (out runeList) {
	rangetable.Visit(rangetable.Merge(tables...), func(r rune) {
		switch {
		case !pass(r):
		case len(out) > 0 && out[len(out)-1] == r-1:
			out[len(out)-1] = r
		default:
			out = append(out, r, r)
		}
	})
	return out
}

// complement returns all other characters.
func (l runeList) complement() (out runeList) {
	next := rune(0)
	for i := 0; i < len(l); i += 2 {
		if l[i] > next {
			out = append(out, next, l[i]-1)
		}
		next = l[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

// plus returns the characters of both lists.
func (l runeList) plus(o runeList) (out runeList) {
	var pairs [][2]rune
	for _, list := range []runeList{l, o} {
		for i := 0; i < len(list); i += 2 {
			pairs = append(pairs, [2]rune{list[i], list[i+1]})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
		} else {
			out = append(out, p[0], p[1])
		}
	}
	return out
}

// minus returns the characters of the list that are not in another one.
func (l runeList) minus(o runeList) runeList { return l.complement().plus(o).complement() }

// text writes the list as package regexp has it inside of brackets.
func (l runeList) text() string {
	var b strings.Builder
	for i := 0; i < len(l); i += 2 {
		b.WriteString(bracketLiteral(l[i]))
		if l[i+1] > l[i] {
			b.WriteString("-" + bracketLiteral(l[i+1]))
		}
	}
	return b.String()
}

// classText writes a class inside of brackets; ok is false if there is none of the name.
func (f regexFlags) classText(name string) (text string, ok bool) {
	if f.fold && (name == "upper" || name == "lower") {
		name = "alpha"
	}
	if strings.HasPrefix(name, "^") {
		return "", false
	}
	c := classes()[name]
	if c == nil {
		return "", false
	}
	return c.text, true
}

// lastCased is the last character that has another case.
const lastCased = 0x1e943

// folded returns a range and, if case does not count, what its characters are in the other case. As
// in PostgreSQL that is no relation that holds in both directions: s does not match ſ, but ſ matches S.
func (f regexFlags) folded(low, high rune) runeList {
	out := runeList{low, high}
	if !f.fold {
		return out
	}
	var more runeList
	for r := low; r <= min(high, lastCased); r++ {
		for _, c := range []rune{unicode.ToLower(r), unicode.ToUpper(r)} {
			if c < low || c > high {
				more = append(more, c, c)
			}
		}
	}
	return out.plus(more)
}

// foldedText writes one character.
func (f regexFlags) foldedText(r rune) string {
	if l := f.folded(r, r); len(l) > 2 || l[1] > l[0] {
		return "[" + l.text() + "]"
	}
	return quoteRune(r)
}
