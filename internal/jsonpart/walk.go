package jsonpart

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// stringEnd returns where the string that begins at i ends, -1 if it does not.
func stringEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// valueEnd returns where the value that begins at i ends, -1 if there is none.
func valueEnd(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '"':
		return stringEnd(s, i)
	case '{', '[':
		return nestedEnd(s, i)
	}
	from := i
	for i < len(s) && s[i] != ',' && s[i] != '}' && s[i] != ']' && s[i] != ' ' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// nestedEnd is valueEnd of an array or an object.
func nestedEnd(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end := stringEnd(s, i)
			if end < 0 {
				return -1
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// members walks over the members of an object in s.
type members struct {
	s   string
	at  int // behind the member before, or the brace
	bad bool
}

// A member is a key in quotes and its value, s[from:to].
type member struct {
	key      string
	from, to int
}

// open begins to walk over the object that begins at i.
func open(s string, i int) members { return members{s: s, at: i + 1} }

// next returns the next member; ok is false behind the last one, where at is behind
// the object, and if the text is not canonical.
func (w *members) next() (m member, ok bool) {
	s, i := w.s, w.at
	first := i > 0 && i <= len(s) && s[i-1] == '{'
	switch {
	case i >= len(s):
		w.bad = true
		return m, false
	case s[i] == '}':
		w.at++
		return m, false
	case first:
	case s[i] == ',' && i+1 < len(s) && s[i+1] == ' ':
		i += 2
	default:
		w.bad = true
		return m, false
	}
	if i >= len(s) || s[i] != '"' {
		w.bad = true
		return m, false
	}
	end := stringEnd(s, i)
	if end < 0 || end+2 >= len(s) || s[end] != ':' || s[end+1] != ' ' {
		w.bad = true
		return m, false
	}
	m = member{key: s[i:end], from: end + 2, to: valueEnd(s, end+2)}
	if m.to < 0 {
		w.bad = true
		return m, false
	}
	w.at = m.to
	return m, true
}

// unquoted returns what a string in quotes says.
func unquoted(quoted string) (string, bool) {
	if len(quoted) < 2 {
		return "", false
	}
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	v, err := datum.ParseJSONText(quoted)
	return v.Text, err == nil && v.Kind == datum.KindString
}

// Quote returns a string as JSON writes it.
func Quote(s string) string { return string(datum.AppendJSONString(nil, s)) }
