package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// What a cell of the drawing looks like, by what it says.
const (
	colourSettled = "32" // green
	colourFresh   = "36" // cyan
	colourDue     = "33" // yellow
	colourDeep    = "31" // red
	colourMarked  = "35" // magenta
	colourFaint   = "2"
)

// deep is from how many chunks on top of each other on they are shown as trouble.
const deep = 4

func (p *printer) paint(colour, text string) string {
	if !p.colour || colour == "" || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// glyph is the character of a cell and its colour.
func (s style) glyph(c mapCell) (text, colour string) {
	colour = colourSettled
	switch {
	case c.depth >= deep:
		colour = colourDeep
	case c.due || c.depth > 1:
		colour = colourDue
	case c.fresh:
		colour = colourFresh
	}
	pick := func(unicode, ascii string) string {
		if s.ascii {
			return ascii
		}
		return unicode
	}
	switch {
	case c.depth == 0:
		return " ", ""
	case c.marked:
		return pick("×", "x"), colourMarked
	case c.depth > 9:
		return "+", colour
	case c.depth > 1:
		return fmt.Sprint(c.depth), colour
	case c.due:
		return pick("▒", ":"), colour
	case c.fresh:
		return pick("▓", "="), colour
	}
	return pick("█", "#"), colour
}

// edges are the characters around a drawing.
func (s style) edges() (side, line, tick string) {
	if s.ascii {
		return "|", "-", "+"
	}
	return "│", "─", "┬"
}

func (r *mapReport) print(p *printer) {
	of := ""
	if r.Of != "" {
		of = ", partition " + r.Of
	}
	p.line("chunks of table %s%s over time and key", p.clean(r.Table, 0), p.clean(of, 0))
	p.line("")
	p.facts([][2]string{
		{"chunks", fmt.Sprintf("%s: %s to be merged, %s as flushed, %s with deletes", count(int64(r.Chunks)), count(int64(r.Due)), count(int64(r.Fresh)), count(int64(r.Marked)))},
		{"overlap", overlapText(r.Depth)},
		{"rows", fmt.Sprintf("%s in %s", count(r.Rows), size(r.Bytes)) + perRow(ratio(r.Bytes, r.Rows), r.Rows)},
		{"times", timesText(r.MinTime, r.MaxTime, zoned(r.def))},
	})
	p.line("")
	if r.Chunks == 0 {
		p.line("no chunks")
		return
	}
	r.printDrawing(p)
	p.line("")
	r.printBands(p)
	p.line("")
	r.printEncodings(p)
	if r.SVG != "" {
		p.line("")
		p.line("drawn into %s", p.clean(r.SVG, 0))
	}
}

func overlapText(depth int) string {
	if depth < 2 {
		return "none"
	}
	return fmt.Sprintf("%s chunks on top of each other where most are", count(int64(depth)))
}

func timesText(from, to string, zoned bool) string {
	if from == "" {
		return ""
	}
	if zoned {
		to += " (UTC)"
	}
	return from + " to " + to
}

func (r *mapReport) printDrawing(p *printer) {
	c := &r.text
	side, line, mark := p.edges()
	margin := strings.Repeat(" ", labelCells+1)
	if ticks := r.axis.ticks(c.columns); len(ticks) > 0 {
		labels, rule := []rune(strings.Repeat(" ", c.columns+16)), []rune(strings.Repeat(line, c.columns))
		for _, t := range ticks {
			at := min(int(t.at*float64(c.columns)), c.columns-1)
			rule[at] = []rune(mark)[0]
			copy(labels[at:], []rune(t.text))
		}
		p.line("%s", strings.TrimRight(margin+" "+string(labels), " "))
		p.line("%s%s", margin+" ", p.paint(colourFaint, string(rule)))
	}
	p.line("%-*s %s%s%s", labelCells, "rows", side, p.spark(c.rows), side)
	rule := margin + side + strings.Repeat(line, c.columns) + side
	if c.bands > 1 && c.lines > 1 {
		p.line("%s", rule)
	}
	// A band has the partitions of several of the file's if there are many.
	for band := range c.bands {
		label := p.clean(r.bandLabel(band, p.style), labelCells-len(p.ellipsis()))
		for i := range c.lines {
			p.line("%s%s %s%s%s", label, strings.Repeat(" ", max(0, labelCells-displayWidth(label))), side, p.cells(c, band, i), side)
			label = ""
		}
		if c.lines > 1 && band+1 < c.bands {
			p.line("%s", rule)
		}
	}
	p.line("")
	r.printLegend(p)
}

// bandLabel names a band of the terminal's drawing.
func (r *mapReport) bandLabel(band int, s style) string {
	first, last := -1, -1
	name := ""
	for _, b := range r.Bands {
		for i := b.First; i <= b.Last; i++ {
			if r.text.band(i-r.Bands[0].First) == band {
				if first < 0 {
					first, name = i, b.Name
				}
				last = i
			}
		}
	}
	return (&mapBand{First: first, Last: last, Name: name}).label(s)
}

// cells draws a line, with as few changes of colour as it needs.
func (p *printer) cells(c *canvas, band, line int) string {
	var out, run strings.Builder
	last := ""
	for column := range c.columns {
		text, colour := p.glyph(*c.cell(band, line, column))
		if colour != last {
			out.WriteString(p.paint(last, run.String()))
			run.Reset()
			last = colour
		}
		run.WriteString(text)
	}
	out.WriteString(p.paint(last, run.String()))
	return out.String()
}

func (r *mapReport) printLegend(p *printer) {
	show := func(c mapCell) string {
		text, colour := p.glyph(c)
		return p.paint(colour, text)
	}
	p.line("%s compacted   %s as flushed   %s to be merged   %s-%s %s chunks overlap   %s has deletes", show(mapCell{depth: 1}), show(mapCell{depth: 1, fresh: true}), show(mapCell{depth: 1, due: true}),
		show(mapCell{depth: 2}), show(mapCell{depth: 9}), show(mapCell{depth: 10}), show(mapCell{depth: 1, marked: true}))
	p.line("Keys rise from the top of a partition to its bottom.")
	if r.Untimed > 0 {
		p.line("%s without finite times %s not drawn.", plural(int64(r.Untimed), "chunk"), isAre(int64(r.Untimed)))
	}
}

// mostListed is how many bands are listed if there are more than have room.
const mostListed = 12

func (r *mapReport) printBands(p *printer) {
	g := grid{columns: []gridColumn{{"#", true}, {"PARTITION", false}, {"CHUNKS", true}, {"TO MERGE", true}, {"OVERLAP", true}, {"FLUSHED", true}, {"DELETES", true},
		{"ROWS", true}, {"BYTES", true}, {"BYTES/ROW", true}}}
	bands := r.Bands
	if len(bands) > textBands {
		bands = slices.Clone(bands)
		slices.SortStableFunc(bands, func(a, b *mapBand) int { return cmp.Compare(b.Due, a.Due) })
		bands = bands[:mostListed]
		p.line("where most chunks are to be merged:")
	}
	for _, b := range bands {
		number, name := fmt.Sprint(b.First), p.clean(b.Name, 28)
		if b.First != b.Last {
			number, name = b.label(p.style), plural(int64(b.Last-b.First+1), "partition")
		}
		overlap := ""
		if b.Depth > 1 {
			overlap = count(int64(b.Depth))
		}
		g.add(number, name, count(int64(b.Chunks)), count(int64(b.Due)), overlap, zeroBlank(b.Fresh), zeroBlank(b.Marked), count(b.Rows), size(b.Bytes), decimal(ratio(b.Bytes, b.Rows), b.Rows))
	}
	p.grid(&g)
}

func zeroBlank(n int) string {
	if n == 0 {
		return ""
	}
	return count(int64(n))
}

// maxEncodings is how many encodings are listed.
const maxEncodings = 8

func (r *mapReport) printEncodings(p *printer) {
	g := grid{columns: []gridColumn{{"ENCODING", false}, {"BYTES", true}, {"SHARE", true}, {"", false}}}
	for _, e := range r.topEncodings() {
		g.add(p.clean(e.Encoding, 20), size(e.Bytes), fmt.Sprintf("%.1f %%", ratio(100*e.Bytes, r.Bytes)), p.bar(e.Bytes, r.Bytes))
	}
	p.grid(&g)
}

// topEncodings are those that take most, and the rest in one.
func (r *mapReport) topEncodings() []encodingShare {
	if len(r.Encodings) <= maxEncodings {
		return r.Encodings
	}
	out := append([]encodingShare{}, r.Encodings[:maxEncodings-1]...)
	rest := encodingShare{Encoding: "others"}
	for _, e := range r.Encodings[maxEncodings-1:] {
		rest.Bytes += e.Bytes
	}
	return append(out, rest)
}
