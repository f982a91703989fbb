package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query"
)

// columnReport is the level of a column of a chunk: what its blob says of
// itself, and what its decoded values are.
type columnReport struct {
	Table        string        `json:"table"`
	Partition    string        `json:"partition"`
	Chunk        string        `json:"chunk"`
	Column       string        `json:"column"`
	Type         string        `json:"type"`
	BlobVersion  int           `json:"blob_version"`
	Form         string        `json:"form"`
	Rows         int           `json:"rows"`
	Nulls        int           `json:"nulls"`
	Bytes        int           `json:"bytes"`
	IndexBytes   int           `json:"vector_index_bytes"`
	MaskBytes    int           `json:"null_mask_bytes"`
	PayloadBytes int           `json:"payload_bytes"`
	BitsPerValue float64       `json:"bits_per_value"`
	File         string        `json:"file,omitempty"`
	Offset       int64         `json:"offset"`
	Encoding     []string      `json:"encoding"`
	Distinct     int           `json:"distinct"`
	Vectors      []vectorStats `json:"vectors"`
	Common       []commonValue `json:"common_values,omitempty"`
	Histogram    *histogram    `json:"histogram,omitempty"`
	// Course is the mean of the values over 64 stretches of rows.
	Course []float64 `json:"course,omitempty"`
}

func (f *folder) columnReport(ctx context.Context, at *place) (report, error) {
	e := at.entry
	c := &e.Columns[at.column]
	blob, _, err := f.view.Fetch(at.partition.ID, e)(ctx, at.column)
	if err != nil {
		return nil, err
	}
	if _, ok := chunk.BloomOf(c.ID); ok {
		return f.bloomReport(ctx, at, blob)
	}
	info, err := chunk.Inspect(blob)
	if err == nil {
		err = chunk.VerifyColumn(ctx, e, at.column, blob)
	}
	if err != nil {
		return nil, err
	}
	r := &columnReport{Table: tableName(at.table), Partition: partitionText(at.table.Table, query.PartitionNames(at.table.Table), at.partition.ID.Key),
		Chunk: e.ID.String(), Column: storedName(at.table.Table, c), Type: info.Type.String(),
		BlobVersion: info.Version, Form: info.Form, Rows: info.Rows, Nulls: info.Nulls, Bytes: info.SizeBytes, IndexBytes: info.IndexBytes,
		MaskBytes: info.MaskBytes, PayloadBytes: info.PayloadBytes, BitsPerValue: info.BitsPerValue,
		File: f.segmentFile(at.partition.ID, e), Offset: e.Location.Offset, Encoding: strings.Split(strings.TrimRight(info.Tree, "\n"), "\n")}
	for i := range at.column {
		r.Offset += e.Columns[i].Size
	}
	values, err := readColumn(ctx, e, c, blob)
	if err != nil {
		return nil, err
	}
	r.Vectors = values.vectors()
	r.Common, r.Distinct = values.common(maxCommon)
	r.Histogram = values.histogram(histogramCells)
	if r.Histogram != nil {
		r.Course = values.course(histogramCells)
	}
	return r, nil
}

func (r *columnReport) print(p *printer) {
	p.line("column %s of chunk %s", p.clean(r.Column, 0), r.Chunk)
	p.line("table %s, partition %s", p.clean(r.Table, 0), p.clean(r.Partition, 0))
	p.line("")
	p.facts([][2]string{
		{"type", fmt.Sprintf("%s, stored as %s", r.Type, r.Form)},
		{"rows", fmt.Sprintf("%s, %s NULL, %s", count(int64(r.Rows)), count(int64(r.Nulls)), plural(int64(r.Distinct), "distinct value"))},
		{"bytes", fmt.Sprintf("%s, %s bits a value", count(int64(r.Bytes)), decimal(r.BitsPerValue, 1))},
		{"of these", fmt.Sprintf("values %s, vector index %s, null mask %s, header and checksum %s", count(int64(r.PayloadBytes)),
			count(int64(r.IndexBytes)), count(int64(r.MaskBytes)), count(int64(r.Bytes-r.PayloadBytes-r.IndexBytes-r.MaskBytes)))},
		{"file", fileText(r.File, r.Offset)},
		{"blob version", fmt.Sprint(r.BlobVersion)},
	})
	p.line("")
	p.line("ENCODING")
	for _, l := range r.Encoding {
		p.line("  %s", p.clean(l, 0))
	}
	r.printValues(p)
	p.line("")
	g := grid{columns: []gridColumn{{"VECTOR", true}, {"ROWS", true}, {"NULLS", true}, {"MIN", false}, {"MAX", false}, {"", false}}}
	for i, v := range r.Vectors {
		g.add(fmt.Sprint(i), count(int64(v.Rows)), count(int64(v.Nulls)), p.bound(v.Min, false), p.bound(v.Max, false), p.reach(v, r.Histogram))
	}
	p.grid(&g)
}

// reach draws where the values of a vector lie between the least and the
// greatest of the column, nothing for what are no numbers.
func (p *printer) reach(v vectorStats, h *histogram) string {
	if h == nil {
		return ""
	}
	edge, fill := "│", "█"
	if p.ascii {
		edge, fill = "|", "#"
	}
	if v.low > v.high {
		return edge + strings.Repeat(" ", reachCells) + edge
	}
	from, to := h.cell(v.low, reachCells), h.cell(v.high, reachCells)
	return edge + strings.Repeat(" ", from) + strings.Repeat(fill, to-from+1) + strings.Repeat(" ", reachCells-1-to) + edge
}

const reachCells = 32

func (r *columnReport) printValues(p *printer) {
	edge := "│"
	if p.ascii {
		edge = "|"
	}
	if h := r.Histogram; h != nil {
		counts := make([]float64, len(h.Counts))
		for i, n := range h.Counts {
			counts[i] = float64(n)
		}
		p.line("")
		p.line("HOW OFTEN  %s%s%s  from %s to %s%s", edge, p.spark(counts), edge, p.clean(h.Min, 32), p.clean(h.Max, 32), besides(h.Besides))
		p.line("BY ROW     %s%s%s  the mean of stretches of rows, from least to greatest", edge, p.spark(lifted(r.Course)), edge)
	}
	if len(r.Common) > 0 {
		p.line("")
		g := grid{columns: []gridColumn{{"COMMON VALUE", false}, {"ROWS", true}, {"", false}}}
		for _, c := range r.Common {
			g.add(p.bound(&c.Value, false), count(int64(c.Rows)), p.bar(int64(c.Rows), int64(r.Common[0].Rows)))
		}
		p.grid(&g)
	}
}

func besides(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %s that %s NaN or infinite", count(int64(n)), isAre(int64(n)))
}

// lifted moves numbers so that the least is just above zero, where a line of
// columns begins.
func lifted(values []float64) []float64 {
	if len(values) == 0 {
		return nil
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = 1
		if hi > lo {
			out[i] = 0.01 + (v-lo)/(hi-lo)*0.99
		}
	}
	return out
}
