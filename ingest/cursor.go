package ingest

import "encoding/binary"

// A cursor reads an entry; the first failure sticks, and what follows reads as
// zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() {
	c.bad = true
	c.b = nil
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.fail()
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	x := c.b[0]
	c.b = c.b[1:]
	return x
}

func (c *cursor) uvarint() uint64 {
	x, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return x
}

func (c *cursor) varint() int64 {
	x, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return x
}

// count reads a number that may not pass limit.
func (c *cursor) count(limit int) int {
	x := c.uvarint()
	if x > uint64(limit) {
		c.fail()
		return 0
	}
	return int(x)
}

// part reads a length and as many bytes.
func (c *cursor) part() []byte { return c.take(c.count(len(c.b))) }

func appendPart[S []byte | string](dst []byte, part S) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(part))), part...)
}
