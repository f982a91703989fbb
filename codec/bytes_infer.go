package codec

import (
	"bytes"
	"slices"
)

// How templates are found: what a sample of the strings has in common decides where
// they are cut, all of them what each field is.

const (
	sampleGroups = 16
	sampleSpan   = 4
	// maxAnchors bounds the places at which a string may be cut.
	maxAnchors = 192
	// maxAnchored bounds the bytes of a string that are looked at for them.
	maxAnchored = 16 << 10
	// maxOdd is the part of the strings that may be exceptions.
	maxOdd = 10
)

// inferTemplate returns a template that most of the strings match and their parts, or
// nil. The strings are not all equal.
func inferTemplate(s *Strings) (*template, *parts) {
	if t, p := bareTemplate(s); t != nil {
		return t, p
	}
	for _, separators := range []string{strongSeparators, weakSeparators} {
		if t, p := cutTemplate(s, separators); t != nil {
			return t, p
		}
	}
	return nil, nil
}

// sampledRows calls f with rows in groups spread over n.
func sampledRows(n, groups, span int, f func(row int)) {
	if n <= groups*span {
		for i := range n {
			f(i)
		}
		return
	}
	for g := range groups {
		// Anywhere in its part of the rows: what comes back every so many rows may
		// not meet every group.
		from, to := g*(n-span)/groups, (g+1)*(n-span)/groups
		at := from + int(hash64(uint64(g+1))%uint64(to-from+1))
		for i := range span {
			f(at + i)
		}
	}
}

// bareTemplate is that of strings that are all one number, time and so on, maybe
// between bytes that do not change.
func bareTemplate(s *Strings) (*template, *parts) {
	sample := &Strings{}
	sampledRows(s.Len(), sampleGroups, 16, func(row int) { sample.Append(s.At(row)) })
	fields, after := bareFields(sample)
	if fields == nil {
		return nil, nil
	}
	// What the sample does not have may be elsewhere: more digits, a sign.
	t := &template{fields: fields, after: after}
	if fields[0].kind == fieldDecimal {
		sampledRows(s.Len(), s.Len(), 1, func(row int) {
			if b, ok := inner(s.At(row), fields[0].before, after); ok {
				if n, k := decimalShape(b); n == len(b) && n > 0 && k <= 9 {
					fields[0].scale, fields[0].least = max(fields[0].scale, k), min(fields[0].least, k)
				}
			}
		})
	}
	p := t.split(s, s.Len()/maxOdd)
	if p == nil {
		return nil, nil
	}
	return t, p
}

func inner(b, before, after []byte) ([]byte, bool) {
	if len(b) < len(before)+len(after) || !bytes.HasPrefix(b, before) || !bytes.HasSuffix(b, after) {
		return nil, false
	}
	return b[len(before) : len(b)-len(after)], true
}

// bareFields looks for fields in a sample, of which one in ten may be anything.
func bareFields(sample *Strings) (fields []field, after []byte) {
	if fields := mostly(sample); fields != nil {
		return fields, nil
	}
	before, after := affixes(sample)
	if len(before)+len(after) == 0 {
		return nil, nil
	}
	middle := &Strings{}
	for i := range sample.Len() {
		x := sample.At(i)
		middle.Append(x[len(before) : len(x)-len(after)])
	}
	if fields = mostly(middle); fields == nil {
		return nil, nil
	}
	fields[0].before = before
	return fields, after
}

// mostly is classify of all but strings unlike the others: of another length or
// without a digit.
func mostly(sample *Strings) []field {
	none := func(int) bool { return false }
	if fields := classify(sample, none); fields != nil {
		return fields
	}
	skipped := make([]bool, sample.Len())
	count := 0
	for i := range skipped {
		x := sample.At(i)
		if n, _ := decimalShape(x); n != len(x) || n == 0 {
			skipped[i] = true
			count++
		}
	}
	if count > 0 && count <= sample.Len()/maxOdd+1 {
		if fields := classify(sample, func(i int) bool { return skipped[i] }); fields != nil {
			return fields
		}
	}
	// The length of most, if one in ten differs.
	lengths := map[int]int{}
	usual := 0
	for i := range sample.Len() {
		n := len(sample.At(i))
		if lengths[n]++; lengths[n] > lengths[usual] {
			usual = n
		}
	}
	if odd := sample.Len() - lengths[usual]; odd > 0 && odd <= sample.Len()/maxOdd+1 {
		return classify(sample, func(i int) bool { return len(sample.At(i)) != usual })
	}
	return nil
}

// affixes returns the bytes that all strings begin and end with, less digits that
// may belong to a number.
func affixes(s *Strings) (before, after []byte) {
	before, after = s.At(0), s.At(0)
	for i := range s.Len() {
		x := s.At(i)
		n := 0
		for n < len(x) && n < len(before) && x[n] == before[n] {
			n++
		}
		before = before[:n]
		n = 0
		for n < len(x) && n < len(after) && x[len(x)-1-n] == after[len(after)-1-n] {
			n++
		}
		after = after[len(after)-n:]
	}
	for len(before) > 0 && (isDigit(before[len(before)-1]) || before[len(before)-1] == '-') {
		before = before[:len(before)-1]
	}
	for len(after) > 0 && isDigit(after[0]) {
		after = after[1:]
	}
	for i := range s.Len() { // they may not overlap
		if over := len(before) + len(after) - len(s.At(i)); over > 0 {
			after = after[min(over, len(after)):]
		}
	}
	return slices.Clone(before), slices.Clone(after)
}

// Text is cut at the separators that all of it has in the same order. Weak ones hold
// together what is one thing, an address or a path, and count only where there are
// no strong ones.
const (
	strongSeparators = " \t\"'[]{}()<>,;|=&?\n"
	weakSeparators   = "-_./:@#+*%!~$^\\`"
)

// An anchor is a place at which strings are cut: a separator, and maybe a time behind.
type anchor struct {
	separator byte
	first     bool   // the time begins the string: there is no separator
	layout    string // of the time
}

// A separatorSet says which bytes are separators.
type separatorSet [256]bool

func newSeparatorSet(separators string) *separatorSet {
	var set separatorSet
	for i := range len(separators) {
		set[separators[i]] = true
	}
	return &set
}

// anchorsOf returns the first anchors of a string.
func anchorsOf(b []byte, separators *separatorSet, dst []anchor) []anchor {
	dst = dst[:0]
	var buf [maxTimeLayout]byte
	for i := 0; i < len(b) && i < maxAnchored && len(dst) < maxAnchors; {
		cut := separators[b[i]]
		start := i
		if cut {
			start++
		}
		if i == 0 && !cut || cut && start < len(b) {
			if layout, n := findTime(b[start:], buf[:]); n > 0 && (start+n == len(b) || !isWord(b[start+n])) {
				a := anchor{first: !cut, layout: string(layout)}
				if cut {
					a.separator = b[i]
				}
				dst = append(dst, a)
				i = start + n
				continue
			}
		}
		if cut {
			dst = append(dst, anchor{separator: b[i]})
		}
		i++
	}
	return dst
}

func isWord(c byte) bool { return isDigit(c) || c|0x20-'a' < 26 }

// cutTemplate cuts strings at separators.
func cutTemplate(s *Strings, separators string) (*template, *parts) {
	common := commonAnchors(s, separators)
	if len(common) == 0 {
		return nil, nil
	}
	t := &template{}
	var before []byte
	for i, a := range common {
		if i > 0 || !a.first {
			t.fields = append(t.fields, field{before: before})
			before = []byte{a.separator}
		}
		if a.layout != "" {
			t.fields = append(t.fields, field{before: before, kind: fieldTime, layout: []byte(a.layout)})
			before = nil
		}
	}
	t.fields = append(t.fields, field{before: before})
	p := t.split(s, s.Len()/maxOdd)
	if p == nil {
		return nil, nil
	}
	return t.refine(p)
}

// commonAnchors returns the longest row of anchors that nearly all strings of a
// sample have, beginning with what most have and dropping what others lack.
func commonAnchors(s *Strings, separators string) []anchor {
	type shape struct {
		anchors []anchor
		count   int
	}
	var shapes []*shape
	rows := 0
	var buf []anchor
	set := newSeparatorSet(separators)
	sampledRows(s.Len(), sampleGroups, sampleSpan, func(row int) {
		rows++
		buf = anchorsOf(s.At(row), set, buf)
		for _, x := range shapes {
			if slices.Equal(x.anchors, buf) {
				x.count++
				return
			}
		}
		shapes = append(shapes, &shape{slices.Clone(buf), 1})
	})
	slices.SortStableFunc(shapes, func(a, b *shape) int { return b.count - a.count })
	common := shapes[0].anchors
	odd := 0
	for _, x := range shapes[1:] {
		less := commonRow(common, x.anchors)
		if len(less) < (len(common)+1)/2 && (odd+x.count)*maxOdd*2 <= rows {
			odd += x.count
			continue
		}
		common = less
	}
	return common
}

// commonRow returns the longest common subsequence of a and b.
func commonRow(a, b []anchor) []anchor {
	w := len(b) + 1
	length := make([]int16, (len(a)+1)*w)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i*w+j] = length[(i+1)*w+j+1] + 1
			} else {
				length[i*w+j] = max(length[(i+1)*w+j], length[i*w+j+1])
			}
		}
	}
	out := make([]anchor, 0, length[0])
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			out = append(out, a[i])
			i, j = i+1, j+1
		case length[(i+1)*w+j] >= length[i*w+j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

// refine makes bytes of fields that do not change, and numbers of those of text that
// are. It returns nil if only one field of text is left, without anything around it.
func (t *template) refine(p *parts) (*template, *parts) {
	out, q := &template{}, &parts{odd: p.odd}
	odd := p.isOdd()
	var before []byte
	k := 0
	for i := range t.fields {
		f := t.fields[i]
		f.before = append(before, f.before...)
		before = nil
		if f.kind != fieldText {
			out.fields = append(out.fields, f)
			q.ints = append(q.ints, p.ints[k:k+f.nodes()]...)
			q.text = append(q.text, Strings{})
			k += f.nodes()
			continue
		}
		x := &p.text[i]
		if same, value := sameBut(x, odd); same {
			before = append(f.before, value...)
			continue
		}
		fields, after, numbers := fieldsOf(x, odd)
		if fields == nil {
			out.fields = append(out.fields, f)
			q.text = append(q.text, *x)
			continue
		}
		fields[0].before = append(f.before, fields[0].before...)
		out.fields = append(out.fields, fields...)
		q.ints = append(q.ints, numbers...)
		q.text = append(q.text, make([]Strings, len(fields))...)
		before = after
	}
	out.after = append(before, t.after...)
	if len(out.fields) == 0 || len(out.fields) > maxFields {
		return nil, nil
	}
	if len(out.fields) == 1 && out.fields[0].kind == fieldText && len(out.fields[0].before)+len(out.after) < 2 {
		return nil, nil
	}
	return out, q
}

// sameBut says whether all strings but odd ones are the same.
func sameBut(s *Strings, odd func(int) bool) (bool, []byte) {
	var value []byte
	some := false
	for i := range s.Len() {
		if odd(i) {
			continue
		}
		if some && !bytes.Equal(s.At(i), value) {
			return false, nil
		}
		value, some = s.At(i), true
	}
	return true, value
}

// fieldsOf returns the fields that spell all strings but odd ones, and their integers.
func fieldsOf(s *Strings, odd func(int) bool) (fields []field, after []byte, ints [][]int64) {
	t := &template{fields: classify(s, odd)}
	if t.fields == nil {
		// Bytes around a number; those of odd rows repeat others and do not disturb.
		before, end := affixes(s)
		if len(before)+len(end) == 0 {
			return nil, nil, nil
		}
		middle := &Strings{Offsets: make([]int64, 1, s.Len()+1)}
		for i := range s.Len() {
			x := s.At(i)
			middle.Append(x[len(before) : len(x)-len(end)])
		}
		if t.fields = classify(middle, odd); t.fields == nil {
			return nil, nil, nil
		}
		t.fields[0].before, t.after = before, end
	}
	p := t.split(s, s.Len())
	return t.fields, t.after, p.ints
}

// wordTemplate is that of bytes of a fixed width that are numbers side by side: a
// uuid, an interval, a timetz, or numerics that differ in scale. A sample decides what
// is the best way to cut them, nil if none makes them smaller.
func wordTemplate(s *Strings, depth int) (*template, *parts) {
	text, fixed := true, true
	sampledRows(s.Len(), sampleGroups, sampleSpan, func(row int) {
		x := s.At(row)
		fixed = fixed && len(x) == len(s.At(0))
		for _, c := range x[:min(len(x), 64)] {
			text = text && c >= ' ' && c < 0x7f
		}
	})
	if text {
		return nil, nil
	}
	sample := &Strings{}
	picked := min(Vectors(s.Len()), 4)
	for i := range picked {
		v := i * Vectors(s.Len()) / picked
		for row := range VectorLen(s.Len(), v) {
			sample.Append(s.At(v*VectorRows + row))
		}
	}
	var best *template
	cost := len(sample.Data) * 19 / 20
	for _, fields := range wordCuts(fixed, len(s.At(0))) {
		t := &template{fields: fields}
		p := t.split(sample, 0)
		if p == nil {
			continue
		}
		if b, _ := t.encode(sample, p, depth); len(b) < cost {
			best, cost = t, len(b)
		}
	}
	if best == nil {
		return nil, nil
	}
	return best, best.split(s, s.Len()/maxOdd)
}

func wordCuts(fixed bool, width int) [][]field {
	if !fixed { // numerics in memory: sign, scale, digits
		return [][]field{append(wordFields(fieldLittle, 1, 2), field{kind: fieldRest})}
	}
	if width > 64 || width == 0 {
		return nil
	}
	words := func(kind fieldKind) (out []field) {
		for left := width; left > 0; left -= 8 {
			out = append(out, field{kind: kind, width: min(left, 8)})
		}
		return out
	}
	out := [][]field{words(fieldBig), words(fieldLittle)}
	if width == 16 {
		out = append(out, wordFields(fieldBig, 6, 2, 8), wordFields(fieldLittle, 4, 4, 8))
	}
	return out
}
