package exec

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// A heldRef names a row of heldRows.
type heldRef struct{ slot, row int32 }

// heldRows keep some rows of many batches, of which most are soon replaced by
// others. It is used by one goroutine.
type heldRows struct {
	fr     *frame
	schema *arrow.Schema
	slots  []arrow.RecordBatch
	count  int // rows in slots, wanted or not
	bytes  int64
}

func newHeldRows(f *frame, s *arrow.Schema) *heldRows { return &heldRows{fr: f, schema: s} }

// hold keeps the rows idx of b and returns their slot; row i of it is idx[i].
func (h *heldRows) hold(b arrow.RecordBatch, idx []int32) int32 {
	kept := gatherBatch(h.fr.mem(), b, idx)
	h.slots = append(h.slots, kept)
	h.count += len(idx)
	h.bytes += batchBytes(kept)
	return int32(len(h.slots) - 1)
}

// absorb takes over the rows of o; their slots are moved up by the result.
func (h *heldRows) absorb(o *heldRows) int32 {
	base := int32(len(h.slots))
	h.slots = append(h.slots, o.slots...)
	h.count += o.count
	h.bytes += o.bytes
	o.slots, o.count, o.bytes = nil, 0, 0
	return base
}

// compact drops all rows but those of refs, and renumbers these.
func (h *heldRows) compact(refs []heldRef) {
	var slots []arrow.RecordBatch
	bytes := int64(0)
	_ = h.each(refs, func(b arrow.RecordBatch) error {
		b.Retain()
		slots = append(slots, b)
		bytes += batchBytes(b)
		return nil
	})
	h.release()
	h.slots, h.count, h.bytes = slots, len(refs), bytes
	for i := range refs {
		refs[i] = heldRef{int32(i / maxBatchRows), int32(i % maxBatchRows)}
	}
}

// each calls f with the rows of refs in that order, in full batches.
func (h *heldRows) each(refs []heldRef, f func(arrow.RecordBatch) error) error {
	if len(refs) == 0 {
		return nil
	}
	store := &rowStore{mem: h.fr.mem(), schema: h.schema, columns: make([][]arrow.Array, h.schema.NumFields())}
	for _, b := range h.slots {
		for i := range store.columns {
			store.columns[i] = append(store.columns[i], b.Column(i))
		}
	}
	for part := range slices.Chunk(refs, maxBatchRows) {
		rows := make([]rowRef, len(part))
		for i, r := range part {
			rows[i] = makeRef(int(r.slot), int(r.row))
		}
		b := store.gatherAll(rows)
		err := f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *heldRows) release() {
	releaseAll(h.slots)
	h.slots, h.count, h.bytes = nil, 0, 0
}
