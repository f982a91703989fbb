package main

import (
	"context"
	"fmt"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query"
)

// bloomReport is the level of a column for a Bloom filter, which chunks keep like one.
type bloomReport struct {
	Table          string  `json:"table"`
	Partition      string  `json:"partition"`
	Chunk          string  `json:"chunk"`
	Column         string  `json:"column"`
	Values         int     `json:"distinct_values"`
	Bytes          int     `json:"bytes"`
	Blocks         int     `json:"blocks"`
	ColumnBytes    int64   `json:"column_bytes"` // of the column that it is of
	FalsePositives float64 `json:"false_positives"`
	File           string  `json:"file,omitempty"`
	Offset         int64   `json:"offset"`
}

func (f *folder) bloomReport(ctx context.Context, at *place, blob []byte) (report, error) {
	e, def := at.entry, at.table.Table
	if err := chunk.VerifyColumn(ctx, e, at.column, blob); err != nil {
		return nil, err
	}
	info, err := chunk.InspectBloom(blob)
	if err != nil {
		return nil, err
	}
	of, _ := chunk.BloomOf(e.Columns[at.column].ID)
	r := &bloomReport{Table: tableName(at.table), Partition: partitionText(def, query.PartitionNames(def), at.partition.ID.Key), Chunk: e.ID.String(),
		Column: columnName(def, of), Values: info.Values, Bytes: info.SizeBytes, Blocks: info.Blocks, FalsePositives: info.FalsePositives,
		File: f.segmentFile(at.partition.ID, e), Offset: e.Location.Offset}
	for i, c := range e.Columns {
		if i < at.column {
			r.Offset += c.Size
		}
		if c.ID == of {
			r.ColumnBytes = c.Size
		}
	}
	return r, nil
}

func (r *bloomReport) print(p *printer) {
	p.line("Bloom filter of column %s of chunk %s", p.clean(r.Column, 0), r.Chunk)
	p.line("table %s, partition %s", p.clean(r.Table, 0), p.clean(r.Partition, 0))
	p.line("")
	p.facts([][2]string{
		{"values", fmt.Sprintf("about %s distinct ones, %s bits each", count(int64(r.Values)), decimal(ratio(8*int64(r.Bytes), int64(r.Values)), 1))},
		{"bytes", fmt.Sprintf("%s in %s of 32, %.1f %% of the column's %s", count(int64(r.Bytes)), plural(int64(r.Blocks), "block"), ratio(100*int64(r.Bytes), r.ColumnBytes), count(r.ColumnBytes))},
		{"false positives", fmt.Sprintf("%.2f %%: so many of the values that are not there are looked for in the column all the same", 100*r.FalsePositives)},
		{"file", fileText(r.File, r.Offset)},
	})
}
