package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
)

// mapReport shows the chunks of a table, or of one of its partitions, over time and key.
// What it needs in memory does not grow with the number of chunks, but for an outline of
// those of one slice.
type mapReport struct {
	Table   string `json:"table"`
	Of      string `json:"partition,omitempty"`
	MinTime string `json:"min_time,omitempty"`
	MaxTime string `json:"max_time,omitempty"`
	mapCounts
	Untimed   int             `json:"chunks_not_drawn"` // whose rows have no finite time
	Encodings []encodingShare `json:"encodings"`
	Bands     []*mapBand      `json:"bands"`
	SVG       string          `json:"svg,omitempty"` // the file that was written

	def   *schema.Table
	axis  timeAxis
	text  canvas // in cells of a terminal
	drawn canvas // in cells of the SVG file, or the chunks themselves

	bytesBy map[string]int64 // by outermost encoding
}

// mapCounts sum up chunks.
type mapCounts struct {
	Chunks int   `json:"chunks"`
	Due    int   `json:"chunks_to_merge"`
	Fresh  int   `json:"chunks_as_flushed"` // and not encoded anew since
	Depth  int   `json:"overlap"`           // chunks on top of each other where most are
	Marked int   `json:"chunks_with_deletes"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"`
}

func (c *mapCounts) add(s engine.Standing) {
	c.Chunks++
	c.Rows += int64(s.Entry.Rows)
	c.Bytes += entryBytes(s.Entry)
	c.Depth = max(c.Depth, s.Depth)
	if s.Due {
		c.Due++
	}
	if s.Entry.Quick() {
		c.Fresh++
	}
	if s.Entry.Marked() {
		c.Marked++
	}
}

// mapBand is what is drawn on top of each other: a partition, or neighbours if there are
// many of them.
type mapBand struct {
	First int    `json:"first_partition"`
	Last  int    `json:"last_partition"`
	Name  string `json:"name"`
	mapCounts
}

// encodingShare is what an encoding, the outermost one of a column, takes.
type encodingShare struct {
	Encoding string `json:"encoding"`
	Bytes    int64  `json:"bytes"`
}

// Sizes of drawings on a terminal and in a file: bands, the lines of all of them, cells of
// a line. A terminal is taken to be as wide as it says, within bounds.
const (
	textBands, svgBands   = 24, 96
	textLines, svgLines   = 24, 384
	svgColumns            = 400
	labelCells            = 20
	leastWidth, mostWidth = 60, 240
	usualWidth            = 100
)

// mapReport draws a table, or the partition that the arguments name. It writes the file.
func (f *folder) mapReport(ctx context.Context, at *place, svg *string, width int) (report, error) {
	partitions, first := at.table.Partitions, 0
	if at.partition != nil {
		partitions, first = []*engine.PartitionView{at.partition}, at.number
	}
	name := query.PartitionNames(at.table.Table)
	r := &mapReport{Table: tableName(at.table), def: at.table.Table}
	if at.partition != nil {
		r.Of = partitionText(r.def, name, at.partition.ID.Key)
	}
	reach := noTime
	for _, p := range partitions {
		if p.Err != nil {
			return nil, p.Err
		}
		t, err := p.Manifest.Time(ctx)
		if err != nil {
			return nil, err
		}
		reach = union(reach, t)
	}
	r.begin(len(partitions), reach, width)
	for i, p := range partitions {
		text := partitionText(r.def, name, p.ID.Key)
		if err := r.add(i, first+i, text, p.Manifest.Chunks(ctx)); err != nil {
			return nil, err
		}
	}
	r.finish()
	if svg != nil {
		r.SVG = *svg
		return r, os.WriteFile(*svg, r.appendSVG(nil), 0o666)
	}
	return r, nil
}

// begin prepares a drawing of partitions whose chunks have times in a range, for a terminal
// of a width, 0 if it is none.
func (r *mapReport) begin(partitions int, reach chunk.TimeRange, width int) {
	r.MinTime, r.MaxTime = timeRangeText(reach)
	r.bytesBy = map[string]int64{}
	r.axis = timeAxis{reach}
	r.text = newCanvas(partitions, textBands, textLines, max(leastWidth, min(cmp.Or(width, usualWidth), mostWidth))-labelCells-3)
	r.drawn = newCanvas(partitions, svgBands, svgLines, svgColumns)
	r.Bands = make([]*mapBand, r.drawn.bands)
}

// add draws the chunks of a partition, the i-th of the drawing, which come slice by slice.
func (r *mapReport) add(i, number int, name string, chunks iter.Seq2[*chunk.Entry, error]) error {
	at := r.drawn.band(i)
	if b := r.Bands[at]; b == nil {
		r.Bands[at] = &mapBand{First: number, Last: number, Name: name}
	} else {
		b.Last = number
	}
	var slice []*chunk.Entry // of which all have been read but the last
	flush := func() {
		scale := newKeyScale(slice)
		for _, s := range engine.Standings(r.def, slice) {
			r.mapCounts.add(s)
			r.Bands[at].mapCounts.add(s)
			r.draw(i, s, scale)
		}
		slice = slice[:0]
	}
	for e, err := range chunks {
		if err != nil {
			return err
		}
		for k := range e.Columns {
			r.bytesBy[outermost(e.Columns[k].Codec)] += e.Columns[k].Size // Bloom filters are one of them
		}
		if len(slice) > 0 && slice[0].Slice != e.Slice {
			flush()
		}
		slice = append(slice, engine.Outline(e))
	}
	flush()
	return nil
}

// draw puts a chunk on the canvases.
func (r *mapReport) draw(partition int, s engine.Standing, scale keyScale) {
	b := mapBox{Standing: s, right: 1}
	if r.def.TimeColumn != 0 {
		if s.Entry.Time.Min > s.Entry.Time.Max {
			r.Untimed++
			return
		}
		b.left, b.right = r.axis.place(s.Entry.Time.Min), r.axis.place(s.Entry.Time.Max)
	}
	b.top, b.bottom = scale.place(s.Entry.KeyMin, s.Entry.KeyMax)
	r.text.draw(partition, b)
	r.drawn.draw(partition, b)
}

// finish sums up.
func (r *mapReport) finish() {
	for encoding, n := range r.bytesBy {
		r.Encodings = append(r.Encodings, encodingShare{cmp.Or(encoding, "none"), n})
	}
	slices.SortFunc(r.Encodings, func(a, b encodingShare) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Encoding, b.Encoding))
	})
}

// label names a band.
func (b *mapBand) label(s style) string {
	if b.First == b.Last {
		return fmt.Sprintf("%d %s", b.First, b.Name)
	}
	return fmt.Sprintf("%d%s%d", b.First, s.dots(), b.Last)
}

// A keyScale has the keys that the chunks of a slice begin and end with, in their order. It
// places them between 0 and 1: each slice fills its band, whatever its keys are.
type keyScale [][]byte

func newKeyScale(slice []*chunk.Entry) keyScale {
	s := make(keyScale, 0, 2*len(slice))
	for _, e := range slice {
		s = append(s, e.KeyMin, e.KeyMax)
	}
	slices.SortFunc(s, bytes.Compare)
	return slices.CompactFunc(s, bytes.Equal)
}

// place returns from where to where a range of keys, which are of the scale, reaches.
// Ranges that follow each other do not touch.
func (s keyScale) place(from, to []byte) (top, bottom float64) {
	i, _ := slices.BinarySearchFunc(s, from, bytes.Compare)
	j, _ := slices.BinarySearchFunc(s, to, bytes.Compare)
	return float64(i) / float64(len(s)), float64(j+1) / float64(len(s))
}
