package chunk

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Statistics tell a planner what values the columns of a table have. They are estimates,
// from the entries of some chunks: no answer may depend on them. They are not modified.
type Statistics struct {
	Rows    int64
	Columns map[schema.ColumnID]ColumnStatistics // those that something is known of
}

// ColumnStatistics are those of a column.
type ColumnStatistics struct {
	Min, Max datum.Value // of what was looked at, perhaps cut (see ColumnEntry); nil: unknown
	Nulls    float64     // the share of NULLs, 0 to 1
	Distinct float64     // how many different values; 0: unknown
}

// A Sample is a part of a table, a partition of it, and some of its chunks.
type Sample struct {
	Rows   int64 // of the partition
	Chunks []*Entry
}

// uniqueShare is the share of different values among rows from which on a column is thought
// to have new values in each chunk (ids, measured values), not the same ones (hosts, states).
const uniqueShare = 0.1

// EstimateStatistics sums up samples of a table's partitions. Partitions have different values in
// the columns of apart, those that they are told apart by.
func EstimateStatistics(columns []schema.Column, apart []schema.ColumnID, samples []Sample) *Statistics {
	s := &Statistics{Columns: map[schema.ColumnID]ColumnStatistics{}}
	for _, part := range samples {
		s.Rows += part.Rows
	}
	for i := range columns {
		c := &columns[i]
		var parts []columnSample
		for _, part := range samples {
			if of := part.column(c); of.rows > 0 {
				parts = append(parts, of)
			}
		}
		if len(parts) > 0 {
			s.Columns[c.ID] = combine(c.Type, parts, slices.Contains(apart, c.ID))
		}
	}
	return s
}

// A columnSample is what is known of a column in a partition.
type columnSample struct {
	entries  []*ColumnEntry // of the chunks looked at, but for those with nothing but NULLs
	rows     int64          // of the chunks looked at
	total    int64          // of the partition
	nulls    int64
	distinct float64
}

// column returns what is known of a column, but for chunks that are older than its type.
func (s Sample) column(column *schema.Column) columnSample {
	out := columnSample{total: s.Rows}
	for _, e := range s.Chunks {
		at := slices.IndexFunc(e.Columns, func(c ColumnEntry) bool { return c.ID == column.ID && c.Part == nil })
		if at < 0 || e.Columns[at].Type != column.Type {
			continue
		}
		c := &e.Columns[at]
		out.rows, out.nulls = out.rows+int64(e.Rows), out.nulls+int64(c.Nulls)
		if c.Min != nil {
			out.entries = append(out.entries, c)
		}
	}
	out.distinct = out.estimateDistinct(column.Type)
	return out
}

// estimateDistinct guesses how many different values the partition has. Chunks whose bounds
// overlap may have the same values, others cannot.
func (s *columnSample) estimateDistinct(t datum.Type) float64 {
	if len(s.entries) == 0 {
		return 0
	}
	slices.SortStableFunc(s.entries, func(a, b *ColumnEntry) int { return datum.Compare(t, a.Min, b.Min) })
	all := float64(s.total) / float64(max(s.rows, 1))
	perChunk := float64(s.rows) / float64(len(s.entries))
	distinct, groups := 0.0, 0
	for from := 0; from < len(s.entries); groups++ {
		to := overlapping(t, s.entries, from)
		sum, most := 0.0, 0.0
		for _, c := range s.entries[from:to] {
			sum, most = sum+float64(c.Distinct), max(most, float64(c.Distinct))
		}
		if most >= uniqueShare*perChunk {
			distinct += sum * all
		} else {
			distinct += most
		}
		from = to
	}
	if groups > 1 {
		distinct = max(distinct, min(distinct*all, float64(s.total)))
	}
	return min(distinct, float64(s.total))
}

// overlapping returns the end of the entries, sorted by Min, that hang together from one on.
func overlapping(t datum.Type, entries []*ColumnEntry, from int) int {
	top := entries[from]
	for i := from + 1; i < len(entries); i++ {
		e := entries[i]
		if top.Max != nil && datum.Compare(t, e.Min, top.Max) > 0 {
			return i
		}
		if e.Max == nil || top.Max != nil && datum.Compare(t, e.Max, top.Max) > 0 {
			top = e
		}
	}
	return len(entries)
}

// combine sums up what is known of a column's partitions.
func combine(t datum.Type, parts []columnSample, apart bool) ColumnStatistics {
	var out ColumnStatistics
	rows, total, nulls, most, sum := int64(0), int64(0), int64(0), 0.0, 0.0
	for _, p := range parts {
		rows, nulls, total = rows+p.rows, nulls+p.nulls, total+p.total
		most, sum = max(most, p.distinct), sum+p.distinct
		for _, c := range p.entries {
			if out.Min == nil || datum.Compare(t, c.Min, out.Min) < 0 {
				out.Min = c.Min
			}
			if c.Max != nil && (out.Max == nil || datum.Compare(t, c.Max, out.Max) > 0) {
				out.Max = c.Max
			}
		}
	}
	out.Nulls = float64(nulls) / float64(max(rows, 1))
	if out.Distinct = most; apart || sum >= uniqueShare*float64(total) {
		out.Distinct = sum
	}
	return out
}
