package main

import (
	"fmt"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query"
)

// chunkReport is the level of a chunk.
type chunkReport struct {
	Table     string `json:"table"`
	Partition string `json:"partition"`
	chunkSummary
	FormatVersion int           `json:"format_version"`
	SchemaVersion uint64        `json:"schema_version"`
	File          string        `json:"file,omitempty"`
	Offset        int64         `json:"offset"`
	NullTimes     int           `json:"rows_without_time"`
	MinVersion    uint64        `json:"min_row_version,omitempty"`
	MaxVersion    uint64        `json:"max_row_version,omitempty"`
	From          uint64        `json:"made_from_commit"`
	Columns       []chunkColumn `json:"columns"`

	zoned, keyed bool
}

// chunkColumn is what the manifest knows of a column. Cut bounds are not values:
// the least begins with MinCut, MaxCut is not below the greatest.
type chunkColumn struct {
	Name         string  `json:"name"`
	ID           uint32  `json:"id"`
	Type         string  `json:"type"`
	Encoding     string  `json:"encoding"`
	Bytes        int64   `json:"bytes"`
	BitsPerValue float64 `json:"bits_per_value"`
	Nulls        int     `json:"nulls"`
	Distinct     int     `json:"distinct_estimate,omitempty"`
	Min          *string `json:"min"`
	Max          *string `json:"max"`
	MinCut       bool    `json:"min_is_cut,omitempty"`
	MaxCut       bool    `json:"max_is_cut,omitempty"`
}

func (f *folder) chunkReport(at *place) report {
	def, e := at.table.Table, at.entry
	r := &chunkReport{Table: tableName(at.table), Partition: partitionText(def, query.PartitionNames(def), at.partition.ID.Key),
		chunkSummary: summarizeChunk(at.chunkNumber, def, at.partition.ID.Key, e), FormatVersion: int(e.Version), SchemaVersion: e.Schema,
		File: f.segmentFile(at.partition.ID, e), Offset: e.Location.Offset, NullTimes: e.TimeNulls, From: e.From,
		MinVersion: e.VersionMin, MaxVersion: e.VersionMax, zoned: zoned(def), keyed: def.Keyed()}
	for i := range e.Columns {
		c := &e.Columns[i]
		r.Columns = append(r.Columns, chunkColumn{Name: storedName(def, c), ID: uint32(c.ID), Type: typeText(c), Encoding: c.Codec,
			Bytes: c.Size, BitsPerValue: ratio(8*c.Size, int64(e.Rows)), Nulls: c.Nulls, Distinct: c.Distinct,
			Min: bound(c.Type, c.Min), Max: bound(c.Type, c.Max), MinCut: c.MinCut, MaxCut: c.MaxCut})
	}
	return r
}

// bound is nil if there is no bound.
func bound(t datum.Type, v datum.Value) *string {
	if v == nil {
		return nil
	}
	s := valueText(t, v)
	return &s
}

func (r *chunkReport) print(p *printer) {
	p.line("chunk %s", r.ID)
	p.line("number %d of table %s, partition %s", r.Number, p.clean(r.Table, 0), p.clean(r.Partition, 0))
	p.line("")
	times := "none"
	if r.MinTime != "" {
		times = fmt.Sprintf("%s to %s", r.MinTime, r.MaxTime)
		if r.zoned {
			times += " (UTC)"
		}
	}
	if r.NullTimes > 0 {
		times += ", and " + plural(int64(r.NullTimes), "row") + " without"
	}
	facts := [][2]string{
		{"made", r.Made + " (UTC)"}, {"slice", r.Slice}, {"rows", count(int64(r.Rows))}, {"times", times},
		{"keys", p.clean(r.MinKey, 60) + " to " + p.clean(r.MaxKey, 60)},
		{"bytes", fmt.Sprintf("%s, %s bytes a row, %s bits a value", size(r.Bytes), decimal(r.BytesPerRow, 1), decimal(r.BitsPerValue, 1))},
		{"file", fileText(r.File, r.Offset)},
		{"versions", fmt.Sprintf("format %d, schema %d", r.FormatVersion, r.SchemaVersion)},
	}
	if r.MinKey == "" && r.MaxKey == "" {
		facts[4][1] = ""
	}
	if r.keyed {
		facts = append(facts, [2]string{"row versions", fmt.Sprintf("%d to %d", r.MinVersion, r.MaxVersion)})
	}
	p.facts(facts)
	p.line("")
	g := grid{columns: []gridColumn{{"COLUMN", false}, {"TYPE", false}, {"ENCODING", false}, {"BYTES", true}, {"BITS/VALUE", true}, {"", false},
		{"NULLS", true}, {"DISTINCT", true}, {"MIN", false}, {"MAX", false}}}
	most := int64(0)
	for _, c := range r.Columns {
		most = max(most, c.Bytes)
	}
	for _, c := range r.Columns {
		distinct := "?"
		if c.Distinct > 0 {
			distinct = count(int64(c.Distinct))
		}
		g.add(p.clean(c.Name, 0), c.Type, p.clean(c.Encoding, 48), size(c.Bytes), decimal(c.BitsPerValue, 1), p.bar(c.Bytes, most),
			count(int64(c.Nulls)), distinct, p.bound(c.Min, c.MinCut), p.bound(c.Max, c.MaxCut))
	}
	p.grid(&g)
}

// fileText says where something lies, nothing in a cluster.
func fileText(file string, offset int64) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf("%s, offset %d", file, offset)
}

// bound shows a bound; a cut one ends with dots, one that is not known is "?".
func (p *printer) bound(s *string, cut bool) string {
	switch {
	case s == nil && cut:
		return "?"
	case s == nil:
		return ""
	case cut:
		return p.clean(*s, 28) + p.ellipsis()
	}
	return p.clean(*s, 28)
}
