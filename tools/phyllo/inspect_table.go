package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
)

// tableSummary is a table in the listing of the folder. Rows are those in
// chunks, versions that newer rows replace included.
type tableSummary struct {
	Table       string  `json:"table"`
	Rows        int64   `json:"rows"`
	Bytes       int64   `json:"bytes"`
	BytesPerRow float64 `json:"bytes_per_row"`
	Chunks      int     `json:"chunks"`
	Partitions  int     `json:"partitions"`
	WaitingRows int64   `json:"waiting_rows"`
	Error       string  `json:"error,omitempty"`
}

func summarize(t *engine.TableView) tableSummary {
	s := tableSummary{Table: tableName(t), Partitions: len(t.Partitions), Bytes: tableBytes(t)}
	s.Rows, s.WaitingRows = t.Rows()
	for _, p := range t.Partitions {
		s.Chunks += p.Manifest.Len()
		if p.Err != nil {
			s.Error = "incomplete: the commit log of a partition cannot be read"
		}
	}
	s.BytesPerRow = ratio(s.Bytes, s.Rows)
	return s
}

func tableName(t *engine.TableView) string { return t.Namespace + "." + t.Table.Name }

func tableBytes(t *engine.TableView) int64 {
	n := int64(0)
	for _, p := range t.Partitions {
		n += p.Manifest.Bytes()
	}
	return n
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func printTables(p *printer, tables []tableSummary) {
	g := grid{columns: []gridColumn{{"TABLE", false}, {"ROWS", true}, {"BYTES", true}, {"BYTES/ROW", true}, {"CHUNKS", true}, {"PARTITIONS", true}, {"ROWS NOT IN CHUNKS", true}, {"", false}}}
	sum := tableSummary{}
	for _, t := range tables {
		g.add(p.clean(t.Table, 0), count(t.Rows), size(t.Bytes), decimal(t.BytesPerRow, t.Rows), count(int64(t.Chunks)), count(int64(t.Partitions)), count(t.WaitingRows), t.Error)
		sum.Rows, sum.Bytes, sum.WaitingRows = sum.Rows+t.Rows, sum.Bytes+t.Bytes, sum.WaitingRows+t.WaitingRows
		sum.Chunks, sum.Partitions = sum.Chunks+t.Chunks, sum.Partitions+t.Partitions
	}
	if len(tables) > 1 {
		g.add("all", count(sum.Rows), size(sum.Bytes), decimal(ratio(sum.Bytes, sum.Rows), sum.Rows), count(int64(sum.Chunks)), count(int64(sum.Partitions)), count(sum.WaitingRows), "")
	}
	p.grid(&g)
}

// tableReport is the level of a table.
type tableReport struct {
	tableSummary
	OID           datum.OID          `json:"oid"`
	SchemaVersion uint64             `json:"schema_version"`
	Owner         string             `json:"owner"`
	PrimaryKey    []string           `json:"primary_key,omitempty"`
	OnDuplicate   string             `json:"on_duplicate,omitempty"`
	PartitionBy   string             `json:"partition_by,omitempty"`
	TimeColumn    string             `json:"time_column,omitempty"`
	Slice         string             `json:"slice,omitempty"`
	Retention     string             `json:"retention,omitempty"`
	Columns       []tableColumn      `json:"columns"`
	List          []partitionSummary `json:"partition_list"`

	zoned bool
}

// tableColumn is a column of a table: its definition, and what its blobs take in
// all chunks.
type tableColumn struct {
	Name         string  `json:"name"`
	Type         string  `json:"type"`
	NotNull      bool    `json:"not_null"`
	NullsRefused bool    `json:"nulls_refused,omitempty"` // it is being made NOT NULL
	Default      string  `json:"default,omitempty"`
	Bytes        int64   `json:"bytes"`
	BitsPerValue float64 `json:"bits_per_value"`

	values int64
}

// partitionSummary is a partition in the listing of its table. Key is in
// hexadecimal, Partition for people.
type partitionSummary struct {
	Number      int     `json:"number"`
	Key         string  `json:"key"`
	Partition   string  `json:"partition"`
	Rows        int64   `json:"rows"`
	WaitingRows int64   `json:"waiting_rows"`
	Chunks      int     `json:"chunks"`
	Slices      int     `json:"slices"`
	Bytes       int64   `json:"bytes"`
	BytesPerRow float64 `json:"bytes_per_row"`
	MinTime     string  `json:"min_time,omitempty"`
	MaxTime     string  `json:"max_time,omitempty"`
	Error       string  `json:"error,omitempty"`
}

func (f *folder) tableReport(t *engine.TableView) report {
	def := t.Table
	r := &tableReport{tableSummary: summarize(t), OID: def.OID, SchemaVersion: def.Version, Owner: def.Owner,
		PartitionBy: partitionBy(def), List: []partitionSummary{}, zoned: zoned(def)}
	for _, id := range def.PrimaryKey {
		r.PrimaryKey = append(r.PrimaryKey, columnName(def, id))
	}
	if def.Keyed() {
		r.OnDuplicate = map[schema.OnDuplicate]string{schema.DuplicateError: "error", schema.DuplicateReplace: "replace", schema.DuplicateIgnore: "ignore"}[def.OnDuplicate]
	}
	if def.TimeColumn != 0 {
		r.TimeColumn, r.Slice = columnName(def, def.TimeColumn), durationText(def.Slice)
		r.Retention = durationText(def.Retention)
	}
	r.Columns = tableColumns(t)
	name := query.PartitionNames(def)
	for i, p := range t.Partitions {
		r.List = append(r.List, summarizePartition(i, p, partitionText(def, name, p.ID.Key)))
	}
	return r
}

// tableColumns lists the live columns and those that only chunks have.
func tableColumns(t *engine.TableView) []tableColumn {
	var out []tableColumn
	at := map[schema.ColumnID]int{}
	for _, c := range t.Table.Columns {
		if c.Type.OID != 0 {
			at[c.ID] = len(out)
			out = append(out, tableColumn{Name: c.Name, Type: c.Type.String(), NotNull: c.NotNull, Default: c.Default,
				NullsRefused: slices.Contains(t.Table.NullsRefused, c.ID)})
		}
	}
	for _, p := range t.Partitions {
		for _, e := range p.Chunks {
			for i := range e.Columns {
				c := &e.Columns[i]
				id := c.ID
				if c.Part != nil {
					id = c.Part.Column // the same values
				}
				k, ok := at[id]
				if !ok {
					k = len(out)
					at[id] = k
					out = append(out, tableColumn{Name: columnName(t.Table, id), Type: typeText(c)})
				}
				out[k].Bytes += c.Size
				if c.Part == nil {
					out[k].values += int64(e.Rows)
				}
			}
		}
	}
	for i := range out {
		out[i].BitsPerValue = ratio(8*out[i].Bytes, out[i].values)
	}
	return out
}

// columnName names a column, also one that is hidden or was dropped, or is a Bloom filter.
func columnName(t *schema.Table, id schema.ColumnID) string {
	if of, ok := chunk.BloomOf(id); ok {
		return "(filter of " + strings.Trim(columnName(t, of), "()") + ")"
	}
	switch id {
	case schema.RowVersionColumn:
		return "(row version)"
	case schema.RowDeletedColumn:
		return "(deleted)"
	}
	c := t.Column(id)
	if c == nil || c.Type.OID == 0 {
		return fmt.Sprintf("(dropped column %d)", id)
	}
	return c.Name
}

// typeText is the type of a column of a chunk.
func typeText(c *chunk.ColumnEntry) string {
	if _, ok := chunk.BloomOf(c.ID); ok {
		return "Bloom filter"
	}
	return c.Type.String()
}

// storedName names a column of a chunk, which may be a part of one of the table.
func storedName(t *schema.Table, c *chunk.ColumnEntry) string {
	if c.Part == nil {
		return columnName(t, c.ID)
	}
	return columnName(t, c.Part.Column) + "->" + strings.Join(c.Part.Path, "->")
}

func partitionBy(t *schema.Table) string {
	switch t.PartitionKind {
	case schema.PartitionHash:
		var names []string
		for _, id := range t.PartitionColumns {
			names = append(names, columnName(t, id))
		}
		return fmt.Sprintf("HASH (%s), %d partitions", strings.Join(names, ", "), t.Partitions)
	case schema.PartitionList:
		return fmt.Sprintf("LIST (%s)", strings.Join(t.PartitionExprs, ", "))
	}
	return ""
}

// partitionText is a partition's key for people.
func partitionText(t *schema.Table, name func(string) string, key string) string {
	switch t.PartitionKind {
	case schema.PartitionNone:
		return "all rows" + name(key)
	case schema.PartitionHash:
		p, _ := t.PlacementOf(key)
		return fmt.Sprintf("bucket %s of %d", name(key), p.Partitions)
	}
	return name(key)
}

func summarizePartition(number int, p *engine.PartitionView, text string) partitionSummary {
	s := partitionSummary{Number: number, Key: hex.EncodeToString([]byte(p.ID.Key)), Partition: text,
		Rows: p.Manifest.Rows(), WaitingRows: p.Waiting(), Chunks: p.Manifest.Len(), Bytes: p.Manifest.Bytes(), Error: errorText(p.Err)}
	for range p.Manifest.Slices() {
		s.Slices++
	}
	r := noTime
	for _, e := range p.Chunks {
		r = union(r, e.Time)
	}
	s.MinTime, s.MaxTime = timeRangeText(r)
	s.BytesPerRow = ratio(s.Bytes, s.Rows)
	return s
}

// noTime is the range of no times.
var noTime = chunk.TimeRange{Min: datum.InfinityMicros, Max: datum.NegInfinityMicros}

func union(a, b chunk.TimeRange) chunk.TimeRange {
	if b.Min > b.Max {
		return a
	}
	return chunk.TimeRange{Min: min(a.Min, b.Min), Max: max(a.Max, b.Max)}
}

// zoned says whether a table's times are timestamptz, shown in UTC.
func zoned(t *schema.Table) bool {
	c := t.Column(t.TimeColumn)
	return t.TimeColumn != 0 && c != nil && c.Type.OID == datum.TimestampTZ
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return string(datum.AppendText(nil, datum.Of(datum.Interval), datum.IntervalValue{
		Days: int32(d / (24 * time.Hour)), Micros: (d % (24 * time.Hour)).Microseconds()}, nil))
}

func (r *tableReport) print(p *printer) {
	p.line("table %s (OID %d, schema version %d, owner %s)", p.clean(r.Table, 0), r.OID, r.SchemaVersion, p.clean(r.Owner, 0))
	p.line("")
	facts := [][2]string{
		{"primary key", strings.Join(r.PrimaryKey, ", ")}, {"on duplicate", r.OnDuplicate}, {"partition by", r.PartitionBy},
		{"time column", r.TimeColumn}, {"slice", r.Slice}, {"retention", r.Retention},
		{"rows", fmt.Sprintf("%s in chunks, %s waiting", count(r.Rows), count(r.WaitingRows))},
		{"bytes", fmt.Sprintf("%s in %s", size(r.Bytes), plural(int64(r.Chunks), "chunk")) + perRow(r.BytesPerRow, r.Rows)},
	}
	p.facts(facts)
	p.line("")
	g := grid{columns: []gridColumn{{"COLUMN", false}, {"TYPE", false}, {"", false}, {"BYTES", true}, {"BITS/VALUE", true}, {"", false}}}
	most := int64(0)
	for _, c := range r.Columns {
		most = max(most, c.Bytes)
	}
	for _, c := range r.Columns {
		note := ""
		switch {
		case c.NotNull:
			note = "not null"
		case c.NullsRefused:
			note = "nulls refused"
		}
		if c.Default != "" {
			note = strings.TrimSpace(note + " default " + c.Default)
		}
		g.add(p.clean(c.Name, 0), c.Type, p.clean(note, 40), size(c.Bytes), decimal(c.BitsPerValue, c.values), p.bar(c.Bytes, most))
	}
	p.grid(&g)
	p.line("")
	if len(r.List) == 0 {
		p.line("no partitions: nothing was inserted yet")
		return
	}
	printPartitions(p, r.List, r.zoned)
}

// perRow ends a line about bytes.
func perRow(bytes float64, rows int64) string {
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf(", %.2f bytes a row", bytes)
}

func printPartitions(p *printer, list []partitionSummary, zoned bool) {
	from, to := timeHeaders(zoned)
	g := grid{columns: []gridColumn{{"#", true}, {"PARTITION", false}, {"ROWS", true}, {"WAITING", true}, {"CHUNKS", true}, {"SLICES", true},
		{"BYTES", true}, {"BYTES/ROW", true}, {from, false}, {to, false}, {"", false}}}
	most := int64(0)
	for _, s := range list {
		most = max(most, s.Bytes)
	}
	for _, s := range list {
		last := p.bar(s.Bytes, most)
		if s.Error != "" {
			last = "damaged: " + p.clean(s.Error, 0)
		}
		g.add(fmt.Sprint(s.Number), p.clean(s.Partition, 48), count(s.Rows), count(s.WaitingRows), count(int64(s.Chunks)), count(int64(s.Slices)),
			size(s.Bytes), decimal(s.BytesPerRow, s.Rows), s.MinTime, s.MaxTime, last)
	}
	p.grid(&g)
}

func timeHeaders(zoned bool) (from, to string) {
	if zoned {
		return "FROM (UTC)", "TO (UTC)"
	}
	return "FROM", "TO"
}
