package main

import (
	"math"

	"github.com/phyllodb/phyllo/engine"
)

// A mapBox is a chunk in a drawing; places are from 0 to 1, of the axis and of its band.
type mapBox struct {
	engine.Standing
	left, right, top, bottom float64
}

// A canvas is a drawing in cells: of each band some lines of columns. If there are few
// chunks it has them as well.
type canvas struct {
	bands, partitions int
	lines, columns    int // lines of a band
	cells             []mapCell
	rows              []float64 // about how many rows each column has
	boxes             []bandBox // nil if there are too many
	boxed             int       // chunks drawn
}

// A mapCell is what chunks that reach into a cell have in common: the worst of them.
type mapCell struct {
	depth              uint16 // 0: no chunk
	due, fresh, marked bool
}

type bandBox struct {
	mapBox
	band int
}

// maxBoxes is how many chunks are drawn one by one.
const maxBoxes = 3000

// newCanvas returns a canvas for partitions in at most so many bands, which share lines.
func newCanvas(partitions, bands, lines, columns int) canvas {
	c := canvas{partitions: partitions, bands: min(partitions, bands), columns: columns}
	c.lines = max(1, lines/max(2, c.bands))
	c.cells = make([]mapCell, c.bands*c.lines*columns)
	c.rows = make([]float64, columns)
	return c
}

// band returns the band of a partition: all have as many, but for one.
func (c *canvas) band(partition int) int { return partition * c.bands / c.partitions }

func (c *canvas) cell(band, line, column int) *mapCell {
	return &c.cells[(band*c.lines+line)*c.columns+column]
}

func (c *canvas) draw(partition int, b mapBox) {
	band := c.band(partition)
	if c.boxed++; c.boxed <= maxBoxes {
		c.boxes = append(c.boxes, bandBox{b, band})
	} else {
		c.boxes = nil
	}
	left, right := span(b.left, b.right, c.columns)
	top, bottom := span(b.top, b.bottom, c.lines)
	for line := top; line < bottom; line++ {
		for column := left; column < right; column++ {
			cell := c.cell(band, line, column)
			cell.depth = max(cell.depth, uint16(min(b.Depth, math.MaxUint16)))
			cell.due = cell.due || b.Due
			cell.fresh = cell.fresh || b.Entry.Quick()
			cell.marked = cell.marked || b.Entry.Marked()
		}
	}
	c.spread(float64(b.Entry.Rows), b.left*float64(c.columns), b.right*float64(c.columns))
}

// spread adds rows to the columns between two places, as if they came evenly.
func (c *canvas) spread(rows, from, to float64) {
	first := min(int(from), c.columns-1)
	if int(to) == first || to <= from {
		c.rows[first] += rows
		return
	}
	for column := first; column < c.columns && float64(column) < to; column++ {
		part := min(to, float64(column+1)) - max(from, float64(column))
		c.rows[column] += rows * part / (to - from)
	}
}

// span returns the cells, one at least, between two places. One that ends in the first
// hundredth of a cell does not count as being in it.
func span(from, to float64, cells int) (first, end int) {
	first = min(int(from*float64(cells)+0.01), cells-1)
	return first, max(first+1, min(int(math.Ceil(to*float64(cells)-0.01)), cells))
}
