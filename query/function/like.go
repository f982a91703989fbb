package function

import (
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func likeKernels(k kernels) {
	k.add(likeText(false, false), "textlike", "namelike")
	k.add(likeText(false, true), "textnlike", "namenlike")
	k.add(likeText(true, false), "texticlike", "nameiclike")
	k.add(likeText(true, true), "texticnlike", "nameicnlike")
	like := func(s, pattern []byte) (bool, error) {
		return compileLike(string(pattern), false).match(string(s))
	}
	k.add(fn2(like), "bytealike")
	k.add(fn2(func(s, pattern []byte) (bool, error) {
		ok, err := like(s, pattern)
		return !ok, err
	}), "byteanlike")
	k.add(fn2(likeEscape), "like_escape")
	k.add(fn2(func(p, e []byte) ([]byte, error) {
		r, err := likeEscape(string(p), string(e))
		return []byte(r), err
	}), "like_escape_bytea")
}

// likeText is LIKE, or ILIKE with fold; a constant pattern is compiled once.
func likeText(fold, negate bool) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args[:2]) {
			return allNull(c.Mem, ret, n), nil
		}
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		s, patterns := args[0].Array.(*array.String), args[1].Array.(*array.String)
		sm, pm, bits := rowMask(args[0]), rowMask(args[1]), out.Bytes()
		var p *likePattern
		last := ""
		for i := range n {
			if mask.null(i) {
				continue
			}
			if pattern := patterns.Value(i & pm); p == nil || pattern != last {
				p, last = compileLike(pattern, fold), pattern
			}
			text := s.Value(i & sm)
			if fold {
				text = strings.ToLower(text)
			}
			ok, err := p.match(text)
			if err != nil {
				out.Release()
				mask.release()
				return nil, err
			}
			bits[i>>3] |= bit(ok != negate) << (i & 7)
		}
		return boolArray(out, mask), nil
	}
}

// A likePattern is a pattern cut at its percent signs: the first part stands at
// the start, the last at the end (unless the pattern begins or ends with a
// percent sign: then these are empty), the others in order between.
type likePattern struct {
	parts []likePart
	// dangling says that the pattern ends with an escape character, which is an
	// error once matching gets there.
	dangling bool
}

var errDanglingEscape = pgerr.New(pgerr.InvalidEscape, "LIKE pattern must not end with escape character")

// A likePart is a run of literals and single-character wildcards.
type likePart struct {
	literal string // if it has no wildcards
	tokens  []likeToken
	chars   int // that it matches
}

type likeToken struct {
	any     bool
	literal string
}

func compileLike(pattern string, fold bool) *likePattern {
	p := &likePattern{}
	var part likePart
	var lit strings.Builder
	endLiteral := func() {
		if lit.Len() > 0 {
			s := lit.String()
			if fold {
				s = strings.ToLower(s)
			}
			part.tokens = append(part.tokens, likeToken{literal: s})
			part.chars += utf8.RuneCountInString(s)
			lit.Reset()
		}
	}
	endPart := func() {
		endLiteral()
		switch {
		case len(part.tokens) == 0:
		case len(part.tokens) == 1 && !part.tokens[0].any:
			part.literal, part.tokens = part.tokens[0].literal, nil
		}
		p.parts = append(p.parts, part)
		part = likePart{}
	}
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '%':
			endPart()
		case '_':
			endLiteral()
			part.tokens = append(part.tokens, likeToken{any: true})
			part.chars++
		case '\\':
			if i++; i == len(pattern) {
				p.dangling = true
				continue
			}
			lit.WriteByte(pattern[i])
		default:
			lit.WriteByte(pattern[i])
		}
	}
	endPart()
	return p
}

func (p *likePattern) match(s string) (bool, error) {
	end, ok := p.parts[0].prefix(s)
	if !ok {
		return false, nil
	}
	s = s[end:]
	if p.dangling {
		if len(p.parts) == 1 && s == "" {
			return false, nil
		}
		return false, errDanglingEscape
	}
	if len(p.parts) == 1 {
		return s == "", nil
	}
	for _, part := range p.parts[1 : len(p.parts)-1] {
		if end, ok = part.find(s); !ok {
			return false, nil
		}
		s = s[end:]
	}
	return p.parts[len(p.parts)-1].suffix(s), nil
}

// prefix matches the part at the start of s and returns where it ends.
func (p *likePart) prefix(s string) (end int, ok bool) {
	if p.tokens == nil {
		return len(p.literal), strings.HasPrefix(s, p.literal)
	}
	for _, t := range p.tokens {
		if t.any {
			if end == len(s) {
				return 0, false
			}
			_, size := utf8.DecodeRuneInString(s[end:])
			end += size
			continue
		}
		if !strings.HasPrefix(s[end:], t.literal) {
			return 0, false
		}
		end += len(t.literal)
	}
	return end, true
}

// find matches the part at its first place in s.
func (p *likePart) find(s string) (end int, ok bool) {
	if p.tokens == nil {
		i := strings.Index(s, p.literal)
		return i + len(p.literal), i >= 0
	}
	for start := 0; start <= len(s); {
		if end, ok := p.prefix(s[start:]); ok {
			return start + end, true
		}
		_, size := utf8.DecodeRuneInString(s[start:])
		start += max(size, 1)
	}
	return 0, false
}

// suffix matches the part at the end of s.
func (p *likePart) suffix(s string) bool {
	if p.tokens == nil {
		return strings.HasSuffix(s, p.literal)
	}
	start := len(s)
	for range p.chars {
		if start == 0 {
			return false
		}
		_, size := utf8.DecodeLastRuneInString(s[:start])
		start -= size
	}
	end, ok := p.prefix(s[start:])
	return ok && start+end == len(s)
}

// likeEscape rewrites a pattern with another escape character, or with none if
// that is empty, to one with a backslash.
func likeEscape(pattern, escape string) (string, error) {
	if escape == "" {
		return strings.ReplaceAll(pattern, `\`, `\\`), nil
	}
	e, size := utf8.DecodeRuneInString(escape)
	if size != len(escape) {
		return "", pgerr.New(pgerr.InvalidEscape, "invalid escape string").
			WithHint("Escape string must be empty or one character.")
	}
	if e == '\\' {
		return pattern, nil
	}
	var b strings.Builder
	escaped := false
	for _, r := range pattern {
		switch {
		case r == e && !escaped:
			b.WriteByte('\\')
			escaped = true
			continue
		case r == '\\' && !escaped:
			b.WriteString(`\\`)
		default:
			b.WriteRune(r)
		}
		escaped = false
	}
	return b.String(), nil
}
