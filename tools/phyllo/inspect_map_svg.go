package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// The drawing as SVG. Lengths are in its own units, of which a browser makes pixels.
const (
	svgWidth                           = 1200.0
	svgLeft, svgPlot                   = 170.0, 740.0 // of the axis: where it begins, how wide it is
	svgTop                             = 150.0        // of the first band
	svgRowsTop, svgRowsHeight          = 96.0, 40.0
	leastBand, mostBand                = 12.0, 160.0
	svgBandsHeight                     = 640.0 // of all bands, unless there are very many
	svgGap                             = 4.0   // between bands
	svgSegments, svgBarTop, svgBarHigh = 8, 46.0, 18.0
)

// svgStyle has the colours, also for who prefers dark ones.
const svgStyle = `
svg { font: 12px system-ui, sans-serif; --ink: #1c2733; --faint: #7a8794; --rule: #d7dde3; --paper: #ffffff; --settled: #2f8f6b; --fresh: #3f83c4; --due: #e0a021; --deep: #c8412f; --marks: #7b3fa0; --rows: #8fa3b5; }
@media (prefers-color-scheme: dark) { svg { --ink: #e4e9ee; --faint: #93a1af; --rule: #3a4551; --paper: #161c22; --settled: #46b78c; --fresh: #6aa9e0; --due: #e8b449; --deep: #e8675a; --marks: #c08be0; --rows: #5d7285; } }
text { fill: var(--ink); } .faint { fill: var(--faint); } .title { font-size: 18px; font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.paper { fill: var(--paper); } .rule { stroke: var(--rule); fill: none; } .rows { fill: var(--rows); }
.settled { fill: var(--settled); } .fresh { fill: var(--fresh); } .due { fill: var(--due); } .deep { fill: var(--deep); }
.chunk { fill-opacity: 0.6; stroke: var(--paper); stroke-width: 0.5; } .marked { fill: url(#deletes); } #deletes path { stroke: var(--marks); stroke-width: 2; }
.e0 { fill: #4c78a8; } .e1 { fill: #f58518; } .e2 { fill: #54a24b; } .e3 { fill: #e45756; } .e4 { fill: #72b7b2; } .e5 { fill: #b279a2; } .e6 { fill: #9d755d; } .e7 { fill: #9aa5b1; }
`

// An svgWriter makes the file.
type svgWriter struct {
	bytes.Buffer
	names printer // makes text of the database printable
}

func (w *svgWriter) put(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *svgWriter) escaped(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(w.names.clean(text, 0))) // a bytes.Buffer takes all
	return b.String()
}

func (w *svgWriter) text(class string, x, y float64, text string) {
	w.put(`<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, w.escaped(text))
}

// rect draws a box; what a pointer that rests on it shows may be empty.
func (w *svgWriter) rect(class string, x, y, wide, high float64, title string) {
	if title == "" {
		w.put(`<rect class="%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`, class, x, y, wide, high)
		return
	}
	w.put(`<rect class="%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>%s</title></rect>`, class, x, y, wide, high, w.escaped(title))
}

// appendSVG appends the file.
func (r *mapReport) appendSVG(dst []byte) []byte {
	w := &svgWriter{}
	band := max(leastBand, min(mostBand, svgBandsHeight/float64(max(1, r.drawn.bands))-svgGap))
	bottom := svgTop + float64(r.drawn.bands)*(band+svgGap)
	height := bottom + 110
	w.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">`, svgWidth, height, svgWidth, height)
	w.put(`<title>Chunks of %s over time and key</title>`, w.escaped(r.Table))
	w.put(`<defs><style>%s</style><pattern id="deletes" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 L6 0"/></pattern></defs>`, svgStyle)
	w.rect("paper", 0, 0, svgWidth, height, "")
	r.svgHead(w)
	r.svgAxis(w, bottom)
	for i, b := range r.Bands {
		r.svgBand(w, i, b, svgTop+float64(i)*(band+svgGap), band)
	}
	if r.drawn.boxes != nil {
		r.svgBoxes(w, band)
	} else {
		r.svgCells(w, band)
	}
	r.svgEncodings(w, bottom)
	w.put(`</svg>`)
	return append(dst, w.Bytes()...)
}

// svgHead has what the drawing is of, and the legend.
func (r *mapReport) svgHead(w *svgWriter) {
	of := r.Table
	if r.Of != "" {
		of += ", partition " + r.Of
	}
	w.text("title", 20, 32, of)
	w.text("faint end", svgWidth-20, 32, timesText(r.MinTime, r.MaxTime, zoned(r.def)))
	w.text("faint", 20, 54, fmt.Sprintf("%s, %s to be merged, %s as flushed, %s with deletes, at most %s on top of each other; %s in %s%s", plural(int64(r.Chunks), "chunk"),
		count(int64(r.Due)), count(int64(r.Fresh)), count(int64(r.Marked)), count(int64(r.Depth)), plural(r.Rows, "row"), size(r.Bytes), perRow(ratio(r.Bytes, r.Rows), r.Rows)))
	x := svgLeft
	for _, l := range [][2]string{{"chunk settled", "compacted"}, {"chunk fresh", "as flushed"}, {"chunk due", "to be merged"}, {"chunk deep", fmt.Sprintf("%d or more on top of each other", deep)}, {"marked", "has deletes"}, {"rows", "rows over time"}} {
		w.rect(l[0], x, 68, 14, 12, "")
		w.text("faint", x+20, 78, l[1])
		x += 36 + 6.5*float64(len(l[1]))
	}
}

// svgAxis has times, and how many rows come when.
func (r *mapReport) svgAxis(w *svgWriter, bottom float64) {
	most := 0.0
	for _, n := range r.drawn.rows {
		most = max(most, n)
	}
	var path bytes.Buffer
	for i, n := range r.drawn.rows {
		if n > 0 {
			high := max(0.5, n/most*svgRowsHeight)
			fmt.Fprintf(&path, "M%.2f %.1fv%.1fh%.2fv%.1fz", svgLeft+float64(i)*svgPlot/float64(r.drawn.columns), svgRowsTop+svgRowsHeight, -high,
				svgPlot/float64(r.drawn.columns), high)
		}
	}
	w.put(`<path class="rows" d="%s"/>`, path.Bytes())
	for _, t := range r.axis.ticks(int(svgWidth) / 11) {
		x := svgLeft + t.at*svgPlot
		w.put(`<path class="rule" d="M%.1f %.1f V%.1f"/>`, x, svgRowsTop, bottom)
		w.text("faint", x+3, bottom+14, t.text)
	}
}

// svgBand has the frame of a band, and what is said of it.
func (r *mapReport) svgBand(w *svgWriter, i int, b *mapBand, y, high float64) {
	w.put(`<rect class="rule" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, svgLeft, y, svgPlot, high)
	w.text("end", svgLeft-8, y+high/2+4, w.names.clean(b.label(style{}), 24))
	first := fmt.Sprintf("%s, %s to merge, overlap %d", plural(int64(b.Chunks), "chunk"), count(int64(b.Due)), b.Depth)
	second := fmt.Sprintf("%s, %s, %s B/row", plural(b.Rows, "row"), size(b.Bytes), decimal(ratio(b.Bytes, b.Rows), b.Rows))
	if high < 28 {
		w.text("faint", svgLeft+svgPlot+8, y+high/2+4, first)
		return
	}
	w.text("faint", svgLeft+svgPlot+8, y+high/2-3, first)
	w.text("faint", svgLeft+svgPlot+8, y+high/2+13, second)
}

// class is how a chunk, or the chunks of a cell, are drawn.
func (c mapCell) class() string {
	switch {
	case c.depth >= deep:
		return "chunk deep"
	case c.due || c.depth > 1:
		return "chunk due"
	case c.fresh:
		return "chunk fresh"
	}
	return "chunk settled"
}

// svgBoxes draws chunk by chunk. Where they lie on top of each other they shine through.
func (r *mapReport) svgBoxes(w *svgWriter, band float64) {
	for _, b := range r.drawn.boxes {
		c := mapCell{depth: uint16(min(b.Depth, deep)), due: b.Due, fresh: b.Entry.Quick()}
		x, y := svgLeft+b.left*svgPlot, svgTop+float64(b.band)*(band+svgGap)+b.top*band
		wide, high := max(1, (b.right-b.left)*svgPlot), max(1, (b.bottom-b.top)*band)
		from, to := timeRangeText(b.Entry.Time)
		title := fmt.Sprintf("chunk %s\n%s, %s\n%s\noverlap %d", b.Entry.ID, plural(int64(b.Entry.Rows), "row"), size(entryBytes(b.Entry)), timesText(from, to, zoned(r.def)), b.Depth)
		w.put(`<g><title>%s</title>`, w.escaped(title))
		w.rect(c.class(), x, y, wide, high, "")
		if b.Entry.Marked() {
			w.rect("marked", x, y, wide, high, "")
		}
		w.put(`</g>`)
	}
}

// svgCells draws the cells of the canvas, neighbours that look alike as one.
func (r *mapReport) svgCells(w *svgWriter, band float64) {
	c := &r.drawn
	wide, high := svgPlot/float64(c.columns), band/float64(c.lines)
	for i := range c.bands * c.lines {
		row := c.cells[i*c.columns : (i+1)*c.columns]
		y := svgTop + float64(i/c.lines)*(band+svgGap) + float64(i%c.lines)*high
		for from := 0; from < len(row); {
			to := from + 1
			for to < len(row) && row[to] == row[from] {
				to++
			}
			if at := row[from]; at.depth > 0 {
				x, long := svgLeft+float64(from)*wide, float64(to-from)*wide
				w.rect(at.class(), x, y, long, high, overlapTitle(at))
				if at.marked {
					w.rect("marked", x, y, long, high, "")
				}
			}
			from = to
		}
	}
}

func overlapTitle(c mapCell) string {
	if c.depth < 2 {
		return ""
	}
	return fmt.Sprintf("overlap %d", c.depth)
}

// svgEncodings has a bar of the bytes by encoding.
func (r *mapReport) svgEncodings(w *svgWriter, bottom float64) {
	w.text("end", svgLeft-8, bottom+svgBarTop+13, "bytes by encoding")
	x, label := svgLeft, svgLeft
	for i, e := range r.topEncodings() {
		share := ratio(e.Bytes, r.Bytes)
		text := fmt.Sprintf("%s %.1f %%", e.Encoding, 100*share)
		class := fmt.Sprintf("e%d", i)
		w.rect(class, x, bottom+svgBarTop, share*svgPlot, svgBarHigh, fmt.Sprintf("%s, %s", text, size(e.Bytes)))
		w.rect(class, label, bottom+svgBarTop+30, 10, 10, "")
		w.text("faint", label+15, bottom+svgBarTop+39, text)
		x += share * svgPlot
		label += 32 + 7*float64(len(text))
	}
}
