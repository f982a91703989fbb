package chunk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// SliceRows are rows of one slice, sorted by the table's sort key; of equal keys
// marks come first, and else they keep the order in which they came.
type SliceRows struct {
	Slice int64
	Batch arrow.RecordBatch // the receiver releases it
}

// SortRows sorts the rows of the batches, whose columns are those of the
// layout, by slice and then by sort key, NULLs last. The results come by rising
// slice. Time and space are O(n log n) and O(n); the batches are not kept.
func SortRows(mem memory.Allocator, l *Layout, batches []arrow.RecordBatch) ([]SliceRows, error) {
	batches = slices.DeleteFunc(slices.Clone(batches), func(b arrow.RecordBatch) bool { return b.NumRows() == 0 })
	if len(batches) == 0 {
		return nil, nil
	}
	kl, keys, err := concatenateKeys(mem, l, batches)
	if err != nil {
		return nil, err
	}
	defer keys.Release()
	groups := groupBySlice(kl, keys)
	marks := marksOf(l, batches)
	out := make([]SliceRows, 0, len(groups))
	for _, g := range groups {
		marksFirst(marks, g.rows)
		sortRows(kl, keys, g.rows)
		b, err := takeBatches(mem, l, batches, g.rows)
		if err != nil {
			for _, s := range out {
				s.Batch.Release()
			}
			return nil, err
		}
		out = append(out, SliceRows{Slice: g.slice, Batch: b})
	}
	return out, nil
}

// concatenateKeys returns one batch of what rows are sorted by, and its layout:
// the other columns need not be copied to find the order.
func concatenateKeys(mem memory.Allocator, l *Layout, batches []arrow.RecordBatch) (*Layout, arrow.RecordBatch, error) {
	if len(batches) == 1 {
		batches[0].Retain()
		return l, batches[0], nil
	}
	less := *l
	less.Columns = nil
	var at []int
	var fields []arrow.Field
	for i, c := range l.Columns {
		if c.ID == l.TimeColumn || slices.Contains(l.SortKey, c.ID) {
			less.Columns = append(less.Columns, c)
			at = append(at, i)
			fields = append(fields, batches[0].Schema().Field(i))
		}
	}
	schema := arrow.NewSchema(fields, nil)
	parts := make([]arrow.RecordBatch, len(batches))
	for i, b := range batches {
		columns := make([]arrow.Array, len(at))
		for k, i := range at {
			columns[k] = b.Column(i)
		}
		parts[i] = array.NewRecordBatch(schema, columns, b.NumRows())
		defer parts[i].Release()
	}
	keys, err := concatenate(mem, parts)
	return &less, keys, err
}

// concatenate returns one batch of all rows, nil if there are none.
func concatenate(mem memory.Allocator, batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	batches = slices.DeleteFunc(slices.Clone(batches), func(b arrow.RecordBatch) bool { return b.NumRows() == 0 })
	switch len(batches) {
	case 0:
		return nil, nil
	case 1:
		batches[0].Retain()
		return batches[0], nil
	}
	columns := make([]arrow.Array, batches[0].NumCols())
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	rows := int64(0)
	for _, b := range batches {
		rows += b.NumRows()
	}
	if rows > math.MaxInt32 {
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "cannot sort %d rows at once", rows)
	}
	parts := make([]arrow.Array, len(batches))
	for i := range columns {
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		c, err := array.Concatenate(parts, mem)
		if err != nil {
			return nil, pgerr.New(pgerr.ProgramLimitExceeded, "cannot hold the rows in one batch: %v", err)
		}
		columns[i] = c
	}
	return array.NewRecordBatch(batches[0].Schema(), columns, rows), nil
}

type sliceGroup struct {
	slice int64
	rows  []int32
}

// groupBySlice returns the rows of each slice, by rising slice, in row order.
func groupBySlice(l *Layout, b arrow.RecordBatch) []sliceGroup {
	n := int(b.NumRows())
	k := l.Index(l.TimeColumn)
	if l.TimeColumn == 0 || k < 0 || l.Slice <= 0 {
		g := sliceGroup{rows: make([]int32, n)}
		for i := range g.rows {
			g.rows[i] = int32(i)
		}
		return []sliceGroup{g}
	}
	times := b.Column(k).(*array.Timestamp)
	raw := times.TimestampValues()
	var groups []sliceGroup
	where := map[int64]int{}
	last := -1
	finder := SliceFinder{Length: l.Slice}
	for i := range n {
		s := finder.Find(datum.Micros(raw[i]), times.IsNull(i))
		if last < 0 || groups[last].slice != s {
			at, ok := where[s]
			if !ok {
				at = len(groups)
				where[s] = at
				groups = append(groups, sliceGroup{slice: s})
			}
			last = at
		}
		groups[last].rows = append(groups[last].rows, int32(i))
	}
	slices.SortFunc(groups, func(a, b sliceGroup) int { return cmp.Compare(a.slice, b.slice) })
	return groups
}

// sortRows sorts rows by the sort key, stably.
func sortRows(l *Layout, b arrow.RecordBatch, rows []int32) {
	if len(l.SortKey) == 0 || len(rows) < 2 || inOrder(l, b, rows) {
		return
	}
	if len(l.SortKey) <= 2 && sortByWords(l, b, rows) {
		return
	}
	sortByKeys(l, b, rows)
}

// inOrder says whether the rows are sorted already, which costs little to find out.
// It does not look for NULLs' place: with them it reports false.
func inOrder(l *Layout, b arrow.RecordBatch, rows []int32) bool {
	keys := keyArrays(l, b)
	for _, a := range keys {
		if a.NullN() > 0 {
			return false
		}
	}
	c := newKeyComparer(l, b, keys)
	for i := 1; i < len(rows); i++ {
		if c.compare(int(rows[i-1]), int(rows[i])) > 0 {
			return false
		}
	}
	return true
}

type wordRow struct {
	a, b uint64
	row  int32
}

// sortByWords sorts by keys of one or two columns that fit a word each; it
// reports false if they do not.
func sortByWords(l *Layout, b arrow.RecordBatch, rows []int32) bool {
	var words [2][]uint64
	for k, id := range l.SortKey {
		at := l.Index(id)
		if words[k] = orderWords(l.Columns[at].Type, b.Column(at), rows); words[k] == nil {
			return false
		}
	}
	keys := make([]wordRow, len(rows))
	for i, r := range rows {
		keys[i] = wordRow{a: words[0][i], row: r}
		if words[1] != nil {
			keys[i].b = words[1][i]
		}
	}
	sortWordRows(keys)
	for i := range keys {
		rows[i] = keys[i].row
	}
	return true
}

// sortWordRows sorts stably. If the first words lie close together, as ranks do,
// they are counted, and only rows that share one are compared: a feed that
// brings the rows of each key in order leaves little to do there.
func sortWordRows(keys []wordRow) {
	low, high := keys[0].a, keys[0].a
	for _, k := range keys {
		low, high = min(low, k.a), max(high, k.a)
	}
	if high-low >= uint64(len(keys)) {
		slices.SortFunc(keys, compareWordRows)
		return
	}
	ends := make([]int32, high-low+1)
	for _, k := range keys {
		ends[k.a-low]++
	}
	at := int32(0)
	for i, n := range ends {
		ends[i] = at
		at += n
	}
	unsorted := slices.Clone(keys)
	for _, k := range unsorted {
		keys[ends[k.a-low]] = k
		ends[k.a-low]++ // so that at last it is the end
	}
	from := int32(0)
	for _, end := range ends {
		slices.SortFunc(keys[from:end], compareWordRows)
		from = end
	}
}

func compareWordRows(x, y wordRow) int {
	switch {
	case x.a != y.a:
		return cmp.Compare(x.a, y.a)
	case x.b != y.b:
		return cmp.Compare(x.b, y.b)
	}
	return cmp.Compare(x.row, y.row)
}

// orderWords returns for each row a word in the order of the column's values,
// equal where these are equal, or nil if there is none: the column has NULLs,
// or too many different strings.
func orderWords(t datum.Type, a arrow.Array, rows []int32) []uint64 {
	if a.NullN() > 0 {
		return nil
	}
	out := make([]uint64, len(rows))
	switch o := orderOf(t); o {
	case orderInts:
		x := intsOf(a)
		for i, r := range rows {
			out[i] = uint64(x[r]) ^ 1<<63
		}
	case orderFloats:
		for i, r := range rows {
			var x float64
			if f, ok := a.(*array.Float32); ok {
				x = float64(f.Value(int(r)))
			} else {
				x = a.(*array.Float64).Value(int(r))
			}
			out[i] = floatWord(x)
		}
	case orderBytes, orderPadded:
		return rankWords(o, a, rows, out)
	default:
		return nil
	}
	return out
}

// floatWord maps floats to words in PostgreSQL's order.
func floatWord(x float64) uint64 {
	b := float64bits(x) // one NaN, one zero
	if b>>63 != 0 && x == x {
		return ^b
	}
	return b | 1<<63
}

// rankWords gives strings their rank among the distinct ones, if these are few.
func rankWords(o order, a arrow.Array, rows []int32, out []uint64) []uint64 {
	limit := max(1024, len(rows)/4)
	index := map[string]int{}
	var distinct []string
	var last []byte
	lastCode := -1
	for i, r := range rows {
		b := trimmed(o, bytesAt(a, int(r)))
		if lastCode < 0 || !bytes.Equal(b, last) {
			code, ok := index[string(b)]
			if !ok {
				if len(distinct) == limit {
					return nil
				}
				code = len(distinct)
				s := string(b)
				index[s] = code
				distinct = append(distinct, s)
			}
			last, lastCode = b, code
		}
		out[i] = uint64(lastCode)
	}
	sorted := slices.Clone(distinct)
	slices.Sort(sorted)
	rank := make([]uint64, len(distinct))
	for i, s := range sorted {
		rank[index[s]] = uint64(i)
	}
	for i, c := range out {
		out[i] = rank[c]
	}
	return out
}

type keyRow struct {
	prefix uint64
	at     int32 // where the key starts
	end    int32
	row    int32
}

// sortByKeys sorts by memcomparable keys.
func sortByKeys(l *Layout, b arrow.RecordBatch, rows []int32) {
	columns := make([]int, len(l.SortKey))
	for i, id := range l.SortKey {
		columns[i] = l.Index(id)
	}
	// Blocks of keys keep offsets within int32 whatever the keys' length.
	blocks := [][]byte{nil}
	keys := make([]keyRow, len(rows))
	blockOf := make([]int32, b.NumRows())
	for i, r := range rows {
		k := len(blocks) - 1
		if len(blocks[k]) > 1<<26 {
			blocks = append(blocks, nil)
			k++
		}
		at := len(blocks[k])
		for _, c := range columns {
			blocks[k] = datum.AppendKey(blocks[k], l.Columns[c].Type, b.Column(c), int(r), datum.KeyOrder{})
		}
		var p [8]byte
		copy(p[:], blocks[k][at:])
		keys[i] = keyRow{prefix: binary.BigEndian.Uint64(p[:]), at: int32(at), end: int32(len(blocks[k])), row: r}
		blockOf[r] = int32(k)
	}
	key := func(r *keyRow) []byte { return blocks[blockOf[r.row]][r.at:r.end] }
	slices.SortFunc(keys, func(x, y keyRow) int {
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		if c := bytes.Compare(key(&x), key(&y)); c != 0 {
			return c
		}
		return cmp.Compare(x.row, y.row)
	})
	for i := range keys {
		rows[i] = keys[i].row
	}
}

// AppendSortKey appends the sort key of a row of a batch with the layout's columns.
func (l *Layout) AppendSortKey(dst []byte, b arrow.RecordBatch, row int) []byte {
	for _, id := range l.SortKey {
		k := l.Index(id)
		dst = datum.AppendKey(dst, l.Columns[k].Type, b.Column(k), row, datum.KeyOrder{})
	}
	return dst
}
