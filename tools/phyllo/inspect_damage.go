package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/query"
)

// damageReport says what is damaged, and where; what does not apply is empty.
type damageReport struct {
	Table        string `json:"table,omitempty"`
	Partition    string `json:"partition,omitempty"`
	PartitionKey string `json:"partition_key,omitempty"`
	Chunk        string `json:"chunk,omitempty"`
	Column       string `json:"column,omitempty"`
	Log          string `json:"log,omitempty"`
	Entry        uint64 `json:"entry,omitempty"`
	File         string `json:"file,omitempty"`
	Offset       *int64 `json:"offset,omitempty"`
	Problem      string `json:"problem"`
}

// lines spells a damage for people.
func (d *damageReport) lines() []string {
	var where []string
	if d.Table != "" {
		where = append(where, "table "+d.Table)
	}
	if d.Partition != "" {
		where = append(where, fmt.Sprintf("partition %s (key %s)", d.Partition, orNone(d.PartitionKey)))
	}
	for _, named := range [][2]string{{"chunk ", d.Chunk}, {"column ", d.Column}, {"", d.Log}} {
		if named[1] != "" {
			where = append(where, named[0]+named[1])
		}
	}
	if d.Entry > 0 {
		where = append(where, fmt.Sprintf("entry %d", d.Entry))
	}
	file := ""
	if d.File != "" {
		file = "file " + d.File
		if d.Offset != nil {
			file += fmt.Sprintf(", offset %d", *d.Offset)
		}
	}
	var out []string
	for _, l := range append([]string{strings.Join(where, ", "), file}, strings.Split(d.Problem, "\n")...) {
		if l != "" {
			out = append(out, l)
		}
	}
	return out
}

// whereChunk begins the report on a chunk.
func (f *folder) whereChunk(p *engine.PartitionView, e *chunk.Entry) damageReport {
	d := f.wherePartition(p.ID)
	d.Chunk, d.File = e.ID.String(), f.segmentFile(p.ID, e)
	return d
}

// wherePartition begins the report on a partition, whose table may be gone.
func (f *folder) wherePartition(id chunk.PartitionID) damageReport {
	d := damageReport{Table: fmt.Sprintf("with storage %d, which is not in use", id.Table), PartitionKey: hex.EncodeToString([]byte(id.Key))}
	for _, t := range f.view.Tables {
		if t.Table.Storage == id.Table {
			d.Table = tableName(t)
			d.Partition = partitionText(t.Table, query.PartitionNames(t.Table), id.Key)
		}
	}
	return d
}

// describe tells in the words of tables what the store tells in those of files.
func (f *folder) describe(d *local.Damage) damageReport {
	out := damageReport{}
	switch {
	case d.Partition.Table != 0:
		out = f.wherePartition(d.Partition)
		f.describeBlob(d, &out)
	case d.Log.Kind == store.CommitLog:
		if id, err := commitlog.ParseLogID(d.Log); err == nil {
			out = f.wherePartition(id)
		}
		out.Log = "commit log"
	case d.Log.Kind == store.SourceLog:
		out.Log = "source log " + d.Log.Key
	case d.Log.Kind == store.CatalogueLog:
		out.Log = "catalogue"
	default:
		out = f.brokenBy(d)
	}
	out.Entry, out.File, out.Problem = d.Entry, d.File, d.Reason
	if d.Offset >= 0 {
		out.Offset = &d.Offset
	}
	return out
}

// brokenBy finds out which commit log cannot be read because of a damage, such as
// that of its checkpoint.
func (f *folder) brokenBy(d *local.Damage) damageReport {
	for _, t := range f.view.Tables {
		for _, p := range t.Partitions {
			if p.Err != nil && strings.Contains(p.Err.Error(), d.Reason) {
				out := f.wherePartition(p.ID)
				out.Log = "commit log"
				return out
			}
		}
	}
	return damageReport{}
}

// describeBlob names the chunk and the column of a damaged blob.
func (f *folder) describeBlob(d *local.Damage, out *damageReport) {
	if d.Column < 0 {
		return
	}
	out.Chunk, out.Column = d.Chunk.String(), fmt.Sprintf("number %d (of a chunk that is not in use)", d.Column)
	for _, t := range f.view.Tables {
		if t.Table.Storage != d.Partition.Table {
			continue
		}
		p := t.Partition(d.Partition.Key)
		if p == nil {
			continue
		}
		for _, e := range p.Chunks {
			if e.ID == d.Chunk && d.Column < len(e.Columns) {
				out.Column = storedName(t.Table, &e.Columns[d.Column])
			}
		}
	}
}

// reason is what an error of a chunk says, without where.
func reason(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, "corrupt column data: "); i >= 0 {
		return s[i+len("corrupt column data: "):]
	}
	return s
}
