package engine

import (
	"context"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A sliceFilter leaves out slices by predicates on the time column. The zero
// value leaves out none.
type sliceFilter struct {
	preds []chunk.Predicate
}

func (in *tableInfo) sliceFilter(filter []chunk.Predicate) (f sliceFilter) {
	if in.layout.Slice.Microseconds() == 0 || in.timeAt < 0 {
		return f
	}
	for _, p := range filter {
		if p.Column == in.def.TimeColumn {
			f.preds = append(f.preds, p)
		}
	}
	return f
}

// mayHold says whether a slice, of slices of a length, can hold a row that passes.
func (f sliceFilter) mayHold(length time.Duration, slice int64) bool {
	if len(f.preds) == 0 {
		return true
	}
	var lo, hi datum.Micros
	switch slice {
	case chunk.SliceNull:
		return !slices.ContainsFunc(f.preds, func(p chunk.Predicate) bool { return p.Op != chunk.OpIsNull })
	case chunk.SliceInfinity:
		lo, hi = datum.InfinityMicros, datum.InfinityMicros
	case chunk.SliceNegInfinity:
		lo, hi = datum.NegInfinityMicros, datum.NegInfinityMicros
	default:
		r := chunk.SliceRange(length, slice)
		lo, hi = r.Min, r.Max
	}
	for _, p := range f.preds {
		if !timeMayPass(p, lo, hi) {
			return false
		}
	}
	return true
}

// timeMayPass says whether a time from lo to hi can pass a predicate.
func timeMayPass(p chunk.Predicate, lo, hi datum.Micros) bool {
	within := func(v datum.Value) bool {
		m, ok := v.(datum.Micros)
		return !ok || lo <= m && m <= hi
	}
	bound := func() (datum.Micros, bool) {
		m, ok := p.Values[0].(datum.Micros)
		return m, ok
	}
	switch p.Op {
	case chunk.OpIsNull:
		return false
	case chunk.OpEQ, chunk.OpIn:
		return slices.ContainsFunc(p.Values, within)
	case chunk.OpLT:
		m, ok := bound()
		return !ok || lo < m
	case chunk.OpLE:
		m, ok := bound()
		return !ok || lo <= m
	case chunk.OpGT:
		m, ok := bound()
		return !ok || hi > m
	case chunk.OpGE:
		m, ok := bound()
		return !ok || hi >= m
	}
	return true
}

// A partitionFilter leaves out partitions by predicates on the columns that the
// partitioning uses. The zero value leaves out none.
type partitionFilter struct {
	keys map[string]struct{} // nil: all
	// LIST keys begin, in each generation, with the order-preserving form of the first
	// expression.
	ranges []keyRange
}

// A keyRange holds the keys k with min <= k that, cut to the length of max, are
// not above it. An empty bound is none.
type keyRange struct{ min, max string }

func (f partitionFilter) mayHold(key string) bool {
	if f.keys != nil {
		if _, ok := f.keys[key]; !ok {
			return false
		}
	}
	_, key = schema.SplitPartitionKey(key)
	for _, r := range f.ranges {
		if key < r.min {
			return false
		}
		if r.max != "" && key[:min(len(key), len(r.max))] > r.max {
			return false
		}
	}
	return true
}

// maxPartitionKeys bounds the combinations of values that are tried.
const maxPartitionKeys = 4096

func (in *tableInfo) partitionFilter(ctx context.Context, mem memory.Allocator, filter []chunk.Predicate) (partitionFilter, error) {
	var f partitionFilter
	if in.def.PartitionKind == schema.PartitionNone {
		return f, nil
	}
	batch, ok := in.partitionValues(mem, filter)
	if ok {
		defer batch.Release()
		keys := map[string]struct{}{}
		for _, of := range in.all() {
			groups, err := of.groups(ctx, mem, batch)
			if err != nil {
				return f, nil // an expression that fails for a value prunes nothing
			}
			for _, g := range groups {
				keys[g.id.Key] = struct{}{}
			}
		}
		f.keys = keys
		return f, nil
	}
	if in.def.PartitionKind == schema.PartitionList {
		f.ranges = in.firstKeyRanges(ctx, mem, filter)
	}
	return f, nil
}

// partitionValues returns rows of live columns with all the values that the
// partitioning's columns can have in rows that pass the filter. ok is false if
// some column may have any value, if an expression may tell equal ones apart, or
// if there are too many combinations.
func (in *tableInfo) partitionValues(mem memory.Allocator, filter []chunk.Predicate) (arrow.RecordBatch, bool) {
	values := make([][]datum.Value, len(in.def.PartitionColumns))
	rows := 1
	exact := in.router == nil || in.plainExprs()
	for i, id := range in.def.PartitionColumns {
		t := in.def.Column(id).Type
		values[i] = allowedValues(id, filter)
		if values[i] == nil || !exact && looseEquality(t) {
			return nil, false
		}
		rows *= len(values[i])
		if rows > maxPartitionKeys {
			return nil, false
		}
	}
	b := array.NewRecordBuilder(mem, in.schema)
	defer b.Release()
	for row := range rows {
		for i, id := range in.live {
			k := slices.Index(in.def.PartitionColumns, id)
			if k < 0 {
				b.Field(i).AppendNull()
				continue
			}
			at := row
			for _, v := range values[:k] {
				at /= len(v)
			}
			datum.Append(b.Field(i), in.types[i], values[k][at%len(values[k])])
		}
	}
	return b.NewRecordBatch(), true
}

// allowedValues returns the values that a column may have, nil if any; NULL
// among them only if it is asked for.
func allowedValues(id schema.ColumnID, filter []chunk.Predicate) []datum.Value {
	var out []datum.Value
	for _, p := range filter {
		if p.Column != id {
			continue
		}
		switch p.Op {
		case chunk.OpEQ, chunk.OpIn:
			if out == nil || len(p.Values) < len(out) {
				out = p.Values
			}
		case chunk.OpIsNull:
			return []datum.Value{nil}
		}
	}
	return out
}

// firstKeyRanges prunes by the first LIST expression if it rises with one column
// that the filter bounds, as a plain column and date_trunc do.
func (in *tableInfo) firstKeyRanges(ctx context.Context, mem memory.Allocator, filter []chunk.Predicate) []keyRange {
	id, ok := in.risingColumn()
	if !ok {
		return nil
	}
	at := in.layout.Index(id)
	t := in.layout.Columns[at].Type
	var out []keyRange
	for _, p := range filter {
		if p.Column != id || len(p.Values) == 0 {
			continue
		}
		var r keyRange
		switch p.Op {
		case chunk.OpGT, chunk.OpGE:
			r.min = in.firstKey(ctx, mem, at, p.Values[0])
		case chunk.OpLT, chunk.OpLE:
			r.max = in.firstKey(ctx, mem, at, p.Values[0])
		case chunk.OpEQ:
			r.min = in.firstKey(ctx, mem, at, p.Values[0])
			r.max = r.min
		case chunk.OpIn:
			lo, hi := p.Values[0], p.Values[0]
			for _, v := range p.Values {
				if datum.Compare(t, v, lo) < 0 {
					lo = v
				}
				if datum.Compare(t, v, hi) > 0 {
					hi = v
				}
			}
			r.min, r.max = in.firstKey(ctx, mem, at, lo), in.firstKey(ctx, mem, at, hi)
		}
		if r != (keyRange{}) {
			out = append(out, r)
		}
	}
	return out
}

// risingColumn returns the one column that the first LIST expression is over,
// if the expression does not fall where the column rises.
func (in *tableInfo) risingColumn() (schema.ColumnID, bool) {
	at, ok := in.router.Rising(0)
	if !ok {
		return 0, false
	}
	return in.live[at], true
}

// firstKey is the partition key's part of the first expression for a value of
// its column; empty if it cannot be computed.
func (in *tableInfo) firstKey(ctx context.Context, mem memory.Allocator, at int, v datum.Value) string {
	b := array.NewRecordBuilder(mem, in.schema)
	defer b.Release()
	for i := range in.live {
		if i == at {
			datum.Append(b.Field(i), in.types[i], v)
		} else {
			b.Field(i).AppendNull()
		}
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	keys, err := in.router.Keys(ctx, mem, batch, 1)
	if err != nil || len(keys) != 1 {
		return ""
	}
	return keys[0]
}
