package jsonpart

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A Joiner puts texts together that a Tree took apart. It is used by one goroutine.
//
// What is left of documents is mostly the same few texts. So a text is first turned into
// steps, which are kept, and these are followed for each document that has it.
type Joiner struct {
	tree  *Tree
	last  *steps
	known map[string]*steps
	size  int // bytes of known
}

// maxKnownBytes bounds the texts that a Joiner keeps the steps of.
const maxKnownBytes = 1 << 20

// NewJoiner returns a Joiner of what t takes apart.
func (t *Tree) NewJoiner() *Joiner { return &Joiner{tree: t} }

// Values are those that a document has at paths.
type Values interface {
	// Has says whether there is a value at the path with a number.
	Has(path int) bool
	// Append appends the text of a value that there is.
	Append(dst []byte, path int) []byte
}

// Join appends the text that Split took apart: the rest with the values. ok is false if
// they do not fit together.
func (j *Joiner) Join(dst []byte, rest string, values Values) (out []byte, ok bool) {
	s := j.steps(rest)
	if s.bad {
		return dst, false
	}
	for _, path := range s.homeless {
		if values.Has(path) {
			return dst, false
		}
	}
	none := true // no member yet in the object
	for i := range s.list {
		x := &s.list[i]
		switch {
		case x.path >= 0:
			if !values.Has(x.path) {
				continue
			}
			dst = values.Append(append(separate(dst, none), x.text...), x.path)
			none = false
		case x.closes:
			dst = append(dst, x.text...)
			none = false
		default:
			dst = append(separate(dst, none), x.text...)
			none = x.opens
		}
	}
	return dst, true
}

// separate appends what stands between members.
func separate(dst []byte, none bool) []byte {
	if none {
		return dst
	}
	return append(dst, ", "...)
}

// steps are what to append one after the other.
type steps struct {
	rest     string
	list     []joinStep
	homeless []int // paths that have no place in the rest
	bad      bool  // the rest is not canonical
}

// A joinStep appends a text: of members, of a key and its value at a path, or of a brace.
type joinStep struct {
	text          string
	path          int // -1: none
	opens, closes bool
}

func (j *Joiner) steps(rest string) *steps {
	if j.last != nil && j.last.rest == rest {
		return j.last
	}
	s := j.known[rest]
	if s == nil {
		s = j.tree.steps(strings.Clone(rest))
		if j.size += len(rest); j.known == nil || j.size > maxKnownBytes {
			j.known, j.size = map[string]*steps{}, len(rest)
		}
		j.known[s.rest] = s
	}
	j.last = s
	return s
}

// steps finds the steps of a rest, which it keeps.
func (t *Tree) steps(rest string) *steps {
	s := &steps{rest: rest}
	if rest == "" || rest[0] != '{' {
		s.list = []joinStep{{text: rest, path: -1}}
		s.bad = rest == ""
		t.top.leave(s)
		return s
	}
	s.list = append(s.list, joinStep{text: "{", path: -1, opens: true})
	end := s.object(0, &t.top)
	s.bad = s.bad || end != len(rest)
	return s
}

// leave notes the paths below b as without a place.
func (b *branch) leave(s *steps) {
	if b.path >= 0 {
		s.homeless = append(s.homeless, b.path)
	}
	for i := range b.branches {
		b.branches[i].leave(s)
	}
}

// object adds the steps of the object that begins at i, but for its brace, and returns
// where it ends.
func (s *steps) object(i int, b *branch) int {
	w := open(s.rest, i)
	at := 0
	for !s.bad {
		m, more := w.next()
		if !more {
			break
		}
		name, ok := unquoted(m.key)
		s.bad = s.bad || !ok
		for at < len(b.branches) && datum.CompareJSONKeys(b.branches[at].name, name) < 0 {
			s.value(&b.branches[at])
			at++
		}
		var c *branch
		if at < len(b.branches) && b.branches[at].name == name {
			c = &b.branches[at]
			at++
		}
		if c != nil && c.path < 0 && s.rest[m.from] == '{' {
			s.list = append(s.list, joinStep{text: m.key + ": {", path: -1, opens: true})
			end := s.object(m.from, c)
			s.bad = s.bad || end != m.to
			continue
		}
		if c != nil { // null at a path, or no object where one leads on
			c.leave(s)
		}
		s.list = append(s.list, joinStep{text: m.key + ": " + s.rest[m.from:m.to], path: -1})
	}
	for ; at < len(b.branches); at++ {
		s.value(&b.branches[at])
	}
	s.list = append(s.list, joinStep{text: "}", path: -1, closes: true})
	s.bad = s.bad || w.bad
	return w.at
}

// value adds the step of the member that a path ends in; where one leads on there is no
// object.
func (s *steps) value(b *branch) {
	if b.path < 0 {
		b.leave(s)
		return
	}
	s.list = append(s.list, joinStep{text: b.quoted + ": ", path: b.path})
}
