package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
)

// partitionReport is the level of a partition.
type partitionReport struct {
	Table string `json:"table"`
	partitionSummary
	CommitSequence uint64         `json:"commit_sequence"`
	SchemaVersion  uint64         `json:"schema_version"`
	Removed        int            `json:"removed_chunks_not_freed"`
	RemovedBytes   int64          `json:"removed_bytes_not_freed"`
	Sources        []foldedSource `json:"sources"`
	List           []chunkSummary `json:"chunk_list"`

	zoned bool
}

// foldedSource is how far a partition has taken in a source log. Head is its
// last entry, 0 if the log is gone.
type foldedSource struct {
	Source      string `json:"source"`
	Folded      uint64 `json:"folded_to"`
	Head        uint64 `json:"last_entry"`
	Owner       string `json:"taken_over_by,omitempty"`
	WaitingRows int64  `json:"waiting_rows"`
}

// chunkSummary is a chunk in the listing of its partition. Bits are those of a
// value on average over all columns.
type chunkSummary struct {
	Number       int     `json:"number"`
	ID           string  `json:"id"`
	Made         string  `json:"made"`
	Slice        string  `json:"slice,omitempty"`
	Rows         int     `json:"rows"`
	MinTime      string  `json:"min_time,omitempty"`
	MaxTime      string  `json:"max_time,omitempty"`
	MinKey       string  `json:"min_key,omitempty"`
	MaxKey       string  `json:"max_key,omitempty"`
	Bytes        int64   `json:"bytes"`
	BytesPerRow  float64 `json:"bytes_per_row"`
	BitsPerValue float64 `json:"bits_per_value"`
}

func (f *folder) partitionReport(at *place) report {
	def, p := at.table.Table, at.partition
	m := p.Manifest
	r := &partitionReport{Table: tableName(at.table), CommitSequence: m.Seq(), SchemaVersion: m.Schema(),
		partitionSummary: summarizePartition(at.number, p, partitionText(def, query.PartitionNames(def), p.ID.Key)),
		Sources:          f.foldedSources(p), List: []chunkSummary{}, zoned: zoned(def)}
	for g := range m.Garbage() {
		r.Removed++
		r.RemovedBytes += entryBytes(g.Entry)
	}
	for _, e := range p.Chunks {
		r.List = append(r.List, summarizeChunk(len(r.List), def, p.ID.Key, e))
	}
	return r
}

func (f *folder) foldedSources(p *engine.PartitionView) []foldedSource {
	out := []foldedSource{}
	known := map[string]bool{}
	heads := map[string]uint64{}
	for _, s := range f.view.Sources {
		heads[s.Source.String()] = s.Head
	}
	for _, s := range p.Manifest.Sources() {
		fs := foldedSource{Source: s.Source.String(), Folded: s.Folded, Head: heads[s.Source.String()], WaitingRows: p.WaitingRows[s.Source]}
		if s.Owner != s.Source {
			fs.Owner = s.Owner.String()
		}
		known[fs.Source] = true
		out = append(out, fs)
	}
	for src, rows := range p.WaitingRows {
		if name := src.String(); !known[name] {
			out = append(out, foldedSource{Source: name, Head: heads[name], WaitingRows: rows})
		}
	}
	slices.SortFunc(out, func(a, b foldedSource) int { return strings.Compare(a.Source, b.Source) })
	return out
}

func summarizeChunk(number int, t *schema.Table, partition string, e *chunk.Entry) chunkSummary {
	s := chunkSummary{Number: number, ID: e.ID.String(), Made: timeText(datum.Micros(e.ID.Time().UnixMicro())), Rows: e.Rows,
		Slice: sliceText(t, partition, e.Slice), Bytes: entryBytes(e)}
	s.MinTime, s.MaxTime = timeRangeText(e.Time)
	s.MinKey, s.MaxKey = keyText(t, e, e.KeyMin), keyText(t, e, e.KeyMax)
	s.BytesPerRow = ratio(s.Bytes, int64(e.Rows))
	s.BitsPerValue = ratio(8*s.Bytes, int64(e.Rows)*int64(columnsOf(e)))
	return s
}

// columnsOf is how many columns a chunk has, Bloom filters not counted.
func columnsOf(e *chunk.Entry) (n int) {
	for i := range e.Columns {
		if _, ok := chunk.BloomOf(e.Columns[i].ID); !ok {
			n++
		}
	}
	return n
}

func entryBytes(e *chunk.Entry) int64 {
	n := int64(0)
	for i := range e.Columns {
		n += e.Columns[i].Size
	}
	return n
}

// sliceText is when a slice of a partition begins, nothing for the one slice of a table
// that has no more.
func sliceText(t *schema.Table, partition string, slice int64) string {
	placement, _ := t.PlacementOf(partition)
	switch {
	case placement.Slice == 0 || t.TimeColumn == 0:
		return ""
	case slice == chunk.SliceNull:
		return "NULL"
	case slice == chunk.SliceNegInfinity:
		return "-infinity"
	case slice == chunk.SliceInfinity:
		return "infinity"
	}
	return strings.TrimSuffix(timeText(chunk.SliceRange(placement.Slice, slice).Min), " 00:00:00")
}

// keyText reads a sort key back, by the types that the chunk was written with.
func keyText(t *schema.Table, e *chunk.Entry, key []byte) string {
	var values []string
	rest := key
	for _, id := range t.SortKey() {
		i := slices.IndexFunc(e.Columns, func(c chunk.ColumnEntry) bool { return c.ID == id })
		if i < 0 {
			return hex.EncodeToString(key)
		}
		v, more, err := datum.DecodeKey(e.Columns[i].Type, rest, datum.KeyOrder{})
		if err != nil {
			return hex.EncodeToString(key)
		}
		values, rest = append(values, valueText(e.Columns[i].Type, v)), more
	}
	if len(rest) > 0 {
		return hex.EncodeToString(key)
	}
	return strings.Join(values, ", ")
}

// valueText is a value as PostgreSQL writes it, times without their zone.
func valueText(t datum.Type, v datum.Value) string {
	if v == nil {
		return "NULL"
	}
	if m, ok := v.(datum.Micros); ok && (t.OID == datum.TimestampTZ || t.OID == datum.Timestamp) {
		return timeText(m)
	}
	return string(datum.AppendText(nil, t, v, nil))
}

func timeText(m datum.Micros) string {
	return string(datum.AppendText(nil, datum.Of(datum.Timestamp), m, nil))
}

// timeRangeText returns nothing for no times.
func timeRangeText(r chunk.TimeRange) (from, to string) {
	if r.Min > r.Max {
		return "", ""
	}
	return timeText(r.Min), timeText(r.Max)
}

func (r *partitionReport) print(p *printer) {
	p.line("table %s, partition %d: %s (key %s)", p.clean(r.Table, 0), r.Number, p.clean(r.Partition, 0), orNone(r.Key))
	p.line("")
	commits := "no entry yet"
	if r.CommitSequence > 0 {
		commits = fmt.Sprintf("entry %d, schema version %d", r.CommitSequence, r.SchemaVersion)
	}
	facts := [][2]string{
		{"commit log", commits},
		{"rows", fmt.Sprintf("%s in chunks, %s waiting", count(r.Rows), count(r.WaitingRows))},
		{"bytes", fmt.Sprintf("%s in %s of %s", size(r.Bytes), plural(int64(r.Chunks), "chunk"), plural(int64(r.Slices), "slice")) + perRow(r.BytesPerRow, r.Rows)},
	}
	if r.Removed > 0 {
		facts = append(facts, [2]string{"to be freed", fmt.Sprintf("%s, %s", plural(int64(r.Removed), "removed chunk"), size(r.RemovedBytes))})
	}
	p.facts(facts)
	if r.Error != "" {
		p.line("DAMAGED  %s", p.clean(r.Error, 0))
	}
	if len(r.Sources) > 0 {
		p.line("")
		g := grid{columns: []gridColumn{{"SOURCE LOG", false}, {"IN CHUNKS UP TO", true}, {"LAST ENTRY", true}, {"WAITING ROWS", true}, {"", false}}}
		for _, s := range r.Sources {
			note, head := "", "log gone"
			if s.Owner != "" {
				note = "taken over by " + s.Owner
			}
			if s.Head > 0 {
				head = count(int64(s.Head))
			}
			g.add(s.Source, count(int64(s.Folded)), head, count(s.WaitingRows), note)
		}
		p.grid(&g)
	}
	p.line("")
	if len(r.List) == 0 {
		p.line("no chunks")
		return
	}
	r.printChunks(p)
}

func (r *partitionReport) printChunks(p *printer) {
	from, to := timeHeaders(r.zoned)
	g := grid{columns: []gridColumn{{"#", true}, {"CHUNK", false}, {"SLICE", false}, {"ROWS", true}, {from, false}, {to, false},
		{"LEAST KEY", false}, {"GREATEST KEY", false}, {"BYTES", true}, {"BYTES/ROW", true}, {"BITS/VALUE", true}, {"", false}}}
	most := int64(0)
	ids := make([]string, len(r.List))
	for i, c := range r.List {
		most, ids[i] = max(most, c.Bytes), c.ID
	}
	cut := uniquePrefix(ids)
	for _, c := range r.List {
		g.add(fmt.Sprint(c.Number), c.ID[:cut], c.Slice, count(int64(c.Rows)), c.MinTime, c.MaxTime, p.clean(c.MinKey, 32), p.clean(c.MaxKey, 32),
			size(c.Bytes), decimal(c.BytesPerRow, 1), decimal(c.BitsPerValue, 1), p.bar(c.Bytes, most))
	}
	p.grid(&g)
}

// uniquePrefix returns how much of IDs tells them apart, at least 8 characters.
func uniquePrefix(ids []string) int {
	n := 8
	sorted := slices.Sorted(slices.Values(ids))
	for i := 1; i < len(sorted); i++ {
		same := 0
		for same < len(sorted[i]) && sorted[i][same] == sorted[i-1][same] {
			same++
		}
		n = max(n, same+1)
	}
	return min(n, len(chunk.ID{}.String()))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
