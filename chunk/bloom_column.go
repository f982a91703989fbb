package chunk

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Which columns get a Bloom filter. docs/design/manifest.md has the reasons.

const (
	// leastBloomValues, and one value in bloomRepeats rows, is how many values have to differ:
	// what has few of them is likely to be in every chunk.
	leastBloomValues = 1024
	bloomRepeats     = 16
	// bloomShare is the share of a column's bytes, one in so many, that its filter may have.
	bloomShare = 6
	// denseInts is how many times the distinct values the range of integers may be for bounds
	// to tell more than filters do.
	denseInts = 16
)

// bloomOf makes the filter of a column that was just encoded, if it is worth one.
func bloomOf(l *Layout, c *Column, a arrow.Array, e *ColumnEntry, blob []byte) ([]byte, ColumnEntry, bool) {
	values := a.Len() - e.Nulls
	switch {
	case bloomKindOf(c.Type) == 0 || c.ID.Hidden() || c.ID&bloomColumn != 0:
	case len(l.SortKey) > 0 && l.SortKey[0] == c.ID: // chunks are sorted by it
	case e.Distinct < leastBloomValues || e.Distinct*bloomRepeats < values:
	case int64(bloomBlocks(e.Distinct)*bloomBlock*bloomShare) > e.Size:
	case clustered(c.Type, e, blob):
	default:
		b := buildBloom(c.Type, a, e.Distinct).appendTo(nil)
		return b, ColumnEntry{ID: BloomColumn(c.ID), Type: datum.Of(datum.Bytea), Size: int64(len(b)), Codec: "bloom", MinCut: true, MaxCut: true, Distinct: e.Distinct}, true
	}
	return nil, ColumnEntry{}, false
}

// addBlooms adds filters to a chunk of rows that was just encoded, behind its columns.
func (b *Builder) addBlooms(s *Sealed, rows arrow.RecordBatch) {
	for i := range b.layout.Columns {
		c := &b.layout.Columns[i]
		k := entryColumn(&s.Entry, c.ID)
		if k < 0 {
			continue
		}
		if blob, e, ok := bloomOf(b.layout, c, rows.Column(i), &s.Entry.Columns[k], s.Blobs[k]); ok {
			s.Entry.Columns = append(s.Entry.Columns, e)
			s.Blobs = append(s.Blobs, blob)
		}
	}
}

// clustered says whether the bounds of chunks tell apart where a value of the column may
// be: its values rise or fall with the rows, or are neighbours of each other.
func clustered(t datum.Type, e *ColumnEntry, blob []byte) bool {
	if lo, ok := intOf(e.Min); ok {
		hi, _ := intOf(e.Max)
		if uint64(hi)-uint64(lo) < uint64(denseInts*e.Distinct) {
			return true
		}
	}
	c, err := openBlob(blob, t)
	if err != nil {
		panic("chunk: bug: a blob just written is refused: " + err.Error())
	}
	apart, pairs := 0, 0
	for i := 1; i < len(c.index); i++ {
		if x, y := &c.index[i-1], &c.index[i]; x.any && y.any {
			pairs++
			if disjoint(c.order, x, y) {
				apart++
			}
		}
	}
	return 2*apart > pairs
}

// disjoint says whether bounds have no value in common, but for their ends.
func disjoint(o order, x, y *bounds) bool { return rises(o, x, y) || rises(o, y, x) }

// rises says whether no value of x is greater than one of y, by their bounds.
func rises(o order, x, y *bounds) bool {
	switch o {
	case orderInts, orderNumeric:
		return x.maxI <= y.minI
	case orderBytes, orderPadded:
		return x.maxB != nil && bytes.Compare(x.maxB, y.minB) <= 0
	}
	return false
}

// A BloomInfo describes a Bloom filter for people.
type BloomInfo struct {
	Values         int // that are in it
	SizeBytes      int
	Blocks         int     // of 32 bytes
	FalsePositives float64 // share of other values that it takes for ones that may be there
}

// InspectBloom describes the blob of a Bloom filter. Errors wrap ErrCorrupt.
func InspectBloom(blob []byte) (BloomInfo, error) {
	b, err := openBloom(blob, false)
	if err != nil {
		return BloomInfo{}, err
	}
	return BloomInfo{Values: b.values, SizeBytes: len(blob), Blocks: len(b.blocks) / bloomBlock, FalsePositives: b.falsePositives()}, nil
}

// verifyBloom compares a filter with its entry.
func verifyBloom(_ context.Context, c *ColumnEntry, rows int, blob []byte) error {
	if int64(len(blob)) != c.Size {
		return corrupt("Bloom filter of %d bytes, its entry says %d", len(blob), c.Size)
	}
	b, err := openBloom(blob, false)
	if err != nil {
		return err
	}
	if b.values != c.Distinct || b.values > rows {
		return corrupt("Bloom filter of %d values for %d rows, its entry says %d", b.values, rows, c.Distinct)
	}
	return nil
}

// VerifyBloom compares a Bloom filter, the column with a number of a chunk, with the values of
// the column that it is of: it has all of them.
func VerifyBloom(ctx context.Context, e *Entry, column int, blob, values []byte) error {
	of, _ := BloomOf(e.Columns[column].ID)
	err := verifyMembers(ctx, e, of, blob, values)
	if err != nil {
		return fmt.Errorf("chunk %v column %d: %w", e.ID, of, err)
	}
	return nil
}

func verifyMembers(ctx context.Context, e *Entry, of schema.ColumnID, blob, values []byte) error {
	i := entryColumn(e, of)
	if i < 0 {
		return corrupt("Bloom filter of a column that is not there")
	}
	b, err := openBloom(blob, false)
	if err != nil {
		return err
	}
	t := e.Columns[i].Type
	c, err := openBlob(values, t)
	if err != nil {
		return err
	}
	if b.kind != bloomKindOf(t) {
		return corrupt("Bloom filter of kind %d of a column of type %v", b.kind, t)
	}
	for v := range codec.Vectors(c.rows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		a, err := c.array(memory.DefaultAllocator, t, v)
		if err != nil {
			return err
		}
		missing := 0
		eachHash(t, a, func(hash uint64) {
			if !b.has(hash) {
				missing++
			}
		})
		a.Release()
		if missing > 0 {
			return corrupt("vector %d: %d values are not in the Bloom filter", v, missing)
		}
	}
	return nil
}

// bloomIndex returns the number of the filter of a column among an entry's columns, or -1.
func bloomIndex(e *Entry, id schema.ColumnID) int { return entryColumn(e, BloomColumn(id)) }
