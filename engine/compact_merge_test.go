package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// mergeTable has keys that meet again; without a primary key they may be NULL.
func mergeTable(key string) *schema.Table {
	t := &schema.Table{OID: 20000, Name: "t", Storage: 20000, Columns: []schema.Column{
		{ID: 1, Name: "k", Type: datum.Of(datum.Text)}, {ID: 2, Name: "ts", Type: datum.Of(datum.TimestampTZ)},
		{ID: 3, Name: "n", Type: datum.Of(datum.Numeric)}, {ID: 4, Name: "v", Type: datum.Of(datum.Int8)},
	}}
	switch key {
	case "primary":
		t.PrimaryKey, t.PrimaryKeyName = []schema.ColumnID{1, 2}, "t_pkey"
	case "hash":
		t.PartitionKind, t.Partitions, t.PartitionColumns, t.TimeColumn = schema.PartitionHash, 4, []schema.ColumnID{1, 3}, 2
	case "time":
		t.TimeColumn = 2
	}
	return t
}

// mergeRow is a row as text, with its key and version.
type mergeRow struct {
	key     string
	version int64
	mark    bool
	text    string
}

func mergeRows(in *tableInfo, b arrow.RecordBatch) (out []mergeRow) {
	for i := range int(b.NumRows()) {
		r := mergeRow{key: string(in.layout.AppendSortKey(nil, b, i)), mark: b.Column(len(in.live)).(*array.Boolean).Value(i)}
		for k := range in.live {
			r.text += string(datum.AppendShown(nil, in.layout.Columns[k].Type, b.Column(k), i, nil)) + "|"
		}
		if in.keyed() {
			r.version = b.Column(int(b.NumCols()) - 1).(*array.Int64).Value(i)
		}
		out = append(out, r)
	}
	return out
}

func (r mergeRow) weight() int {
	if r.mark {
		return -1
	}
	return 1
}

// TestMerging merges random chunks against a plain model, with more and less memory.
func TestMerging(t *testing.T) {
	for _, key := range []string{"primary", "hash", "time", "none"} {
		t.Run("key="+key, func(t *testing.T) {
			in, err := (&DB{}).newTableInfo(mergeTable(key))
			if err != nil {
				t.Fatal(err)
			}
			rounds := 150
			if testing.Short() {
				rounds = 40
			}
			for seed := range uint64(rounds) {
				m := &mergeTest{t: t, in: in, rng: rand.New(rand.NewPCG(seed, 7)), ids: chunk.NewIDs(nil), blobs: map[chunk.ID][][]byte{}}
				m.marks = seed%2 == 1
				m.run(fmt.Sprintf("seed %d", seed))
			}
		})
	}
}

type mergeTest struct {
	t     *testing.T
	in    *tableInfo
	rng   *rand.Rand
	ids   *chunk.IDs
	next  int64
	blobs map[chunk.ID][][]byte
	rows  map[chunk.ID][]mergeRow
	marks bool            // there are some
	made  [][]datum.Value // rows
}

func (m *mergeTest) random(rows int) arrow.RecordBatch {
	sch, err := m.in.layout.Schema(columnIDs(m.in.layout))
	if err != nil {
		m.t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sch)
	defer b.Release()
	null := func(v datum.Value) datum.Value {
		if !m.in.keyed() && m.rng.IntN(6) == 0 {
			return nil
		}
		return v
	}
	for range rows {
		m.next++
		values := []datum.Value{null(fmt.Sprintf("key %d", m.rng.IntN(7))), null(datum.Micros(m.rng.IntN(40))), nil, m.next, false, m.next}
		if x := m.rng.IntN(5); x > 0 {
			values[2] = datum.DecimalFromInt(int64(x))
		}
		if m.marks && len(m.made) > 0 && m.rng.IntN(3) == 0 {
			values = slices.Clone(m.made[m.rng.IntN(len(m.made))])
			values[4], values[5] = true, m.next
		} else {
			m.made = append(m.made, values)
		}
		for k, c := range m.in.layout.Columns {
			datum.Append(b.Field(k), c.Type, values[k])
		}
	}
	return b.NewRecordBatch()
}

// seal makes the chunks of a run.
func (m *mergeTest) seal(b arrow.RecordBatch) (out []*chunk.Entry) {
	sorted := b
	if m.in.keyed() {
		var err error
		if sorted, err = chunk.SortRun(memory.DefaultAllocator, m.in.layout, b); err != nil {
			m.t.Fatal(err)
		}
	} else {
		s, err := chunk.SortRows(memory.DefaultAllocator, m.in.layout, []arrow.RecordBatch{b})
		if err != nil {
			m.t.Fatal(err)
		}
		sorted = s[0].Batch
	}
	sealed, err := chunk.Seal(m.in.layout, chunk.SealOptions{IDs: m.ids, MaxRows: 1 + m.rng.IntN(200)}, sorted)
	if err != nil {
		m.t.Fatal(err)
	}
	all := mergeRows(m.in, sorted)
	for _, s := range sealed {
		m.blobs[s.Entry.ID], m.rows[s.Entry.ID] = s.Blobs, all[:s.Entry.Rows]
		all = all[s.Entry.Rows:]
		out = append(out, &s.Entry)
	}
	return out
}

func (m *mergeTest) run(what string) {
	m.rows = map[chunk.ID][]mergeRow{}
	var list []*chunk.Entry
	for range 1 + m.rng.IntN(6) {
		list = append(list, m.seal(m.random(1+m.rng.IntN(300)))...)
	}
	c := &chooser{keyed: m.in.keyed()}
	runs := c.streams(list)
	smallestFirst(runs)
	limit := int64(1 << 30)
	if m.rng.IntN(3) == 0 {
		limit = m.rng.Int64N(1 << 16)
	}
	mem := newMeter(memory.NewCheckedAllocator(memory.DefaultAllocator))
	fetch := func(e *chunk.Entry) chunk.Fetch {
		return func(_ context.Context, column int) ([]byte, bool, error) { return m.blobs[e.ID][column], false, nil }
	}
	merging, inputs, err := newMerging(context.Background(), m.in, mem, runs, fetch, limit)
	if err != nil {
		m.t.Fatalf("%s: %v", what, err)
	}
	below := int64(math.MinInt64)
	if m.rng.IntN(2) == 0 {
		below = m.rng.Int64N(m.next + 1)
	}
	if merging.marks != nil {
		merging.marks.below = below
	}
	want := map[string]int{} // rows less marks
	newest := map[string]mergeRow{}
	for _, e := range inputs {
		for _, r := range m.rows[e.ID] {
			want[r.text] += r.weight()
			if old, ok := newest[r.key]; !ok || r.version > old.version {
				newest[r.key] = r
			}
		}
	}
	if m.in.keyed() {
		clear(want)
		for _, r := range newest {
			if !r.mark || r.version >= below {
				want[fmt.Sprintf("%s%d", r.text, r.version)] += r.weight()
			}
		}
	}
	got := map[string]int{}
	last := ""
	for {
		b, err := merging.next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			m.t.Fatalf("%s: %v", what, err)
		}
		for _, r := range mergeRows(m.in, b) {
			if r.key < last {
				m.t.Fatalf("%s: rows are not in order", what)
			}
			last = r.key
			if m.in.keyed() {
				r.text = fmt.Sprintf("%s%d", r.text, r.version)
			}
			got[r.text] += r.weight()
		}
		b.Release()
	}
	merging.close()
	zero := func(_ string, n int) bool { return n == 0 }
	maps.DeleteFunc(got, zero)
	maps.DeleteFunc(want, zero)
	if !maps.Equal(got, want) {
		m.t.Fatalf("%s: %d different rows of %d chunks, want %d", what, len(got), len(inputs), len(want))
	}
	if n := mem.used.Load(); n != 0 {
		m.t.Fatalf("%s: %d bytes are not released", what, n)
	}
}
