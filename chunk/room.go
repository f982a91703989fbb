package chunk

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/recycle"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A Room is the memory that splits are read in: what the reader of a chunk holds
// until it is closed, the next one uses again. Batches do not lie in it: they are made
// of buffers of the allocator and outlive their reader. A Room is used by one
// goroutine, by any number of readers at a time.
type Room struct {
	mem  memory.Allocator
	free []*chunkRoom // of readers that are closed
	// limit is asked for bytes that readers hold which no allocator counts; nil: there is none.
	limit func(bytes int64) error

	// schema is that of the batches of the last reader, of columns of layout.
	schema  *arrow.Schema
	layout  *Layout
	columns []schema.ColumnID
}

// NewRoom returns an empty Room. What is handed on comes from the allocator.
func NewRoom(mem memory.Allocator) *Room { return &Room{mem: mem} }

// Limit has readers ask for bytes that they hold beside buffers, and that may be many, and give them
// back by a negative number. An error ends the reading.
func (r *Room) Limit(f func(bytes int64) error) { r.limit = f }

func (r *Room) reserve(bytes int64) error {
	if r.limit == nil || bytes == 0 {
		return nil
	}
	return r.limit(bytes)
}

// Allocator returns the allocator of what is handed on.
func (r *Room) Allocator() memory.Allocator { return r.mem }

// schemaOf is Layout.Schema, made once for readers of the same columns.
func (r *Room) schemaOf(l *Layout, columns []schema.ColumnID) (*arrow.Schema, error) {
	if r.layout == l && r.schema != nil && slices.Equal(r.columns, columns) {
		return r.schema, nil
	}
	s, err := l.Schema(columns)
	if err == nil {
		r.schema, r.layout, r.columns = s, l, slices.Clone(columns)
	}
	return s, err
}

// take returns memory for a reader of a chunk.
func (r *Room) take() *chunkRoom {
	n := len(r.free)
	if n == 0 {
		return newChunkRoom()
	}
	c := r.free[n-1]
	r.free = r.free[:n-1]
	return c
}

// give takes memory back. Nobody may hold anything that lies in it.
func (r *Room) give(c *chunkRoom) {
	c.reset()
	r.free = append(r.free, c)
}

// A chunkRoom is what the reader of one chunk holds: its columns and how it gathers
// them.
type chunkRoom struct {
	codec     codec.Room
	columns   []*blobColumn // the first of them are in use
	used      int
	wides     []*wideReader // the first of them are in use
	widesUsed int
	byID      map[schema.ColumnID]*blobColumn
	held      []held
	rows      []int32 // of the vectors held
	lists     [][]int32
	output    output
	coders    coders
	spare     []*coder
}

func newChunkRoom() *chunkRoom { return &chunkRoom{byID: map[schema.ColumnID]*blobColumn{}} }

// column makes a column.
func (c *chunkRoom) column(x blobColumn) *blobColumn {
	if c.used == len(c.columns) {
		c.columns = append(c.columns, &blobColumn{})
	}
	col := c.columns[c.used]
	c.used++
	*col = x
	return col
}

// wide makes a reader of wide numerics.
func (c *chunkRoom) wide() *wideReader {
	if c.widesUsed == len(c.wides) {
		c.wides = append(c.wides, &wideReader{})
	}
	w := c.wides[c.widesUsed]
	c.widesUsed++
	return w
}

// codersOf returns coders for those of the columns that may have a dictionary.
func (c *chunkRoom) codersOf(mem memory.Allocator, l *Layout, ids []schema.ColumnID) coders {
	for _, id := range ids {
		k := l.Index(id)
		if k < 0 {
			continue
		}
		if f, _ := formOf(l.Columns[k].Type); f != formBytes {
			continue
		}
		if c.coders == nil {
			c.coders = coders{}
		}
		c.coders[id] = c.coder(mem, l.Columns[k].Type)
	}
	return c.coders
}

func (c *chunkRoom) coder(mem memory.Allocator, t datum.Type) *coder {
	n := len(c.spare)
	if n == 0 {
		return newCoder(mem, t)
	}
	o := c.spare[n-1]
	c.spare = c.spare[:n-1]
	o.mem, o.typ = mem, t
	return o
}

// reset ends all that lies here. Nothing of the chunk is held any more.
func (c *chunkRoom) reset() {
	c.codec.Reset()
	for _, col := range c.columns[:c.used] {
		*col = blobColumn{}
	}
	c.used = 0
	for _, w := range c.wides[:c.widesUsed] {
		w.reset()
	}
	c.widesUsed = 0
	clear(c.byID)
	c.held = c.held[:0]
	if recycle.Poison {
		recycle.Spoil(arrow.GetBytes(c.rows[:cap(c.rows)]))
	}
	for id, o := range c.coders {
		o.forget()
		c.spare = append(c.spare, o)
		delete(c.coders, id)
	}
}
