package exec

import (
	"context"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// sortKeys makes the byte strings by which rows are ordered.
type sortKeys struct {
	ev    *evaluator
	exprs []expr.Expr
	types []datum.Type
	order []datum.KeyOrder
}

func (f *frame) sortKeys(keys []plan.SortKey) *sortKeys {
	k := &sortKeys{ev: f.evaluator()}
	for _, s := range keys {
		k.exprs = append(k.exprs, s.Expr)
		k.types = append(k.types, s.Expr.Type())
		k.order = append(k.order, datum.KeyOrder{Desc: s.Desc, NullsFirst: s.NullsFirst, Passing: true})
	}
	return k
}

func (k *sortKeys) eval(ctx context.Context, b arrow.RecordBatch) ([]function.Vec, error) {
	return k.ev.evalAll(ctx, k.exprs, b)
}

// append appends the key of row i.
func (k *sortKeys) append(dst []byte, vs []function.Vec, i int) []byte {
	for j, v := range vs {
		dst = datum.AppendKey(dst, k.types[j], v.Array, v.At(i), k.order[j])
	}
	return dst
}

// prefix returns the first 8 bytes of a key as a number that orders likewise.
func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// A ranker maps the values of a sort's first column to words in its order, where
// the type allows it: a cheap test that leaves out most rows of a top-k.
type ranker struct {
	desc, nullsFirst bool
}

func (k *sortKeys) ranker() (ranker, bool) {
	if len(k.types) == 0 {
		return ranker{}, false
	}
	switch k.types[0].Arrow().ID() {
	case arrow.INT16, arrow.INT32, arrow.INT64, arrow.DATE32, arrow.TIMESTAMP, arrow.TIME64:
		return ranker{k.order[0].Desc, k.order[0].NullsFirst}, true
	}
	return ranker{}, false
}

// ranks fills out with the rank of each row. NULLs share their rank with the
// extreme value of the type, so ranks decide only where they differ.
func (r ranker) ranks(v function.Vec, n int, out []uint64) bool {
	switch a := v.Array.(type) {
	case *array.Int16:
		rankInts(a.Int16Values(), v, n, out)
	case *array.Int32:
		rankInts(a.Int32Values(), v, n, out)
	case *array.Int64:
		rankInts(a.Int64Values(), v, n, out)
	case *array.Date32:
		rankInts(a.Date32Values(), v, n, out)
	case *array.Time64:
		rankInts(a.Time64Values(), v, n, out)
	case *array.Timestamp:
		rankInts(a.TimestampValues(), v, n, out)
	default:
		return false
	}
	if r.desc {
		for i := range out[:n] {
			out[i] = ^out[i]
		}
	}
	if v.NullN() == 0 {
		return true
	}
	null := ^uint64(0)
	if r.nullsFirst {
		null = 0
	}
	for i := range n {
		if v.IsNull(v.At(i)) {
			out[i] = null
		}
	}
	return true
}

func rankInts[T ~int16 | ~int32 | ~int64](vs []T, v function.Vec, n int, out []uint64) {
	if v.Const {
		for i := range n {
			out[i] = uint64(int64(vs[0])) ^ 1<<63
		}
		return
	}
	for i, x := range vs[:n] {
		out[i] = uint64(int64(x)) ^ 1<<63
	}
}
