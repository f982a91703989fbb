package main

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// drawnChunk is a chunk of a drawing under test: its hours since the first of March, its
// keys by a number, and whether it has marks.
type drawnChunk struct {
	from, to float64
	low, hi  uint32
	rows     int
	marked   bool
	fresh    bool
}

const drawnSlice = 24 * time.Hour

func (d drawnChunk) entry(number int) *chunk.Entry {
	key := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	at := func(hours float64) datum.Micros { return micros(int(hours * 3600)) }
	e := &chunk.Entry{Rows: d.rows, KeyMin: key(d.low), KeyMax: key(d.hi), Time: chunk.TimeRange{Min: at(d.from), Max: at(d.to)},
		Slice: int64(at(d.from)) / drawnSlice.Microseconds(), From: uint64(number),
		Columns: []chunk.ColumnEntry{{ID: 1, Codec: "dict(FOR, RLE)", Size: 1000}, {ID: 2, Codec: "delta", Size: int64(d.rows) / 8, Quick: d.fresh}}}
	binary.BigEndian.PutUint64(e.ID[8:], uint64(number))
	if d.marked {
		e.Columns = append(e.Columns, chunk.ColumnEntry{ID: schema.RowDeletedColumn, Codec: "bitmap", Size: 100})
	}
	return e
}

func entriesOf(chunks []drawnChunk) iter.Seq2[*chunk.Entry, error] {
	return func(yield func(*chunk.Entry, error) bool) {
		for i, d := range chunks {
			if !yield(d.entry(i+1), nil) {
				return
			}
		}
	}
}

// drawn returns the drawing of a keyed table with a partition for each name.
func drawn(t *testing.T, reach chunk.TimeRange, names []string, chunks func(i int) iter.Seq2[*chunk.Entry, error]) *mapReport {
	t.Helper()
	def := &schema.Table{Name: "t", PrimaryKey: []schema.ColumnID{1}, TimeColumn: 2, Slice: drawnSlice,
		Columns: columns("k", datum.Of(datum.Int4), "ts", datum.Of(datum.TimestampTZ))}
	r := &mapReport{Table: "public.t", def: def}
	r.begin(len(names), reach, 80)
	for i, name := range names {
		if err := r.add(i, i, name, chunks(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.finish()
	return r
}

// sampleDrawing has a day that is compacted, one with late rows and deletes, and a partition
// that is written to.
func sampleDrawing(t *testing.T) *mapReport {
	full := chunk.MaxRows
	partitions := [][]drawnChunk{
		{
			{from: 0, to: 23.9, low: 0, hi: 9, rows: full}, {from: 0, to: 23.9, low: 10, hi: 19, rows: full}, {from: 0, to: 23.9, low: 20, hi: 29, rows: full},
			{from: 24, to: 47.9, low: 0, hi: 9, rows: full}, {from: 30, to: 34, low: 5, hi: 12, rows: 900}, {from: 24, to: 47.9, low: 10, hi: 29, rows: full},
		},
		{
			{from: 0, to: 23.9, low: 0, hi: 14, rows: full}, {from: 0, to: 23.9, low: 15, hi: 29, rows: full, fresh: true},
			{from: 24, to: 30, low: 0, hi: 29, rows: 3000}, {from: 30, to: 36, low: 1, hi: 29, rows: 3000}, {from: 36, to: 42, low: 2, hi: 28, rows: 3000, marked: true}, {from: 42, to: 47.9, low: 3, hi: 28, rows: 3000},
		},
		{{from: 40, to: 44, low: 0, hi: 9, rows: 100}, {from: 44, to: 47.9, low: 10, hi: 19, rows: 100}},
	}
	names := []string{"'quiet & <old>'", "'busy \x1b[31m\x01'", "'new'"}
	return drawn(t, chunk.TimeRange{Min: micros(0), Max: micros(int(47.9 * 3600))}, names, func(i int) iter.Seq2[*chunk.Entry, error] { return entriesOf(partitions[i]) })
}

func TestMapText(t *testing.T) {
	for name, s := range map[string]style{"map_unicode": {}, "map_plain": {ascii: true}, "map_colour": {colour: true}} {
		var b bytes.Buffer
		sampleDrawing(t).print(&printer{w: &b, style: s})
		golden(t, name, strings.ReplaceAll(b.String(), "\x1b", "ESC"))
		if s.ascii && strings.ContainsFunc(b.String(), func(r rune) bool { return r >= 0x7f || r < ' ' && r != '\n' }) {
			t.Errorf("not plain ASCII: %q", b.String())
		}
		for _, line := range strings.Split(b.String(), "\n") {
			if n := displayWidth(line); n > 100 && !s.colour {
				t.Errorf("a line of %d cells: %s", n, line)
			}
		}
	}
}

// elements counts the elements of a drawing by name and class. It is an error if it is no
// XML, or if something lies outside.
func elements(svg []byte) (map[string]int, error) {
	count := map[string]int{}
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		name, box := start.Name.Local, map[string]float64{}
		for _, a := range start.Attr {
			if a.Name.Local == "class" {
				name += " " + a.Value
			}
			var v float64
			if n, _ := fmt.Sscanf(a.Value, "%g", &v); n == 1 {
				box[a.Name.Local] = v
			}
		}
		if box["x"] < 0 || box["y"] < 0 || box["x"]+box["width"] > svgWidth+0.1 || box["width"] < 0 || box["height"] < 0 {
			return nil, fmt.Errorf("%s lies outside: %v", name, box)
		}
		count[name]++
	}
}

func TestMapSVG(t *testing.T) {
	r := sampleDrawing(t)
	count, err := elements(r.appendSVG(nil))
	if err != nil {
		t.Fatal(err)
	}
	// One sample of each is in the legend.
	want := map[string]int{"svg": 1, "g": 14, "rect chunk settled": 4 + 1, "rect chunk fresh": 1 + 1, "rect chunk due": 5 + 1, "rect chunk deep": 4 + 1, "rect marked": 1 + 1, "rect e2": 2}
	for name, n := range want {
		if count[name] != n {
			t.Errorf("%d times %s, want %d; all: %v", count[name], name, n, count)
		}
	}
	for _, want := range []string{"&#39;quiet &amp; &lt;old&gt;&#39;", `busy \x1b[31m\x01`, "overlap 4"} {
		if !strings.Contains(string(r.appendSVG(nil)), want) {
			t.Errorf("there is no %s in it", want)
		}
	}
}

// TestMapOfManyChunks draws 100,000 chunks of 300 partitions. Neither what it keeps nor what
// it draws grows with them.
func TestMapOfManyChunks(t *testing.T) {
	const partitions, days, perDay = 300, 33, 10
	names := make([]string, partitions)
	for i := range names {
		names[i] = fmt.Sprintf("'p%03d'", i)
	}
	all := func(i int) iter.Seq2[*chunk.Entry, error] {
		return func(yield func(*chunk.Entry, error) bool) {
			for day := range days {
				for k := range uint32(perDay) {
					d := drawnChunk{from: float64(day * 24), to: float64(day*24) + 23, low: k * 10, hi: k*10 + 9, rows: chunk.MaxRows, marked: day == 3 && i == 7}
					if day == days-1 && i%2 == 0 {
						d.hi += 10
					}
					e := d.entry(day*perDay + int(k))
					e.Columns = append(e.Columns, make([]chunk.ColumnEntry, 30)...) // as large as entries are
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := drawn(t, chunk.TimeRange{Min: micros(0), Max: micros(days * 86400)}, names, all)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 8<<20 {
		t.Errorf("it keeps %d bytes", kept)
	}
	svg := r.appendSVG(nil)
	count, err := elements(svg)
	if err != nil || len(svg) > 1<<20 {
		t.Fatalf("%d bytes: %v", len(svg), err)
	}
	if r.Chunks != partitions*days*perDay || r.Due != partitions/2*perDay || r.Marked != perDay || r.Depth != 2 || len(r.Bands) != svgBands {
		t.Errorf("%+v, %d bands", r.mapCounts, len(r.Bands))
	}
	if count["g"] != 0 || count["rect chunk settled"] < svgBands || count["rect chunk due"] < svgBands || count["rect marked"] < 2 {
		t.Errorf("%v", count)
	}
	var b bytes.Buffer
	r.print(&printer{w: &b})
	if lines := strings.Count(b.String(), "\n"); lines > 60 {
		t.Errorf("%d lines", lines)
	}
	if !strings.Contains(b.String(), "299") || !strings.Contains(b.String(), "22│") || !strings.Contains(b.String(), "×") {
		t.Errorf("%s", b.String())
	}
	runtime.KeepAlive(r)
}

func TestTicks(t *testing.T) {
	at := func(s string) datum.Micros {
		v, err := datum.Parse(datum.Of(datum.Timestamp), s, &datum.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return v.(datum.Micros)
	}
	for _, c := range []struct {
		from, to string
		cells    int
		want     []string
	}{
		{"2024-03-01 00:00:00", "2024-03-01 00:00:09", 80, []string{"00:00:00", "00:00:02", "00:00:04", "00:00:06", "00:00:08"}},
		{"2024-03-01 11:59:30", "2024-03-01 14:10:00", 80, []string{"03-01 12:00", "03-01 12:30", "03-01 13:00", "03-01 13:30", "03-01 14:00"}},
		{"2024-02-28 12:00:00", "2024-03-02 12:00:00", 80, []string{"02-28 12:00", "02-29 00:00", "02-29 12:00", "03-01 00:00", "03-01 12:00", "03-02 00:00", "03-02 12:00"}},
		{"2023-11-15 00:00:00", "2024-04-02 00:00:00", 80, []string{"2023-12", "2024-01", "2024-02", "2024-03", "2024-04"}},
		{"0010-06-01 00:00:00 BC", "0012-06-01 00:00:00", 80, []string{"-0008", "-0006", "-0004", "-0002", "0000", "0002", "0004", "0006", "0008", "0010", "0012"}},
		{"4713-06-01 00:00:00 BC", "290000-06-01 00:00:00", 40, []string{"0000", "50000", "100000", "150000", "200000", "250000"}},
		{"2024-03-01 00:00:00", "2024-03-01 00:00:00", 80, nil},
	} {
		axis := timeAxis{chunk.TimeRange{Min: at(c.from), Max: at(c.to)}}
		var got []string
		for _, x := range axis.ticks(c.cells) {
			if x.at < 0 || x.at > 1 {
				t.Errorf("%s to %s: %s at %v", c.from, c.to, x.text, x.at)
			}
			got = append(got, x.text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// TestInspectMap draws tables of a folder, and writes the file.
func TestInspectMap(t *testing.T) {
	dir := fixture(t)
	before := contents(t, dir)
	file := filepath.Join(t.TempDir(), "chunks.svg")
	for name, args := range map[string][]string{"map_table": {"readings", "--map"}, "map_partition": {"readings", "1", "--map", "--ascii"}, "map_untimed": {"notes", "--map"}, "map_list": {"trips", "--svg", file}} {
		got, err := inspect(t, utf8Locale, append([]string{dir}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, strings.ReplaceAll(normalize(dir, got), file, "FILE"))
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if count, err := elements(svg); err != nil || count["g"] != 9 {
		t.Errorf("%v, %v", count, err)
	}
	if _, err := inspect(t, utf8Locale, dir, "trips", "--svg", filepath.Join(t.TempDir(), "none", "x.svg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file in no folder: %v", err)
	}
	for want, args := range map[string][]string{
		"--map and --svg draw the chunks of a table": {"--map"}, "name it, and no chunk": {"readings", "0", "0", "--map"},
		"--why explains the columns of a chunk": {"readings", "--why"}, "--verify checks": {"readings", "0", "0", "--why", "--verify"},
	} {
		if _, err := inspect(t, utf8Locale, append([]string{dir}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Errorf("the folder was changed")
	}
}
