package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/query"
)

// whyReport explains how the columns of a chunk are encoded.
type whyReport struct {
	Table     string      `json:"table"`
	Partition string      `json:"partition"`
	Chunk     string      `json:"chunk"`
	Columns   []whyColumn `json:"columns"`
}

// whyColumn is a column, how it is encoded, and what else was weighed. Candidates are
// those of a writer that tries all, the one that it would take first.
type whyColumn struct {
	Column     string         `json:"column"`
	Type       string         `json:"type"`
	Form       string         `json:"form"`
	Encoding   string         `json:"encoding"`
	Rows       int            `json:"rows"`
	Bytes      int            `json:"bytes"` // of the values as they are encoded
	Note       string         `json:"note,omitempty"`
	Candidates []whyCandidate `json:"candidates"`
}

// whyCandidate is an encoding that may hold the values. Cost is bytes, and what it takes
// to decode all values in bytes.
type whyCandidate struct {
	Encoding      string  `json:"encoding"`
	Bytes         int     `json:"estimated_bytes"`
	NanosPerValue float64 `json:"nanoseconds_per_value"`
	Cost          int     `json:"cost_bytes"`
	Taken         bool    `json:"taken"`
	Why           string  `json:"why"`
}

// whyReport explains all columns of the chunk, or one.
func (f *folder) whyReport(ctx context.Context, at *place, one bool) (report, error) {
	def, e := at.table.Table, at.entry
	r := &whyReport{Table: tableName(at.table), Partition: partitionText(def, query.PartitionNames(def), at.partition.ID.Key), Chunk: e.ID.String()}
	for i := range e.Columns {
		if _, ok := chunk.BloomOf(e.Columns[i].ID); ok || one && i != at.column {
			continue // there is one way to write filters
		}
		blob, _, err := f.view.Fetch(at.partition.ID, e)(ctx, i)
		if err != nil {
			return nil, err
		}
		c, err := explainColumn(&e.Columns[i], blob)
		if err != nil {
			return nil, fmt.Errorf("chunk %v, column %s: %w", e.ID, columnName(def, e.Columns[i].ID), err)
		}
		c.Column = columnName(def, e.Columns[i].ID)
		r.Columns = append(r.Columns, c)
	}
	return r, nil
}

func explainColumn(e *chunk.ColumnEntry, blob []byte) (whyColumn, error) {
	info, err := chunk.Inspect(blob)
	if err != nil {
		return whyColumn{}, err
	}
	candidates, err := chunk.Explain(blob)
	if err != nil {
		return whyColumn{}, err
	}
	c := whyColumn{Type: info.Type.String(), Form: info.Form, Encoding: e.Codec, Rows: info.Rows, Bytes: info.PayloadBytes, Candidates: []whyCandidate{}}
	taken := takenOf(candidates, e.Codec)
	if taken < 0 && len(candidates) > 0 {
		c.Candidates = append(c.Candidates, whyCandidate{Encoding: e.Codec, Bytes: info.PayloadBytes, Taken: true, Why: "as written"})
	}
	for i, x := range candidates {
		c.Candidates = append(c.Candidates, whyCandidate{Encoding: x.Encoding, Bytes: x.Size, NanosPerValue: x.Nanos, Cost: x.Cost,
			Taken: i == taken, Why: verdict(candidates, i, taken)})
	}
	c.Note = c.note(info, candidates, taken, e.Quick)
	return c, nil
}

// takenOf finds the candidate that a blob is encoded by, -1 if it is none of them. Of
// strings of which only the size was estimated the candidate is the outermost scheme.
func takenOf(candidates []codec.Candidate, encoding string) int {
	if i := slices.IndexFunc(candidates, func(c codec.Candidate) bool { return c.Encoding == encoding }); i >= 0 {
		return i
	}
	return slices.IndexFunc(candidates, func(c codec.Candidate) bool { return c.Encoding == outermost(encoding) })
}

// outermost is the scheme at the top of an encoding.
func outermost(encoding string) string {
	name, _, _ := strings.Cut(encoding, "(")
	return name
}

// note says why there is no choice, or why another one was made than a writer that tries
// all would make.
func (c *whyColumn) note(info chunk.BlobInfo, candidates []codec.Candidate, taken int, quick bool) string {
	switch {
	case info.Rows == info.Nulls:
		return "All rows are NULL: nothing is encoded."
	case len(candidates) == 1:
		return "All values are equal, which leaves no choice."
	case len(candidates) == 0:
		return fmt.Sprintf("There is one way to write %s.", info.Form)
	case taken != 0:
		best := candidates[0]
		why := "Another version wrote it."
		if quick {
			why = "Flushes try few encodings."
		}
		return fmt.Sprintf("%s A merge would take %s: %s.", why, best.Encoding, sizeChange(best.Size, c.Bytes))
	}
	return ""
}

// verdict says in a few words why a candidate was taken, or was not.
func verdict(candidates []codec.Candidate, i, taken int) string {
	x, best := candidates[i], candidates[0]
	bytes := sizeChange(x.Size, best.Size)
	switch {
	case i == 0:
		return "costs least"
	case i == taken:
		return "as written; " + bytes
	case x.Cost < best.Cost:
		return bytes + ", too little for its time"
	case best.Nanos > 0 && (x.Nanos > best.Nanos*1.1+0.05 || x.Size < best.Size && x.Nanos > best.Nanos):
		return fmt.Sprintf("%s, %s times the time", bytes, times(x.Nanos/best.Nanos))
	}
	return bytes
}

// sizeChange compares sizes.
func sizeChange(size, than int) string {
	switch diff := ratio(100*int64(size-than), int64(max(than, 1))); {
	case diff >= 1000:
		return fmt.Sprintf("%s times the bytes", times(diff/100+1))
	case diff >= 0.5:
		return fmt.Sprintf("%.0f %% more bytes", diff)
	case diff <= -0.5:
		return fmt.Sprintf("%.0f %% fewer bytes", -diff)
	}
	return "as many bytes"
}

func times(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

func (r *whyReport) print(p *printer) {
	p.line("encodings of chunk %s", r.Chunk)
	p.line("table %s, partition %s", p.clean(r.Table, 0), p.clean(r.Partition, 0))
	for _, c := range r.Columns {
		c.print(p)
	}
	p.line("")
	p.line("COST is the bytes and, counted in bytes, the time that decoding takes; who costs least is taken.")
	p.line("Sizes are estimated from samples; %s marks what the blob has.", p.mark())
}

// whyCells is how much of an encoding fits in lines of 100 characters.
const whyCells = 36

func (c *whyColumn) print(p *printer) {
	p.line("")
	p.line("%s  %s as %s: %s, %s bytes, %s bits a value", p.clean(c.Column, 0), c.Type, c.Form, p.clean(cmp.Or(c.Encoding, "nothing"), whyCells),
		count(int64(c.Bytes)), decimal(ratio(8*int64(c.Bytes), int64(c.Rows)), 1))
	if len(c.Candidates) > 1 {
		g := grid{columns: []gridColumn{{" ", false}, {"ENCODING", false}, {"BYTES", true}, {"NS/VALUE", true}, {"COST", true}, {"", false}}}
		for _, x := range c.Candidates {
			mark := ""
			if x.Taken {
				mark = p.mark()
			}
			nanos, cost := decimal(x.NanosPerValue, 1), count(int64(x.Cost))
			if x.Cost == 0 { // it was not weighed
				nanos, cost = "-", "-"
			}
			g.add(mark, p.clean(x.Encoding, whyCells-1), count(int64(x.Bytes)), nanos, cost, x.Why)
		}
		p.grid(&g)
	}
	if c.Note != "" {
		p.line("%s", p.clean(c.Note, 0))
	}
}

// mark points at a line.
func (s style) mark() string {
	if s.ascii {
		return ">"
	}
	return "▸"
}
