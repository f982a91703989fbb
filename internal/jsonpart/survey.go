package jsonpart

import (
	"cmp"
	"slices"
)

const (
	// maxSurveyed bounds the different paths that a survey counts: those that come
	// later are as if they were not there.
	maxSurveyed = 4096
	// rareDocuments is of how many documents one must have a path for it to be chosen.
	rareDocuments = 16
)

// A Survey counts the paths of documents, in bounded memory.
type Survey struct {
	top  place
	docs int
	seen int // places
}

// A place is a path that documents have.
type place struct {
	name    string
	below   map[string]*place // by key in quotes
	values  int               // documents that have anything but an object or null there
	objects int
	bytes   int // of the values, with their keys
	deep    int // of the objects
}

// Add counts the paths of a document; what is not canonical counts as nothing.
func (s *Survey) Add(doc string) {
	s.docs++
	if doc != "" && doc[0] == '{' {
		s.object(&s.top, doc, 0, 1)
	}
}

func (s *Survey) object(p *place, doc string, i, depth int) {
	w := open(doc, i)
	for {
		m, more := w.next()
		if !more {
			return
		}
		c := p.below[m.key]
		if c == nil {
			if s.seen >= maxSurveyed {
				continue
			}
			name, ok := unquoted(m.key)
			if !ok {
				continue
			}
			s.seen++
			c = &place{name: name}
			if p.below == nil {
				p.below = map[string]*place{}
			}
			p.below[m.key] = c
		}
		value := doc[m.from:m.to]
		size := len(value) + len(m.key) + len(": , ")/2
		switch {
		case value == "null":
		case value[0] == '{' && value != "{}" && depth < MaxDepth:
			c.objects++
			c.deep += size
			s.object(c, doc, m.from, depth+1)
		default:
			c.values++
			c.bytes += size
		}
	}
}

// A candidate is a path that may be chosen.
type candidate struct {
	path  []string
	bytes int
}

// Choose returns at most limit paths, those whose values take the most bytes among
// those that are not rare, in order. None leads through another.
func (s *Survey) Choose(limit int) [][]string {
	var all []candidate
	s.collect(&s.top, nil, 0, &all)
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), slices.Compare(a.path, b.path))
	})
	all = all[:min(limit, len(all))]
	out := make([][]string, len(all))
	for i := range all {
		out[i] = all[i].path
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

func (s *Survey) collect(p *place, path []string, size int, all *[]candidate) {
	for _, c := range p.below {
		n := size + len(c.name)
		if n > MaxPathBytes {
			continue
		}
		at := append(slices.Clip(path), c.name)
		// Where most are objects their members are taken, else whatever is there.
		if c.objects > c.values {
			s.collect(c, at, n, all)
		} else if (c.values+c.objects)*rareDocuments >= s.docs && c.values > 0 {
			*all = append(*all, candidate{at, c.bytes + c.deep})
		}
	}
}
