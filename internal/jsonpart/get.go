package jsonpart

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A Path is a path whose keys are also there in quotes. It is not modified.
type Path struct {
	keys, quoted []string
}

// NewPath returns the path of keys.
func NewPath(keys []string) Path {
	p := Path{keys: keys}
	for _, k := range keys {
		p.quoted = append(p.quoted, Quote(k))
	}
	return p
}

// Get returns the text of the value at the path, which is a part of doc unless that
// is not canonical; found is false if there is none. ok is false if doc is no JSON.
func (p Path) Get(doc string) (value string, found, ok bool) {
	at := 0
	for i := range p.keys {
		if at >= len(doc) {
			return p.parse(doc)
		}
		switch doc[at] {
		case '{':
		case ' ', '\t', '\n', '\r':
			return p.parse(doc)
		default:
			return "", false, true
		}
		m, found, ok := p.member(doc, at, i)
		if !ok {
			return p.parse(doc)
		}
		if !found {
			return "", false, true
		}
		at, value = m.from, doc[m.from:m.to]
	}
	if len(p.keys) == 0 {
		return doc, true, true
	}
	return value, true, true
}

// member finds the member with key number i in the object that begins at at.
func (p Path) member(doc string, at, i int) (m member, found, ok bool) {
	w := open(doc, at)
	for {
		m, more := w.next()
		switch {
		case !more:
			return m, false, !w.bad
		case m.key == p.quoted[i]:
			return m, true, true
		case len(m.key)-2 > len(p.keys[i]) && strings.IndexByte(m.key, '\\') < 0:
			return m, false, true // keys get longer
		}
	}
}

// parse is Get of what is not canonical.
func (p Path) parse(doc string) (value string, found, ok bool) {
	v, err := datum.ParseJSON(doc)
	if err != nil {
		return "", false, false
	}
	for _, k := range p.keys {
		if v, found = v.Field(k); !found {
			return "", false, true
		}
	}
	return string(v.AppendText(nil)), true, true
}

// Text returns what ->> makes of a value: strings as they are, null as nothing.
func Text(value string) (text string, found, ok bool) {
	switch {
	case value == "":
		return "", false, false
	case value[0] == '"':
		text, ok = unquoted(value)
		return text, ok, ok
	}
	return value, value != "null", true
}

// Keys returns the path's keys, which are not modified.
func (p Path) Keys() []string { return p.keys }
