package chunk

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A BlobInfo describes a column blob for people.
type BlobInfo struct {
	Version      int
	Type         datum.Type
	Form         string
	Rows, Nulls  int
	Vectors      int
	SizeBytes    int
	IndexBytes   int // vector index
	MaskBytes    int // null mask
	PayloadBytes int
	BitsPerValue float64
	// Tree has one line for each node of the encoding, indented.
	Tree string
}

// Inspect describes a blob. Errors wrap ErrCorrupt.
func Inspect(blob []byte) (BlobInfo, error) {
	if len(blob) < blobHeaderSize {
		return BlobInfo{}, corrupt("no column blob: %d bytes", len(blob))
	}
	r := reader{b: blob[4:]}
	t := datum.Type{OID: datum.OID(r.uint32()), Mod: int32(r.uint32())}
	c, err := openBlob(blob, t)
	if err != nil {
		return BlobInfo{}, err
	}
	info := BlobInfo{Version: int(blob[2]), Type: t, Form: c.form.String(), Rows: c.rows, Nulls: c.nulls, Vectors: codec.Vectors(c.rows),
		SizeBytes: len(blob), BitsPerValue: float64(len(blob)) * 8 / float64(c.rows)}
	_, body, err := unpacked(blob)
	if err != nil {
		return BlobInfo{}, err
	}
	r = reader{b: body}
	info.IndexBytes = len(r.part())
	info.MaskBytes = len(r.part())
	info.PayloadBytes = len(r.b)
	var b strings.Builder
	c.tree(&b, 0, "")
	if _, ok := c.strs.(*wideReader); ok {
		info.Form = formWide.String()
	}
	info.Tree = b.String()
	return info, nil
}

func (c *blobColumn) tree(b *strings.Builder, depth int, role string) {
	if c.null != nil {
		n := c.null.Describe()
		n.Role = "nulls"
		writeNode(b, n, depth)
	}
	n, ok := c.describe()
	if !ok {
		fmt.Fprintf(b, "%sall NULL\n", strings.Repeat("  ", depth))
		return
	}
	n.Role = role
	if c.form == formList {
		n.Role = "list lengths"
	}
	writeNode(b, n, depth)
	if c.shapes != nil {
		n := c.shapes.Describe()
		n.Role = "dimensions"
		writeNode(b, n, depth)
	}
	if c.child != nil {
		c.child.tree(b, depth, "elements")
	}
}

func writeNode(b *strings.Builder, n codec.Node, depth int) {
	b.WriteString(strings.Repeat("  ", depth))
	if n.Role != "" {
		fmt.Fprintf(b, "%s: ", n.Role)
	}
	fmt.Fprintf(b, "%v, %d values, %d bytes, %.2f bits a value", n.Scheme, n.Values, n.Size, float64(n.Size)*8/float64(max(n.Values, 1)))
	if n.Detail != "" {
		fmt.Fprintf(b, " (%s)", n.Detail)
	}
	b.WriteByte('\n')
	for _, c := range n.Child {
		writeNode(b, c, depth+1)
	}
}

// Verify reads every blob of a chunk, checks its checksum, decodes all of it
// and compares it with the entry: rows, NULLs, bounds, sums and row versions.
// Errors of bad bytes wrap ErrCorrupt and name chunk and column; the first ends
// it. VerifyEntry and VerifyColumn are its parts, for who wants to hear of all.
func Verify(ctx context.Context, e *Entry, fetch Fetch) error {
	if err := VerifyEntry(e); err != nil {
		return err
	}
	for i := range e.Columns {
		blob, _, err := fetch(ctx, i)
		if err != nil {
			return fmt.Errorf("chunk %v column %d: %w", e.ID, e.Columns[i].ID, err)
		}
		if err := VerifyColumn(ctx, e, i, blob); err != nil {
			return err
		}
		if of, ok := BloomOf(e.Columns[i].ID); ok {
			values, _, err := fetch(ctx, entryColumn(e, of))
			if err != nil {
				return fmt.Errorf("chunk %v column %d: %w", e.ID, of, err)
			}
			if err := VerifyBloom(ctx, e, i, blob, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// VerifyEntry checks what an entry says of its row versions.
func VerifyEntry(e *Entry) error {
	if err := verifyVersions(e); err != nil {
		return fmt.Errorf("chunk %v: %w", e.ID, err)
	}
	return nil
}

// VerifyColumn does what Verify does for the column with a number of a chunk; of a Bloom
// filter VerifyBloom does the rest.
func VerifyColumn(ctx context.Context, e *Entry, column int, blob []byte) error {
	c := &e.Columns[column]
	verify := verifyColumn
	if _, ok := BloomOf(c.ID); ok {
		verify = verifyBloom
	}
	if err := verify(ctx, c, e.Rows, blob); err != nil {
		return fmt.Errorf("chunk %v column %d: %w", e.ID, c.ID, err)
	}
	return nil
}

// verifyVersions compares the range of row versions with their column, which may
// be left out if there is one version.
func verifyVersions(e *Entry) error {
	k := entryColumn(e, schema.RowVersionColumn)
	if k < 0 {
		if e.VersionMin != e.VersionMax {
			return corrupt("row versions %d to %d without their column", e.VersionMin, e.VersionMax)
		}
		return nil
	}
	c := &e.Columns[k]
	lo, ok1 := c.Min.(int64)
	hi, ok2 := c.Max.(int64)
	if !ok1 || !ok2 || c.Nulls > 0 || uint64(lo) != e.VersionMin || uint64(hi) != e.VersionMax {
		return corrupt("row versions %d to %d, their column has %v to %v and %d NULLs", e.VersionMin, e.VersionMax, c.Min, c.Max, c.Nulls)
	}
	return nil
}

func verifyColumn(ctx context.Context, c *ColumnEntry, rows int, blob []byte) error {
	if int64(len(blob)) != c.Size {
		return corrupt("blob of %d bytes, its entry says %d", len(blob), c.Size)
	}
	col, err := openBlob(blob, c.Type)
	if err != nil {
		return err
	}
	if col.typ != c.Type || col.rows != rows || col.nulls != c.Nulls {
		return corrupt("blob of %d rows of %v with %d NULLs, its entry says %d, %v, %d", col.rows, col.typ, col.nulls, rows, c.Type, c.Nulls)
	}
	b := entryBounds(c, rows, c.Type)
	seen := newWitness(c)
	again := ColumnEntry{}
	for v := range codec.Vectors(rows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		a, err := col.array(memory.DefaultAllocator, c.Type, v)
		if err != nil {
			return err
		}
		err = verifyVector(col, &b, seen, v, a, &again)
		a.Release()
		if err != nil {
			return err
		}
	}
	if again.SumHi != c.SumHi || again.SumLo != c.SumLo || float64bits(again.SumFloat) != float64bits(c.SumFloat) {
		return corrupt("values add up to %d:%d and %v, the entry says %d:%d and %v", again.SumHi, again.SumLo, again.SumFloat, c.SumHi, c.SumLo, c.SumFloat)
	}
	return seen.check()
}

// A witness remembers whether uncut bounds were met by a value.
type witness struct {
	c        *ColumnEntry
	min, max bool
}

func newWitness(c *ColumnEntry) *witness {
	return &witness{c: c, min: c.Min == nil || c.MinCut, max: c.Max == nil || c.MaxCut}
}

func (w *witness) check() error {
	if !w.min || !w.max {
		return corrupt("no value is as small or as great as the entry's bounds %v and %v", w.c.Min, w.c.Max)
	}
	return nil
}

// verifyVector compares the values of a vector with the entry's bounds and the
// vector's own.
func verifyVector(col *blobColumn, total *bounds, w *witness, v int, a arrow.Array, sum *ColumnEntry) error {
	x, err := extract(col.typ, a)
	if err != nil {
		return err
	}
	x.sum(sum)
	o := orderOf(col.typ)
	if total.any && (total.minV != nil || total.maxV != nil) {
		for i := range a.Len() {
			if a.IsNull(i) {
				continue
			}
			val := datum.ValueAt(col.typ, a, i)
			lo, hi := datum.Compare(col.typ, val, total.minV), datum.Compare(col.typ, val, total.maxV)
			if lo < 0 || hi > 0 {
				return corrupt("row %d: %v outside of the entry's bounds", v*VectorRows+i, val)
			}
			w.min, w.max = w.min || lo == 0, w.max || hi == 0
		}
	}
	if x.form != col.form && x.nulls < x.rows || o == orderNumeric || total.unknown {
		return nil
	}
	b := boundsOf(o, x, 0, x.rows)
	if !b.any || b.unknown {
		return nil
	}
	if col.index != nil && !encloses(o, &col.index[v], &b) {
		return corrupt("vector %d: values outside of its bounds", v)
	}
	if total.minV == nil && total.maxV == nil {
		if !encloses(o, total, &b) {
			return corrupt("vector %d: values outside of the entry's bounds", v)
		}
		lo, hi := touches(o, total, &b)
		w.min, w.max = w.min || lo, w.max || hi
	}
	return nil
}

// encloses says whether bounds hold those of values.
func encloses(o order, outer, inner *bounds) bool {
	switch o {
	case orderInts, orderBits:
		return outer.any && outer.minI <= inner.minI && inner.maxI <= outer.maxI
	case orderFloats:
		return outer.any && datum.CompareFloat(outer.minF, inner.minF) <= 0 && datum.CompareFloat(inner.maxF, outer.maxF) <= 0
	case orderBytes, orderPadded:
		return outer.any && string(outer.minB) <= string(inner.minB) && (outer.maxB == nil && outer.maxCut || string(inner.maxB) <= string(outer.maxB))
	}
	return true
}

// touches says whether the extremes of values are those of the bounds.
func touches(o order, outer, inner *bounds) (lo, hi bool) {
	switch o {
	case orderInts, orderBits:
		return outer.minI == inner.minI, outer.maxI == inner.maxI
	case orderFloats:
		return datum.CompareFloat(outer.minF, inner.minF) == 0, datum.CompareFloat(inner.maxF, outer.maxF) == 0
	}
	return string(outer.minB) == string(inner.minB), string(outer.maxB) == string(inner.maxB)
}
