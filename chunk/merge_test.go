package chunk

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// keyTypes are the keys that merges are tested with.
var keyTypes = [][]datum.Type{
	{datum.Of(datum.Text)},
	{datum.Of(datum.TimestampTZ)},
	{datum.Of(datum.Int4)},
	{datum.Of(datum.Int8)},
	{datum.Of(datum.Numeric)},
	{datum.Of(datum.UUID)},
	{datum.Of(datum.Float8)},
	{datum.Of(datum.Bytea)},
	{datum.Of(datum.Interval)},
	{datum.Of(datum.TextArray)},
	{datum.Type{OID: datum.BPChar, Mod: 12}, datum.Of(datum.Date)},
	{datum.Of(datum.Text), datum.Of(datum.TimestampTZ)},
	{datum.Of(datum.UUID), datum.Of(datum.Text), datum.Of(datum.Int2)},
	{datum.Of(datum.Bool), datum.Of(datum.Numeric), datum.Of(datum.Float4)},
	{datum.Of(datum.JSONB), datum.Of(datum.OIDType)},
}

// keyedLayout is a table with the given key, columns of all forms and row versions.
func keyedLayout(key []datum.Type) *Layout {
	l := &Layout{}
	types := append(slices.Clone(key), datum.Of(datum.Text), datum.Of(datum.Float8), datum.Of(datum.Bool), datum.Of(datum.Numeric),
		datum.Of(datum.Int4Array), datum.Of(datum.TextArray), datum.Of(datum.UUID), datum.Of(datum.TimeTZ), datum.Of(datum.Int2), datum.Of(datum.Float4))
	for i, t := range types {
		id := schema.ColumnID(i + 1)
		l.Columns = append(l.Columns, Column{ID: id, Name: fmt.Sprintf("c%d", id), Type: t})
		if i < len(key) {
			l.SortKey = append(l.SortKey, id)
		}
		if l.TimeColumn == 0 && t.OID == datum.TimestampTZ {
			l.TimeColumn = id
		}
	}
	l.Columns = append(l.Columns, Column{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)})
	return l
}

// randomKey makes values that meet again, and strings that part late.
func randomKey(r *rand.Rand, t datum.Type) datum.Value {
	text := func(alphabet string) string {
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
			if r.IntN(3) > 0 {
				b[i] = alphabet[0]
			}
		}
		return string(b)
	}
	switch {
	case t.OID == datum.Text && r.IntN(2) == 0:
		return text("aab")
	case t.OID == datum.Text && r.IntN(2) == 0:
		return fmt.Sprintf("a long way in common %d", r.IntN(400))
	case t.OID == datum.Bytea:
		return []byte(text("\x00\x00\x01\xff"))
	case t.OID == datum.Int8 && r.IntN(2) == 0:
		return int64(r.IntN(3000) - 1500)
	}
	return randomValue(r, t)
}

type versions uint8

const (
	manyVersions versions = iota // of rows
	oneVersion
	entryVersionOnly // chunks without the column
)

// randomRun makes sorted rows. Several may have one key.
func randomRun(r *rand.Rand, mem memory.Allocator, l *Layout, rows int, v versions) arrow.RecordBatch {
	batch := randomBatch(r, memory.DefaultAllocator, l, rows, []int{0, 100, 1000}[r.IntN(3)])
	columns := slices.Clone(batch.Columns())
	for k, c := range l.Columns {
		key := slices.Contains(l.SortKey, c.ID)
		if !key && c.ID != schema.RowVersionColumn {
			continue
		}
		b := array.NewBuilder(memory.DefaultAllocator, c.Type.Arrow())
		one := int64(r.IntN(4))
		for range rows {
			switch {
			case key:
				datum.Append(b, c.Type, randomKey(r, c.Type))
			case v == manyVersions:
				datum.Append(b, c.Type, int64(r.IntN(4)))
			default:
				datum.Append(b, c.Type, one)
			}
		}
		columns[k] = b.NewArray()
	}
	order := make([]int32, rows)
	for i := range order {
		order[i] = int32(i)
	}
	all := array.NewRecordBatch(batch.Schema(), columns, int64(rows))
	sortRows(l, all, order)
	for k := range columns {
		columns[k] = must(Take(mem, l.Columns[k].Type, all.Column(k), order))
		defer columns[k].Release()
	}
	return array.NewRecordBatch(batch.Schema(), columns, int64(rows))
}

// sliced is the batch as a part of a longer one.
func sliced(mem memory.Allocator, b arrow.RecordBatch) arrow.RecordBatch {
	if b.NumRows() == 0 {
		b.Retain()
		return b
	}
	long := must(concatenate(mem, []arrow.RecordBatch{b, b, b}))
	defer long.Release()
	return long.NewSlice(b.NumRows(), 2*b.NumRows())
}

// a plainRow is a row of the reference.
type plainRow struct {
	values  []datum.Value
	key     string
	version int64
	rank    int
}

// newest is the reference: the newest row of each key, by key.
func newest(rows []plainRow) []plainRow {
	byKey := map[string]plainRow{}
	for _, row := range rows {
		old, ok := byKey[row.key]
		if !ok || row.version > old.version || row.version == old.version && row.rank >= old.rank {
			byKey[row.key] = row
		}
	}
	out := make([]plainRow, 0, len(byKey))
	for _, row := range byKey {
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b plainRow) int { return cmp.Compare(a.key, b.key) })
	return out
}

func plainRows(l *Layout, b arrow.RecordBatch, rank int) []plainRow {
	var out []plainRow
	for i, row := range boxed(l, b) {
		out = append(out, plainRow{row, string(l.AppendSortKey(nil, b, i)), row[len(row)-1].(int64), rank})
	}
	return out
}

// A mergeCase is inputs and their rows.
type mergeCase struct {
	layout  *Layout
	inputs  []MergeInput
	rows    []plainRow
	release []arrow.RecordBatch
}

func (c *mergeCase) close() {
	for _, b := range c.release {
		b.Release()
	}
}

func randomMerge(t testing.TB, r *rand.Rand, mem memory.Allocator, l *Layout) *mergeCase {
	c := &mergeCase{layout: l}
	ranks := r.Perm(8)
	if r.IntN(3) == 0 {
		c.addParts(t, r, mem, ranks)
	} else {
		for i := range 1 + r.IntN(4) {
			v := versions(r.IntN(3))
			c.add(t, r, mem, randomRun(r, mem, l, []int{1, 7, 300, 1024, 2500}[r.IntN(5)], v), v, ranks[i])
		}
	}
	if r.IntN(4) == 0 {
		empty := randomRun(r, mem, l, 0, oneVersion)
		c.release = append(c.release, empty)
		c.inputs = append(c.inputs, MergeInput{Batch: empty})
	}
	r.Shuffle(len(c.inputs), func(i, j int) { c.inputs[i], c.inputs[j] = c.inputs[j], c.inputs[i] })
	return c
}

// addParts adds the parts of one run, which come out of a merge one after the other.
func (c *mergeCase) addParts(t testing.TB, r *rand.Rand, mem memory.Allocator, ranks []int) {
	const rows = 3000
	whole := randomRun(r, mem, c.layout, rows, manyVersions)
	c.release = append(c.release, whole)
	from := 0
	for i := 0; from < rows; i++ {
		to := rows
		if i < 4 {
			to = min(rows, from+1+r.IntN(1500))
		}
		order := make([]int32, to-from)
		for k := range order {
			order[k] = int32(from + k)
		}
		c.add(t, r, mem, must(TakeBatch(mem, c.layout, whole, order)), manyVersions, ranks[i])
		from = to
	}
}

// add adds a run, which the case releases, as a batch or a chunk.
func (c *mergeCase) add(t testing.TB, r *rand.Rand, mem memory.Allocator, run arrow.RecordBatch, v versions, rank int) {
	l := c.layout
	c.release = append(c.release, run)
	c.rows = append(c.rows, plainRows(l, run, rank)...)
	in := MergeInput{Rank: rank}
	if r.IntN(2) == 0 {
		in.Batch = sliced(mem, run)
		c.release = append(c.release, in.Batch)
	} else {
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil), OmitVersion: v == entryVersionOnly}, run))
		if len(s) != 1 {
			t.Fatalf("%d chunks", len(s))
		}
		if v == entryVersionOnly {
			version := uint64(run.Column(len(l.Columns) - 1).(*array.Int64).Value(0))
			s[0].Entry.VersionMin, s[0].Entry.VersionMax = version, version
		}
		checkEntry(t, l, s[0])
		in.Entry, in.Fetch = &s[0].Entry, fetcher(s[0])
	}
	c.inputs = append(c.inputs, in)
}

func projected(l *Layout, spec ScanSpec, row []datum.Value) string {
	var b strings.Builder
	for _, id := range spec.Columns {
		k := l.Index(id)
		b.WriteString(text(l.Columns[k].Type, row[k]))
		b.WriteByte(' ')
	}
	return b.String()
}

// checkMerge compares a scan with the reference.
func checkMerge(t *testing.T, mem memory.Allocator, c *mergeCase, spec ScanSpec) {
	t.Helper()
	l := c.layout
	var want []string
	for _, row := range newest(c.rows) {
		if !slices.ContainsFunc(spec.Filter, func(p Predicate) bool { return !passes(l, p, row.values) }) {
			want = append(want, projected(l, spec, row.values))
		}
	}
	if spec.Descending {
		slices.Reverse(want)
	}
	out := &Layout{}
	for _, id := range spec.Columns {
		out.Columns = append(out.Columns, l.Columns[l.Index(id)])
	}
	var got []string
	var stats ScanStats
	for _, b := range scanAll(t, mem, NewMergeSplit(c.inputs, l, spec), &stats) {
		for _, row := range boxed(out, b) {
			line := ""
			for k, v := range row {
				line += text(out.Columns[k].Type, v) + " "
			}
			got = append(got, line)
		}
		b.Release()
	}
	if !slices.Equal(got, want) {
		t.Fatalf("key %v, spec %+v: got %d rows, want %d; first difference %s", keyOf(l), spec, len(got), len(want), firstDifference(got, want))
	}
	if stats.RowsReturned != int64(len(want)) {
		t.Fatalf("spec %+v: %d rows returned by the statistics, %d in truth", spec, stats.RowsReturned, len(want))
	}
	blobs := int64(0)
	for _, in := range c.inputs {
		if in.Entry != nil {
			for _, e := range in.Entry.Columns {
				blobs += e.Size
			}
		}
	}
	if stats.BytesRead > blobs {
		t.Fatalf("spec %+v: %d of %d bytes read", spec, stats.BytesRead, blobs)
	}
	if len(spec.Filter) == 0 && (stats.MergedRows != int64(len(c.rows)) || stats.RowsFiltered != 0) {
		t.Fatalf("spec %+v: %d of %d rows merged, %d filtered", spec, stats.MergedRows, len(c.rows), stats.RowsFiltered)
	}
}

func keyOf(l *Layout) (out []datum.Type) {
	for _, id := range l.SortKey {
		out = append(out, l.Columns[l.Index(id)].Type)
	}
	return out
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			g, w := "none", "none"
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			return fmt.Sprintf("in row %d:\n got %s\nwant %s", i, g, w)
		}
	}
	return "none"
}

// randomColumns picks columns, the row version and those of the key among them.
func randomColumns(r *rand.Rand, l *Layout) []schema.ColumnID {
	var out []schema.ColumnID
	for range r.IntN(len(l.Columns) + 2) {
		out = append(out, l.Columns[r.IntN(len(l.Columns))].ID)
	}
	return out
}

func TestMergeSplit(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for _, key := range keyTypes {
		t.Run(fmt.Sprint(key), func(t *testing.T) {
			l := keyedLayout(key)
			for range rounds {
				c := randomMerge(t, r, mem, l)
				var values [][]datum.Value
				for _, row := range c.rows {
					values = append(values, row.values)
				}
				for i := range 24 {
					spec := ScanSpec{Columns: randomColumns(r, l), Descending: r.IntN(2) == 0}
					spec.Coded = someOf(r, spec.Columns)
					for range r.IntN(3) {
						spec.Filter = append(spec.Filter, randomPredicate(r, l, values))
					}
					for b, flag := range []*bool{&spec.Pruning.Manifest, &spec.Pruning.Vectors, &spec.Pruning.Encoded, &spec.Pruning.Late,
						&spec.Pruning.Partitions, &spec.Pruning.Slices, &spec.Pruning.Chunks} {
						*flag = i == b || i > 12 && r.IntN(2) == 0
					}
					checkMerge(t, mem, c, spec)
				}
				c.close()
			}
		})
	}
}
